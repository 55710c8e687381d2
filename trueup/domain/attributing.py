"""Who wrote a place of a live object: what its managedFields say, and whom the audit log names for that write. Pure.

managedFields tell the manager of a field and the second of that manager's last write; the audit log tells who
was authenticated for each write, and which version it made. Where both fit one write, its author is certain, if
the log has come as far as what was seen: the event of a later write may still be on its way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce

from trueup.domain.attribution import UNKNOWN, Attribution
from trueup.domain.audit import SCALE, AuditRecord
from trueup.domain.audit_touch import evidence
from trueup.domain.diff import Change
from trueup.domain.fieldpath import Path
from trueup.domain.lenient import as_mapping, as_text, as_whole, whole_or_none
from trueup.domain.managedfields import FIELD_MANAGER, FieldOwner
from trueup.domain.resource import Body

#: Of writes that may each have taken something away, those within this time of the last are told apart by nobody.
CONFUSABLE_SECONDS = 60.0
DELETIONS = frozenset({"delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Place:
    """A place that differs, without its values."""

    path: Path
    #: Who owns the live value; nobody where it is gone.
    owners: tuple[FieldOwner, ...] = ()
    #: The number that is live, of what the subresource `scale` wrote.
    scaled_to: int | None = None
    #: Whether Git says anything here; what it does not, a delivery may leave alone.
    is_wanted: bool = True

    @classmethod
    def of(cls, change: Change) -> Place:
        is_scaled = any(owner.subresource == SCALE for owner in change.owners)
        number = whole_or_none(change.live) if is_scaled else None
        return cls(change.path, change.owners, number, is_wanted=change.kind != "extra")


@dataclass(frozen=True, slots=True)
class Seen:
    """The live object as it was looked at, without what it says."""

    uid: str = ""
    version: str = ""
    is_there: bool = True
    generation: int = 0

    @classmethod
    def of(cls, live: Body | None) -> Seen:
        metadata = as_mapping((live or {}).get("metadata"))
        version, generation = as_text(metadata.get("resourceVersion")), as_whole(metadata.get("generation"))
        return cls(as_text(metadata.get("uid")), version, live is not None, generation)


def attributed(place: Place, seen: Seen, events: Sequence[AuditRecord], *, own_user: str = "") -> Attribution:
    """The last write of the place. `events` are the writes of the object that are known, oldest first.

    `own_user` is what the API server calls us: our own writes are nobody's drift.
    """
    if not seen.is_there:
        return _deleted(events, own_user)
    known = _versions_once(event for event in events if _may_be_in(event, seen))
    others, is_up_to_date = _of_others(known, own_user), _is_up_to_date(place.path, seen, known)
    own = [event for event in known if _is_own(event, own_user)]
    delivered = _latest(own) if own and place.is_wanted else None
    if not place.owners:
        since = [event for event in others if delivered is None or _is_later(event, delivered)]
        return _taken_away(place.path, seen, since, is_up_to_date=is_up_to_date)
    return _owned(written_by(place.owners), place, others, delivered, is_up_to_date=is_up_to_date)


def written_by(owners: Iterable[FieldOwner]) -> Attribution:
    """Which manager wrote last; of several in one second rather one that does not deliver."""
    last = max(owners, key=lambda owner: (owner.time, not owner.delivers), default=None)
    return UNKNOWN if last is None else Attribution(last.manager, last.operation, last.subresource, last.time)


def _of_others(events: Iterable[AuditRecord], own_user: str) -> list[AuditRecord]:
    return [event for event in events if not _is_own(event, own_user)]


def _is_own(event: AuditRecord, own_user: str) -> bool:
    """Told by our user and never by our manager alone, which anybody can name."""
    return bool(own_user) and event.manager == FIELD_MANAGER and event.person.user == own_user


def _is_up_to_date(path: Path, seen: Seen, known: Iterable[AuditRecord]) -> bool:
    """Whether the write is known that made what was seen, but for writes of the status, which nobody sends.

    Those leave the generation alone, which metadata does not move either.
    """
    by_generation = bool(seen.generation) and path[:1] != ("metadata",)
    return any(
        (event.version and event.version == seen.version) or (by_generation and event.generation == seen.generation)
        for event in known
    )


def _owned(
    attribution: Attribution,
    place: Place,
    known: Sequence[AuditRecord],
    delivered: AuditRecord | None,
    *,
    is_up_to_date: bool,
) -> Attribution:
    """The author of the write by which the manager came to own the value that is there.

    `delivered` is our own last write of what Git says here: what was written before it is not there any more.
    """
    path, second = place.path, _second(attribution.time)
    about = [
        event
        for event in known
        if (event.manager, event.subresource) == (attribution.manager, attribution.subresource)
        and evidence(event.touched, path) != "is about something else"
    ]
    left = [event for event in about if delivered is None or _is_later(event, delivered)]
    if second is None:
        return _scaled(attribution, place, left)
    then = [event for event in about if int(event.received_at) <= second <= event.completed_at]
    if then:
        before = [event for event in left if event.completed_at < second]
        is_all_known = delivered is not None or any(event.verb == "create" and event.version for event in known)
        return _one_of(attribution, path, then, before, is_all_known=is_all_known, is_up_to_date=is_up_to_date)
    # The manager wrote something else in that second. What it wrote here before is probably still there.
    before = [event for event in left if event.completed_at < second and evidence(event.touched, path) == "names it"]
    return _by(attribution, _latest(before), is_probable=True) if before else attribution


def _one_of(
    attribution: Attribution,
    path: Path,
    writes: Sequence[AuditRecord],
    before: Iterable[AuditRecord],
    *,
    is_all_known: bool,
    is_up_to_date: bool,
) -> Attribution:
    """The author of the last of these writes, each of which may be the one.

    What was written `before` may be there still, sent along by a write of the whole object. So may be what was written
    before the log began, unless `is_all_known` or one of the writes put there what any earlier one had left.
    """
    all_of_them = (*writes, *before)
    is_all_known = is_all_known or any(_is_proof(event, path) for event in all_of_them)
    is_of_one = len({event.person.user for event in all_of_them}) == 1 and all(event.version for event in writes)
    is_certain = all(_is_proof(event, path) for event in writes) or (is_of_one and is_all_known)
    return _by(attribution, _latest(writes), is_probable=not (is_certain and is_up_to_date))


def _is_proof(event: AuditRecord, path: Path) -> bool:
    return bool(event.version) and event.touched is not None and event.touched.proves(path)


def _scaled(attribution: Attribution, place: Place, writes: Iterable[AuditRecord]) -> Attribution:
    """The author of what was written by the subresource `scale`, of which managedFields tell no time.

    What it answers has no generation either, but the number that it was set to.
    """
    fitting = [event for event in writes if event.scaled_to in (None, place.scaled_to)]
    if not fitting:
        return attribution
    latest = _latest(fitting)
    return _by(attribution, latest, is_probable=latest.scaled_to is None)


def _taken_away(path: Path, seen: Seen, known: Sequence[AuditRecord], *, is_up_to_date: bool) -> Attribution:
    """The author of the write that took something away: nobody owns what is not there."""
    about = [event for event in known if evidence(event.touched, path) != "is about something else"]
    removals = [event for event in about if event.touched is not None and event.touched.removes(path)]
    if removals:
        latest = _latest(removals)
        again = [e for e in about if _is_later(e, latest) and evidence(e.touched, path) == "names it"]
        if not again:
            return _unowned(latest, is_probable=not (latest.version and is_up_to_date))
    if not about:
        return UNKNOWN
    latest = _latest(about)
    others = {e.person.user for e in about if latest.completed_at - e.completed_at < CONFUSABLE_SECONDS}
    is_certain = bool(latest.version) and latest.version == seen.version and len(others) == 1
    return _unowned(latest, is_probable=not is_certain)


def _deleted(events: Sequence[AuditRecord], own_user: str) -> Attribution:
    """Nothing is left that could be matched with a deletion but the object's name and the time.

    Whoever deleted it before it was made anew has not deleted it now. Other writes may follow a deletion: one that
    takes away a finalizer completes it.
    """
    last: AuditRecord | None = None
    for event in events:
        if event.verb in DELETIONS:
            last = None if _is_own(event, own_user) else event
        elif event.verb == "create" or _is_own(event, own_user):
            last = None
    return _unowned(last, is_probable=True) if last is not None else UNKNOWN


def _may_be_in(event: AuditRecord, seen: Seen) -> bool:
    """Whether the write is a part of what was seen: of this very object, and not of a later version."""
    if event.verb in DELETIONS or (event.uid and seen.uid and event.uid != seen.uid):
        return False
    if event.number is None or not seen.version.isdigit():
        return True
    return event.number <= int(seen.version)


def _versions_once(events: Iterable[AuditRecord]) -> list[AuditRecord]:
    """Without the writes that changed nothing: they were answered with the version that an earlier one had made."""
    kept: list[AuditRecord] = []
    made: set[str] = set()
    for event in events:
        if event.version not in made:
            kept.append(event)
        if event.version:
            made.add(event.version)
    return kept


def _is_later(one: AuditRecord, other: AuditRecord) -> bool:
    """By the versions where both are known: the log's times overlap where writes do."""
    if one.number is not None and other.number is not None:
        return one.number > other.number
    return one.completed_at > other.completed_at


def _latest(events: Iterable[AuditRecord]) -> AuditRecord:
    return reduce(lambda one, other: other if _is_later(other, one) else one, events)


def _by(attribution: Attribution, event: AuditRecord, *, is_probable: bool) -> Attribution:
    return Attribution(
        attribution.manager,
        attribution.operation,
        attribution.subresource,
        attribution.time or _text(event.completed_at),
        event.person,
        is_probable,
    )


def _unowned(event: AuditRecord, *, is_probable: bool) -> Attribution:
    return Attribution("", event.verb, event.subresource, _text(event.completed_at), event.person, is_probable)


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _second(time: str) -> int | None:
    try:
        return int(datetime.fromisoformat(time).timestamp())
    except ValueError:
        return None
