"""The floor: one bare process that makes the calls which a push or a live edit cannot do without.

`python -m benchmarks.floor` reads its facts as JSON from stdin, says `{"listen": "host:port"}` and takes

* `POST /api/webhook`: a signed push. Fetch, diff, read, look, fence, apply, outcome.
* `POST /-/acknowledge`: a signed push that is only taken down, in Redis.
* `POST /-/catch-up`: fetch, and take the tip as known; nothing is applied.
* `POST /-/watch`: watch the objects; an edit is written down as OutOfSync and, with `{"heal": true}`, undone.
* `POST /-/onboard`: `{"namespace", "delivered"}`; deliver each Application that appears there.
* `POST /-/rest`: end all watches.
* `GET /-/calls`: how many calls of each kind it has made.

It knows nothing beyond what these need: no queue, no retries, one repository, the kinds of one shape. At its first
error it ends, for figures from calls that failed would be none.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hmac
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from redis.asyncio import Redis

from benchmarks.bare import REF, Api, Git

TRACKING = "argocd.argoproj.io/tracking-id"
IN_FLIGHT = 16
NOTE_SECONDS = 60

Raw = dict[str, Any]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _holds(wanted: Any, live: Any) -> bool:
    """Whether everything that is wanted is there."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            name in live and _holds(value, live[name]) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(live, list) and len(wanted) == len(live) and all(map(_holds, wanted, live))
    return bool(wanted == live)


def _content(body: Raw) -> bytes:
    """What a person edits of an object."""
    return orjson.dumps((body.get("spec"), body.get("data")), option=orjson.OPT_SORT_KEYS)


