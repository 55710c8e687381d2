"""What a comparison or a sync came to, as the status it leaves. Values in, values out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from trueup.domain import status as shape
from trueup.domain.application import Application, Operation
from trueup.domain.autosync import SyncDecision, requested_by_policy
from trueup.domain.errors import ClusterAwayError, InvalidSpecError, TransientError, TrueupError
from trueup.domain.job import Token
from trueup.domain.lenient import as_mapping, as_whole
from trueup.domain.origin import revision_in
from trueup.domain.plan import Plan
from trueup.domain.redact import Redactor
from trueup.domain.retry import next_retry, policy_of
from trueup.domain.status import Condition, OperationPhase, ResourceResult
from trueup.engine.comparison import Comparison

from .clock import utc_now

Status = Mapping[str, Any]

SUCCEEDED = "successfully synced"


def compared(
    application: Application, comparison: Comparison, *, now: datetime, found: tuple[Condition, ...] | None = ()
) -> dict[str, Any]:
    """The status after a comparison. Where nothing else changed it is the old one, time and all.

    `found` is what syncing came to; with None that is not known yet, and what was said of it stands.
    """
    old = application.status
    health = comparison.health
    evaluated = shape.SPEC_CONDITIONS | shape.COMPARISON_CONDITIONS
    if found is not None:
        evaluated |= shape.SYNC_CONDITIONS
    warnings = tuple(Condition("SyncOptionWarning", text) for text in application.warnings)
    drifted = comparison.sync_status != "Synced" and shape.was_true(application, comparison.revision)
    before = (shape.true_before(comparison.revision),) if drifted else ()
    new = {
        **old,
        "sync": shape.sync(application, status=comparison.sync_status, revision=comparison.revision),
        "health": shape.health(old, status=health.status, message=health.message, now=now),
        "conditions": shape.conditions(
            old, (*comparison.conditions(), *before, *warnings, *(found or ())), evaluated=evaluated, now=now
        ),
        "resources": shape.resources(comparison.entries()),
        "summary": shape.summary(comparison.images),
        **shape.source_types(application, comparison.source_types),
        "controllerNamespace": application.id.namespace,
    }
    return new if _same(old, new) else {**new, "reconciledAt": shape.timestamp(now)}


def not_compared(
    application: Application, error: TrueupError, *, now: datetime, token: Token | None = None
) -> dict[str, Any]:
    """The status where no comparison could be made, with a condition that says why.

    What is merely away leaves the last verdict standing; what is wrong makes it Unknown, and so does a
    cluster that is away: nobody tells of what happens there meanwhile. With the
    token of a run that is the last to try, an operation ends in error.
    """
    old = application.status
    kind = "InvalidSpecError" if isinstance(error, InvalidSpecError) else "ComparisonError"
    evaluated = shape.SPEC_CONDITIONS | shape.COMPARISON_CONDITIONS
    said = [Condition(kind, str(error))]
    stays = isinstance(error, TransientError) and not isinstance(error, ClusterAwayError) and bool(old.get("sync"))
    if shape.was_true(application, application.revision) and not (stays and old["sync"].get("status") == "Synced"):
        said.append(shape.true_before(application.revision))
    new = {**old, "conditions": shape.conditions(old, said, evaluated=evaluated, now=now)}
    if not stays:
        new["sync"] = shape.sync(application, status="Unknown", revision=application.revision, is_compared=False)
        new.setdefault("health", shape.health(old, status="Unknown", now=now))
    operation = application.operation
    if operation is not None and token is not None:
        new["operationState"] = shape.operation_state(
            operation=shape.with_token(operation.raw, token, application.uid),
            phase="Error",
            message=str(error),
            started_at=now,
            finished_at=now,
        )
    return new if _same(old, new) else {**new, "reconciledAt": shape.timestamp(now)}


def broken(application: Application, where: str, *, now: datetime) -> dict[str, Any]:
    """The status after an error that nobody foresaw."""
    text = f"an error that nobody foresaw ({where}); the worker's log has it, and the next change is tried again"
    found = [Condition("UnknownError", text)]
    old = application.status
    return {**old, "conditions": shape.conditions(old, found, evaluated=frozenset({"UnknownError"}), now=now)}


def taken_away(application: Application, *, now: datetime) -> dict[str, Any] | None:
    """The status that ends a sync which nobody wants any more; None where there is none such.

    A person may ask for the end (phase `Terminating`, as Argo CD's clients write it), or take the
    operation out of the Application between two tries.
    """
    state = as_mapping(application.status.get("operationState"))
    phase = state.get("phase")
    if phase == "Terminating":
        message = "terminated"
    elif phase == "Running" and application.operation is None and application.automated is None:
        message = "the operation was taken away"
    else:
        return None
    ended = {**state, "phase": "Failed", "message": message, "finishedAt": shape.timestamp(now)}
    found = shape.conditions(
        application.status, [Condition("SyncError", message)], evaluated=shape.SYNC_CONDITIONS, now=now
    )
    return {**application.status, "operationState": ended, "conditions": found}


def ended_by(application: Application, revision: str) -> Literal["SelfHealed", "Synced"] | None:
    """By what live came to be what Git says at the revision; None where no sync to it succeeded."""
    state = as_mapping(application.status.get("operationState"))
    if state.get("phase") != "Succeeded" or revision_in(as_mapping(state.get("syncResult"))) != revision:
        return None
    asked = as_mapping(as_mapping(state.get("operation")).get("sync"))
    return "SelfHealed" if as_whole(asked.get("autoHealAttemptsCount")) else "Synced"


def redacted(status: Status, redactor: Redactor) -> dict[str, Any]:
    """The status with every secret value taken out of every message in it."""

    def clean(value: Any, name: str) -> Any:
        if isinstance(value, Mapping):
            return {key: clean(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [clean(inner, name) for inner in value]
        return redactor.text(value) if name == "message" and isinstance(value, str) else value

    return {key: clean(value, key) for key, value in status.items()}


def _same(old: Status, new: Status) -> bool:
    return {k: v for k, v in new.items() if v not in ({}, [])} == {k: v for k, v in old.items() if v not in ({}, [])}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a sync ended."""

    phase: OperationPhase
    status: dict[str, Any]
    comparison: Comparison
    #: As it stands after the outcome was written.
    application: Application
    #: Whether the operation is over; it is not while a retry is due.
    final: bool
    retry_after_seconds: float | None = None
    #: What people are told of the phase.
    message: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """A sync that has begun."""

    comparison: Comparison
    operation: Operation
    started_at: datetime
    retry_count: int
    self_heals: bool

    @property
    def dry_run(self) -> bool:
        return self.operation.dry_run

    def fence(self, application: Application, token: Token) -> dict[str, Any]:
        """The status to stand before the first write: what was found, the token, the inventory old ∪ new."""
        state = shape.operation_state(
            operation=shape.with_token(self.operation.raw, token, application.uid),
            phase="Running",
            message="applying",
            started_at=self.started_at,
            retry_count=self.retry_count,
        )
        return {**self._verdict(application, self.comparison, self.started_at), "operationState": state}

    def _verdict(
        self, application: Application, comparison: Comparison, now: datetime, found: tuple[Condition, ...] = ()
    ) -> dict[str, Any]:
        """A dry run says nothing about what the cluster is compared with."""
        if self.dry_run:
            return dict(application.status)
        return compared(application, comparison, now=now, found=found)

    def end(
        self,
        application: Application,
        comparison: Comparison,
        *,
        results: tuple[ResourceResult, ...],
        to_do: Plan,
    ) -> Outcome:
        """The outcome's status: phase, results, history, and the comparison with what is live now."""
        now = utc_now()
        failed = [result for result in results if result.status == "SyncFailed"]
        delay = None
        phase: OperationPhase = "Succeeded"
        message = SUCCEEDED + (" (dry run)" if self.dry_run else "")
        if failed or to_do.refusal:
            phase = "Failed"
            message = (
                to_do.refusal or f"{len(failed)} of {len(results)} objects failed; {failed[0].key}: {failed[0].message}"
            )
            delay = None if to_do.refusal else next_retry(policy_of(application), self.retry_count)
        found = tuple(Condition(each.type, each.message) for each in to_do.conditions)
        if phase == "Failed":
            found = (Condition("SyncError", message), *found)
        raw = application.status.get("operationState", {}).get("operation") or self.operation.raw
        again = delay is not None
        state = shape.operation_state(
            operation=raw,
            phase="Running" if again else phase,
            message=f"{message}; trying again in {delay:.0f} s" if delay is not None else message,
            started_at=self.started_at,
            finished_at=now,
            revision=comparison.revision,
            spec=as_mapping(application.raw.get("spec")),
            results=results,
            retry_count=self.retry_count + again,
        )
        status = {**self._verdict(application, comparison, now, found), "operationState": state}
        if phase == "Succeeded" and not (self.dry_run or self.operation.resources or self.self_heals):
            status["history"] = shape.history(
                application.status,
                revision=comparison.revision,
                spec=as_mapping(application.raw.get("spec")),
                initiated_by=self.operation.raw.get("initiatedBy") or {},
                started_at=self.started_at,
                now=now,
                limit=application.history_limit,
            )
        return Outcome(phase, status, comparison, application, not again, delay, message)


def begin(application: Application, comparison: Comparison, decision: SyncDecision) -> Running:
    """A sync by the Application's operation or, without one, by its policy."""
    operation = application.operation
    if operation is None:
        asked = requested_by_policy(application, decision.prune, comparison.revision, decision.self_heal_attempts)
        operation = Operation(prune=decision.prune, raw=asked)
    state = as_mapping(application.status.get("operationState"))
    tried = revision_in(as_mapping(state.get("syncResult"))) or comparison.revision
    is_retry = state.get("phase") == "Running" and tried == comparison.revision
    retry_count = as_whole(state.get("retryCount")) if is_retry else 0
    # What is healed again and again at one revision is no deployment.
    return Running(comparison, operation, utc_now(), retry_count, self_heals=decision.self_heal_attempts > 0)
