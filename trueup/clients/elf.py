"""What a program on the disk says of itself (ELF), for a little-endian machine of 64 bits."""

from __future__ import annotations

import os
import struct
from functools import lru_cache
from pathlib import Path

# From elf.h.
_ELF_HEADER = struct.Struct("<16sHHIQQQIHHH")
_ELF_SEGMENT = struct.Struct("<IIQQQQQQ")
_ELF_MAGIC = b"\x7fELF\x02\x01"
_PT_INTERP = 3
_HEAD_BYTES = 4096
PROGRAMS_REMEMBERED_MAX = 64


def loader(program: Path) -> tuple[str, ...]:
    """The file that loads a dynamically linked program, as the program names it; none for a static one. OSError."""
    found = program.stat()
    return _loader(program, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=PROGRAMS_REMEMBERED_MAX)
def _loader(program: Path, _modified_ns: int, _size: int) -> tuple[str, ...]:
    with program.open("rb") as opened:
        return loader_in(opened.read(_HEAD_BYTES))


def loader_in(head: bytes) -> tuple[str, ...]:
    """The same, from the first bytes of the program. What is no such program, or a broken one, names none."""
    if not head.startswith(_ELF_MAGIC) or len(head) < _ELF_HEADER.size:
        return ()
    fields = _ELF_HEADER.unpack_from(head)
    offset, size, count = fields[5], fields[9], fields[10]
    for place in range(count):
        start = offset + place * size
        if size < _ELF_SEGMENT.size or start + _ELF_SEGMENT.size > len(head):
            return ()
        kind, _, at, _, _, length, _, _ = _ELF_SEGMENT.unpack_from(head, start)
        if kind == _PT_INTERP:
            name = head[at : at + length].rstrip(b"\0")
            return (os.fsdecode(name),) if name.startswith(b"/") and b"\0" not in name else ()
    return ()
