"""A running service on real parts, and the objects that it looks at."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest_asyncio
from prometheus_client import REGISTRY

from service.app import serve
from tests.support.fixtures import in_own_task
from tests.support.github import SECRET, delivery, push_of
from tests.support.queues import client_of
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster
from trueup.clients.queue import Queue
from trueup.clients.sns import SnsReader
from trueup.domain.errors import SupersededError
from trueup.domain.job import Job
from trueup.settings import Settings

SECONDS = 30
REPO = "https://git.example.com/acme/deploy.git"
REPO_KEY = "repository:git.example.com/acme/deploy"
GITHUB_KEY = "webhook.github.secret"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Service:
    """One replica and, beside it, our own eyes on its queue and its objects."""

    cluster: Cluster
    namespace: str
    queue: Queue
    http: aiohttp.ClientSession
    #: `host:port` of the public and of the operations address.
    listen: str
    ops: str

    async def get(self, path: str, *, ops: bool = False) -> Answer:
        async with self.http.get(f"http://{self.ops if ops else self.listen}{path}") as response:
            return Answer(response.status, await read_json(response), response.headers)

    async def post(self, body: Any, headers: Mapping[str, str], path: str = "/api/webhook") -> Answer:
        data = BytesIO(body) if isinstance(body, bytes) else body
        async with self.http.post(f"http://{self.listen}{path}", data=data, headers=headers) as response:
            return Answer(response.status, await read_json(response), response.headers)

    async def push(self, url: str = REPO, *, secret: bytes = SECRET) -> Answer:
        body = push_of(url)
        return await self.post(body, delivery(body, secret=secret))

    async def job(self, key: str) -> Job:
        """The job under this key, once it is there; it is claimed and settled."""

        found: list[Job] = []

        async def is_there() -> bool:
            found.extend(job for job in await self.jobs() if job.key == key)
            return bool(found)

        await wait_until(is_there, SECONDS, f"a job {key}")
        return found[0]

    async def jobs(self) -> list[Job]:
        """Everything that waits and is due, claimed and settled."""
        taken = []
        while claim := await self.queue.claim(wait_seconds_max=0):
            # Another replica may have raised the epoch meanwhile; the job then comes again.
            with suppress(SupersededError):
                await self.queue.settle(claim)
            taken.append(claim.job)
        return taken

    async def application(self, name: str, url: str = REPO, **spec: Any) -> dict[str, Any]:
        return await create_application(self.cluster, self.namespace, name, url, **spec)

    async def patch(self, name: str, body: Mapping[str, Any]) -> None:
        resource = await self.cluster.resource("argoproj.io", "Application")
        await self.cluster.merge_patch(resource, self.namespace, name, body)

    async def listed(self, name: str) -> dict[str, Any] | None:
        """How the API shows this Application."""
        answer = await self.get("/api/v1/applications")
        return next((item for item in answer.body["items"] if item["name"] == name), None)


async def read_json(response: aiohttp.ClientResponse) -> Any:
    assert response.content_type == "application/json"
    return orjson.loads(await response.read())


async def create_application(cluster: Cluster, namespace: str, name: str, url: str, **spec: Any) -> dict[str, Any]:
    resource = await cluster.resource("argoproj.io", "Application")
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name},
        "spec": {
            "project": "default",
            "source": {"repoURL": url, "path": name, "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "default"},
            **spec,
        },
    }
    return await cluster.create(resource, namespace, body)


async def set_webhook_secret(cluster: Cluster, namespace: str, **values: bytes) -> None:
    """Make `argocd-secret` hold these values; an underscore stands for a dot."""
    data = {name.replace("_", "."): base64.b64encode(value).decode() for name, value in values.items()}
    resource = await cluster.resource("", "Secret")
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "argocd-secret"}, "data": data}
    await cluster.apply(resource, namespace, "argocd-secret", body)


def settings_for(namespace: str, redis_url: str, data_dir: Path, **changed: Any) -> Settings:
    return Settings(
        redis_url=redis_url,
        namespace=namespace,
        data_dir=data_dir,
        ops_listen="127.0.0.1:0",
        **{"listen": "127.0.0.1:0", "epoch_check_seconds": 0.1, "shutdown_seconds_max": 4.0, **changed},
    )


@asynccontextmanager
async def serving(settings: Settings, cluster: Cluster, sns: SnsReader | None = None) -> AsyncIterator[Path]:
    """The service in a task of its own, stopped as a signal stops it; gives the file of its addresses."""
    stop = asyncio.Event()
    task = asyncio.create_task(serve(settings, cluster, stop=stop, sns=sns))
    try:
        yield settings.data_dir / "service.json"
    finally:
        stop.set()
        await task


@asynccontextmanager
async def running_service(settings: Settings, cluster: Cluster, sns: SnsReader | None = None) -> AsyncIterator[Service]:
    """A replica that is ready; what its first sweep enqueued is gone from the queue."""
    async with AsyncExitStack() as stack:
        file = await stack.enter_async_context(serving(settings, cluster, sns))
        await wait_until(file.exists, SECONDS, "ready")
        addresses = orjson.loads(file.read_bytes())
        http = await stack.enter_async_context(aiohttp.ClientSession())
        client = await stack.enter_async_context(client_of(settings.redis_url))
        service = Service(
            cluster, settings.namespace, Queue(client), http, addresses["listen"], addresses["ops_listen"]
        )
        yield service


@pytest_asyncio.fixture(loop_scope="session")
async def service(cluster: Cluster, namespace: str, valkey_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """A ready service with a webhook secret and one Application, `shop`, and nothing in the queue."""
    await set_webhook_secret(cluster, namespace, webhook_github_secret=SECRET)
    await create_application(cluster, namespace, "shop", REPO)
    async with in_own_task(running_service(settings_for(namespace, valkey_url, tmp_path / "data"), cluster)) as running:
        await running.job(REPO_KEY)
        yield running


def counter(name: str, **labels: str) -> float:
    """What this process has counted so far."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def unchanged(measure: Callable[[], float | Awaitable[float]], what: str) -> AsyncIterator[None]:
    """Fails where the block changes what is measured."""

    async def now() -> float:
        value = measure()
        return value if isinstance(value, float) else await value

    before = await now()
    yield
    assert await now() == before, what
