"""The whole sandbox: started together, watched over, ended together."""

from __future__ import annotations

import asyncio
import fcntl
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, cast

from trueup.clients.crds.schema import crd_manifests
from trueup.sandbox.assets import ensure_binaries, ensure_tools
from trueup.sandbox.audit_relay import audit_relay
from trueup.sandbox.component import Component, watching
from trueup.sandbox.control_plane import ControlPlane, control_plane
from trueup.sandbox.credentials import write_kubeconfig
from trueup.sandbox.errors import SandboxError
from trueup.sandbox.files import make_directory, make_empty_directory, write_private
from trueup.sandbox.git_http import GitServer, git_server
from trueup.sandbox.kube import Kube
from trueup.sandbox.valkey import Valkey, valkey_server

NAMESPACE = "argocd"
# As whom Trueup itself acts, so that its own writes are told from a person's.
OWN_USER = "trueup"
INSTALL_SECONDS_MAX = 30.0
INSTALL_POLL_SECONDS = 0.05


_END_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What is where, once everything answers.

    `kubeconfig` is for the user `trueup`; `kubeconfig_for` has those of the
    others, and `users` the token of each. Whatever URL the file `audit_target`
    holds gets the API server's audit events, a batch a POST, soon after each
    write. `tools` is the folder with helm, kustomize, jsonnet and a registry.
    `pids` has the process of each part, `git` the server behind `git_url` with
    its counters.
    """

    directory: Path
    kubeconfig: Path
    redis_url: str
    git_url: str
    git_root: Path
    users: Mapping[str, str]
    audit_target: Path
    tools: Path
    pids: Mapping[str, int]
    git: GitServer

    def kubeconfig_for(self, user: str) -> Path:
        return self.directory / f"kubeconfig-{user}"

    def described(self) -> dict[str, object]:
        """What `sandbox.json` holds."""
        paths = ("kubeconfig", "git_root", "audit_target", "tools", "directory")
        return {
            **{name: str(getattr(self, name)) for name in paths},
            "redis_url": self.redis_url,
            "git_url": self.git_url,
            "users": dict(self.users),
            "pids": dict(self.pids),
        }


@asynccontextmanager
async def running(directory: Path, *, progress: Callable[[str], None]) -> AsyncIterator[Sandbox]:
    """Run everything until the block ends, and leave no process behind.

    Clusters and queues start empty; repositories in `directory/git` stay.
    `progress` gets a line for each step that takes time. `directory/sandbox.json`
    is there exactly while everything answers. Raises SandboxError when a part
    cannot be started, or ends on its own while the block runs.
    """
    try:
        directory = make_directory(directory).resolve()
    except OSError as error:
        raise SandboxError(f"The folder {directory} cannot be used: {error.strerror}.") from error
    started_at = monotonic()
    description = directory / "sandbox.json"
    async with AsyncExitStack() as stack:
        stack.enter_context(_sole_user(directory))
        description.unlink(missing_ok=True)
        binaries = await ensure_binaries(progress)
        tools = await ensure_tools(progress)
        progress("Starting Kubernetes, Valkey and the Git server")
        watch = await stack.enter_async_context(watching())
        git = await stack.enter_async_context(git_server(directory / "git"))
        queue = await stack.enter_async_context(valkey_server(make_empty_directory(directory / "valkey")))
        watch.over(queue.component)
        kinds = crd_manifests()
        manifests = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, *kinds]
        audit_url = await stack.enter_async_context(audit_relay(_audit_target(directory), watch))
        plane = await stack.enter_async_context(
            control_plane(binaries, directory, audit_url=audit_url, watch=watch, manifests=manifests)
        )
        await _until_installed(plane.kube, kinds)
        sandbox = _sandbox(directory, git, queue, plane, tools)
        write_private(description, json.dumps(sandbox.described(), indent=2) + "\n")
        stack.callback(description.unlink, missing_ok=True)
        progress(f"Everything answers after {monotonic() - started_at:.1f} s")
        yield sandbox


@contextmanager
def _sole_user(directory: Path) -> Iterator[None]:
    with (directory / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SandboxError(f"Another sandbox runs in {directory}; end it or name another folder.") from None
        yield


def _sandbox(directory: Path, git: GitServer, queue: Valkey, plane: ControlPlane, tools: Path) -> Sandbox:
    kubeconfig = directory / "kubeconfig"
    for user, token in plane.tokens.items():
        for path in (directory / f"kubeconfig-{user}", *([kubeconfig] if user == OWN_USER else [])):
            write_kubeconfig(path, server=plane.server, user=user, token=token, ca=plane.ca)
    parts: tuple[Component, ...] = (*plane.components, queue.component)
    return Sandbox(
        directory=directory,
        kubeconfig=kubeconfig,
        redis_url=queue.url,
        git_url=git.url,
        git_root=git.root,
        users=plane.tokens,
        audit_target=_audit_target(directory),
        tools=tools,
        pids={part.name: part.pid for part in parts},
        git=git,
    )


def _audit_target(directory: Path) -> Path:
    return directory / "audit-target"


async def _until_installed(client: Kube, kinds: list[dict[str, Any]]) -> None:
    """Wait for the kinds Application and AppProject, and for the namespace they live in."""
    specs = [kind["spec"] for kind in kinds]
    deadline = monotonic() + INSTALL_SECONDS_MAX
    while not await _installed(client, specs):
        if monotonic() > deadline:
            raise SandboxError(f"The CRDs were not served after {INSTALL_SECONDS_MAX:g} s.")
        await asyncio.sleep(INSTALL_POLL_SECONDS)


async def _installed(client: Kube, specs: list[dict[str, Any]]) -> bool:
    if await client.read(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default") is None:
        return False
    for spec in specs:
        names, versions = spec["names"], spec["versions"]
        for version in versions:
            path = f"/apis/{spec['group']}/{version['name']}/{names['plural']}"
            if version["served"] and await client.read(path) is None:
                return False
    return True


async def serve(directory: Path, *, say: Callable[[str], None] = _print) -> None:
    """Run a sandbox in the foreground until SIGINT or SIGTERM, saying what is where. Raises SandboxError."""
    loop = asyncio.get_running_loop()
    own_task = cast("asyncio.Task[None]", asyncio.current_task())
    asked = asyncio.Event()

    def end() -> None:
        if not asked.is_set():
            asked.set()
            own_task.cancel()

    for number in _END_SIGNALS:
        loop.add_signal_handler(number, end)
    try:
        async with running(directory, progress=say) as sandbox:
            say(_what_is_where(sandbox))
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        if not asked.is_set() or own_task.uncancel() > 0:
            raise
    finally:
        for number in _END_SIGNALS:
            loop.remove_signal_handler(number)


def _what_is_where(sandbox: Sandbox) -> str:
    return (
        f"  Kubernetes    KUBECONFIG={sandbox.kubeconfig}\n"
        f"  as somebody   {sandbox.kubeconfig_for('alice')}, {sandbox.kubeconfig_for('bob').name}\n"
        f"  queue         {sandbox.redis_url}\n"
        f"  Git           {sandbox.git_url}/N.git is {sandbox.git_root}/N.git\n"
        f"  what renders  {sandbox.tools}\n"
        f"  logs          {sandbox.directory / 'logs'}\n"
        f"  all of it     {sandbox.directory / 'sandbox.json'}\n"
        "Ctrl-C ends it."
    )
