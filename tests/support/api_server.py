"""An API server that starts anew on what another one stored, as after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import yaml

from tests.support.sandbox import SandboxFacts
from tests.support.wait import wait_until
from trueup.clients.api_errors import ApiError
from trueup.clients.cluster import Cluster
from trueup.clients.credentials import KubeconfigSource
from trueup.sandbox.component import started
from trueup.sandbox.ports import ADDRESS, shared_port

START_SECONDS = 120.0


@asynccontextmanager
async def started_anew(sandbox: SandboxFacts, directory: Path) -> AsyncIterator[Cluster]:
    """A client of a new API server on the sandbox's etcd, started with the words that the sandbox started its own with.

    The sandbox's own goes on meanwhile: an API server keeps nothing but what is in etcd, so that a new one sees what
    one that was restarted would.
    """
    words = _words_of(sandbox.pids["kube-apiserver"])
    with shared_port() as port:
        argv = [f"--secure-port={port}" if word.startswith("--secure-port=") else word for word in words]
        async with started("kube-apiserver", argv, logs=directory) as server:
            config = yaml.safe_load(sandbox.kubeconfig.read_text())
            config["clusters"][0]["cluster"]["server"] = f"https://{ADDRESS}:{port}"
            kubeconfig = directory / "kubeconfig"
            kubeconfig.write_text(yaml.safe_dump(config))
            async with Cluster(KubeconfigSource(str(kubeconfig))) as cluster:

                async def answers() -> bool:
                    assert server.child.returncode is None, server.log_tail()
                    try:
                        return bool(await cluster.version()) and bool(await cluster.resources())
                    except ApiError:
                        return False

                await wait_until(answers, START_SECONDS, "the new API server answers")
                yield cluster


def _words_of(pid: int) -> list[str]:
    """What a running process was started with."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
