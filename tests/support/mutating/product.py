"""One object as the product delivers it, compares it and puts it right: a worker's steps, on a real API server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from trueup.clients.cluster import Cluster
from trueup.clients.discovery import ApiResource
from trueup.clients.jq import Jq
from trueup.clients.queue import Lease
from trueup.domain.by_hand import Hands
from trueup.domain.compare_options import CompareSettings, HowToCompare
from trueup.domain.diff import ObjectDiff
from trueup.domain.ignore_settings import NO_SETTINGS
from trueup.domain.job import Claim, Token, repository_job
from trueup.domain.plan import Policy, plan
from trueup.domain.resource import Body, Manifest
from trueup.domain.verdict import local_verdict
from trueup.engine.comparison import Comparison
from trueup.engine.ignoring import Delivery, Ignoring
from trueup.engine.verdicts import Verdicts
from trueup.settings import HAND_MANAGERS
from trueup.workers.apply import apply

APPLICATION = "shop"
REVISION = "0" * 40
LEASE_SECONDS = 3600.0
#: A controller that writes in between has the object looked at anew, so often.
LOOKS_MAX = 5
#: Annotations that controllers write, in their own time.
_KEPT_BY_CONTROLLERS = frozenset({"deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation"})


@dataclass
class Product:
    """What a worker does about one object."""

    cluster: Cluster
    #: The namespace for objects that name none.
    namespace: str
    verdicts: Verdicts = field(default_factory=Verdicts)

    async def resource(self, manifest: Manifest) -> ApiResource:
        return await self.cluster.resource(manifest.key.group, manifest.key.kind, manifest.version)

    async def live(self, manifest: Manifest) -> dict[str, Any] | None:
        return await self.cluster.get(await self.resource(manifest), manifest.key.namespace, manifest.key.name)

    async def compared(self, manifest: Manifest, live: Body | None) -> ObjectDiff:
        """As a full comparison does: locally, then judged by a dry-run apply."""
        comparison = await self.verdicts.judged(self.cluster, self._comparison(manifest, live), in_flight_max=1)
        return comparison.diffs[manifest.key]

    def looked_at(self, manifest: Manifest, live: Body | None) -> ObjectDiff:
        """As a look at one object begins: nobody is asked."""
        return self._comparison(manifest, live).diffs[manifest.key]

    async def delivered(self, manifest: Manifest) -> tuple[dict[str, Any], ObjectDiff]:
        """Bring live to the manifest; the object as it then is, and what still differs."""
        for _ in range(LOOKS_MAX):
            live = await self.live(manifest)
            diff = await self.compared(manifest, live)
            body, after = await self.put_right(manifest, diff, live)
            if after.status == "Synced":
                return body, after
        return body, after

    async def put_right(
        self, manifest: Manifest, diff: ObjectDiff, live: Body | None
    ) -> tuple[dict[str, Any], ObjectDiff]:
        """One sync of what was found different."""
        to_do = plan(
            application=APPLICATION,
            desired=(manifest,),
            diffs={manifest.key: diff},
            live={manifest.key: live},
            inventory=(),
            policy=Policy(),
            destination=self.namespace,
        )
        if not to_do.writes:
            assert live is not None, to_do
            return dict(live), diff
        lease = Lease(Claim(repository_job("a", "drift"), Token(1, 1), 0, 0.0), lease_seconds=LEASE_SECONDS)
        # Without rules nobody asks jq.
        delivery = Delivery(Ignoring(lambda: NO_SETTINGS, Jq()), (), respects=False)
        resource, action = await self.resource(manifest), to_do.writes[0]
        body, _ = await apply(
            self.cluster, resource, manifest, action, live, delivery=delivery, lease=lease, dry_run=False
        )
        judged = replace(self._comparison(manifest, live), diffs={manifest.key: diff})
        after = judged.with_live({manifest.key: body})
        self.verdicts.remember(after)
        return dict(body), after.diffs[manifest.key]

    def _comparison(self, manifest: Manifest, live: Body | None) -> Comparison:
        key = manifest.key
        how = HowToCompare.of({}, CompareSettings(Hands.of(HAND_MANAGERS)))
        diffs = {key: local_verdict(manifest, live, how.of_application)}
        return Comparison(APPLICATION, self.namespace, REVISION, {key: manifest}, {key: live}, {}, diffs, how=how)


def content(body: Mapping[str, Any]) -> dict[str, Any]:
    """What of an object people write: without what the API server and the controllers keep in it."""
    annotations = body["metadata"].get("annotations", {})
    ours = {name: value for name, value in annotations.items() if name not in _KEPT_BY_CONTROLLERS}
    metadata = {
        name: value
        for name, value in {**body["metadata"], "annotations": ours}.items()
        if name in ("labels", "annotations", "finalizers", "ownerReferences") and value
    }
    return {**{name: value for name, value in body.items() if name not in ("status", "metadata")}, "metadata": metadata}
