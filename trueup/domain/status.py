"""`Application.status`, part by part, in Argo CD's shape.

Every function makes a new value; `old` is the status as it stands in the object, in whatever shape
its last writer left it. Members that Go leaves out when empty are left out here too, so that two
writers of the same fact write the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from trueup.domain.application import HOME_NAME, Application, SyncStatus
from trueup.domain.job import Token
from trueup.domain.lenient import as_list, as_mapping, as_text, as_whole
from trueup.domain.origin import is_made_from, revision_in, shown_revision, shown_sources
from trueup.domain.resource import ResourceKey

TOKEN_INFO_NAME = "trueup.dev/token"  # noqa: S105  a fencing token is no secret
TOKEN_SEPARATOR = "@"  # noqa: S105  nor is what stands behind it
MESSAGE_CHARS_MAX = 2_000
CONDITIONS_MAX = 30
HISTORY_ENTRIES_MAX = 100
IMAGES_MAX = 500

HealthStatus = Literal["Healthy", "Progressing", "Suspended", "Degraded", "Missing", "Unknown"]
OperationPhase = Literal["Running", "Terminating", "Failed", "Error", "Succeeded"]

#: What reading the spec finds out.
SPEC_CONDITIONS = frozenset({"InvalidSpecError", "SyncOptionWarning"})
#: What comparing finds out.
COMPARISON_CONDITIONS = frozenset(
    {
        "CompareOptionWarning",
        "ComparisonError",
        "ExcludedResourceWarning",
        "RepeatedResourceWarning",
        "SharedResourceWarning",
        "UnknownError",
        "DriftInfo",
    }
)
#: What syncing finds out.
SYNC_CONDITIONS = frozenset({"SyncError", "DriftWarning"})
#: Says that live and Git agreed at the revision in its message, before they no longer did.
TRUE_BEFORE = "DriftInfo"
#: What deleting finds out.
DELETION_CONDITIONS = frozenset({"DeletionError"})


@dataclass(frozen=True, slots=True, order=True)
class Condition:
    """Something that people should know. The type ends in `Error`, `Warning` or `Info`."""

    type: str
    message: str


@dataclass(frozen=True, slots=True)
class ResourceEntry:
    """One object of the inventory. An empty `status` is an object that may exist and was not compared."""

    key: ResourceKey
    version: str
    status: SyncStatus | Literal[""] = ""
    health: HealthStatus | None = None
    health_message: str = ""
    hook: bool = False
    requires_pruning: bool = False
    sync_wave: int = 0


@dataclass(frozen=True, slots=True)
class ResourceResult:
    """What a sync did to one object."""

    key: ResourceKey
    version: str
    status: Literal["", "Synced", "SyncFailed", "Pruned", "PruneSkipped"]
    message: str = ""
    #: PreSync, Sync, PostSync, …; empty for an object that is no hook.
    hook_type: str = ""
    hook_phase: OperationPhase | Literal[""] = ""
    sync_phase: str = ""
    images: tuple[str, ...] = field(default=())


def timestamp(now: datetime) -> str:
    """RFC 3339 in UTC, to the second, as Kubernetes writes it. A naive time is taken for UTC."""
    aware = now if now.tzinfo else now.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def sync(application: Application, *, status: SyncStatus, revision: str, is_compared: bool = True) -> dict[str, Any]:
    """`status.sync`: the outcome of comparing with `revision`, empty where none is known.

    A destination by name gets the server it stood for: a name may stand for another one tomorrow, and
    the inventory beside it does not. So where nothing was compared, and there is an inventory, what was
    compared before stays.
    """
    spec = as_mapping(application.raw.get("spec"))
    destination = dict(as_mapping(spec.get("destination")))
    if application.cluster not in ("", HOME_NAME) and application.server:
        destination["server"] = application.server
    if not is_compared and application.recorded_inventory and application.compared_destination:
        destination = dict(application.compared_destination)
    compared_to: dict[str, Any] = {"destination": destination}
    compared_to |= shown_sources(spec)
    return _without_empty({"status": status, "comparedTo": compared_to, **shown_revision(spec, revision)})


def source_types(application: Application, types: Sequence[str]) -> dict[str, Any]:
    """The member `sourceType`, or `sourceTypes` where the Application has a list of sources."""
    if application.has_many_sources:
        return {"sourceTypes": list(types)}
    return {"sourceType": "".join(types)}


def was_true(application: Application, revision: str) -> bool:
    """Whether live is known to have been what Git says at `revision` of this very source and destination.

    Then what differs now is drift. The status says it: it is Synced, or keeps the condition that it was.
    """
    status, spec = application.status, as_mapping(application.raw.get("spec"))
    last = as_mapping(status.get("sync"))
    if not revision or revision_in(last) != revision:
        return False
    compared_to = as_mapping(last.get("comparedTo"))
    if not is_made_from(compared_to, spec):
        return False
    if "destination" in compared_to and not application.is_compared_here:
        return False
    return last.get("status") == "Synced" or true_before(revision).message in {
        as_text(as_mapping(entry).get("message")) for entry in as_list(status.get("conditions"))
    }


def true_before(revision: str) -> Condition:
    """What keeps that, while live and Git do not agree."""
    return Condition(TRUE_BEFORE, f"live was what Git says at {revision}, and has been changed or cannot be told since")


def health(old: Mapping[str, Any], *, status: HealthStatus, message: str = "", now: datetime) -> dict[str, Any]:
    """`status.health`; the time of transition stays while the status does."""
    before = as_mapping(old.get("health"))
    since = as_text(before.get("lastTransitionTime")) if before.get("status") == status else ""
    return _without_empty({"status": status, "message": _short(message), "lastTransitionTime": since or timestamp(now)})


def conditions(
    old: Mapping[str, Any], found: Iterable[Condition], *, evaluated: frozenset[str], now: datetime
) -> list[dict[str, Any]]:
    """`status.conditions`: of the types that were evaluated those found now, of all others what was there.

    A condition that was there already keeps its time of transition and its place.
    """
    wanted = {(condition.type, _short(condition.message)) for condition in found}
    kept = []
    for entry in as_list(old.get("conditions")):
        identity = (as_text(as_mapping(entry).get("type")), as_text(as_mapping(entry).get("message")))
        if identity in wanted:
            wanted.remove(identity)
            kept.append({**entry, "lastTransitionTime": as_text(entry.get("lastTransitionTime")) or timestamp(now)})
        elif identity[0] and identity[0] not in evaluated:
            kept.append(dict(entry))
    added = [
        {"type": kind, "message": message, "lastTransitionTime": timestamp(now)} for kind, message in sorted(wanted)
    ]
    return (kept + added)[:CONDITIONS_MAX]


def resources(entries: Iterable[ResourceEntry]) -> list[dict[str, Any]]:
    """`status.resources`: the inventory, sorted, each object once (the last entry of it counts)."""
    by_key = {entry.key: entry for entry in entries}
    return [_resource(by_key[key]) for key in sorted(by_key)]


def entries_of(status: Mapping[str, Any]) -> tuple[ResourceEntry, ...]:
    """The inventory as a status has it; an entry without a kind or a name is none."""
    return tuple(
        entry
        for raw in as_list(status.get("resources"))
        if (entry := _entry(as_mapping(raw))).key.kind and entry.key.name
    )


def _entry(raw: Mapping[str, Any]) -> ResourceEntry:
    key = ResourceKey(*(as_text(raw.get(part)) for part in ("group", "kind", "namespace", "name")))
    status, health = raw.get("status"), as_mapping(raw.get("health"))
    return ResourceEntry(
        key,
        as_text(raw.get("version")),
        status if status in ("Synced", "OutOfSync", "Unknown") else "",
        health.get("status") if health.get("status") in get_args(HealthStatus) else None,
        as_text(health.get("message")),
        hook=raw.get("hook") is True,
        requires_pruning=raw.get("requiresPruning") is True,
        sync_wave=as_whole(raw.get("syncWave")),
    )


def _resource(entry: ResourceEntry) -> dict[str, Any]:
    shown_health: dict[str, Any] = {}
    if entry.health:
        shown_health = _without_empty({"status": entry.health, "message": _short(entry.health_message)})
    return _without_empty(
        {
            "group": entry.key.group,
            "version": entry.version,
            "kind": entry.key.kind,
            "namespace": entry.key.namespace,
            "name": entry.key.name,
            "status": entry.status,
            "health": shown_health,
            "hook": entry.hook,
            "requiresPruning": entry.requires_pruning,
            "syncWave": entry.sync_wave,
        }
    )


def automated_operation(
    spec: Mapping[str, Any],
    revision: str,
    *,
    prune: bool,
    sync_options: Sequence[str] = (),
    self_heal_attempts: int = 0,
) -> dict[str, Any]:
    """The operation that nobody asked for but the policy."""
    wanted = {
        **shown_revision(spec, revision),
        "prune": prune,
        "syncOptions": list(sync_options),
        "autoHealAttemptsCount": self_heal_attempts,
    }
    return {"sync": _without_empty(wanted), "initiatedBy": {"automated": True}}


def operation_state(
    *,
    operation: Mapping[str, Any],
    phase: OperationPhase,
    message: str,
    started_at: datetime,
    finished_at: datetime | None = None,
    revision: str = "",
    spec: Mapping[str, Any] | None = None,
    results: Iterable[ResourceResult] = (),
    retry_count: int = 0,
) -> dict[str, Any]:
    """`status.operationState`. Without a revision nothing was synced and there is no `syncResult`."""
    state: dict[str, Any] = {
        "operation": dict(operation),
        "phase": phase,
        "message": _short(message),
        "startedAt": timestamp(started_at),
        "retryCount": retry_count,
    }
    if finished_at is not None:
        state["finishedAt"] = timestamp(finished_at)
    if revision:
        made = {**shown_revision(spec or {}, revision), **shown_sources(spec or {})}
        result = _without_empty({**made, "resources": [_result(entry) for entry in results]})
        # Argo CD's schema asks for it, and has it empty beside `revisions`.
        state["syncResult"] = {"revision": "", **result}
    return {**_without_empty(state), "operation": state["operation"]}


def _result(entry: ResourceResult) -> dict[str, Any]:
    more = {
        "status": entry.status,
        "message": _short(entry.message),
        "hookType": entry.hook_type,
        "hookPhase": entry.hook_phase,
        "syncPhase": entry.sync_phase,
        "images": list(entry.images),
    }
    return {
        "group": entry.key.group,
        "version": entry.version,
        "kind": entry.key.kind,
        "namespace": entry.key.namespace,
        "name": entry.key.name,
        **_without_empty(more),
    }


def history(
    old: Mapping[str, Any],
    *,
    revision: str,
    spec: Mapping[str, Any],
    initiated_by: Mapping[str, Any],
    started_at: datetime,
    now: datetime,
    limit: int,
) -> list[dict[str, Any]]:
    """`status.history` with one deployment more, oldest first, and at most `limit` of them.

    `initiated_by` is the operation's `initiatedBy`. Ids only grow.
    """
    before = [dict(entry) for entry in as_list(old.get("history")) if isinstance(entry, Mapping)]
    entry: dict[str, Any] = {
        "id": 1 + max((as_whole(entry.get("id"), -1) for entry in before), default=-1),
        **shown_revision(spec, revision),
        "deployStartedAt": timestamp(started_at),
        "deployedAt": timestamp(now),
        **shown_sources(spec),
    }
    if initiated_by:
        entry["initiatedBy"] = dict(initiated_by)
    bound = max(0, min(limit, HISTORY_ENTRIES_MAX))
    return [*before, entry][-bound:] if bound else []


def summary(images: Iterable[str]) -> dict[str, Any]:
    """`status.summary`: every image once."""
    return _without_empty({"images": sorted(set(images))[:IMAGES_MAX]})


def images_of(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The images that a Pod, or an object with a template for Pods, runs."""
    spec = as_mapping(body.get("spec"))
    if body.get("kind") == "CronJob":
        spec = as_mapping(as_mapping(spec.get("jobTemplate")).get("spec"))
    if body.get("kind") != "Pod":
        spec = as_mapping(as_mapping(spec.get("template")).get("spec"))
    named = (
        as_text(as_mapping(container).get("image"))
        for role in ("initContainers", "containers", "ephemeralContainers")
        for container in as_list(spec.get(role))
    )
    return tuple(dict.fromkeys(image for image in named if image))


