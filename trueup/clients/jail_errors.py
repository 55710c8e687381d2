"""How a confined program is told to have gone beyond its bounds, in words for whoever can raise them."""

from __future__ import annotations

from dataclasses import dataclass

from trueup.clients.jailer import wire
from trueup.clients.process import OutputTooLarge, ProcessError, ProcessTimeout

MEBIBYTE = 1024 * 1024


class CpuTimeTooLong(ProcessError):  # noqa: N818 -- the name says what happened
    """The program used more processor time than it may; everything of it was killed."""


class MemoryTooLarge(ProcessError):  # noqa: N818 -- the name says what happened
    """The program used more memory than it may; everything of it was killed."""


class DiskTooLarge(ProcessError):  # noqa: N818 -- the name says what happened
    """The program wrote more than its directories may hold, or where nobody could count it."""


class FileTooLarge(ProcessError):  # noqa: N818 -- the name says what happened
    """The program wrote a file that is longer than one may be."""


class TooManyProcesses(ProcessError):  # noqa: N818 -- the name says what happened
    """The program started more processes or threads than it may; everything of it was killed."""


@dataclass(frozen=True, slots=True)
class JailBounds:
    """What one run may use. The settings of the same name, behind `render_`, say how much."""

    seconds_max: float
    #: Of every process of the run together.
    cpu_seconds_max: int
    #: Of every process of the run together, as it is resident. Code and shared pages count too.
    memory_bytes_max: int
    #: Of standard output, and as much of error output, of which the tail is kept.
    output_bytes_max: int
    file_bytes_max: int
    #: Of all that lies in the writable directories, and of what was deleted there but is still open.
    disk_bytes_max: int
    files_open_max: int
    #: With 1 the program starts no further process; its threads are no processes.
    processes_max: int


def crossed(program: str, ended: str, bounds: JailBounds, stderr: bytes) -> ProcessError | None:
    """The error for the bound that a report names; None where it names none."""
    memory, disk, file = _bytes(bounds.memory_bytes_max), _bytes(bounds.disk_bytes_max), _bytes(bounds.file_bytes_max)
    sentences: dict[str, tuple[type[ProcessError], str, str]] = {
        wire.BY_CLOCK: (ProcessTimeout, f"after {bounds.seconds_max:g} s, the longest it may run", "SECONDS"),
        wire.BY_CPU: (
            CpuTimeTooLong,
            f"after {bounds.cpu_seconds_max} s of processor time, the most it may use",
            "CPU_SECONDS",
        ),
        wire.BY_MEMORY: (MemoryTooLarge, f"beyond {memory} of memory, the most it may use", "MEMORY_BYTES"),
        wire.BY_DISK: (DiskTooLarge, f"beyond {disk} of files, the most it may write", "DISK_BYTES"),
        wire.BY_FILE: (FileTooLarge, f"over a file of {file}, the longest it may write", "FILE_BYTES"),
        wire.BY_PROCESSES: (
            TooManyProcesses,
            f"over its processes or threads; of the former it may have {bounds.processes_max}",
            "PROCESSES",
        ),
    }
    if ended not in sentences:
        return None
    kind, what, setting = sentences[ended]
    return kind(program, _with_setting(f"ended {what}", setting), stderr)


def output_too_large(program: str, bounds: JailBounds, stderr: bytes) -> OutputTooLarge:
    """The error for a program that wrote too much to its output or error output."""
    what = f"ended after {_bytes(bounds.output_bytes_max)} of output, the most it may write"
    return OutputTooLarge(program, _with_setting(what, "OUTPUT_BYTES"), stderr)


def _with_setting(what: str, name: str) -> str:
    return f"{what} (TRUEUP_RENDER_{name}_MAX)"


def _bytes(count: int) -> str:
    return f"{count // MEBIBYTE} MiB" if count >= MEBIBYTE and count % MEBIBYTE == 0 else f"{count} bytes"
