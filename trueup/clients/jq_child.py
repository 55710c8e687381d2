"""The small process that runs users' jq expressions: `python -I -m trueup.clients.jq_child SECONDS MEMORY OUTPUT`.

It reads a question, answers it, and reads the next: each a frame of four bytes of length and JSON. jq is a language
with loops, so a question may take its processor seconds and no more: then the kernel ends the process, and whoever
asked starts another. It opens no file, has no environment, and starts nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, BinaryIO

import jq

from trueup.clients.jailer import kernel, seccomp
from trueup.clients.jq_frame import HEAD

#: Programs kept compiled; one costs some ten KiB.
PROGRAMS_MAX = 256
#: What jq says of data in which there is nothing at the place: no fault of the expression.
_NOTHING_THERE = ("Cannot iterate over", "Cannot index")


@lru_cache(maxsize=PROGRAMS_MAX)
def _program(expression: str) -> Any:
    # Whole by itself: one that closes the bracket around it would answer with values and not with paths.
    jq.compile(expression)
    # On a line of its own: a comment at the end of the expression must not hide the bracket.
    return jq.compile(f"[path(\n{expression}\n)]")


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """The paths of the expression in the document, or the class of what is wrong with it."""
    try:
        program = _program(question["expression"])
    except ValueError as error:
        return {"wrong": "syntax", "said": str(error)}
    try:
        found = program.input_value(question["document"]).all()
    except ValueError as error:
        # What jq says of a document repeats parts of it, which may be secret.
        said = str(error)
        if said.startswith(_NOTHING_THERE):
            return {"paths": []}
        return {"wrong": "no path" if said.startswith("Invalid path expression") else "failed"}
    return {"paths": found[0] if len(found) == 1 and isinstance(found[0], list) else []}


def serve(source: BinaryIO, sink: BinaryIO, *, output_bytes_max: int, before: Callable[[], None]) -> None:
    """Answer until the source ends; `before` each question, ere it is read."""
    sink.write(HEAD.pack(2) + b"{}")
    sink.flush()
    while len(head := source.read(HEAD.size)) == HEAD.size:
        before()
        question = json.loads(source.read(*HEAD.unpack(head)))
        said = json.dumps(answer(question)).encode()
        if len(said) > output_bytes_max:
            said = json.dumps({"wrong": "too much"}).encode()
        sink.write(HEAD.pack(len(said)) + said)
        sink.flush()


def _confine(memory_bytes_max: int) -> None:
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes_max),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        # The three standard streams are open, and nothing else can be: no module of jq, no file of data.
        (resource.RLIMIT_NOFILE, 3),
    ):
        resource.setrlimit(limit, (value, value))
    # As well as the machine can.
    with contextlib.suppress(OSError):
        kernel.give_up_privileges()
        if seccomp.is_known_here():
            seccomp.restrict(seccomp.Filter(may_fork=False, may_signal=False), os.getpid())


def main() -> None:
    seconds, memory, output = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    _program(".")
    _confine(memory)
    # Its own action would be to raise in Python, which never gets a turn inside jq.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)

    def before() -> None:
        signal.setitimer(signal.ITIMER_PROF, seconds)

    serve(sys.stdin.buffer, sys.stdout.buffer, output_bytes_max=output, before=before)


if __name__ == "__main__":
    main()
