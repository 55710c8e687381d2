"""Everything running: the sandbox, the product as its users run it, and the floor beside it."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from redis.asyncio import Redis

from benchmarks import processes
from benchmarks.counters import calls_of, work_of
from benchmarks.monorepo import APPLICATIONS, Monorepo
from benchmarks.shapes import Edit, Shape
from tests.support.github import SECRET, delivery, push_of
from tests.support.product import SCRIPT, Installation, installation
from tests.support.sandbox import SandboxFacts, read_facts
from tests.support.sightings import Sightings, watching
from trueup.clients.cluster import Cluster
from trueup.clients.credentials import KubeconfigSource
from trueup.clients.process import PIPE, Child, base_environment, spawn
from trueup.clients.queue import Queue
from trueup.clients.redis import connect
from trueup.sandbox import create_repository

HALVES = ("service", "worker")
#: By which the sandbox finds its programs.
_SANDBOX_VARIABLES = ("HOME", "XDG_CACHE_HOME", "TRUEUP_CONTROLPLANE_DIR", "KUBEBUILDER_ASSETS", "TRUEUP_TOOLS_DIR")
#: Building the control plane for the first time takes minutes.
SANDBOX_SECONDS_MAX = 900.0
ANSWER_SECONDS_MAX = 30.0
#: The product is at rest once its queue has been empty for so long.
REST_SECONDS = 0.15
#: Between two events of a block: long enough for what the first still has to write.
GAP_SECONDS = 0.04
REST_POLL_SECONDS = 0.01
REST_SECONDS_MAX = 600.0
CREATES_IN_FLIGHT = 16
PRODUCT, FLOOR = "product", "floor"

#: What starts a half, before the half's name.
Command = tuple[str | Path, ...]


@dataclass
class Stage:
    """What a measurement has at hand."""

    trueup: Installation
    cluster: Cluster
    #: The same cluster as another person reaches it.
    bob: Cluster
    monorepo: Monorepo
    sightings: Sightings
    session: aiohttp.ClientSession
    redis: Redis
    queue: Queue
    floor: Child
    floor_url: str
    api_server: int

    # Processes

    @property
    def product(self) -> list[int]:
        return [child.pid for child in self.trueup.children.values()]

    def cpu_seconds(self, side: str) -> float:
        return processes.cpu_seconds([self.floor.pid] if side == FLOOR else self.product)

    def api_server_cpu_seconds(self) -> float:
        return processes.cpu_seconds([self.api_server])

    # What both sides are asked

    def address(self, side: str) -> str:
        return self.floor_url if side == FLOOR else f"http://{self.trueup.addresses('service')['listen']}"

    async def deliver(self, address: str) -> int:
        """Tell whoever listens there of a push, signed; the status of the answer."""
        body = push_of(self.monorepo.url)
        async with self.session.post(f"{address}/api/webhook", data=body, headers=delivery(body)) as answer:
            return answer.status

    async def webhook(self, side: str) -> None:
        """The same to one side, which has to take it."""
        if (status := await self.deliver(self.address(side))) != 202:
            raise RuntimeError(f"the webhook was answered {status}")

    async def ask_floor(self, what: str, **more: Any) -> None:
        async with self.session.post(f"{self.floor_url}/-/{what}", json=more) as answer:
            answer.raise_for_status()

    async def quiet(self, side: str, seconds: float = REST_SECONDS) -> None:
        """Wait until the product's queue has been empty for that long; the floor's is never anything else."""
        if side == FLOOR:
            await asyncio.sleep(seconds)
            return
        async with asyncio.timeout(REST_SECONDS_MAX):
            since = time.monotonic()
            while time.monotonic() - since < seconds:
                depth = await self.queue.depth()
                if depth.ready or depth.running or depth.held:
                    since = time.monotonic()
                await asyncio.sleep(REST_POLL_SECONDS)

    async def caught_up(self) -> None:
        """Wait until the product has nothing left to do: its queue is empty and no counter moves.

        What it missed while it stood still is nobody's sample. It is told of a push first, so that a
        half which has not woken yet is waited for.
        """
        await self.webhook(PRODUCT)
        before = None
        async with asyncio.timeout(REST_SECONDS_MAX):
            while True:
                await self.quiet(PRODUCT)
                work = await self.work(PRODUCT)
                if work == before:
                    return
                before = work
                await asyncio.sleep(REST_SECONDS)

    # Counters

    async def work(self, side: str) -> dict[str, float]:
        """What was done so far, by the counters of whoever did it."""
        if side == FLOOR:
            async with self.session.get(f"{self.floor_url}/-/calls") as answer:
                return dict(await answer.json())
        return work_of([await self.trueup.metrics(half) for half in HALVES])

    async def calls(self) -> dict[str, float]:
        """Every call of the product so far, one by one."""
        return calls_of({half: await self.trueup.metrics(half) for half in HALVES})

    async def queue_server_version(self) -> str:
        return str((await self.redis.info("server")).get("valkey_version", "unknown"))

    # Applications

    def edit(self, number: int) -> Edit:
        """What the edit of that number changes: each kind of object in turn."""
        edits = self.monorepo.shape.edits
        return edits[number % len(edits)]

    async def create_applications(self, names: Iterable[str], namespace: str, delivered: str) -> None:
        """Create them, several at a time."""
        resource = await self.cluster.resource("argoproj.io", "Application")

        async def create(name: str) -> None:
            await self.cluster.create(resource, namespace, application(name, namespace, self.monorepo.url, delivered))

        await each(names, create)

    async def heal_themselves(self, names: Iterable[str]) -> None:
        """Let these applications undo what is edited by hand."""
        spec = {"spec": {"syncPolicy": {"automated": {"prune": True, "selfHeal": True}}}}

        async def one(name: str) -> None:
            await self.trueup.patch(name, spec)

        await each(names, one)


async def each(names: Iterable[str], act: Callable[[str], Awaitable[None]]) -> None:
    """For each of them, a bounded number at a time."""
    slots = asyncio.Semaphore(CREATES_IN_FLIGHT)

    async def one(name: str) -> None:
        async with slots:
            await act(name)

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(one(name))


def application(name: str, namespace: str, url: str, delivered: str) -> dict[str, Any]:
    """Automated, without self-heal."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "project": "default",
            "source": {"repoURL": url, "path": f"{APPLICATIONS}/{name}", "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": delivered},
            "syncPolicy": {"automated": {"prune": True}},
        },
    }


