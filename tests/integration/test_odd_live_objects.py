"""Objects that are hard to compare say so, and the verdicts of the others stand."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.support.by_hand import application, heal, verdict, why
from tests.support.custom_kind import definition, new_kind
from tests.support.ownership import Hands, shown
from tests.support.sandbox import SandboxFacts
from tests.support.wait import wait_until
from trueup.clients.api_errors import ApiError, UnknownKindError
from trueup.clients.cluster import Cluster
from trueup.domain.manifest import RawObject
from trueup.engine.comparison import hold_against
from trueup.engine.observe import observe
from trueup.engine.verdicts import Verdicts

CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mood: calm}
"""


@pytest.fixture
def hands(cluster: Cluster, sandbox: SandboxFacts, namespace: str) -> Hands:
    return Hands(cluster, sandbox, namespace)


def broken(text: str) -> dict[str, Any]:
    """The definition, with a conversion webhook that nobody answers."""
    body: dict[str, Any] = orjson.loads(text)
    body["spec"]["conversion"] = {
        "strategy": "Webhook",
        "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://127.0.0.1:9/convert"}},
    }
    return body


async def test_a_broken_conversion_webhook_is_named_and_harms_no_other_verdict(hands: Hands) -> None:
    kind, group = new_kind()
    definitions = await hands.cluster.resource("apiextensions.k8s.io", "CustomResourceDefinition")
    body = broken(definition(kind, group, "v1", "v2"))
    made = await hands.cluster.create(definitions, "", body)
    try:
        stored = {"apiVersion": f"{group}/v2", "kind": kind, "metadata": {"name": "one"}, "spec": {"colour": "red"}}

        async def is_there() -> bool:
            hands.cluster.forget_kinds()
            try:
                resource = await hands.cluster.resource(group, kind, "v2")
                await hands.cluster.create(resource, hands.namespace, stored)
            except (ApiError, UnknownKindError):
                return False
            return True

        await wait_until(is_there, 30, "the kind is served")
        config_map = hands.manifest(CONFIG_MAP)
        await hands.apply(config_map)
        await hands.patch(config_map, {"data": {"mood": "stormy"}}, manager="kubectl-edit")
        asked = {**stored, "apiVersion": f"{group}/v1"}
        objects = (RawObject(config_map.body, "a.yaml"), RawObject(asked, "b.yaml"))
        observed = await observe(hands.cluster, objects, (), namespace=hands.namespace, objects_in_flight_max=2)
        comparison = await hold_against(application(hands.namespace), "c" * 40, observed)
        comparison = await Verdicts().judged(hands.cluster, comparison, in_flight_max=2)
        assert shown(comparison.diffs[config_map.key]) == ["changed data.mood"]
        (condition,) = comparison.conditions()
        assert condition.type == "ComparisonError"
        for said in (f"{kind}.{group} {hands.namespace}/one", "conversion webhook", "mend"):
            assert said in condition.message
        assert {entry.key.kind: entry.status for entry in comparison.entries()} == {
            kind: "Unknown",
            "ConfigMap": "OutOfSync",
        }
    finally:
        await hands.cluster.delete(definitions, "", made["metadata"]["name"], uid=made["metadata"]["uid"])


async def test_without_managed_fields_what_differs_is_found_and_nobody_is_blamed(hands: Hands) -> None:
    manifest = hands.manifest(CONFIG_MAP)
    await hands.apply(manifest)
    await hands.kubectl("patch", "cm/settings", "-p", '{"data":{"mood":"stormy","more":"yes"}}')
    await hands.kubectl("patch", "cm/settings", "-p", '{"metadata":{"managedFields":[{}]}}')
    assert "managedFields" not in (await hands.live(manifest))["metadata"]
    found = await verdict(hands, manifest)
    assert shown(found) == ["changed data.mood"], "who wrote the other one nobody can tell"
    assert found.changes[0].owners == ()
    assert (await why(hands, manifest))["data.more"] == ("ignored", "not in Git")


async def test_an_object_of_a_megabyte_is_compared_place_by_place(hands: Hands) -> None:
    large = "x" * 900_000
    manifest = hands.manifest(CONFIG_MAP.replace("mood: calm", f"mood: calm, large: {large}"))
    await hands.apply(manifest)
    await hands.kubectl("patch", "cm/settings", "-p", '{"data":{"more":"' + "y" * 100_000 + '"}}')
    assert shown(await verdict(hands, manifest)) == ["extra data.more"]
    assert shown(await heal(hands, manifest)) == []
    assert (await hands.live(manifest))["data"] == {"mood": "calm", "large": large}
