"""Stands in for the webhook APIs of GitHub, GitLab and Gitea: as strict about a request, and paged as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "token-of-a-test"
PATH = "acme/deploy"
PAGE = 2
AUTHORIZATIONS = {
    "github": ("Authorization", f"Bearer {TOKEN}"),
    "gitlab": ("PRIVATE-TOKEN", TOKEN),
    "gitea": ("Authorization", f"token {TOKEN}"),
    "forgejo": ("Authorization", f"token {TOKEN}"),
}

#: Status, headers, body.
Answer = tuple[int, Mapping[str, str], Any]
NOT_FOUND: Answer = (404, {}, {"message": "Not Found"})


@dataclass
class GitHostStandIn:
    """One host with one repository, `acme/deploy`."""

    provider: str
    url: str = ""
    hooks: list[dict[str, Any]] = field(default_factory=list)
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    #: Answers to give instead, one a request.
    instead: list[Answer] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def secret_of(self, hook: dict[str, Any]) -> str:
        return str(hook["token"] if self.provider == "gitlab" else hook["config"]["secret"])

    def url_of(self, hook: dict[str, Any]) -> str:
        return str(hook["url"] if self.provider == "gitlab" else hook["config"]["url"])

    @property
    def root(self) -> str:
        return "/projects/acme%2Fdeploy/hooks" if self.provider == "gitlab" else f"/repos/{PATH}/hooks"

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append((request.method, request.raw_path))
        name, value = AUTHORIZATIONS[self.provider]
        path = request.raw_path.partition("?")[0]
        if self.instead:
            status, headers, body = self.instead.pop(0)
        elif request.headers.get(name) != value:
            status, headers, body = 401, {}, {"message": "Bad credentials"}
        elif path != self.root and not path.startswith(f"{self.root}/"):
            status, headers, body = NOT_FOUND
        else:
            rest = path.removeprefix(self.root).split("/")[1:]
            if request.method == "GET":
                status, headers, body = self._read(request, rest)
            else:
                status, headers, body = self._write(request.method, rest, await request.json())
        return web.json_response(body, status=status, headers=headers)

    def _write(self, method: str, rest: list[str], body: dict[str, Any]) -> Answer:
        if fault := self._fault(body, is_new=not rest):
            return 422, {}, {"message": "Validation Failed", "errors": [fault]}
        if not rest and method == "POST":
            hook = {**body, "id": 100 + len(self.hooks)}
            self.hooks.append(hook)
            return 201, {}, self._shown(hook)
        found = next((hook for hook in self.hooks if str(hook["id"]) == rest[0]), None)
        if found is None or method != ("PUT" if self.provider == "gitlab" else "PATCH"):
            return NOT_FOUND
        if self.provider in {"gitea", "forgejo"}:
            # As there, an edit sets these back where it does not speak of them.
            found.update(branch_filter="", authorization_header="")
        found.update(body)
        return 200, {}, self._shown(found)

    def _read(self, request: web.Request, rest: list[str]) -> Answer:
        if len(rest) == 3:
            found = [one for one in self.deliveries if str(one["id"]) == rest[2]]
            return (200, {}, found[0]) if found else NOT_FOUND
        items = self.deliveries if rest else [self._shown(hook) for hook in self.hooks]
        page = int(request.query.get("page", "1"))
        headers = {}
        if len(items) > page * PAGE:
            further = request.url.update_query(page=str(page + 1))
            headers["Link"] = f'<{further}>; rel="next", <{request.url}>; rel="last"'
        return 200, headers, items[(page - 1) * PAGE : page * PAGE]

    def _fault(self, body: Any, *, is_new: bool) -> str:
        if self.provider == "gitlab":
            return "" if body.get("url") else "url is missing"
        config = body.get("config") or {}
        if not config.get("url") or config.get("content_type") != "json" or not body.get("active"):
            return f"config is wrong, secret {config.get('secret')}"
        if is_new and self.provider != "github" and body.get("type") not in {"gitea", "forgejo"}:
            return "Invalid hook type"
        return "Hook already exists" if is_new and config["url"] in map(self.url_of, self.hooks) else ""

    def _shown(self, hook: dict[str, Any]) -> dict[str, Any]:
        """No host gives a secret back."""
        shown = {key: value for key, value in hook.items() if key != "token"}
        if "config" in shown:
            shown["config"] = {key: value for key, value in hook["config"].items() if key != "secret"}
        return shown


@asynccontextmanager
async def git_host_stand_in(provider: str) -> AsyncIterator[GitHostStandIn]:
    host = GitHostStandIn(provider)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", host.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield host
    finally:
        await runner.cleanup()
