"""An OCI registry for one test: open, behind a password, or behind tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.support.wait import wait_until
from trueup.clients.process import base_environment, spawn

START_SECONDS = 30.0
USERNAME, PASSWORD = "harbourmaster", "s3cr3t-registry-word"


@dataclass(frozen=True, slots=True)
class Registry:
    #: Its address as a chart's URL has it: `HOST:PORT`.
    host: str
    log: Path

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def requests(self) -> list[str]:
        """What it was asked so far, each as `METHOD PATH STATUS`; there before the answer is."""
        return self.log.read_text().splitlines()[1:]


@asynccontextmanager
async def registry(
    tools: Path,
    directory: Path,
    *,
    auth: Literal["none", "basic", "token"] = "none",
    username: str = USERNAME,
    password: str = PASSWORD,
) -> AsyncIterator[Registry]:
    """An empty registry until the block ends.

    With `basic` the user comes in by name and password, with `token` by a token
    for each repository, which the user, or anybody where `username` is empty,
    is given at `/token`.
    """
    log = directory / f"registry-{auth}.log"
    env = base_environment() | {"REGISTRY_USERNAME": username, "REGISTRY_PASSWORD": password}
    with log.open("wb") as words:
        child = await spawn([tools / "registry", "-auth", auth], env=env, stdout=words, stderr=words)
    try:

        def said() -> bool:
            assert child.returncode is None, log.read_text()
            return "\n" in log.read_text()

        await wait_until(said, START_SECONDS, "the registry's address")
        yield Registry(log.read_text().splitlines()[0], log)
    finally:
        await child.terminate(grace_seconds=0)
