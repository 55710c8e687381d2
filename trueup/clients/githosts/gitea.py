"""Gitea's and Forgejo's webhooks: `/repos/{owner}/{repo}/hooks` of their API v1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trueup.clients.githosts.http import HostApi, HostHook, config_url, hooks_of

RIGHT = "the scope write:repository, and its owner the right to administrate the repository"
EVENTS = ("push", "create", "delete")
#: An edit replaces these, with nothing where nothing is said.
_REPLACED = ("branch_filter", "authorization_header")


def headers(token: str) -> dict[str, str]:
    return {"Authorization": f"token {token}"}


@dataclass(frozen=True, slots=True)
class Gitea:
    api: HostApi

    @property
    def _path(self) -> str:
        return f"/repos/{self.api.host.path}/hooks"

    async def hooks(self) -> list[HostHook]:
        return hooks_of(await self.api.pages(self._path, {"limit": "50"}), config_url)

    async def create(self, address: str, secret: str) -> None:
        body = {"type": self.api.host.provider, **_hook(address, secret, EVENTS)}
        await self.api.call("POST", self._path, body)

    async def update(self, hook: HostHook, address: str, secret: str) -> None:
        chosen = hook.raw.get("events")
        events = dict.fromkeys([*(chosen if isinstance(chosen, list) else ()), *EVENTS])
        kept = {key: hook.raw[key] for key in _REPLACED if hook.raw.get(key)}
        await self.api.call("PATCH", f"{self._path}/{hook.id}", {**_hook(address, secret, tuple(events)), **kept})


def _hook(address: str, secret: str, events: tuple[str, ...]) -> dict[str, Any]:
    config = {"url": address, "content_type": "json", "secret": secret}
    return {"active": True, "events": list(events), "config": config}
