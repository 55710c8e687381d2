"""What is said about one run, over a socket of its own: a request, and how it ended, in Python's marshal.

Each stands behind its length. The end of the stream from the one that asked means that nobody waits any more.
"""

from __future__ import annotations

import marshal
import socket
import struct
from typing import Any, NamedTuple

_LENGTH = struct.Struct("!I")
#: Above what the kernel takes as arguments and environment.
FRAME_BYTES_MAX = 8 * 1024 * 1024

# How a run was brought to its end, in a report.
BY_ITSELF = ""
BY_NOBODY_WAITING = "nobody waits"
BY_CLOCK = "seconds"
BY_CPU = "cpu"
BY_MEMORY = "memory"
BY_DISK = "disk"
BY_FILE = "file"
BY_PROCESSES = "processes"


class Bounds(NamedTuple):
    """As in `JailBounds`, where each is explained; without the output, which the one that asked reads itself."""

    seconds_max: float
    cpu_seconds_max: int
    memory_bytes_max: int
    file_bytes_max: int
    disk_bytes_max: int
    files_open_max: int
    processes_max: int


class Request(NamedTuple):
    """A program to run. Every path is absolute and without links; the environment is whole."""

    program: str
    #: What loads the program, where it is linked dynamically.
    loader: list[str]
    argv: list[str]
    cwd: str
    env: dict[str, str]
    readable: list[str]
    writable: list[str]
    bounds: Bounds


class Report(NamedTuple):
    """How a run ended: `ended` is one of the words above, or `problem` says why it never began."""

    problem: str = ""
    ended: str = BY_ITSELF
    #: The exit status, or minus the number of the signal.
    returncode: int = 0
    seconds: float = 0.0


class Layers(NamedTuple):
    """What this machine lets an ordinary process give up."""

    #: Landlock's ABI number; 0 for none.
    landlock: int = 0
    #: User, network, IPC and process namespaces.
    namespaces: bool = False
    #: A mount namespace; looked for where there is no Landlock.
    mounts: bool = False
    #: A filter of system calls.
    seccomp: bool = False


def pack(value: Request | Report | Layers) -> bytes:
    """The frame of a value."""
    fields = value._asdict()
    if isinstance(value, Request):
        fields["bounds"] = value.bounds._asdict()
    data = marshal.dumps(fields)
    return _LENGTH.pack(len(data)) + data


def request(data: bytes) -> Request:
    """The request in the body of a frame."""
    fields = _fields(data)
    return Request(**fields | {"bounds": Bounds(**fields["bounds"])})


def report(data: bytes) -> Report:
    """The report in the body of a frame."""
    return Report(**_fields(data))


def layers(data: bytes) -> Layers:
    """What the machine can do, in the body of a frame."""
    return Layers(**_fields(data))


def _fields(data: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = marshal.loads(data)  # noqa: S302 -- from our own process alone, and at a third of JSON's cost
    return fields


def body_length(head: bytes) -> int:
    """How many bytes follow the head of a frame, which has `HEAD_BYTES`; ValueError for more than any frame has."""
    length: int = _LENGTH.unpack(head)[0]
    if length > FRAME_BYTES_MAX:
        raise ValueError(f"a frame of {length} bytes; {FRAME_BYTES_MAX} are allowed")
    return length


HEAD_BYTES = _LENGTH.size


def receive(stream: socket.socket) -> bytes:
    """The body of the next frame, waited for; EOFError where the stream ends before."""
    return _exactly(stream, body_length(_exactly(stream, HEAD_BYTES)))


def _exactly(stream: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        chunk = stream.recv(length - len(data))
        if not chunk:
            raise EOFError("the stream ended within a frame")
        data += chunk
    return bytes(data)
