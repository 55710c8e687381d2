"""An incident as the API server keeps it, written and read. Reading never raises for what a record says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from trueup.domain.application import ApplicationId
from trueup.domain.attribution import UNKNOWN, Attribution, Person
from trueup.domain.incident import DriftedObject, Ending, Field, Flip, HistoryEntry, Incident, Message
from trueup.domain.lenient import as_list, as_mapping, as_text, as_texts, as_whole
from trueup.domain.resource import ResourceKey

GROUP = "trueup.dev"
KIND = "Incident"
API_VERSION = f"{GROUP}/v1alpha1"
APPLICATION_LABEL = "trueup.dev/application"
LABEL_CHARS_MAX = 63
NAME_CHARS_MAX = 253
NUMBER_DIGITS_MAX = 18
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def new_record(incident: Incident, name: str) -> dict[str, Any]:
    """The object to create. It goes with the Application that it is about."""
    application = incident.application
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": name,
            "namespace": application.namespace,
            "labels": {APPLICATION_LABEL: label_of(application.name)},
            "ownerReferences": [
                {
                    "apiVersion": "argoproj.io/v1alpha1",
                    "kind": "Application",
                    "name": application.name,
                    "uid": incident.application_uid,
                }
            ],
        },
        "spec": {
            "application": application.name,
            "applicationUid": incident.application_uid,
            "cluster": incident.cluster,
            "cause": incident.cause,
            "openedAt": time_text(incident.opened_at),
        },
        "status": {name: value for name, value in status_of(incident).items() if value is not None},
    }


def next_name(application: ApplicationId, known: Iterable[str]) -> str:
    """The name that follows on those `known` of the application: its own name and a number.

    Whoever does not know of the latest record chooses the name that it has, and is told so by the API server.
    """
    numbers = (as_number(name.rpartition(".")[2]) for name in known)
    suffix = f".{max(numbers, default=0) + 1}"
    return _shortened(application.name, NAME_CHARS_MAX - len(suffix)) + suffix


def as_number(text: str) -> int:
    """The number in a record's name; 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX else 0


def label_of(name: str) -> str:
    """The application's name as a label value; a digest stands for the rest of a long one."""
    return _shortened(name, LABEL_CHARS_MAX)


def _shortened(name: str, chars_max: int) -> str:
    if len(name) <= chars_max:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: chars_max - 9].rstrip('-.')}-{digest}"


def status_of(incident: Incident) -> dict[str, Any]:
    """All of the status but what the notifier keeps there; None takes a member away."""
    return {
        "phase": "Open" if incident.is_open else "Closed",
        "revision": incident.revision,
        "manager": next(iter(incident.managers), None),
        "by": next(iter(incident.writers), None),
        "updatedAt": time_text(incident.updated_at),
        "closedAt": time_text(incident.closed_at) if incident.closed_at else None,
        "ending": incident.ending or None,
        "times": incident.times,
        "selfHeals": incident.self_heals or None,
        "trouble": incident.trouble or None,
        "objects": [_object(item) for item in incident.objects],
        "objectsLeftOut": incident.objects_left_out or None,
        "flips": [_flip(flip) for flip in incident.flips],
        "history": [_entry(entry) for entry in incident.history],
    }


def read_record(raw: Mapping[str, Any]) -> Incident:
    """The incident that a record tells of."""
    metadata, spec, status = (as_mapping(raw.get(part)) for part in ("metadata", "spec", "status"))
    message = as_mapping(status.get("message"))
    opened_at = _time(spec.get("openedAt")) or _time(metadata.get("creationTimestamp")) or _NEVER
    closed_at = _time(status.get("closedAt"))
    if closed_at is None and status.get("phase") == "Closed":
        closed_at = _time(status.get("updatedAt")) or opened_at
    updated_at = _time(status.get("updatedAt")) or opened_at
    return Incident(
        application=ApplicationId(as_text(metadata.get("namespace")), as_text(spec.get("application"))),
        application_uid=as_text(spec.get("applicationUid")),
        cluster=as_text(spec.get("cluster")),
        cause="Revision" if spec.get("cause") == "Revision" else "Drift",
        revision=as_text(status.get("revision")),
        opened_at=opened_at,
        updated_at=updated_at,
        objects=tuple(_read_object(as_mapping(item)) for item in as_list(status.get("objects"))),
        objects_left_out=as_whole(status.get("objectsLeftOut")),
        self_heals=status.get("selfHeals") is True,
        trouble=as_text(status.get("trouble")),
        closed_at=closed_at,
        ending=_read_ending(status.get("ending")),
        times=max(1, as_whole(status.get("times"), 1)),
        flips=tuple(_read_flip(as_mapping(item)) for item in as_list(status.get("flips"))),
        history=tuple(_read_entry(as_mapping(item), opened_at) for item in as_list(status.get("history"))),
        message=_read_message(message, updated_at) if message else None,
        claimed_by=as_text(as_mapping(status.get("claim")).get("holder")),
        claimed_until=_time(as_mapping(status.get("claim")).get("until")),
        name=as_text(metadata.get("name")),
        resource_version=as_text(metadata.get("resourceVersion")),
    )


