"""Asking for a sync through the Application's `operation` field, and seeing it through."""

from __future__ import annotations

import getpass
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.cli.home import Home, home
from trueup.cli.table import table
from trueup.cli.waiting import at_rest, described, until
from trueup.clients.api_errors import ConflictError
from trueup.domain.application import ApplicationId
from trueup.domain.errors import StalledError

Raw = Mapping[str, Any]

#: By this entry of an operation's `info` the one who asked knows it again.
REQUEST_INFO_NAME = "trueup.dev/request"
#: How often an Application that is written meanwhile is read and asked again.
CONFLICTS_MAX = 10


@dataclass(frozen=True, slots=True)
class Request:
    revision: str
    prune: bool
    dry_run: bool
    #: `GROUP:KIND:[NAMESPACE/]NAME`
    resources: tuple[str, ...]
    retry_limit: int

    def operation(self, username: str, request_id: str) -> dict[str, Any]:
        """The `operation` that Argo CD's own clients would write."""
        sync: dict[str, Any] = {"syncStrategy": {"hook": {}}}
        if self.revision:
            sync["revision"] = self.revision
        if self.prune:
            sync["prune"] = True
        if self.dry_run:
            sync["dryRun"] = True
        if self.resources:
            sync["resources"] = [_resource(text) for text in self.resources]
        operation: dict[str, Any] = {
            "sync": sync,
            "initiatedBy": {"username": username},
            "info": [{"name": REQUEST_INFO_NAME, "value": request_id}],
        }
        if self.retry_limit:
            operation["retry"] = {"limit": self.retry_limit}
        return operation

    def check(self, raw: Raw, application: ApplicationId) -> None:
        """Raise StalledError where the Application, as it is now, cannot be asked for this."""
        if raw["metadata"].get("deletionTimestamp"):
            raise StalledError(f"{application} is being deleted; there is nothing to sync")
        if raw.get("operation") or not at_rest(raw):
            raise StalledError(
                f"another operation is in progress for {application}; "
                f"wait for it: trueup app wait {application} --operation"
            )
        spec = raw.get("spec") or {}
        automated = (spec.get("syncPolicy") or {}).get("automated")
        if spec.get("sources") and self.revision:
            raise StalledError(f"{application} has a list of sources, and --revision is for one; leave it out")
        target = (spec.get("source") or {}).get("targetRevision") or "HEAD"
        on = automated is not None and automated.get("enabled") is not False
        if on and not self.dry_run and self.revision not in ("", target):
            raise StalledError(
                f"{application} cannot be synced to {self.revision}: automated sync keeps it at {target}; "
                "turn automated sync off, or change its target revision"
            )


def _resource(text: str) -> dict[str, str]:
    parts = text.split(":")
    if len(parts) != 3 or not parts[1] or not parts[2]:
        raise StalledError(
            f"--resource {text}: write it as GROUP:KIND:[NAMESPACE/]NAME, the group empty for core kinds"
        )
    namespace, slash, name = parts[2].partition("/")
    found = {"group": parts[0], "kind": parts[1], "name": name if slash else namespace}
    return {**found, "namespace": namespace} if slash else found


async def sync(
    names: tuple[str, ...], request: Request, *, selector: str, namespace: str, wait: bool, timeout_seconds: float
) -> bool:
    """Whether every sync succeeded, or was merely asked for where `wait` is off. One after the other."""
    request.operation("", "")
    async with home(namespace) as reached:
        succeeded = True
        for application in await reached.chosen(names, selector):
            request_id = await _ask(reached, application, request)
            if wait:
                raw = await _ended(reached, application, request_id, timeout_seconds)
                succeeded = _report(raw, request) and succeeded
        return succeeded


async def _ask(reached: Home, application: ApplicationId, request: Request) -> str:
    """Write the operation, where the Application can be asked for it; what it is known again by."""
    request_id = secrets.token_hex(8)
    for _ in range(CONFLICTS_MAX):
        before = await reached.read(application)
        request.check(before, application)
        guard = {"resourceVersion": before["metadata"]["resourceVersion"]}
        body = {"metadata": guard, "operation": request.operation(_username(), request_id)}
        try:
            await reached.patch(application, body)
        except ConflictError:
            continue
        return request_id
    raise StalledError(f"{application} changes faster than it can be asked to sync; try again")


async def _ended(reached: Home, application: ApplicationId, request_id: str, timeout_seconds: float) -> Raw:
    """The Application once the operation is over."""
    try:
        raw = await until(
            reached, application, lambda raw: raw is None or at_rest(raw), timeout_seconds=timeout_seconds
        )
    except TimeoutError:
        raise StalledError(
            f"{application} was not synced within {timeout_seconds} s; the sync stays asked for. Is a worker running?"
        ) from None
    if raw is None:
        raise StalledError(f"{application} was deleted while it was being synced")
    state = (raw.get("status") or {}).get("operationState") or {}
    if request_id not in _request_ids(state):
        raise StalledError(f"the sync of {application} was taken away, or followed by another, before it was seen")
    return raw


def _request_ids(state: Raw) -> Sequence[object]:
    info = (state.get("operation") or {}).get("info") or ()
    return [entry.get("value") for entry in info if entry.get("name") == REQUEST_INFO_NAME]


def _username() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user need not have a name.
        return "trueup"


def _report(raw: Raw, request: Request) -> bool:
    status = raw.get("status") or {}
    state = status.get("operationState") or {}
    results = (state.get("syncResult") or {}).get("resources") or ()
    if results:
        header = ("GROUP", "KIND", "NAMESPACE", "NAME", "STATUS", "MESSAGE")
        keys = [name.lower() for name in header]
        print(table(header, ([result.get(key) for key in keys] for result in results)))
    print(described(raw))
    if state.get("phase") != "Succeeded":
        print(f"trueup: the sync ended {state.get('phase')}: {state.get('message') or ''}", file=sys.stderr)
        return False
    unknown = _unknown(request.resources, (*(status.get("resources") or ()), *results))
    for text in unknown:
        print(f"trueup: --resource {text}: the application has no such object", file=sys.stderr)
    return not unknown


def _unknown(texts: Sequence[str], objects: Sequence[Raw]) -> list[str]:
    """The resources that were named and are none of the application's objects."""
    return [
        text
        for text in texts
        if not any(all(entry.get(part, "") == value for part, value in _resource(text).items()) for entry in objects)
    ]