@asynccontextmanager
async def stage(
    directory: Path,
    applications: list[str],
    shape: Shape,
    *,
    say: Callable[[str], None],
    settings: Mapping[str, str],
    command: Command = (SCRIPT,),
) -> AsyncIterator[Stage]:
    """The sandbox with the repository, and both sides ready; no Application exists yet.

    The product's halves are started by `command`. Raises an ExceptionGroup with a RuntimeError that has
    the last words of the process where any of them ends.
    """
    async with AsyncExitStack() as stack:
        sandbox, place = directory / "sandbox", directory / "product"
        for folder in (sandbox, place):
            folder.mkdir()
        facts = await stack.enter_async_context(_sandbox(sandbox, say=say))
        cluster = await stack.enter_async_context(Cluster(KubeconfigSource(str(facts.kubeconfig))))
        bob = await stack.enter_async_context(Cluster(KubeconfigSource(str(facts.kubeconfig_for("bob")))))
        trueup = await stack.enter_async_context(installation(facts, cluster, place, facts.redis_url, **settings))
        trueup.command = command
        say(f"A repository with {len(applications):,} applications")
        bare = await create_repository(facts.git_root, "monorepo")
        monorepo = Monorepo(f"{facts.git_url}/monorepo.git", bare, directory / "clone", shape)
        await monorepo.found(applications)
        await trueup.start_both()
        redis = connect(facts.redis_url)
        stack.push_async_callback(redis.aclose)
        floor, floor_url = await stack.enter_async_context(_floor(directory, facts, trueup, monorepo))
        running = {trueup.log(half): child for half, child in trueup.children.items()}
        await stack.enter_async_context(_alive({**running, directory / "floor.log": floor}))
        yield Stage(
            trueup=trueup,
            cluster=cluster,
            bob=bob,
            monorepo=monorepo,
            sightings=await stack.enter_async_context(watching(cluster, trueup.namespace)),
            session=await stack.enter_async_context(
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX))
            ),
            redis=redis,
            queue=Queue(redis),
            floor=floor,
            floor_url=floor_url,
            api_server=facts.pids["kube-apiserver"],
        )


@asynccontextmanager
async def _alive(children: Mapping[Path, Child]) -> AsyncIterator[None]:
    """End the block with what its log says last as soon as any of these processes ends."""

    async def watch(log: Path, child: Child) -> None:
        code = await child.wait()
        raise RuntimeError(f"{log.stem} ended with {code}: {_last_words(log)}")

    async with asyncio.TaskGroup() as group:
        watches = [group.create_task(watch(log, child)) for log, child in children.items()]
        yield
        for one in watches:
            one.cancel()


def _last_words(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


@asynccontextmanager
async def _sandbox(directory: Path, *, say: Callable[[str], None]) -> AsyncIterator[SandboxFacts]:
    """A process of its own, so that serving Git takes no time from measuring."""
    say("Starting Kubernetes, Valkey and the Git server")
    env = base_environment() | {name: os.environ[name] for name in _SANDBOX_VARIABLES if name in os.environ}
    log = directory.with_suffix(".log")
    with log.open("wb") as words:
        child = await spawn([SCRIPT, "sandbox", "--dir", directory], env=env, stdout=words, stderr=words)
    try:
        async with asyncio.timeout(SANDBOX_SECONDS_MAX):
            while not (directory / "sandbox.json").exists():
                if child.returncode is not None:
                    raise RuntimeError(f"the sandbox ended: {_last_words(log)}")
                await asyncio.sleep(0.05)
        yield read_facts(directory)
    finally:
        await child.terminate(grace_seconds=30)


@asynccontextmanager
async def _floor(
    directory: Path, facts: SandboxFacts, trueup: Installation, monorepo: Monorepo
) -> AsyncIterator[tuple[Child, str]]:
    log = directory / "floor.log"
    with log.open("wb") as words:
        child = await spawn(
            [sys.executable, "-m", "benchmarks.floor"],
            cwd=Path(__file__).parent.parent,
            env=base_environment(),
            stdin=PIPE,
            stdout=PIPE,
            stderr=words,
        )
    try:
        described = {
            "server": facts.server,
            "token": facts.users["trueup"],
            "ca": base64.b64decode(facts.ca_data).decode(),
            "git_url": monorepo.url,
            "mirror": str(directory / "floor.git"),
            "namespace": trueup.namespace,
            "delivered": trueup.delivered_to,
            "directory": APPLICATIONS,
            "kinds": monorepo.shape.kinds,
            "secret": SECRET.decode(),
            "redis_url": facts.redis_url,
        }
        child.stdin.write(orjson.dumps(described) + b"\n")
        async with asyncio.timeout(SANDBOX_SECONDS_MAX):
            line = await child.stdout.readline()
        if not line:
            raise RuntimeError(f"the floor ended: {_last_words(log)}")
        yield child, f"http://{orjson.loads(line)['listen']}"
    finally:
        await child.terminate(grace_seconds=5)