def time_text(time: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _time(value: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        return time.astimezone(UTC) if time is not None and time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _key(key: ResourceKey) -> dict[str, str]:
    parts = {"group": key.group, "kind": key.kind, "namespace": key.namespace, "name": key.name}
    return {name: value for name, value in parts.items() if value}


def _read_key(raw: Mapping[str, Any]) -> ResourceKey:
    return ResourceKey(*(as_text(raw.get(part)) for part in ("group", "kind", "namespace", "name")))


def _object(item: DriftedObject) -> dict[str, Any]:
    fields = [
        {
            "path": field.path,
            "change": field.kind,
            "desired": field.desired,
            "live": field.live,
            **_by(field.attribution),
        }
        for field in item.fields
    ]
    left_out = {"fieldsLeftOut": item.fields_left_out} if item.fields_left_out else {}
    shown = [{name: value for name, value in field.items() if value or name in ("path", "change")} for field in fields]
    deleted_by = {"deletedBy": _by(item.deleted_by)} if item.deleted_by != UNKNOWN else {}
    return {**_key(item.key), "status": item.status, "fields": shown, **left_out, **deleted_by}


def _by(attribution: Attribution) -> dict[str, Any]:
    """What is known of a write; what is not is left out."""
    person = attribution.person
    known: dict[str, Any] = {
        "manager": attribution.manager,
        "operation": attribution.operation,
        "subresource": attribution.subresource,
        "time": attribution.time,
    }
    if person is not None:
        known |= {"user": person.user, "groups": list(person.groups), "address": person.address, "agent": person.agent}
        known["probable"] = attribution.is_probable
    return {name: value for name, value in known.items() if value}


def _read_by(raw: Mapping[str, Any]) -> Attribution:
    manager, operation, subresource, time = (
        as_text(raw.get(part)) for part in ("manager", "operation", "subresource", "time")
    )
    person = _read_person(raw)
    is_probable = person is not None and raw.get("probable") is True
    return Attribution(manager, operation, subresource, time, person, is_probable)


def _read_person(raw: Mapping[str, Any]) -> Person | None:
    user = as_text(raw.get("user"))
    if not user:
        return None
    groups = tuple(as_text(group) for group in as_list(raw.get("groups")))
    return Person(user, groups, as_text(raw.get("address")), as_text(raw.get("agent")))


def _read_message(raw: Mapping[str, Any], updated_at: datetime) -> Message:
    """One that does not say what it tells of counts as up to date, rather than as news to be told at every start."""
    return Message(as_text(raw.get("channel")), as_text(raw.get("id")), _time(raw.get("updatedAt")) or updated_at)


def _read_object(raw: Mapping[str, Any]) -> DriftedObject:
    status = raw.get("status")
    return DriftedObject(
        _read_key(raw),
        status if status in ("Missing", "Unwanted") else "OutOfSync",
        tuple(_read_field(as_mapping(field)) for field in as_list(raw.get("fields"))),
        as_whole(raw.get("fieldsLeftOut")),
        _read_by(as_mapping(raw.get("deletedBy"))),
    )


def _read_field(raw: Mapping[str, Any]) -> Field:
    change, by = raw.get("change"), _read_by(raw)
    return Field(
        as_text(raw.get("path")),
        change if change in ("missing", "extra") else "changed",
        as_text(raw.get("desired")),
        as_text(raw.get("live")),
    ).by(by)


def _flip(flip: Flip) -> dict[str, Any]:
    named = {"user": flip.user, "subresource": flip.subresource}
    times = [time_text(time) for time in flip.times]
    known = {name: value for name, value in named.items() if value}
    return {**_key(flip.key), "path": flip.path, "manager": flip.manager, "times": times, **known}


def _read_flip(raw: Mapping[str, Any]) -> Flip:
    times = (_time(time) for time in as_list(raw.get("times")))
    return Flip(
        _read_key(raw),
        as_text(raw.get("path")),
        as_text(raw.get("manager")),
        tuple(t for t in times if t is not None),
        as_text(raw.get("user")),
        as_text(raw.get("subresource")),
    )


def _entry(entry: HistoryEntry) -> dict[str, Any]:
    told = {"by": list(entry.by), "fields": entry.fields, "ending": entry.ending}
    return {
        "time": time_text(entry.time),
        "what": entry.what,
        **{name: value for name, value in told.items() if value},
    }


def _read_entry(raw: Mapping[str, Any], opened_at: datetime) -> HistoryEntry:
    what = raw.get("what")
    return HistoryEntry(
        _time(raw.get("time")) or opened_at,
        what if what in ("Opened", "Reopened", "Closed") else "Changed",
        as_texts(raw.get("by")),
        as_whole(raw.get("fields")),
        _read_ending(raw.get("ending")),
    )


def _read_ending(value: Any) -> Ending | Literal[""]:
    return value if value in ("SelfHealed", "Synced", "Reverted", "Accepted") else ""
