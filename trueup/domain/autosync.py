"""Whether to sync now, by the rules of Argo CD's automated sync policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trueup.domain.application import Application, Automated, SyncStatus
from trueup.domain.retry import SELF_HEAL, SELF_HEAL_COOLDOWN_SECONDS, self_heal_delay
from trueup.domain.status import shown_source

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


def decide(app: Application, found: Situation, now: datetime) -> SyncDecision:  # noqa: PLR0911 a ladder of rules
    """Say whether a sync is due, and why or why not. `now` must carry a time zone."""
    if app.deleting:
        return SyncDecision(False, "the application is being deleted")
    if app.operation is not None:
        return SyncDecision(True, f"requested by {app.operation.initiated_by or 'an operation'}", app.operation.prune)
    if app.automated is None:
        return SyncDecision(False, "automated sync is off")
    state = app.status.get("operationState") or {}
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
    put_right = (app.status.get("sync") or {}).get("status") == "Synced"
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


def _already_tried(app: Application, state: Mapping[str, Any], revision: str) -> bool:
    """Whether the last sync, however it ended, was to this revision of this source, and of all of it."""
    result = state.get("syncResult") or {}
    asked = (state.get("operation") or {}).get("sync") or {}
    if result.get("revision") != revision or asked.get("dryRun") or asked.get("resources"):
        return False
    source = result.get("source")
    return source is None or source == shown_source((app.raw.get("spec") or {}).get("source") or {})


def _seconds_since(time: Any, now: datetime) -> float | None:
    if not isinstance(time, str):
        return None
    try:
        then = datetime.fromisoformat(time)
    except ValueError:
        return None
    return max(0.0, (now - then).total_seconds()) if then.tzinfo is not None else None
