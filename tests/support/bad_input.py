"""What tests of bad input ask: that it is named, with the way out, and that nothing was done about it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from tests.support.product import STEP_SECONDS, Installation, conditions, is_synced
from tests.support.wait import wait_until

Raw = Mapping[str, Any]


def fresh(word: str) -> str:
    """A name that no other test uses."""
    return f"{word}-{secrets.token_hex(3)}"


async def told(trueup: Installation, name: str, kind: str, *words: str) -> dict[str, Any]:
    """The Application once a condition of that type has all these words."""

    def holds(raw: Raw) -> bool:
        return any(all(word in message for word in words) for message in conditions(raw, kind))

    return await trueup.until(name, holds, f"a {kind} that says {', '.join(words)}")


async def healed(trueup: Installation, name: str, revision: str) -> dict[str, Any]:
    """The Application once it is synced at the revision and complains of nothing any more."""

    def holds(raw: Raw) -> bool:
        return bool(is_synced(revision)(raw)) and not conditions(raw)

    return await trueup.until(name, holds, "healed")


async def sound_neighbour(trueup: Installation, url: str, path: str, revision: str) -> None:
    """Another application of the same repository goes on."""
    name = fresh("neighbour")
    await trueup.apply(name, url, path=path, syncPolicy={"automated": {}})
    await trueup.until(name, is_synced(revision), "synced beside a broken one")


async def gone(trueup: Installation, kind: str, name: str) -> None:
    """Wait until an object that was deleted is not there any more."""

    async def is_gone() -> bool:
        return await trueup.live(kind, name) is None

    await wait_until(is_gone, STEP_SECONDS, f"{kind} {name} is gone")


def owned(raw: Raw) -> set[str]:
    """The names in the inventory."""
    return {entry["name"] for entry in (raw.get("status") or {}).get("resources") or ()}


def results(raw: Raw) -> dict[str, tuple[str, str]]:
    """What the last sync did to each object, by name: its status and the message."""
    found = raw["status"]["operationState"]["syncResult"]["resources"]
    return {entry["name"]: (entry.get("status", ""), entry.get("message", "")) for entry in found}


def phase(raw: Raw) -> str | None:
    state = (raw.get("status") or {}).get("operationState") or {}
    found: str | None = state.get("phase")
    return found
