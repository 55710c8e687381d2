"""How a command ends: an error that has a name is one sentence on stderr, not a traceback."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import typer

from trueup.domain.errors import TrueupError

#: As `argocd` ends on an error it has no special code for.
EXIT_ERROR = 20
EXIT_INTERRUPTED = 130

T = TypeVar("T")


def said_plainly(work: Coroutine[Any, Any, T], *, exit_code: int = EXIT_ERROR) -> T:
    """Run to the end; a TrueupError, or a Ctrl-C, ends the command with a sentence and a code."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except (TrueupError, BaseExceptionGroup) as error:
        sentences = _sentences(error)
        if sentences is None:
            raise
        for sentence in dict.fromkeys(sentences):
            print(f"trueup: {sentence}", file=sys.stderr)
    raise typer.Exit(exit_code)


def _sentences(error: BaseException) -> list[str] | None:
    """What named errors say; None where one among them is none of ours, and a traceback is owed."""
    if isinstance(error, TrueupError):
        return [str(error)]
    if not isinstance(error, BaseExceptionGroup):
        return None
    found = [_sentences(inner) for inner in error.exceptions]
    return None if None in found else [sentence for inner in found for sentence in inner or ()]
