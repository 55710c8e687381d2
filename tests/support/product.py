"""Trueup as its users run it: the installed console script, as processes, beside a real sandbox.

Every installation has a namespace, a Valkey and a data directory of its own, so that tests do not
meet each other.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from redis.asyncio import Redis

from tests.support.git import git
from tests.support.github import SECRET, UNSAID, delivery, push_of
from tests.support.sandbox import SandboxFacts
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster
from trueup.clients.process import Child, Completed, base_environment, run, spawn
from trueup.clients.queue import Queue
from trueup.domain.application import HOME_SERVER
from trueup.sandbox import create_repository, search_path
from trueup.sandbox.valkey import Valkey

SCRIPT = Path(sys.executable).parent / "trueup"
START_SECONDS = 60.0
STEP_SECONDS = 60.0
COMMAND_SECONDS = 120.0

Raw = Mapping[str, Any]
Predicate = Callable[[Raw], object]


@dataclass
class Installation:
    """One Trueup: who it is, and what a test does to it."""

    sandbox: SandboxFacts
    cluster: Cluster
    #: Where its Applications live; its objects are delivered to `delivered_to`.
    namespace: str
    delivered_to: str
    directory: Path
    redis_url: str
    settings: dict[str, str] = field(default_factory=dict)
    children: dict[str, Child] = field(default_factory=dict)
    kubeconfig: Path | None = None
    #: What starts a half, before the half's name.
    command: tuple[str | Path, ...] = (SCRIPT,)

    # Processes

    def environment(self, **more: str) -> dict[str, str]:
        """What a process of this installation finds in its environment, and nothing else."""
        return {
            **base_environment(),
            "PATH": search_path(self.sandbox.tools),
            "HOME": str(self.directory),
            "KUBECONFIG": str(self.kubeconfig or self.sandbox.kubeconfig),
            "TRUEUP_NAMESPACE": self.namespace,
            "TRUEUP_REDIS_URL": self.redis_url,
            "TRUEUP_DATA_DIR": str(self.directory / "data"),
            "TRUEUP_GIT_SCHEMES": "http",
            "TRUEUP_LISTEN": "127.0.0.1:0",
            "TRUEUP_OPS_LISTEN": "127.0.0.1:0",
            "TRUEUP_WORKER_OPS_LISTEN": "127.0.0.1:0",
            **self.settings,
            **more,
        }

    async def start(self, name: str, *, wait: bool = True, **more: str) -> Child:
        """Start `trueup NAME` and, unless told otherwise, wait until it says that it is ready."""
        with self.log(name).open("ab") as log:
            child = await spawn([*self.command, name], env=self.environment(**more), stdout=log, stderr=log)
        self.children[name] = child
        if wait:
            await wait_until(lambda: self._is_ready(name, child), START_SECONDS, f"{name} is ready")
        return child

    async def start_both(self) -> None:
        for name in ("service", "worker"):
            await self.start(name)

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def addresses(self, name: str) -> Mapping[str, Any]:
        found: dict[str, Any] = orjson.loads((self.directory / "data" / f"{name}.json").read_bytes())
        return found

    def _is_ready(self, name: str, child: Child) -> bool:
        assert child.returncode is None, self.log(name).read_text()[-3000:]
        file = self.directory / "data" / f"{name}.json"
        return file.exists() and self.addresses(name).get("pid") == child.pid

    async def kill(self, name: str) -> None:
        """kill -9."""
        child = self.children.pop(name)
        child.signal(signal.SIGKILL)
        await child.terminate(grace_seconds=5)

    async def stop(self) -> None:
        for child in self.children.values():
            child.signal(signal.SIGCONT)
        await asyncio.gather(*(child.terminate(grace_seconds=15) for child in self.children.values()))
        self.children.clear()

    async def trueup(self, *arguments: str, **more: str) -> Completed:
        """Run the console script to its end."""
        return await run(
            [SCRIPT, *arguments],
            env=self.environment(**more),
            timeout_seconds=COMMAND_SECONDS,
            output_bytes_max=16 * 1024 * 1024,
        )

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> Completed:
        """The real kubectl, as the user bob."""
        env = base_environment() | {
            "HOME": str(self.directory),
            "KUBECONFIG": str(self.sandbox.kubeconfig_for("bob")),
        }
        done = await run(
            [SCRIPT.parent / "kubectl", *arguments],
            env=env,
            stdin=stdin.encode() if stdin is not None else None,
            timeout_seconds=COMMAND_SECONDS,
            output_bytes_max=16 * 1024 * 1024,
        )
        assert done.returncode == 0, (arguments, done.stderr.decode())
        return done

    # Git and its webhooks

    async def repository(self, name: str | None = None, *, credentials: str | None = None) -> Repo:
        """An empty repository on the sandbox's Git server, and a clone to commit in."""
        name = name or f"{self.namespace}-{secrets.token_hex(3)}"
        bare = await create_repository(self.sandbox.git_root, name, credentials=credentials)
        work = self.directory / "clones" / name
        work.mkdir(parents=True)
        await git(work, "init", "-q", "-b", "main")
        await git(work, "remote", "add", "origin", str(bare))
        return Repo(f"{self.sandbox.git_url}/{name}.git", work)

    async def webhook(
        self, url: str, *, ref: str = "refs/heads/main", after: str = UNSAID, secret: bytes = SECRET
    ) -> int:
        """Deliver a signed push; the status of the answer."""
        body = push_of(url, ref=ref, after=after)
        address = f"http://{self.addresses('service')['listen']}/api/webhook"
        async with (
            aiohttp.ClientSession() as session,
            session.post(address, data=body, headers=delivery(body, secret=secret)) as answer,
        ):
            return answer.status

    # Applications

    async def apply(self, name: str, url: str, path: str = "app", **more: Any) -> dict[str, Any]:
        """Create an Application, manual unless `syncPolicy` says otherwise; `more` goes into its spec."""
        spec = {
            "project": "default",
            "source": {"repoURL": url, "path": path, "targetRevision": "main"},
            "destination": {"server": HOME_SERVER, "namespace": self.delivered_to},
            **more,
        }
        body = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }
        return await self.cluster.create(await self._applications(), self.namespace, body)

    async def application(self, name: str) -> dict[str, Any] | None:
        return await self.cluster.get(await self._applications(), self.namespace, name)

    async def delete(self, name: str) -> None:
        """Ask for the Application's deletion."""
        raw = await self.application(name)
        assert raw is not None
        await self.cluster.delete(await self._applications(), self.namespace, name, uid=raw["metadata"]["uid"])

    async def is_gone(self, name: str) -> bool:
        return await self.application(name) is None

    async def patch(self, name: str, body: Raw) -> dict[str, Any]:
        return await self.cluster.merge_patch(await self._applications(), self.namespace, name, body)

    async def until(self, name: str, predicate: Predicate, what: str, seconds: float = STEP_SECONDS) -> dict[str, Any]:
        """The Application once the predicate holds."""
        last: dict[str, Any] | None = None

        async def look() -> dict[str, Any] | None:
            nonlocal last
            last = await self.application(name)
            return last if last is not None and predicate(last) else None

        try:
            found: dict[str, Any] | None = await wait_until(look, seconds, f"{name}: {what}")
        except AssertionError as error:
            status = orjson.dumps((last or {}).get("status"), option=orjson.OPT_INDENT_2).decode()
            logs = "\n".join(self.log(half).read_text()[-4000:] for half in self.children)
            raise AssertionError(f"{error}\nstatus: {status}\n{logs}") from None
        assert found is not None
        return found

    async def live(self, kind: str, name: str, *, group: str = "") -> dict[str, Any] | None:
        """An object where this installation delivers to."""
        resource = await self.cluster.resource(group, kind)
        return await self.cluster.get(resource, self.delivered_to if resource.namespaced else "", name)

    async def _applications(self) -> Any:
        return await self.cluster.resource("argoproj.io", "Application")

    async def at_rest(self) -> None:
        """Wait until no job is ready or running."""

        async def is_idle() -> bool:
            async with Redis.from_url(self.redis_url) as redis:
                depth = await Queue(redis).depth()
            return not (depth.ready or depth.running or depth.held or depth.delayed)

        await wait_until(is_idle, STEP_SECONDS, "no job is left")

    async def all_watched(self) -> None:
        """Wait until each kind in an inventory is watched, and the looks that its first list asks for are done."""

        async def is_watched() -> bool:
            found = await self.cluster.list_all(await self._applications(), self.namespace)
            entries = (entry for raw in found.items for entry in (raw.get("status") or {}).get("resources") or ())
            kinds = {(entry.get("group"), entry["kind"]) for entry in entries}
            service = await self.metrics("service")
            is_handed_over = service.total("trueup_dirty_jobs") == 0
            return is_handed_over and service.total("trueup_watches", state="watching") == len(kinds)

        await wait_until(is_watched, STEP_SECONDS, "every kind is watched")
        await self.at_rest()

    # Counters

    async def metrics(self, name: str) -> Metrics:
        """The counters of one half, as `/metrics` has them now."""
        address = f"http://{self.addresses(name)['ops_listen']}/metrics"
        async with aiohttp.ClientSession() as session, session.get(address) as answer:
            return Metrics(_samples(await answer.text()))


