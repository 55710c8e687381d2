"""What the API server itself makes of a manifest, remembered: its own rewriting is no drift.

A local comparison knows quantities, defaults and the like, but not every webhook and conversion. So
where it finds a difference, a dry-run apply has the last word, once per (desired content, live
version). Kept in memory and bounded; what is forgotten is asked again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from trueup.clients.api_errors import ApiError
from trueup.clients.cluster import Cluster
from trueup.domain.diff import ObjectDiff, settle_with
from trueup.domain.errors import TransientError
from trueup.domain.manifest import desired_hash
from trueup.domain.plan import tracked
from trueup.domain.resource import Body, Manifest
from trueup.engine.comparison import Comparison
from trueup.engine.concurrency import each

#: Of which cluster, which version of which object, against what.
Question = tuple[str, str, str, str]


class Verdicts:
    """Judged differences, the least recently asked dropped first."""

    def __init__(self, *, verdicts_max: int = 20_000) -> None:
        self._max = verdicts_max
        self._known: OrderedDict[Question, ObjectDiff] = OrderedDict()

    def get(self, server: str, manifest: Manifest, live: Body) -> ObjectDiff | None:
        """The verdict on exactly this manifest and this version of the live object of that cluster."""
        return self._known.get(_question(server, manifest, live))

    def put(self, server: str, manifest: Manifest, live: Body, diff: ObjectDiff) -> None:
        question = _question(server, manifest, live)
        self._known[question] = diff
        self._known.move_to_end(question)
        while len(self._known) > self._max:
            self._known.popitem(last=False)

    def remember(self, comparison: Comparison) -> None:
        """Keep what a sync's own applies were answered, so that nobody has to ask again."""
        for key, diff in comparison.diffs.items():
            live = comparison.live.get(key)
            if live is not None:
                self.put(comparison.server, comparison.manifests[key], live, diff)

    async def judged(
        self, cluster: Cluster, comparison: Comparison, *, presumed_only: bool = False, in_flight_max: int
    ) -> Comparison:
        """The comparison without differences that are only the API server's own rewriting.

        One dry-run apply for each object that differs and was not asked about before; with
        `presumed_only` for those alone where nothing but defaults may differ. What the API server
        refuses stays different. Raises TransientError where it is away.
        """
        diffs = dict(comparison.diffs)

        async def judge(diff: ObjectDiff) -> None:
            manifest, live = comparison.manifests[diff.key], comparison.live[diff.key]
            if live is None:
                return
            known = self.get(comparison.server, manifest, live)
            if known is None:
                known = await _asked(cluster, manifest, diff, comparison)
                self.put(comparison.server, manifest, live, known)
            diffs[diff.key] = known

        doubtful = [
            diff
            for diff in comparison.diffs.values()
            if diff.is_presumed or (not presumed_only and any(change.removes is None for change in diff.changes))
        ]
        await each(doubtful, judge, in_flight_max=in_flight_max)
        return replace(comparison, diffs=diffs)


async def _asked(cluster: Cluster, manifest: Manifest, diff: ObjectDiff, comparison: Comparison) -> ObjectDiff:
    key = manifest.key
    try:
        resource = await cluster.resource(key.group, key.kind, manifest.version)
        body = tracked(manifest, comparison.application, comparison.destination)
        applied = await cluster.apply(resource, key.namespace, key.name, body, dry_run=True)
    except TransientError:
        raise
    except ApiError:
        return diff
    return settle_with(diff, applied)


def _question(server: str, manifest: Manifest, live: Body) -> Question:
    metadata = live.get("metadata") or {}
    return server, str(metadata.get("uid")), str(metadata.get("resourceVersion")), desired_hash(manifest)
