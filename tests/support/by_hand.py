"""What people do to a live object, the verdict on it as a worker comes to it, and the healing."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.ownership import APPLICATION, Hands
from trueup.clients.api_errors import ConflictError
from trueup.clients.applications import parse_application
from trueup.domain.application import HOME_SERVER, Application
from trueup.domain.by_hand import Hands as HandsOfPeople
from trueup.domain.compare_options import CompareSettings
from trueup.domain.diff import ObjectDiff
from trueup.domain.fieldpath import show
from trueup.domain.managedfields import transfer_ownership
from trueup.domain.resource import Manifest
from trueup.engine.comparison import Comparison, hold_against
from trueup.engine.observe import Observed
from trueup.engine.verdicts import Verdicts
from trueup.settings import HAND_MANAGERS


def application(namespace: str, annotations: Mapping[str, str] | None = None) -> Application:
    """One that is delivered to the namespace."""
    return parse_application(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": APPLICATION, "namespace": "argocd", "annotations": dict(annotations or {})},
            "spec": {
                "project": "default",
                "source": {"repoURL": "https://git.example/shop", "path": "app"},
                "destination": {"server": HOME_SERVER, "namespace": namespace},
            },
        }
    )


async def compared(
    hands: Hands,
    *manifests: Manifest,
    verdicts: Verdicts | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Comparison:
    """What a worker finds, the API server's word included."""
    live = {manifest.key: await hands.live(manifest) for manifest in manifests}
    settings = CompareSettings(HandsOfPeople.of(HAND_MANAGERS))
    comparison = await hold_against(
        application(hands.namespace, annotations), "c" * 40, Observed(manifests, live, {}), settings=settings
    )
    return await (verdicts or Verdicts()).judged(hands.cluster, comparison, in_flight_max=4)


async def verdict(hands: Hands, manifest: Manifest, *, annotations: Mapping[str, str] | None = None) -> ObjectDiff:
    comparison = await compared(hands, manifest, annotations=annotations)
    return comparison.diffs[manifest.key]


async def why(hands: Hands, manifest: Manifest) -> dict[str, tuple[str, str]]:
    """Verdict and rule of every field that `--why` speaks of."""
    comparison = await compared(hands, manifest)
    return {show(each.path): (each.verdict, each.rule) for each in comparison.explanations(manifest.key)}


async def heal(hands: Hands, manifest: Manifest) -> ObjectDiff:
    """Put the object right as a sync does; the verdict after it."""
    while True:
        live = await hands.live(manifest)
        removals = (await verdict(hands, manifest)).removals
        fields = transfer_ownership(live, removals) if removals else None
        try:
            if fields is not None:
                metadata = {"managedFields": fields, "resourceVersion": live["metadata"]["resourceVersion"]}
                await hands.patch(manifest, {"metadata": metadata}, manager="trueup")
        except ConflictError:
            continue
        await hands.apply(manifest)
        return await verdict(hands, manifest)