@dataclass(frozen=True)
class Repo:
    """A repository that Trueup can fetch, and a clone of it to commit in."""

    url: str
    work: Path

    async def push(self, files: Mapping[str, str | None], *, branch: str = "main", message: str = "Change") -> str:
        """Commit the files (None deletes one), push the branch, and return the SHA."""
        for name, content in files.items():
            path = self.work / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
        await git(self.work, "add", "-A")
        await git(self.work, "commit", "-q", "--allow-empty", "-m", message)
        await git(self.work, "push", "-q", "--force", "origin", f"HEAD:refs/heads/{branch}")
        return await git(self.work, "rev-parse", "HEAD")


@dataclass(frozen=True)
class Metrics:
    samples: Mapping[tuple[str, frozenset[tuple[str, str]]], float]

    def total(self, name: str, **labels: str) -> float:
        """The sum of every sample of that name that has these labels."""
        wanted = set(labels.items())
        return sum(value for (found, has), value in self.samples.items() if found == name and wanted <= has)

    def since(self, before: Metrics) -> Metrics:
        return Metrics({key: value - before.samples.get(key, 0.0) for key, value in self.samples.items()})


_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def _samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    found = {}
    for line in text.splitlines():
        if match := _SAMPLE.match(line):
            found[match[1], frozenset(_LABEL.findall(match[2] or ""))] = float(match[3])
    return found


