"""Whether to sync now, by the rules of Argo CD's automated sync policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trueup.domain.application import Application, Automated, SyncStatus
from trueup.domain.lenient import as_list, as_mapping, as_text, as_whole
from trueup.domain.origin import is_made_from, revision_in
from trueup.domain.retry import SELF_HEAL, SELF_HEAL_COOLDOWN_SECONDS, next_retry, policy_of, self_heal_delay
from trueup.domain.status import automated_operation, token_of, with_token

_PEACE = "take the field out of Git, or stop whoever else sets it"


@dataclass(frozen=True, slots=True)
class Situation:
    """What a comparison found, as far as the policy asks."""

    status: SyncStatus
    revision: str
    #: Whether a desired object is missing or different.
    has_changes: bool
    #: Whether the sync would leave no object: everything the application owns requires pruning.
    wipes: bool = False
    #: Whether live moved away from a revision that the application had been true to.
    drifted: bool = False
    #: Who changes what back as often as it is healed; empty where nobody does.
    war: str = ""


@dataclass(frozen=True, slots=True)
class SyncDecision:
    sync: bool
    reason: str
    prune: bool = False
    #: How long to wait before asking again; None waits for an event.
    retry_after_seconds: float | None = None
    #: To be recorded as `operation.sync.autoHealAttemptsCount`.
    self_heal_attempts: int = 0
    #: What a person should hear of: the message of a SyncError condition.
    error: str = ""
    #: What a person should know although nothing failed: the message of a DriftWarning condition.
    warning: str = ""
    #: Whether the last sync is not over: it failed, and the pause before its next try still lasts.
    pending: bool = False


def decide(app: Application, found: Situation, now: datetime) -> SyncDecision:  # noqa: PLR0911 a ladder of rules
    """Say whether a sync is due, and why or why not. `now` must carry a time zone."""
    if app.deleting:
        return SyncDecision(False, "the application is being deleted")
    state = as_mapping(app.status.get("operationState"))
    pause = _pause(app, state, found, now)
    if pause > 0:
        return SyncDecision(False, "the next try is not due", retry_after_seconds=pause, error=_said(app), pending=True)
    if app.operation is not None:
        return SyncDecision(True, f"requested by {app.operation.initiated_by or 'an operation'}", app.operation.prune)
    if app.automated is None:
        return SyncDecision(False, "automated sync is off")
    # What was begun is finished, though nothing may be left but to write down how it ended.
    begun = state.get("phase") == "Running"
    if found.status != "OutOfSync" and not begun:
        return SyncDecision(False, f"the application is {found.status}")
    if not found.has_changes and not app.automated.prune and not begun:
        return SyncDecision(False, "only pruning is left to do, and automated pruning is off")
    if found.wipes and not app.automated.allow_empty:
        text = f"auto-sync to {found.revision} would delete every object; to allow it, set allowEmpty"
        return SyncDecision(False, text, error=text)
    tried = _already_tried(app, state, found.revision)
    if not (tried or found.drifted):
        return SyncDecision(True, f"Git moved to {found.revision}", app.automated.prune)
    return _again(app, app.automated, state if tried else {}, found, now)


def _again(
    app: Application, automated: Automated, state: Mapping[str, Any], found: Situation, now: datetime
) -> SyncDecision:
    """Whether to sync to a revision that was tried before, or that the application was true to without a sync.

    `state` is of the last sync to that revision. Where it failed, only what was put right and drifted
    again since then is tried anew.
    """
    revision = found.revision
    attempts = int(((state.get("operation") or {}).get("sync") or {}).get("autoHealAttemptsCount") or 0)
    if state.get("phase") == "Running":
        return SyncDecision(True, "a sync is to be finished", automated.prune, self_heal_attempts=attempts)
    # The condition goes with the first comparison that finds all well, and does not come back with drift.
    put_right = (app.status.get("sync") or {}).get("status") == "Synced" or not _said(app)
    if state and state.get("phase") != "Succeeded" and not (found.drifted and put_right):
        text = f"the last sync to {revision} failed: {state.get('message') or 'no message'}"
        return SyncDecision(False, text, error=text)
    if not automated.self_heal:
        return SyncDecision(False, f"already synced to {revision}, and self-heal is off")
    since = _seconds_since(state.get("finishedAt"), now)
    if since is None or since >= SELF_HEAL_COOLDOWN_SECONDS:
        attempts = 0
    pause = self_heal_delay(attempts)
    if found.war and attempts:
        pause = SELF_HEAL.duration_seconds_max
    wait = pause - (since or 0.0)
    if wait > 0:
        warning = f"{found.war}; it is healed again in {wait:.0f} s: {_PEACE}" if found.war else ""
        reason = "the same revision was healed a moment ago"
        return SyncDecision(False, reason, retry_after_seconds=wait, warning=warning)
    return SyncDecision(True, "live objects drifted from Git", automated.prune, self_heal_attempts=attempts + 1)


def requested_by_policy(app: Application, prune: bool, revision: str, attempts: int) -> dict[str, Any]:
    """The operation that an automated sync carries out."""
    spec = as_mapping(app.raw.get("spec"))
    options = [as_text(option) for option in as_list(as_mapping(spec.get("syncPolicy")).get("syncOptions"))]
    return automated_operation(spec, revision, prune=prune, sync_options=options, self_heal_attempts=attempts)


def _pause(app: Application, state: Mapping[str, Any], found: Situation, now: datetime) -> float:
    """Seconds until a sync that failed is due again; 0 where none is, or something else is asked for by now.

    As with Argo CD, `finishedAt` beside the phase Running is when the last try ended.
    """
    tries, since = as_whole(state.get("retryCount")), _seconds_since(state.get("finishedAt"), now)
    if state.get("phase") != "Running" or tries < 1 or since is None or found.status == "Synced":
        return 0.0
    if not _asks_for_the_same(app, state, found.revision):
        return 0.0
    return max(0.0, (next_retry(policy_of(app), tries - 1) or 0.0) - since)


def _asks_for_the_same(app: Application, state: Mapping[str, Any], revision: str) -> bool:
    spec = as_mapping(app.raw.get("spec"))
    token, tried = token_of(app.status, app.uid), as_mapping(state.get("operation"))
    if token is None or not _is_of(state, revision, spec) or not app.is_compared_here:
        return False
    if app.operation is not None:
        asked: Mapping[str, Any] = app.operation.raw
    elif app.automated is not None:
        attempts = as_whole(as_mapping(tried.get("sync")).get("autoHealAttemptsCount"))
        asked = requested_by_policy(app, app.automated.prune, revision, attempts)
    else:
        return False
    return with_token(asked, token, app.uid) == tried


def _said(app: Application) -> str:
    """What the sync that is to be tried again failed of."""
    found = (as_mapping(entry) for entry in as_list(app.status.get("conditions")))
    return next((as_text(entry.get("message")) for entry in found if entry.get("type") == "SyncError"), "")


def _already_tried(app: Application, state: Mapping[str, Any], revision: str) -> bool:
    """Whether the last sync, however it ended, was to this revision of this source, all of it, on this cluster."""
    asked = (state.get("operation") or {}).get("sync") or {}
    if asked.get("dryRun") or asked.get("resources") or app.has_moved:
        return False
    return _is_of(state, revision, as_mapping(app.raw.get("spec")))


def _is_of(state: Mapping[str, Any], revision: str, spec: Mapping[str, Any]) -> bool:
    result = as_mapping(state.get("syncResult"))
    return revision_in(result) == revision and is_made_from(result, spec)


def _seconds_since(time: Any, now: datetime) -> float | None:
    if not isinstance(time, str):
        return None
    try:
        then = datetime.fromisoformat(time)
    except ValueError:
        return None
    return max(0.0, (now - then).total_seconds()) if then.tzinfo is not None else None
