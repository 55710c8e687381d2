"""`python -m benchmarks.compares`: what it costs to hold live objects against Git, in CPU time.

The objects are an ordinary Deployment, Service and ConfigMap, live as a real API server answered them.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import gc
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import yaml

from trueup.clients.applications import parse_application
from trueup.domain.application import HOME_SERVER, Application
from trueup.domain.by_hand import Hands
from trueup.domain.compare_options import CompareSettings
from trueup.domain.resource import Manifest, ResourceKey, split_api_version
from trueup.engine.comparison import Comparison, hold_against
from trueup.engine.observe import Observed
from trueup.settings import HAND_MANAGERS

OBJECTS = Path(__file__).parent / "compared"
APPLICATION_MS_MAX = 3.0
OBJECT_MS_MAX = 1.0
ROUNDS = 20
COMPARISONS_A_ROUND = 50


@dataclass(frozen=True, slots=True)
class Case:
    """Live objects as the API server sends them, and what Git says of them."""

    name: str
    manifests: tuple[Manifest, ...]
    live: tuple[bytes, ...]
    #: CPU time of one comparison at most, in milliseconds.
    ms_max: float

    async def compare(self, application: Application, settings: CompareSettings) -> Comparison:
        """From the bytes of the answers to the verdict and its inventory."""
        bodies = [orjson.loads(raw) for raw in self.live]
        observed = Observed(self.manifests, {ResourceKey.of(body): body for body in bodies}, {})
        comparison = await hold_against(application, "c" * 40, observed, settings=settings)
        comparison.entries()
        comparison.conditions()
        return comparison


def cases() -> list[Case]:
    """A whole application and its largest object alone, true to Git and edited by hand."""
    manifests = tuple(_manifest(body) for body in yaml.safe_load_all((OBJECTS / "manifests.yaml").read_text()))
    live = {body["kind"]: body for body in orjson.loads((OBJECTS / "live.json").read_bytes())}
    edited = {kind: _edited(body) for kind, body in live.items()}
    (deployment,) = (manifest for manifest in manifests if manifest.key.kind == "Deployment")
    found = []
    for state, bodies in (("true to Git", live), ("edited by hand", edited)):
        whole = tuple(orjson.dumps(bodies[manifest.key.kind]) for manifest in manifests)
        one = (orjson.dumps(bodies["Deployment"]),)
        found += [
            Case(f"an application of 3 objects, {state}", manifests, whole, APPLICATION_MS_MAX),
            Case(f"one watched Deployment, {state}", (deployment,), one, OBJECT_MS_MAX),
        ]
    return found


async def measured(case: Case) -> float:
    """Milliseconds of CPU for one comparison: the median of the rounds."""
    asked = application()
    settings = CompareSettings(Hands.of(HAND_MANAGERS))
    comparison = await case.compare(asked, settings)
    expected = "OutOfSync" if "edited" in case.name else "Synced"
    if comparison.sync_status != expected:
        raise ValueError(f"{case.name} compares {comparison.sync_status}; the objects or the case are wrong")
    return await _median_ms(lambda: case.compare(asked, settings))


async def _median_ms(compare: Callable[[], Awaitable[object]]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        gc.collect()
        begun = time.process_time_ns()
        for _ in range(COMPARISONS_A_ROUND):
            await compare()
        rounds.append((time.process_time_ns() - begun) / COMPARISONS_A_ROUND / 1e6)
    return statistics.median(rounds)


def _edited(body: dict[str, Any]) -> dict[str, Any]:
    """The object after somebody's `kubectl edit`: a value changed, and one added."""
    edited = copy.deepcopy(body)
    edited["metadata"].setdefault("labels", {})["added"] = "by-hand"
    fields: dict[str, Any] = {"f:metadata": {"f:labels": {"f:added": {}}}}
    if body["kind"] == "Deployment":
        edited["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example/shop:edited"
        edited["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "LOUD", "value": "yes"})
        container: dict[str, Any] = {
            "f:image": {},
            "f:env": {'k:{"name":"LOUD"}': {".": {}, "f:name": {}, "f:value": {}}},
        }
        pod = {"f:containers": {'k:{"name":"shop"}': container}}
        fields["f:spec"] = {"f:template": {"f:spec": pod}}
    entry = {"manager": "kubectl-edit", "operation": "Update", "apiVersion": body["apiVersion"], "fieldsV1": fields}
    edited["metadata"]["managedFields"].append(entry)
    return edited


def _manifest(body: dict[str, Any]) -> Manifest:
    _, version = split_api_version(body["apiVersion"])
    return Manifest(ResourceKey.of(body), version, body, "app.yaml")


def application() -> Application:
    """The one that the objects belong to."""
    return parse_application(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "shop", "namespace": "argocd"},
            "spec": {
                "project": "default",
                "source": {"repoURL": "https://git.example/shop", "path": "app"},
                "destination": {"server": HOME_SERVER, "namespace": "shop"},
            },
        }
    )


async def _main() -> int:
    missed = False
    for case in cases():
        ms = await measured(case)
        missed = missed or ms > case.ms_max
        verdict = "as promised" if ms <= case.ms_max else "MISSED"
        print(f"{case.name}: {ms:.3f} ms of CPU (at most {case.ms_max:g} ms, {verdict})")
    return 1 if missed else 0


def main() -> None:
    """Print the figures; ends with 1 where one is missed."""
    argparse.ArgumentParser(prog="python -m benchmarks.compares", description=__doc__).parse_args()
    sys.exit(asyncio.run(_main()))


if __name__ == "__main__":
    main()
