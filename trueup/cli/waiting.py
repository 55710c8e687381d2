"""Waiting on a watch, not on a clock: a predicate over an Application as it changes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from trueup.cli.home import Home, home
from trueup.clients.informer import Informer
from trueup.domain.application import ApplicationId

Raw = Mapping[str, Any]
#: None is an Application that is not there.
Predicate = Callable[[Raw | None], bool]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `app wait` waits for; every one that is set has to hold."""

    synced: bool = False
    health: bool = False
    operation: bool = False
    suspended: bool = False
    degraded: bool = False
    delete: bool = False

    def or_default(self) -> Wanted:
        """Without a flag: synced, healthy and at rest, as in Argo CD."""
        return self if self != Wanted() else replace(self, synced=True, health=True, operation=True)

    def holds(self, raw: Raw) -> bool:
        """Whether the Application is as wanted."""
        if self.delete:
            return False
        status = raw.get("status") or {}
        health = (status.get("health") or {}).get("status")
        healths = {
            name
            for name, wanted in (
                ("Healthy", self.health),
                ("Suspended", self.suspended),
                ("Degraded", self.degraded),
            )
            if wanted
        }
        if healths and health not in healths:
            return False
        if self.synced and (status.get("sync") or {}).get("status") != "Synced":
            return False
        return not self.operation or at_rest(raw)


def at_rest(raw: Raw) -> bool:
    """No operation is asked for or running."""
    phase = ((raw.get("status") or {}).get("operationState") or {}).get("phase")
    return not raw.get("operation") and phase not in ("Running", "Terminating")


async def until(
    reached: Home, application: ApplicationId, predicate: Predicate, *, timeout_seconds: float
) -> Raw | None:
    """The Application when the predicate first holds. TimeoutError after the time (0: never)."""
    changed = asyncio.Event()
    state: list[Raw | None] = [None]

    def see(_old: Raw | None, new: Raw | None) -> None:
        state[0] = new
        changed.set()

    informer = Informer(
        reached.cluster,
        reached.resource,
        namespace=application.namespace,
        field_selector=f"metadata.name={application.name}",
        on_change=see,
    )
    running = asyncio.create_task(informer.run())
    try:
        async with asyncio.timeout(timeout_seconds or None):
            await informer.synced()
            while not predicate(state[0]):
                changed.clear()
                await changed.wait()
            return state[0]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def wait(
    names: tuple[str, ...], wanted: Wanted, *, selector: str, namespace: str, timeout_seconds: float
) -> bool:
    """Whether all came to be as wanted in time; says of each which did not."""
    async with home(namespace) as reached:

        async def one(application: ApplicationId) -> bool:
            try:
                raw = await until(
                    reached,
                    application,
                    lambda raw: raw is None or wanted.holds(raw),
                    timeout_seconds=timeout_seconds,
                )
            except TimeoutError:
                last = await reached.read(application)
                _complain(f"timed out after {timeout_seconds} s: {described(last)}")
                return False
            if raw is None and not wanted.delete:
                _complain(f"{application} was deleted meanwhile")
                return False
            print(described(raw) if raw is not None else f"{application}: deleted")
            return True

        chosen = await reached.chosen(names, selector)
        if not wanted.delete:
            for application in chosen:
                await reached.read(application)
        return all(await asyncio.gather(*(one(application) for application in chosen)))


def _complain(sentence: str) -> None:
    print(f"trueup: {sentence}", file=sys.stderr)


def described(raw: Raw) -> str:
    """One line: name, sync status, health, revision."""
    status = raw.get("status") or {}
    sync = status.get("sync") or {}
    metadata = raw.get("metadata") or {}
    health = (status.get("health") or {}).get("status") or "Unknown"
    revision = str(sync.get("revision") or "")[:7] or "no revision yet"
    name = f"{metadata.get('namespace')}/{metadata.get('name')}"
    return f"{name}: {sync.get('status') or 'Unknown'}, {health}, at {revision}"