@asynccontextmanager
async def installation(
    sandbox: SandboxFacts, cluster: Cluster, directory: Path, valkey: Valkey | str, **settings: str
) -> AsyncIterator[Installation]:
    """An installation that nobody has started yet; whatever of it runs in the end is stopped."""
    suffix = secrets.token_hex(4)
    names = [f"trueup-{suffix}", f"delivered-{suffix}"]
    namespaces = await cluster.resource("", "Namespace")
    created = [
        await cluster.create(namespaces, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for name in names
    ]
    url = valkey if isinstance(valkey, str) else valkey.url
    place = Installation(sandbox, cluster, names[0], names[1], directory, url, dict(settings))
    await cluster.create(
        await cluster.resource("", "Secret"),
        names[0],
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "argocd-secret", "namespace": names[0]},
            "stringData": {"webhook.github.secret": SECRET.decode()},
        },
    )
    try:
        yield place
    finally:
        await place.stop()
        for body in created:
            await cluster.delete(
                namespaces, "", body["metadata"]["name"], uid=body["metadata"]["uid"], propagation="Background"
            )


# What tests ask of a status


def sync_status(raw: Raw) -> str | None:
    found: str | None = ((raw.get("status") or {}).get("sync") or {}).get("status")
    return found


def is_synced(revision: str) -> Predicate:
    """Synced at that revision and at rest."""

    def holds(raw: Raw) -> bool:
        status = raw.get("status") or {}
        running = (status.get("operationState") or {}).get("phase") == "Running"
        return (
            sync_status(raw) == "Synced"
            and status["sync"].get("revision") == revision
            and not running
            and not raw.get("operation")
        )

    return holds


def conditions(raw: Raw, *kinds: str) -> list[str]:
    """The messages of the conditions of these types, or of all."""
    found: Iterable[Raw] = (raw.get("status") or {}).get("conditions") or ()
    return [c["message"] for c in found if not kinds or c["type"] in kinds]


def config_map(name: str, **data: str) -> str:
    return orjson.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}).decode()


AUTOMATED = {"automated": {"prune": True}}


def kubeconfig(path: Path, server: str, token: str) -> Path:
    """A kubeconfig for a plain HTTP server, such as a proxy in front of the real one."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": {"server": server}}],
        "users": [{"name": "it", "user": {"token": token}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    }
    path.write_bytes(orjson.dumps(content))
    return path
