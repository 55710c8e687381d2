"""How an incident opens, changes while it is open, and closes when live and Git agree again. Pure.

What drifts again soon after is the same incident, so that an edit war is one story and not a hundred.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from trueup.domain.attribution import UNKNOWN, Attribution
from trueup.domain.incident import (
    FIELDS_MAX,
    OBJECTS_MAX,
    WAR_WINDOW_SECONDS,
    DriftedObject,
    Ending,
    Field,
    Flip,
    Found,
    HistoryEntry,
    Incident,
    Turn,
    War,
    writers_of,
)
from trueup.domain.resource import ResourceKey
from trueup.domain.retry import SELF_HEAL_COOLDOWN_SECONDS

FLIPS_MAX = 50
FLIP_TIMES_MAX = 20
HISTORY_MAX = 50
#: Of the writers that one entry of the history names.
WRITERS_MAX = 10

#: A place of an object: its key, and the path as it is shown; the empty one is the object as a whole.
Place = tuple[ResourceKey, str]
#: Of managedFields: the manager, its operation, the subresource, and when it last wrote anything.
_Entry = tuple[str, str, str, str]


def opened(last: Incident | None, found: Found, now: datetime) -> Incident:
    """The incident after a comparison that found differences: a new one, or `last` brought up to date.

    `last` is the application's latest incident, open or closed. Where nothing is new it is returned
    as it is.
    """
    if last is None or not _continues(last, found, now):
        kept, left_out = _bounded(found.objects, found.objects_left_out)
        flips = _flips((), kept, now)
        history = (_turn("Opened", kept, kept, now),)
        return Incident(
            found.application,
            found.application_uid,
            found.cluster,
            found.cause,
            found.revision,
            now,
            now,
            kept,
            left_out,
            found.self_heals,
            found.trouble,
            flips=flips,
            history=history,
        )
    objects, unseen = found.objects, 0
    if last.is_open and found.scope is not None:
        # Of what a record had no room for nobody can tell what a look in part has seen again.
        unseen = last.objects_left_out
        seen = {item.key for item in objects}
        rest = (item for item in last.objects if item.key not in found.scope and item.key not in seen)
        objects = tuple(sorted((*objects, *rest), key=lambda item: item.key))
    kept, left_out = _bounded(objects, found.objects_left_out)
    left_out = max(left_out, unseen)
    if last.is_open:
        kept = still_known(last.objects, kept)
    moved = kept if not last.is_open else _moved(last.objects, kept)
    after = replace(
        last,
        revision=found.revision,
        objects=kept,
        objects_left_out=left_out,
        self_heals=found.self_heals,
        trouble=found.trouble,
        closed_at=None,
        ending="",
        times=last.times + (not last.is_open),
        flips=_flips(last.flips, moved, now),
        history=_told(last, moved, kept, now),
    )
    return last if after == last else replace(after, updated_at=now)


def closed(incident: Incident, ending: Ending, now: datetime) -> Incident:
    """The incident once live and Git agree; what it was about stays readable."""
    history = _bounded_history((*incident.history, HistoryEntry(now, "Closed", ending=ending)))
    return replace(incident, closed_at=now, updated_at=now, ending=ending, trouble="", history=history)


def war(incident: Incident | None, now: datetime, *, flips_per_minute_max: int) -> War | None:
    """The place that flips most, where that is more often than the bound within the last minute."""
    since = now - timedelta(seconds=WAR_WINDOW_SECONDS)
    counted = [
        War(flip.key, flip.path, flip.manager, sum(time > since for time in flip.times), flip.user, flip.subresource)
        for flip in (incident.flips if incident else ())
    ]
    worst = max(counted, key=lambda each: each.flips, default=None)
    return worst if worst is not None and worst.flips > flips_per_minute_max else None


def with_names(objects: Iterable[DriftedObject], known: Mapping[Place, Attribution]) -> tuple[DriftedObject, ...]:
    """The objects with the people who are known. A name counts only for the very write that is told of."""

    def better(before: Attribution, place: Place) -> Attribution:
        after = known.get(place)
        return after if after is not None and after.is_better_than(before) else before

    return tuple(
        replace(
            item,
            fields=tuple(field.by(better(field.attribution, (item.key, field.path))) for field in item.fields),
            deleted_by=better(item.deleted_by, (item.key, "")),
        )
        for item in objects
    )


def named(incident: Incident, known: Mapping[Place, Attribution], now: datetime) -> Incident:
    """The incident with the people who have become known since it was recorded; as it is where none has."""
    objects = with_names(incident.objects, known)
    if objects == incident.objects:
        return incident
    flips = tuple(_named_flip(flip, known.get((flip.key, flip.path))) for flip in incident.flips)
    history = _renamed(incident.history, incident.objects, objects)
    return replace(incident, objects=objects, flips=flips, history=history, updated_at=now)


def _renamed(
    history: tuple[HistoryEntry, ...], before: Iterable[DriftedObject], after: Iterable[DriftedObject]
) -> tuple[HistoryEntry, ...]:
    """The history whose latest turn, an end apart, names whoever has become known of the same places."""
    told = [number for number, entry in enumerate(history) if entry.what != "Closed"]
    if not told:
        return history
    known = {place: by.credit for item in after for place, by in _authors(item)}
    renamed: dict[str, list[str]] = {}
    for item in before:
        for place, by in _authors(item):
            renamed.setdefault(by.credit, []).append(known.get(place, by.credit))
    nobody, entry = UNKNOWN.credit, history[told[-1]]
    names = dict.fromkeys(new for old in (*entry.by, nobody) for new in renamed.get(old, [old]))
    names.pop(nobody, None)
    entry = replace(entry, by=tuple(names)[:WRITERS_MAX])
    return (*history[: told[-1]], entry, *history[told[-1] + 1 :])


def _authors(item: DriftedObject) -> list[tuple[Place, Attribution]]:
    fields = [((item.key, field.path), field.attribution) for field in item.fields]
    return fields or [((item.key, ""), item.deleted_by)]


def _named_flip(flip: Flip, attribution: Attribution | None) -> Flip:
    if attribution is None or attribution.person is None or flip.manager not in ("", attribution.manager):
        return flip
    return _by(flip, attribution)


def _continues(last: Incident, found: Found, now: datetime) -> bool:
    """Whether it is the same story: still open, or about one of the same objects and not long over."""
    if last.application_uid != found.application_uid:
        return False
    if last.closed_at is None:
        return True
    if last.cause != found.cause or found.cause == "Revision":
        return False
    recent = (now - last.closed_at).total_seconds() < SELF_HEAL_COOLDOWN_SECONDS
    return recent and bool({item.key for item in last.objects} & {item.key for item in found.objects})


def _bounded(objects: Iterable[DriftedObject], left_out: int) -> tuple[tuple[DriftedObject, ...], int]:
    every = [
        replace(
            item,
            fields=item.fields[:FIELDS_MAX],
            fields_left_out=item.fields_left_out + max(0, len(item.fields) - FIELDS_MAX),
        )
        for item in objects
    ]
    return tuple(every[:OBJECTS_MAX]), left_out + max(0, len(every) - OBJECTS_MAX)


def _turn(
    what: Turn, moved: Iterable[DriftedObject], all_of_it: Iterable[DriftedObject], now: datetime
) -> HistoryEntry:
    fields = sum(len(item.fields) + item.fields_left_out for item in all_of_it)
    return HistoryEntry(now, what, writers_of(moved)[:WRITERS_MAX], fields)


def _told(
    last: Incident, moved: tuple[DriftedObject, ...], kept: tuple[DriftedObject, ...], now: datetime
) -> tuple[HistoryEntry, ...]:
    """The history with what is new; who is known by now and was not is nothing new."""
    if not last.is_open:
        return _bounded_history((*last.history, _turn("Reopened", moved, kept, now)))
    if not moved and _places(last.objects).keys() == _places(kept).keys():
        return _renamed(last.history, last.objects, kept)
    return _bounded_history((*last.history, _turn("Changed", moved, kept, now)))


def _bounded_history(history: tuple[HistoryEntry, ...]) -> tuple[HistoryEntry, ...]:
    return history if len(history) <= HISTORY_MAX else (*history[:1], *history[1 - HISTORY_MAX :])


def still_known(known: Iterable[DriftedObject], found: Iterable[DriftedObject]) -> tuple[DriftedObject, ...]:
    """What was found, with who and when are known already of what has not changed since.

    `managedFields` have one time for all that a manager owns: another field that the same program wrote later
    makes the first look newer than it is. Of a Secret's values nobody here can tell whether they changed.
    """
    fields, objects = _places(known), {item.key: item for item in known}
    after = []
    for item in found:
        before = objects.get(item.key)
        known_fields = [(fields.get((item.key, field.path)), field) for field in item.fields]
        of_others = {
            _entry_of(field)
            for old, field in known_fields
            if old is None or not _is_same(old, field) or _entry_of(old) == _entry_of(field)
        }
        kept = tuple(_better_known(old, field, item.key, of_others) for old, field in known_fields)
        deleted_by = item.deleted_by
        if before is not None and before.status == item.status and deleted_by.person is None:
            deleted_by = before.deleted_by
        after.append(replace(item, fields=kept, deleted_by=deleted_by))
    return tuple(after)


def _better_known(known: Field | None, found: Field, key: ResourceKey, of_others: Collection[_Entry]) -> Field:
    """`of_others` are the entries of managedFields by which something else of the object was written, as is known."""
    if known is None or not _is_same(known, found):
        return found
    if (key.group, key.kind) == ("", "Secret") and known.time != found.time:
        return found
    is_dated_by_another = bool(known.time) and known.time != found.time and _entry_of(found) in of_others
    is_named_better = known.person is not None and (found.person is None or found.is_probable)
    return found.by(known.attribution) if is_dated_by_another or is_named_better else found


def _is_same(known: Field, found: Field) -> bool:
    """Whether the place holds what it held, by the hand of the same program."""
    return (known.kind, known.desired, known.live, known.manager) == (
        found.kind,
        found.desired,
        found.live,
        found.manager,
    )


def _entry_of(field: Field) -> _Entry:
    return field.manager, field.operation, field.subresource, field.time


def _places(objects: Iterable[DriftedObject]) -> Mapping[tuple[ResourceKey, str], Field | None]:
    return {(item.key, field.path if field else ""): field for item in objects for field in (item.fields or (None,))}


def _bare(field: Field | None) -> Field | None:
    """The place without what only the audit log says of it: that a name is known is no new drift."""
    return field and replace(field, person=None, is_probable=False)


def _moved(before: Iterable[DriftedObject], after: Iterable[DriftedObject]) -> tuple[DriftedObject, ...]:
    """Of an incident that was open: the objects with those places alone that hold something else than they did."""
    known = _places(before)
    moved = []
    for item in after:
        fields = tuple(field for field in item.fields if _bare(known.get((item.key, field.path))) != _bare(field))
        if fields or (not item.fields and (item.key, "") not in known):
            moved.append(replace(item, fields=fields, fields_left_out=0))
    return tuple(moved)


def _flips(before: tuple[Flip, ...], moved: Iterable[DriftedObject], now: datetime) -> tuple[Flip, ...]:
    known = {(flip.key, flip.path): flip for flip in before}
    for item in moved:
        for (key, path), field in _places([item]).items():
            flip = known.pop((key, path), Flip(key, path, "", ()))
            by = field.attribution if field else item.deleted_by
            known[key, path] = replace(_by(flip, by), times=(*flip.times, now)[-FLIP_TIMES_MAX:])
    return tuple(known.values())[-FLIPS_MAX:]


def _by(flip: Flip, attribution: Attribution) -> Flip:
    """The place with whoever was seen to write there last; a writer whom nobody could see is no news."""
    if not attribution.manager and attribution.person is None:
        return flip
    user = attribution.person.user if attribution.person else flip.user
    if attribution.person is None and attribution.manager != flip.manager:
        user = ""
    return replace(flip, manager=attribution.manager, user=user, subresource=attribution.subresource)
