"""Desired against live for one whole application: what both the worker and `app diff` stand on."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from trueup.domain.application import Application, SyncStatus
from trueup.domain.by_hand import added
from trueup.domain.compare_options import CompareSettings, HowToCompare
from trueup.domain.diff import ObjectDiff, settle_with
from trueup.domain.errors import StalledError
from trueup.domain.explain import Explanation
from trueup.domain.health import Health, assess, worst
from trueup.domain.ignore_held import NOTHING_HELD, Held
from trueup.domain.object_options import object_options
from trueup.domain.redact import Redactor, chars_to_learn
from trueup.domain.resource import Body, Manifest, ResourceKey, tracked_by
from trueup.domain.status import Condition, ResourceEntry, images_of
from trueup.domain.verdict import explained, local_verdict
from trueup.engine.observe import Observed

#: So many comparisons in one piece hold the event loop for a few dozen milliseconds at the most.
OBJECTS_BETWEEN_PAUSES = 20
#: Learning so much holds it for some 20 ms; a thread costs a tenth of a millisecond, each time.
LEARNED_ON_LOOP_CHARS_MAX = 20_000
#: Of the Applications that claim one object, so many are named.
APPLICATIONS_NAMED_MAX = 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """One reading of Git and one of the cluster, held against each other."""

    #: The application's name, as tracking ids carry it.
    application: str
    #: The namespace for objects that name none.
    destination: str
    #: The commit whose tree was rendered.
    revision: str
    manifests: Mapping[ResourceKey, Manifest]
    live: Mapping[ResourceKey, Body | None]
    #: Objects whose state is not known, and why.
    unreadable: Mapping[ResourceKey, str]
    diffs: Mapping[ResourceKey, ObjectDiff]
    #: Of a comparison in part: the objects that were not looked at, as they were last recorded.
    carried: Mapping[ResourceKey, ResourceEntry] = field(default_factory=dict)
    carried_images: tuple[str, ...] = ()
    #: Desired objects that other Applications have in their inventories too, and which.
    shared: Mapping[ResourceKey, frozenset[str]] = field(default_factory=dict)
    #: The cluster that was read, by its server; empty is home.
    server: str = ""
    #: What two sources of the Application describe: the object, and the place that does not count.
    repeated: tuple[tuple[ResourceKey, str], ...] = ()
    #: What each source was rendered as: `Directory`, `Kustomize` or `Helm`.
    source_types: tuple[str, ...] = ()
    #: What the Application and the installation ask of the comparison.
    how: HowToCompare = field(default_factory=HowToCompare)
    #: Of what was left out of the diffs since: why.
    ignored: Mapping[ResourceKey, tuple[Explanation, ...]] = field(default_factory=dict)
    #: What objects ask for that makes no sense.
    problems: tuple[str, ...] = ()
    #: What of the objects does not count, by rules.
    held: Held = NOTHING_HELD
    #: Desired objects of kinds that are to be left alone: neither read nor written.
    excluded: tuple[ResourceKey, ...] = ()
    #: The same of the inventory, which they leave without being pruned.
    left_alone: frozenset[ResourceKey] = frozenset()

    @property
    def looked_at(self) -> frozenset[ResourceKey] | None:
        """Which objects were read for this comparison; None is all of them."""
        return frozenset({*self.live, *self.unreadable}) if self.carried else None

    def in_question(self, inventory: Iterable[ResourceKey]) -> tuple[ResourceKey, ...]:
        """What of the inventory a sync may touch: what was looked at, and is not to be left alone."""
        looked_at = self.looked_at
        return tuple(key for key in inventory if (looked_at is None or key in looked_at) and key not in self.left_alone)

    @property
    def leftovers(self) -> tuple[ResourceKey, ...]:
        """What the application owns, the cluster still has, and Git no longer wants.

        An object that is being deleted is as good as gone: a deletion cannot be taken back.
        """
        return tuple(
            sorted(
                key
                for key, body in self.live.items()
                if key not in self.manifests
                and body is not None
                and tracked_by(body) == self.application
                and not body["metadata"].get("deletionTimestamp")
            )
        )

    @property
    def unwanted(self) -> tuple[ResourceKey, ...]:
        """The leftovers that are a difference: those that do not say `IgnoreExtraneous` themselves."""
        return tuple(key for key in self.leftovers if not object_options(self.live[key] or {}).ignore_extraneous)

    @property
    def sync_status(self) -> SyncStatus:
        """OutOfSync where anything is known to differ; Unknown where nothing is but not all could be read."""
        if self.unwanted or self.has_changes or any(entry.status != "Synced" for entry in self.carried.values()):
            return "OutOfSync"
        return "Unknown" if self.unreadable else "Synced"

    @property
    def has_changes(self) -> bool:
        """Whether a desired object is missing, different, or in the hands of another application."""
        return (
            bool(self.foreign)
            or any(diff.status != "Synced" for diff in self.diffs.values())
            or any(entry.status != "Synced" and not entry.requires_pruning for entry in self.carried.values())
        )

    @property
    def foreign(self) -> Mapping[ResourceKey, str]:
        """Desired objects whose tracking annotation names another application, and which.

        They count as a difference: who delivers them is a part of what Git wants.
        """
        return {key: owner for key in self.manifests if key not in self.carried and (owner := self._other_owner(key))}

    def _other_owner(self, key: ResourceKey) -> str | None:
        owner = tracked_by(self.live.get(key) or {})
        return owner if owner != self.application else None

    def health_of(self, key: ResourceKey) -> Health | None:
        """The health of one object; None where its kind has none."""
        if key in self.unreadable:
            return None
        if (entry := self.carried.get(key)) is not None:
            return Health(entry.health, entry.health_message) if entry.health else None
        return assess(self.live.get(key))

    @property
    def health(self) -> Health:
        """The worst of what Git wants; what is to be pruned does not count."""
        return worst(health for key in self.manifests if (health := self.health_of(key)) is not None)

    @property
    def images(self) -> tuple[str, ...]:
        """The images of what is live."""
        return (*self.carried_images, *(image for body in self.live.values() if body for image in images_of(body)))

    def entries(self) -> tuple[ResourceEntry, ...]:
        """The inventory, old ∪ new: every desired object, and whatever is still there of earlier ones."""
        looked_at = {*self.manifests, *self.leftovers, *self.unreadable} - self.carried.keys()
        return (*(self._entry(key) for key in sorted(looked_at)), *self.carried.values())

    def _entry(self, key: ResourceKey) -> ResourceEntry:
        manifest, body = self.manifests.get(key), self.live.get(key)
        version = manifest.version if manifest else str((body or {}).get("apiVersion", "")).rpartition("/")[2]
        health = self.health_of(key)
        status: SyncStatus = "Unknown"
        if key not in self.unreadable:
            is_ours = manifest is not None and self._other_owner(key) is None
            status = "Synced" if is_ours and self.diffs[key].status == "Synced" else "OutOfSync"
        return ResourceEntry(
            key,
            version,
            status,
            health.status if health else None,
            health.message if health else "",
            requires_pruning=manifest is None and key not in self.unreadable,
        )

    def conditions(self) -> tuple[Condition, ...]:
        """What people should know about this comparison."""
        found = [Condition("ComparisonError", f"{key}: {reason}") for key, reason in sorted(self.unreadable.items())]
        claims = {key: set(names) for key, names in self.shared.items()}
        for key, owner in self.foreign.items():
            claims.setdefault(key, set()).add(owner)
        shared = (
            Condition("SharedResourceWarning", f"{key} is part of {_named(names)} too; take it out of all but one")
            for key, names in sorted(claims.items())
        )
        repeated = (
            Condition("RepeatedResourceWarning", f"{key} is described by a later source too; {origin} does not count")
            for key, origin in self.repeated
        )
        problems = (Condition("CompareOptionWarning", text) for text in (*self.how.problems, *self.problems))
        excluded = (
            Condition("ExcludedResourceWarning", f"{key} is left alone: argocd-cm excludes its kind")
            for key in self.excluded
        )
        return (*found, *shared, *repeated, *problems, *excluded)

    def explanations(self, key: ResourceKey) -> tuple[Explanation, ...]:
        """Why the verdict on a desired object is what it is, field by field. Costs about as much as comparing it."""
        manifest, live = self.manifests[key], self.live.get(key)
        how, _ = self.how.of_object(manifest.body)
        reasons = (*self.ignored.get(key, ()), *self.held.ignored(key))
        if live is not None:
            manifest, live = self.held.mask_of(key).sides(manifest, live)
        return explained(manifest, live, self.diffs[key], how, reasons)

    def teach(self, redactor: Redactor) -> None:
        """Let the redactor know every secret value on either side."""
        for body in self._bodies():
            redactor.learn(body)

    async def teach_beside(self, redactor: Redactor) -> None:
        """The same, beside the loop where there is much to learn, which has leases to renew meanwhile."""
        bodies = list(self._bodies())
        if sum(map(chars_to_learn, bodies)) <= LEARNED_ON_LOOP_CHARS_MAX:
            self.teach(redactor)
            return
        # The thread has a redactor of its own: it goes on where nobody waits for it any more, and this one is read.
        redactor.include(await asyncio.to_thread(_that_knows, bodies))

    def _bodies(self) -> Iterator[Body]:
        yield from (manifest.body for manifest in self.manifests.values())
        yield from (body for body in self.live.values() if body is not None)

    def with_live(self, applied: Mapping[ResourceKey, Body | None], held: Held = NOTHING_HELD) -> Comparison:
        """The same desired state against what writes have made of the cluster since; `held` is of that too.

        What the server answered to a forced apply settles what it normalises. Of what people added only
        that is looked for which was found before: of the rest nobody has asked whether it is a default.
        """
        live = {**self.live, **applied}
        diffs = dict(self.diffs)
        unknown = {key: held.unknown[key] for key in applied if key in held.unknown}
        for key, body in applied.items():
            manifest = self.manifests.get(key)
            if key in unknown:
                live.pop(key)
                diffs.pop(key, None)
            elif manifest is not None:
                how, _ = self.how.of_object(manifest.body)
                before = self.diffs.get(key)
                places = frozenset(change.path for change in added(before)) if before else frozenset()
                try:
                    diff = held.compared(manifest, body, partial(local_verdict, how=how, only=places))
                except StalledError as error:
                    unknown[key] = str(error)
                    diffs.pop(key, None)
                else:
                    diffs[key] = settle_with(diff, held.of_live(key, body)) if body is not None else diff
        return replace(self, live=live, diffs=diffs, held=held, unreadable={**self.unreadable, **unknown})


def _that_knows(bodies: Iterable[Body]) -> Redactor:
    redactor = Redactor()
    for body in bodies:
        redactor.learn(body)
    return redactor


def _named(applications: Collection[str]) -> str:
    """The names in a sentence; of many, the first and how many more."""
    first, *others = sorted(applications)
    if len(others) < APPLICATIONS_NAMED_MAX:
        return f"application {' and '.join((first, *others))}"
    return f"application {first} and of {len(others)} more"


async def hold_against(
    application: Application,
    revision: str,
    observed: Observed,
    *,
    source_types: tuple[str, ...] = (),
    settings: CompareSettings | None = None,
) -> Comparison:
    """Compare everything that was observed, giving way to leases and probes between objects.

    What is ignored does not count. Where that cannot be told, or the object is nested too deep to be compared, there
    is no verdict on it.
    """
    manifests = {manifest.key: manifest for manifest in observed.manifests}
    held = observed.held
    live = {key: body for key, body in observed.live.items() if key not in held.unknown}
    how = HowToCompare.of(application.raw, settings or CompareSettings())
    diffs, unknown = {}, dict(held.unknown)
    problems: list[str] = []
    for number, (key, manifest) in enumerate(manifests.items()):
        if key in live:
            asked, wrong = how.of_object(manifest.body)
            problems += wrong
            try:
                diffs[key] = held.compared(manifest, live[key], partial(local_verdict, how=asked))
            except StalledError as error:
                unknown[key] = str(error)
        if number % OBJECTS_BETWEEN_PAUSES == 0:
            await asyncio.sleep(0)
    return Comparison(
        application.id.name,
        application.namespace,
        revision,
        manifests,
        live,
        {**observed.unreadable, **unknown},
        diffs,
        server=application.server,
        repeated=observed.repeated,
        source_types=source_types,
        how=how,
        problems=tuple(problems),
        held=held,
        excluded=observed.excluded,
        left_alone=observed.left_alone,
    )
