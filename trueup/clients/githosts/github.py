"""GitHub's webhooks.

https://docs.github.com/en/rest/repos/webhooks
https://docs.github.com/en/rest/webhooks/repo-deliveries
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from trueup.clients.githosts.http import HostApi, HostHook, config_url, hooks_of
from trueup.domain.errors import StalledError
from trueup.domain.webhook_delivery import Delivery

RIGHT = "the permission Webhooks: write (fine-grained) or the scope admin:repo_hook (classic)"
#: A push event comes for branches and tags, their creation and their deletion.
EVENTS = ("push",)
PAGE_HOOKS = "100"


def headers(token: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }


@dataclass(frozen=True, slots=True)
class GitHub:
    api: HostApi

    @property
    def _path(self) -> str:
        return f"/repos/{self.api.host.path}/hooks"

    async def hooks(self) -> list[HostHook]:
        return hooks_of(await self.api.pages(self._path, {"per_page": PAGE_HOOKS}), config_url)

    async def create(self, address: str, secret: str) -> None:
        await self.api.call("POST", self._path, {"name": "web", **_hook(address, secret, EVENTS)})

    async def update(self, hook: HostHook, address: str, secret: str) -> None:
        # GitHub replaces the whole list of events.
        events = dict.fromkeys([*_events(hook.raw), *EVENTS])
        await self.api.call("PATCH", f"{self._path}/{hook.id}", _hook(address, secret, tuple(events)))

    async def delivery(self, hook: HostHook, name: str) -> Delivery:
        """What GitHub sent, by its number or its GUID; its bytes may differ from those that were signed."""
        number = name if name.isascii() and name.isdigit() else await self._number(hook, name)
        request = (await self.api.call("GET", f"{self._path}/{hook.id}/deliveries/{number}")).get("request") or {}
        sent, payload = request.get("headers"), request.get("payload")
        if not isinstance(sent, dict) or payload is None:
            raise StalledError(f"GitHub does not keep what it sent in delivery {name[:64]}")
        # What GitHub keeps of the body is its meaning.
        kept = {str(key): str(value) for key, value in sent.items() if str(key).lower().startswith("x-github-")}
        return Delivery({**kept, "Content-Type": "application/json"}, orjson.dumps(payload))

    async def _number(self, hook: HostHook, guid: str) -> int:
        for one in await self.api.pages(f"{self._path}/{hook.id}/deliveries", {"per_page": PAGE_HOOKS}):
            if isinstance(one, dict) and one.get("guid") == guid and isinstance(one.get("id"), int):
                return int(one["id"])
        raise StalledError(f"GitHub knows no delivery {guid[:64]} of this hook; it keeps them for three days")


def _hook(address: str, secret: str, events: tuple[str, ...]) -> dict[str, Any]:
    config = {"url": address, "content_type": "json", "secret": secret, "insecure_ssl": "0"}
    return {"active": True, "events": list(events), "config": config}


def _events(raw: Mapping[str, Any]) -> list[str]:
    events = raw.get("events")
    return [event for event in events if isinstance(event, str)] if isinstance(events, list) else []
