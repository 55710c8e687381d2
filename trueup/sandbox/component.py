"""One server of the sandbox: a child process with a log file, a way to tell that it is ready, and an end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, cast

from trueup.clients.process import Argument, Child, ProcessNotStarted, base_environment, spawn
from trueup.sandbox.errors import SandboxError
from trueup.sandbox.files import make_directory

READY_POLL_SECONDS = 0.02
LOG_TAIL_LINES_MAX = 4
LOG_TAIL_LINE_CHARS_MAX = 180
LOG_TAIL_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class Component:
    name: str
    child: Child
    log: Path
    #: Set once we end it ourselves.
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pid(self) -> int:
        return self.child.pid

    def log_tail(self) -> str:
        """The last lines of what it had to say."""
        with self.log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LOG_TAIL_BYTES_MAX))
            lines = file.read().decode(errors="replace").splitlines()
        return "\n".join(line[:LOG_TAIL_LINE_CHARS_MAX] for line in lines[-LOG_TAIL_LINES_MAX:])

    def ended(self, when: str) -> SandboxError:
        """The error to raise when it ended on its own; `when` says at what time."""
        code = self.child.returncode or 0
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
        return SandboxError(f"{self.name} {how} {when}. The end of {self.log}:\n{self.log_tail()}")

    async def until_ready(self, answers: Callable[[], Awaitable[bool]], *, seconds_max: float) -> None:
        """Ask again and again until it answers. Raises SandboxError when it ends or takes too long."""
        deadline = monotonic() + seconds_max
        while not await answers():
            if self.child.returncode is not None:
                raise self.ended("while it was starting")
            if monotonic() > deadline:
                tail = self.log_tail()
                raise SandboxError(f"{self.name} did not answer in {seconds_max:g} s. The end of {self.log}:\n{tail}")
            await asyncio.sleep(READY_POLL_SECONDS)


class Watch:
    """Guards components and work: when one ends on its own, whoever runs the block `watching` hears of it."""

    def __init__(self) -> None:
        self._owner = asyncio.current_task()
        self._tasks: list[asyncio.Task[None]] = []
        self.failure: SandboxError | None = None

    def over(self, component: Component) -> Component:
        """Guard this one too, from now on."""
        self._tasks.append(asyncio.create_task(self._wait_for(component), name=f"watch {component.name}"))
        return component

    def over_work(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do the work beside, guarded too; whoever cancels it is heard by nobody."""
        task = asyncio.create_task(self._work(name, work), name=name)
        self._tasks.append(task)
        return task

    async def _wait_for(self, component: Component) -> None:
        await component.child.wait()
        if not component.stopping.is_set():
            self._fail(component.ended("while the sandbox was running"))

    async def _work(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 -- handed to whoever runs the block
            self._fail(SandboxError(f"the {name} ended while the sandbox was running: {error!r}"))

    def _fail(self, failure: SandboxError) -> None:
        if self.failure is None:
            self.failure = failure
            if self._owner:
                self._owner.cancel()

    def claim(self) -> bool:
        """Whether the cancellation that has arrived is this watch's own, and nobody else's too."""
        return self.failure is not None and self._owner is not None and self._owner.uncancel() == 0

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def watching() -> AsyncIterator[Watch]:
    """End the block with a SandboxError when a component or work that the watch is over ends on its own."""
    watch = Watch()
    try:
        yield watch
    except asyncio.CancelledError as cancellation:
        if watch.claim():
            raise cast("SandboxError", watch.failure) from cancellation
        raise
    finally:
        await watch.stop()
    if watch.failure:
        raise watch.failure


@asynccontextmanager
async def started(
    name: str,
    argv: Sequence[Argument],
    *,
    logs: Path,
    env: Mapping[str, str] | None = None,
    grace_seconds: float = 0,
) -> AsyncIterator[Component]:
    """Run a server, writing what it says to `logs/NAME.log`, until the block ends.

    Without `grace_seconds` it is killed then: most of what the sandbox holds is
    thrown away with it. Raises SandboxError when it cannot be started.
    """
    log = make_directory(logs) / f"{name}.log"
    with log.open("wb") as output:
        try:
            child = await spawn(argv, env=base_environment() | dict(env or {}), stdout=output, stderr=output)
        except ProcessNotStarted as error:
            raise SandboxError(f"{name} cannot be started: {error}.") from error
    component = Component(name, child, log)
    try:
        yield component
    finally:
        component.stopping.set()
        await child.terminate(grace_seconds=grace_seconds)
