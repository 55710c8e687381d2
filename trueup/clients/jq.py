"""jq expressions of users, run by a process of their own that can be ended.

One question at a time. The process is started when first needed, and again after an expression that it did not
survive. What it found is remembered by the expression and the version of the object; an expression that took too
much is not tried again for a while, so that one does not hold up all others.
"""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from signal import SIGPROF, SIGXCPU
from time import monotonic
from typing import Any, Self

import orjson

from trueup.clients import process
from trueup.clients.jq_frame import HEAD
from trueup.domain.errors import StalledError, TransientError
from trueup.domain.ignore_rules import shown
from trueup.domain.resource import Body

MEBIBYTE = 1024 * 1024
SAID_CHARS_MAX = 200
END_SECONDS_MAX = 5.0

#: What jq found: each path by its steps.
Paths = Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class JqBounds:
    #: Processor time of one expression on one object.
    seconds_max: float = 1.0
    #: Of the process; what Python and jq take themselves included.
    memory_bytes_max: int = 256 * MEBIBYTE
    output_bytes_max: int = 4 * MEBIBYTE
    #: By the clock: a machine that is busy with others takes longer for the same work.
    wall_seconds_max: float = 20.0
    start_seconds_max: float = 30.0
    #: After an expression took too much, for so long it is not tried again.
    rest_seconds: float = 30.0
    #: Answers that are remembered, and their bytes in all; the least recently asked go first.
    answers_max: int = 10_000
    answers_bytes_max: int = 16 * MEBIBYTE


class JqError(StalledError):
    """An expression that leads to no places: it is wrong, or takes more than it may."""


class _Answers:
    """What was found lately, within bounds: `..` leads to thousands of places in one object."""

    def __init__(self, entries_max: int, bytes_max: int) -> None:
        self._entries_max, self._bytes_max = entries_max, bytes_max
        self._known: OrderedDict[tuple[str, str], tuple[Paths, int]] = OrderedDict()
        self._bytes = 0

    def get(self, asked: tuple[str, str]) -> Paths | None:
        if asked not in self._known:
            return None
        self._known.move_to_end(asked)
        return self._known[asked][0]

    def put(self, asked: tuple[str, str], found: Paths, length: int) -> None:
        """`length` is that of the answer as it came, in bytes."""
        self._bytes += length - self._known.pop(asked, ((), 0))[1]
        self._known[asked] = found, length
        while len(self._known) > self._entries_max or self._bytes > self._bytes_max:
            _, (_, dropped) = self._known.popitem(last=False)
            self._bytes -= dropped


class Jq:
    """Holds the process. Leave it by `async with`."""

    def __init__(self, bounds: JqBounds | None = None) -> None:
        self._bounds = bounds or JqBounds()
        self._child: process.Child | None = None
        self._turn = asyncio.Lock()
        self._known = _Answers(self._bounds.answers_max, self._bounds.answers_bytes_max)
        #: Expressions that took too much: what is said of them, and until when.
        self._resting: dict[str, tuple[str, float]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._drop()

    @property
    def pid(self) -> int | None:
        """The number of the process; None while there is none."""
        return self._child.pid if self._child is not None else None

    async def paths(self, expression: str, document: Body, *, version: str = "") -> Paths:
        """Where the expression leads in the document, as `path(…)` says it. Nothing is remembered without a version.

        Raises JqError where it leads nowhere by its own fault, and TransientError where no process can be had.
        """
        known = self._known.get((expression, version)) if version else None
        if known is not None:
            return known
        async with self._turn:
            self._refuse_resting(expression)
            answer, length = await self._ask(expression, document)
            found = self._read(expression, answer)
        if version:
            self._known.put((expression, version), found, length)
        return found

    def _refuse_resting(self, expression: str) -> None:
        said, until = self._resting.get(expression, ("", 0.0))
        if monotonic() < until:
            raise JqError(said)
        self._resting.pop(expression, None)

    def _read(self, expression: str, answer: dict[str, Any]) -> Paths:
        wrong = answer.get("wrong")
        if wrong is None:
            paths: Paths = answer["paths"]
            return paths
        reasons = {
            "syntax": f"does not compile ({_first_line(str(answer.get('said')))}); correct it",
            "no path": "leads to a value and not to a place; write a path, such as .spec.replicas",
            "too much": f"leads to more than {self._bounds.output_bytes_max} bytes of places; narrow it",
        }
        failed = "fails on this object; let it pass over what it does not expect, such as by `?` or `// empty`"
        raise JqError(f"the jq expression {shown(expression)} {reasons.get(wrong, failed)}")

    async def _ask(self, expression: str, document: Body) -> tuple[dict[str, Any], int]:
        """The answer, and its length in bytes."""
        question = orjson.dumps({"expression": expression, "document": document})
        child = await self._running()
        clean = False
        try:
            async with asyncio.timeout(self._bounds.wall_seconds_max):
                child.stdin.write(HEAD.pack(len(question)) + question)
                await child.stdin.drain()
                said = await self._frame(child)
            clean = True
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise await self._ended(expression, child) from error
        except TimeoutError as error:
            raise self._too_much(expression, f"runs for longer than {self._bounds.wall_seconds_max:g} s") from error
        finally:
            if not clean:
                await self._drop()
        answer: dict[str, Any] = orjson.loads(said)
        return answer, len(said)

    async def _frame(self, child: process.Child) -> bytes:
        (length,) = HEAD.unpack(await child.stdout.readexactly(HEAD.size))
        if length > self._bounds.output_bytes_max:
            raise JqError(f"the process that runs jq expressions answers with {length} bytes, more than it may")
        return await child.stdout.readexactly(length)

    async def _ended(self, expression: str, child: process.Child) -> JqError:
        """What the end of the process says of the expression."""
        bounds = self._bounds
        # It has closed its output, so its end is near if it has not come.
        code = await child.terminate(grace_seconds=END_SECONDS_MAX)
        if code in (-SIGPROF, -SIGXCPU):
            return self._too_much(expression, f"runs for longer than {bounds.seconds_max:g} s")
        return self._too_much(expression, f"takes more than {bounds.memory_bytes_max // MEBIBYTE} MiB, or crashes")

    def _too_much(self, expression: str, what: str) -> JqError:
        said = f"the jq expression {shown(expression)} {what}; correct it, or narrow it"
        self._resting[expression] = (said, monotonic() + self._bounds.rest_seconds)
        for other, (_, until) in list(self._resting.items()):
            if until < monotonic():
                del self._resting[other]
        return JqError(said)

    async def _running(self) -> process.Child:
        if self._child is not None and self._child.returncode is None:
            return self._child
        await self._drop()
        bounds = self._bounds
        limits = (str(bounds.seconds_max), str(bounds.memory_bytes_max), str(bounds.output_bytes_max))
        clean = False
        try:
            self._child = child = await process.spawn(
                [sys.executable, "-I", "-m", "trueup.clients.jq_child", *limits],
                env={},
                stdin=process.PIPE,
                stdout=process.PIPE,
            )
            async with asyncio.timeout(bounds.start_seconds_max):
                await self._frame(child)
            clean = True
        except (process.ProcessNotStarted, asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
            raise TransientError(
                "the process that runs jq expressions does not start; is the machine overloaded?"
            ) from error
        finally:
            if not clean:
                await self._drop()
        return child

    async def _drop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.terminate(grace_seconds=0)


def _first_line(said: str) -> str:
    """The gist of what jq says of a program that does not compile."""
    line = said.strip().partition("\n")[0].removeprefix("jq: error: ").partition(" at <top-level>")[0]
    return line[:SAID_CHARS_MAX]
