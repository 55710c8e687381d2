"""How a command ends: an error that has a name is one sentence on stderr, not a traceback."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import typer

from trueup.domain.errors import TrueupError
from trueup.domain.printable import printable

#: As `argocd` ends on an error it has no special code for.
EXIT_ERROR = 20
#: What was asked for was tried, and failed.
EXIT_FAILED = 1
#: 128 and the number of the signal, as shells have it.
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

T = TypeVar("T")


def said_plainly(work: Coroutine[Any, Any, T], *, exit_code: int = EXIT_ERROR) -> T:
    """Run to the end; a TrueupError, a Ctrl-C or a SIGTERM ends the command in order, with a code."""
    return plainly(lambda: asyncio.run(_until_terminated(work)), exit_code=exit_code)


def plainly(work: Callable[[], T], *, exit_code: int = EXIT_ERROR) -> T:
    """Call it; a TrueupError ends the command with a sentence on stderr instead of a traceback."""
    try:
        return work()
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except (TrueupError, BaseExceptionGroup) as error:
        sentences = _sentences(error)
        if sentences is None:
            raise
        for sentence in dict.fromkeys(sentences):
            print(f"trueup: {_shown(sentence)}", file=sys.stderr)
    raise typer.Exit(exit_code)


async def _until_terminated(work: Coroutine[Any, Any, T]) -> T:
    """Await it; at a SIGTERM let it clean up, and end."""
    running = asyncio.ensure_future(work)
    terminated = asyncio.Event()

    def end() -> None:
        terminated.set()
        running.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    try:
        return await running
    except asyncio.CancelledError:
        if terminated.is_set():
            raise typer.Exit(EXIT_TERMINATED) from None
        raise


def _shown(sentence: str) -> str:
    """Names of files and what tools said are part of it, and no terminal may obey them."""
    return "\n".join(printable(line.replace("\t", "  ")) for line in sentence.splitlines())


def _sentences(error: BaseException) -> list[str] | None:
    """What named errors say; None where one among them is none of ours, and a traceback is owed."""
    if isinstance(error, TrueupError):
        return [str(error)]
    if not isinstance(error, BaseExceptionGroup):
        return None
    found = [_sentences(inner) for inner in error.exceptions]
    return None if None in found else [sentence for inner in found for sentence in inner or ()]
