"""GitLab's project webhooks.

https://docs.gitlab.com/api/project_webhooks/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from trueup.clients.githosts.http import HostApi, HostHook, hooks_of

RIGHT = "the scope api, and its owner the role Maintainer"


def headers(token: str) -> dict[str, str]:
    return {"PRIVATE-TOKEN": token}


@dataclass(frozen=True, slots=True)
class GitLab:
    api: HostApi

    @property
    def _path(self) -> str:
        return f"/projects/{quote(self.api.host.path, safe='')}/hooks"

    async def hooks(self) -> list[HostHook]:
        return hooks_of(await self.api.pages(self._path, {"per_page": "100"}), lambda item: item.get("url"))

    async def create(self, address: str, secret: str) -> None:
        await self.api.call("POST", self._path, _hook(address, secret))

    async def update(self, hook: HostHook, address: str, secret: str) -> None:
        await self.api.call("PUT", f"{self._path}/{hook.id}", _hook(address, secret))


def _hook(address: str, secret: str) -> dict[str, Any]:
    return {
        "url": address,
        "token": secret,
        "push_events": True,
        "tag_push_events": True,
        "enable_ssl_verification": True,
    }