@dataclass
class Floor:
    api: Api
    git: Git
    redis: Redis
    namespace: str
    delivered: str
    directory: str
    #: Of the objects that are watched.
    kinds: list[str]
    secret: bytes
    group: asyncio.TaskGroup
    tip: str = ""
    tree: str = ""
    heals: bool = False
    watches: list[asyncio.Task[None]] = field(default_factory=list)
    desired: dict[str, list[Raw]] = field(default_factory=dict)
    seen: dict[tuple[str, str], bytes] = field(default_factory=dict)

    # A push

    async def pushed(self, request: web.Request) -> web.Response:
        if not await self._is_genuine(request):
            return web.Response(status=401)
        self.group.create_task(self._push())
        return web.Response(status=202)

    async def acknowledged(self, request: web.Request) -> web.Response:
        if not await self._is_genuine(request):
            return web.Response(status=401)
        await self.redis.set("floor", request.headers["X-GitHub-Delivery"], ex=NOTE_SECONDS)
        return web.Response(status=202)

    async def _is_genuine(self, request: web.Request) -> bool:
        body = await request.read()
        given = request.headers.get("X-Hub-Signature-256", "")
        return hmac.compare_digest("sha256=" + hmac.digest(self.secret, body, "sha256").hex(), given)

    async def _push(self) -> None:
        old = self.tree
        await self._follow_tip()
        paths = await self.git.changed_paths(old, self.tree)
        affected = sorted({path.split("/")[1] for path in paths if path.startswith(f"{self.directory}/")})
        await asyncio.gather(*(self._sync(name) for name in affected))

    async def _follow_tip(self) -> None:
        await self.git.fetch()
        self.tip, _ = await self.git.read(REF)
        self.tree, _ = await self.git.read(f"{REF}^{{tree}}")

    async def _sync(self, name: str) -> None:
        """One application to the tip: read both sides, then write what differs."""
        wanted = await self._wanted(name, self.tip, self.delivered)
        application, *live = await asyncio.gather(
            self.api.get("Application", self.namespace, name), *(self._get(body) for body in wanted)
        )
        differing = [body for body, there in zip(wanted, live, strict=True) if not _holds(body, there)]
        application = await self._fence(application)
        await asyncio.gather(*(self._apply(body) for body in differing))
        await self._outcome(application, differing)

    async def _wanted(self, name: str, revision: str, delivered: str) -> list[Raw]:
        found = await self.git.manifests(revision, f"{self.directory}/{name}")
        for body in found:
            group = body["apiVersion"].rpartition("/")[0]
            tracking = f"{name}:{group}/{body['kind']}:{delivered}/{body['metadata']['name']}"
            body["metadata"] |= {"namespace": delivered, "annotations": {TRACKING: tracking}}
        return found

    async def _get(self, body: Raw) -> Raw:
        return await self.api.get(body["kind"], body["metadata"]["namespace"], body["metadata"]["name"])

    async def _apply(self, body: Raw) -> None:
        metadata = body["metadata"]
        await self.api.apply(body["kind"], metadata["namespace"], metadata["name"], body)

    async def _fence(self, application: Raw, found: Raw | None = None) -> Raw:
        """The phase, and what was found, before anything is written."""
        state = copy.deepcopy((application.get("status") or {}).get("operationState") or {})
        operation = state.get("operation") or {}
        operation["sync"] = {**(operation.get("sync") or {}), "revision": self.tip}
        state |= {"phase": "Running", "operation": operation, "startedAt": _now(), "message": "", "finishedAt": None}
        return await self._write(application, {**(found or {}), "operationState": state})

    async def _outcome(self, application: Raw, applied: list[Raw]) -> Raw:
        status = application.get("status") or {}
        state = copy.deepcopy(status.get("operationState") or {})
        results = [
            {
                "group": body["apiVersion"].rpartition("/")[0],
                "version": body["apiVersion"].rpartition("/")[2],
                "kind": body["kind"],
                "namespace": body["metadata"]["namespace"],
                "name": body["metadata"]["name"],
                "status": "Synced",
                "syncPhase": "Sync",
                "message": "applied",
            }
            for body in applied
        ]
        source = application["spec"]["source"]
        state |= {
            "phase": "Succeeded",
            "message": "applied",
            "finishedAt": _now(),
            "syncResult": {"revision": self.tip, "source": source, "resources": results},
        }
        history = list(status.get("history") or ())
        entry = {"id": len(history), "revision": self.tip, "source": source, "deployedAt": _now()}
        sync = {**(status.get("sync") or {}), "status": "Synced", "revision": self.tip}
        sync.setdefault("comparedTo", {"source": source, "destination": application["spec"]["destination"]})
        resources = [{**item, "status": "Synced"} for item in status.get("resources") or results]
        return await self._write(
            application,
            {
                "operationState": state,
                "sync": sync,
                "resources": resources,
                "history": [*history, entry][-10:],
                "reconciledAt": _now(),
            },
        )

    async def _write(self, application: Raw, status: Raw) -> Raw:
        metadata = application["metadata"]
        body = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": status}
        return await self.api.patch("Application", metadata["namespace"], metadata["name"], body)

    # A live edit

    async def watch(self, request: web.Request) -> web.Response:
        self.heals = bool((await request.json()).get("heal"))
        self.desired.clear()
        for kind in self.kinds:
            found = await self.api.list(kind, self.delivered)
            for body in found["items"]:
                self.seen[kind, body["metadata"]["name"]] = _content(body)
            version = found["metadata"]["resourceVersion"]
            self.watches.append(self.group.create_task(self._follow(kind, version)))
        return web.Response()

    async def _follow(self, kind: str, version: str) -> None:
        async for event in self.api.watch(kind, self.delivered, version):
            body = event["object"]
            name, content = body["metadata"]["name"], _content(body)
            if self.seen.get((kind, name)) == content:
                continue
            self.seen[kind, name] = content
            owner = (body["metadata"].get("annotations") or {}).get(TRACKING, "").partition(":")[0]
            if owner:
                self.group.create_task(self._look(owner, kind, name))

    async def _look(self, owner: str, kind: str, name: str) -> None:
        if owner not in self.desired:
            self.desired[owner] = await self._wanted(owner, self.tip, self.delivered)
        wanted = next(body for body in self.desired[owner] if body["kind"] == kind)
        application, live = await asyncio.gather(
            self.api.get("Application", self.namespace, owner), self.api.get(kind, self.delivered, name)
        )
        verdict = "Synced" if _holds(wanted, live) else "OutOfSync"
        sync = application["status"]["sync"]
        heals_already = (application["status"].get("operationState") or {}).get("phase") == "Running"
        if sync["status"] == verdict or heals_already:
            return
        entries = [
            {**entry, "status": verdict} if entry["kind"] == kind else entry
            for entry in application["status"].get("resources") or ()
        ]
        found = {"sync": {**sync, "status": verdict}, "resources": entries, "reconciledAt": _now()}
        if self.heals and verdict == "OutOfSync":
            application = await self._fence(application, found)
            await self._apply(wanted)
            await self._outcome(application, [wanted])
        else:
            await self._write(application, found)

    # Onboarding

    async def onboard(self, request: web.Request) -> web.Response:
        asked = await request.json()
        found = await self.api.list("Application", asked["namespace"])
        version = found["metadata"]["resourceVersion"]
        arrivals = self._arrivals(asked["namespace"], asked["delivered"], version)
        self.watches.append(self.group.create_task(arrivals))
        return web.Response()

    async def _arrivals(self, namespace: str, delivered: str, version: str) -> None:
        slots = asyncio.Semaphore(IN_FLIGHT)

        async def deliver(application: Raw) -> None:
            async with slots:
                name = application["spec"]["source"]["path"].rpartition("/")[2]
                wanted = await self._wanted(name, self.tip, delivered)
                application = await self._fence(application)
                await asyncio.gather(*(self._apply(body) for body in wanted))
                await self._outcome(application, wanted)

        async for event in self.api.watch("Application", namespace, version):
            if event["type"] == "ADDED":
                self.group.create_task(deliver(event["object"]))

    # What the bench asks

    async def catch_up(self, _: web.Request) -> web.Response:
        await self._follow_tip()
        return web.Response()

    async def rest(self, _: web.Request) -> web.Response:
        for watch in self.watches:
            watch.cancel()
        await asyncio.gather(*self.watches, return_exceptions=True)
        self.watches.clear()
        return web.Response()

    async def counted(self, _: web.Request) -> web.Response:
        return web.json_response({**self.git.work, **self.api.calls})


async def serve(facts: Raw) -> None:
    """Answer until cancelled, or until anything fails."""
    api = Api(facts["server"], facts["token"], facts["ca"])
    git = Git(facts["git_url"], Path(facts["mirror"]))
    redis = Redis.from_url(facts["redis_url"])
    await api.open()
    await git.open()
    try:
        async with asyncio.TaskGroup() as group:
            described = {name: facts[name] for name in ("namespace", "delivered", "directory", "kinds")}
            floor = Floor(api, git, redis, secret=facts["secret"].encode(), group=group, **described)
            group.create_task(_listen(floor))
    finally:
        await git.close()
        await api.close()
        await redis.aclose()


async def _listen(floor: Floor) -> None:
    application = web.Application()
    application.add_routes(
        [
            web.post("/api/webhook", floor.pushed),
            web.post("/-/acknowledge", floor.acknowledged),
            web.post("/-/catch-up", floor.catch_up),
            web.post("/-/watch", floor.watch),
            web.post("/-/onboard", floor.onboard),
            web.post("/-/rest", floor.rest),
            web.get("/-/calls", floor.counted),
        ]
    )
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(orjson.dumps({"listen": f"127.0.0.1:{runner.addresses[0][1]}"}).decode(), flush=True)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(orjson.loads(sys.stdin.buffer.readline())))
