"""Asking for a sync through the Application's `operation` field, and seeing it through."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trueup.cli.home import home
from trueup.cli.waiting import at_rest, described, until
from trueup.domain.errors import StalledError


@dataclass(frozen=True, slots=True)
class Request:
    revision: str
    prune: bool
    dry_run: bool
    #: `GROUP:KIND:[NAMESPACE/]NAME`
    resources: tuple[str, ...]
    retry_limit: int

    def operation(self, username: str) -> dict[str, Any]:
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
        operation: dict[str, Any] = {"sync": sync, "initiatedBy": {"username": username}}
        if self.retry_limit:
            operation["retry"] = {"limit": self.retry_limit}
        return operation


def _resource(text: str) -> dict[str, str]:
    parts = text.split(":")
    if len(parts) != 3 or not parts[1] or not parts[2]:
        raise StalledError(
            f"--resource {text}: write it as GROUP:KIND:[NAMESPACE/]NAME, the group empty for core kinds"
        )
    namespace, slash, name = parts[2].partition("/")
    found = {"group": parts[0], "kind": parts[1], "name": name if slash else namespace}
    return {**found, "namespace": namespace} if slash else found


async def sync(name: str, request: Request, *, wait: bool, timeout_seconds: float) -> bool:
    """Whether the sync succeeded, or was merely asked for where `wait` is off."""
    async with home() as reached:
        application = reached.named(name)
        before = await reached.read(application)
        if before.get("operation"):
            raise StalledError(
                f"another operation is in progress for {application}; wait for it: trueup app wait {name} --operation"
            )
        started_before = _started(before)
        await reached.patch(
            application,
            {
                "metadata": {"resourceVersion": before["metadata"]["resourceVersion"]},
                "operation": request.operation(getpass.getuser()),
            },
        )
        if not wait:
            return True
        try:
            raw = await until(
                reached,
                application,
                lambda raw: raw is None or (at_rest(raw) and _started(raw) != started_before),
                timeout_seconds=timeout_seconds,
            )
        except TimeoutError:
            raise StalledError(
                f"{application} was not synced within {timeout_seconds} s; is a worker running?"
            ) from None
        if raw is None:
            raise StalledError(f"{application} was deleted while it was being synced")
        return _report(raw)


def _started(raw: Mapping[str, Any]) -> tuple[str, str]:
    state = (raw.get("status") or {}).get("operationState") or {}
    info = (state.get("operation") or {}).get("info") or []
    return str(state.get("startedAt")), str(info)


def _report(raw: Mapping[str, Any]) -> bool:
    state = (raw.get("status") or {}).get("operationState") or {}
    for result in (state.get("syncResult") or {}).get("resources") or ():
        where = f"{result.get('namespace')}/{result.get('name')}" if result.get("namespace") else result.get("name")
        print(
            f"{result.get('status') or '-':12} {result.get('kind'):24} {where}  {result.get('message') or ''}".rstrip()
        )
    print(described(raw))
    succeeded = state.get("phase") == "Succeeded"
    if not succeeded:
        print(f"trueup: the sync ended {state.get('phase')}: {state.get('message') or ''}", file=sys.stderr)
    return succeeded