def token_of(status: Mapping[str, Any], uid: str) -> Token | None:
    """The fencing token of the sync that runs or ran last; None where there is none to be read.

    One that was left for an object of another uid, as in a status that was restored or copied, is none.
    """
    operation = as_mapping(as_mapping(status.get("operationState")).get("operation"))
    for entry in as_list(operation.get("info")):
        if as_mapping(entry).get("name") == TOKEN_INFO_NAME:
            token, _, holder = as_text(entry.get("value")).partition(TOKEN_SEPARATOR)
            return Token.parse(token) if holder == uid else None
    return None


def with_token(operation: Mapping[str, Any], token: Token, uid: str) -> dict[str, Any]:
    """The operation with this fencing token for this object among its `info`: Argo CD's schema knows no other place."""
    others = [
        entry
        for entry in as_list(operation.get("info"))
        if isinstance(entry, Mapping) and entry.get("name") != TOKEN_INFO_NAME
    ]
    return {**operation, "info": [*others, {"name": TOKEN_INFO_NAME, "value": f"{token}{TOKEN_SEPARATOR}{uid}"}]}


def _without_empty(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: inner for name, inner in value.items() if inner not in ("", 0, False, None, [], {})}


def _short(message: str) -> str:
    return message if len(message) <= MESSAGE_CHARS_MAX else message[: MESSAGE_CHARS_MAX - 1] + "…"
