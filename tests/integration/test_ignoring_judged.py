"""The API server's word on an object is remembered for the rules that it was asked under, and for no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio

from tests.support.ownership import Hands
from tests.support.sandbox import SandboxFacts
from trueup.clients.applications import parse_application
from trueup.clients.cluster import Cluster
from trueup.clients.jq import Jq
from trueup.domain.application import HOME_SERVER
from trueup.domain.ignore_rules import IgnoreRule
from trueup.domain.ignore_settings import ResourceSettings
from trueup.domain.resource import Manifest
from trueup.engine.comparison import Comparison, hold_against
from trueup.engine.ignoring import Ignoring
from trueup.engine.observe import Observed
from trueup.engine.verdicts import Verdicts

ONE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: one}
data: {mood: calm, pace: slow}
"""
MOOD = IgnoreRule("", "ConfigMap", pointers=("/data/mood",), origin="the rule")


@pytest_asyncio.fixture(loop_scope="session")
async def hands(cluster: Cluster, sandbox: SandboxFacts, namespace: str) -> Hands:
    return Hands(cluster, sandbox, namespace)


@pytest_asyncio.fixture(loop_scope="session")
async def jq() -> AsyncIterator[Jq]:
    async with Jq() as started:
        yield started


class Asker:
    """Who compares one object, under rules that may change."""

    def __init__(self, hands: Hands, jq: Jq, *rules: IgnoreRule) -> None:
        self.rules = rules
        self._hands = hands
        self._ignoring = Ignoring(lambda: ResourceSettings(differences=self.rules), jq)
        self._verdicts = Verdicts(self._ignoring)

    async def __call__(self, manifest: Manifest) -> Comparison:
        spec = {"destination": {"server": HOME_SERVER, "namespace": self._hands.namespace}}
        application = parse_application({"metadata": {"name": "shop", "namespace": "argocd"}, "spec": spec})
        observed = Observed((manifest,), {manifest.key: await self._hands.live(manifest)}, {})
        observed = replace(observed, held=await self._ignoring.prepared(application, observed))
        comparison = await hold_against(application, "c" * 40, observed)
        return await self._verdicts.judged(self._hands.cluster, comparison, in_flight_max=1)

    async def changes(self, manifest: Manifest) -> list[str]:
        return [str(change) for change in (await self(manifest)).diffs[manifest.key].changes]


async def test_a_verdict_made_without_a_place_says_nothing_once_the_place_counts(hands: Hands, jq: Jq) -> None:
    manifest = hands.manifest(ONE)
    await hands.apply(manifest)
    patch = '{"data": {"mood": "stormy", "pace": "fast"}}'
    await hands.kubectl("patch", "configmap", "one", "--type=merge", "-p", patch)
    ask = Asker(hands, jq)
    assert await ask.changes(manifest) == ["data.mood", "data.pace"]
    ask.rules = (MOOD,)
    assert await ask.changes(manifest) == ["data.pace"]
    ask.rules = ()
    assert await ask.changes(manifest) == ["data.mood", "data.pace"]


STATEFUL = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 0
  podManagementPolicy: ""
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers: [{name: db, image: registry.example/db:1}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: %s}}}
"""
CLAIMS = IgnoreRule("apps", "StatefulSet", pointers=("/spec/volumeClaimTemplates",), origin="the rule")


async def test_what_is_ignored_because_it_cannot_change_hides_no_rewriting_of_the_api_server(
    hands: Hands, jq: Jq
) -> None:
    """A dry run with Git's immutable value would be refused, and a default beside it look like drift."""
    await hands.apply(hands.manifest(STATEFUL % "1Gi"))
    larger = hands.manifest(STATEFUL % "2Gi")
    ask = Asker(hands, jq)
    assert any("volumeClaimTemplates" in change for change in await ask.changes(larger))
    ask.rules = (CLAIMS,)
    assert await ask.changes(larger) == []
    await hands.kubectl("scale", "sts/db", "--replicas=1")
    assert await ask.changes(larger) == ["spec.replicas"]


#: Leads nowhere in what Git says and in what is live, and fails on what an apply of the one comes to on the other.
FAILING = 'if .metadata.uid and .data.pace == "slow" then error("no") else .data.none end'


async def test_where_nobody_knows_what_of_an_answer_is_ignored_the_object_is_unknown(hands: Hands, jq: Jq) -> None:
    manifest = hands.manifest(ONE)
    await hands.apply(manifest)
    await hands.kubectl("patch", "configmap", "one", "--type=merge", "-p", '{"data": {"pace": "fast"}}')
    ask = Asker(hands, jq, IgnoreRule("", "ConfigMap", jq=(FAILING,), origin="the rule"))
    comparison = await ask(manifest)
    assert "the rule: the jq expression" in comparison.unreadable[manifest.key]
    ask.rules = ()
    assert await ask.changes(manifest) == ["data.pace"]
