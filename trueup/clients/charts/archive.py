"""Unpacking a chart's archive, which anybody may have made: what is no plain file in one directory is refused.

Everything here blocks and runs in a thread. Bounds are kept while reading, so that an archive of a few bytes
that unpacks to a disk full of zeros is given up at its bound.
"""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self, cast

from trueup.clients.charts.model import ChartBounds
from trueup.domain.errors import StalledError
from trueup.domain.kubeyaml import YamlBounds, read_documents

PATH_BYTES_MAX = 1_024
PART_BYTES_MAX = 255
DEPTH_MAX = 32
CHART_YAML = "Chart.yaml"
CHART_YAML_BYTES_MAX = 1024 * 1024
FILE_MODE = 0o444
DIRECTORY_MODE = 0o555
HEADER_BYTES_MAX = 64 * 1024
_CHUNK_BYTES = 64 * 1024
#: Members that only describe those that follow.
_ABOUT_THE_NEXT = frozenset(
    {
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    }
)
_PLAIN = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE})
#: What tarfile, zlib and int raise of an archive that is none.
_UNREADABLE = (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError, IndexError)


class ArchiveRefusedError(ValueError):
    """The archive is not unpacked; says why."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What was written."""

    #: The one directory at the top.
    top: str
    name: str
    version: str
    #: SHA-256 in hexadecimal of every file, by its path below the directory that it was unpacked into.
    files: dict[str, str]
    #: What the files have together.
    size: int


def unpack(archive: IO[bytes], into: Path, bounds: ChartBounds) -> Unpacked:
    """Unpack into an empty directory, read-only. Raises ArchiveRefusedError and OSError."""
    plain = _Gunzip(archive, bounds.unpacked_bytes_max)
    files: dict[str, str] = {}
    size = 0
    try:
        # tarfile asks a stream for nothing but `read`, whatever its types say.
        stream = cast("IO[bytes]", plain)
        with tarfile.open(fileobj=stream, mode="r|", encoding="utf-8", errors="strict", tarinfo=_Member) as tar:
            for member in _members(tar, bounds.files_max):
                path = _checked(member)
                if member.isdir():
                    continue
                if path in files:
                    raise ArchiveRefusedError(f"it has {path} twice")
                content = tar.extractfile(member)
                if content is None:
                    raise ArchiveRefusedError(f"{path} is no file")
                files[path] = _write(content, into, path)
                size += member.size
            _drain(tar)
    except _UNREADABLE as error:
        if isinstance(error, ArchiveRefusedError):
            raise
        raise ArchiveRefusedError("it is no whole gzipped tar archive") from None
    top = _top(files)
    name, version = _described(into / top / CHART_YAML)
    for directory in sorted(into.rglob("*")):
        if directory.is_dir():
            directory.chmod(DIRECTORY_MODE)
    return Unpacked(top, name, version, files, size)


class _Gunzip:
    """Reads a gzip stream of one member, and nothing after it, up to a bound."""

    def __init__(self, packed: IO[bytes], bytes_max: int) -> None:
        self._packed = packed
        self._stream = zlib.decompressobj(wbits=31)
        self._left = bytes_max
        self._bytes_max = bytes_max

    def read(self, size: int) -> bytes:
        """So many bytes, fewer only at the end."""
        parts = []
        while size > 0 and (part := self._some(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _some(self, size: int) -> bytes:
        while not self._stream.eof:
            packed = self._stream.unconsumed_tail or self._packed.read(_CHUNK_BYTES)
            if not packed:
                raise ArchiveRefusedError("it ends before its end; it was cut off")
            part = self._stream.decompress(packed, size)
            if part:
                self._left -= len(part)
                if self._left < 0:
                    raise ArchiveRefusedError(f"it unpacks to more than {self._bytes_max} bytes")
                return part
        if self._stream.unused_data or self._packed.read(1):
            raise ArchiveRefusedError("something follows the end of its gzip stream")
        return b""


class _Member(tarfile.TarInfo):
    """A header that is looked at before tarfile believes it: what it says decides how much tarfile reads at once."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if member.size < 0 or (member.type in _ABOUT_THE_NEXT and member.size > HEADER_BYTES_MAX):
            raise ArchiveRefusedError("one of its headers has a size that no header has")
        return member


def _members(tar: tarfile.TarFile, files_max: int) -> Iterator[tarfile.TarInfo]:
    for number, member in enumerate(tar, 1):
        if number > files_max:
            raise ArchiveRefusedError(f"it has more than {files_max} files")
        yield member


def _checked(member: tarfile.TarInfo) -> str:
    """The path of a member that may be unpacked, slashes between its parts."""
    # Helm reads archives that were made on Windows, and so do we.
    name = member.name.replace("\\", "/")
    shown = repr(name[:120])
    if member.issym() or member.islnk():
        raise ArchiveRefusedError(f"{shown} is a link; a chart consists of files alone")
    if member.issparse() or not (member.type in _PLAIN or member.isdir()):
        raise ArchiveRefusedError(f"{shown} is neither a file nor a directory")
    if member.size < 0:
        raise ArchiveRefusedError(f"{shown} has a size below nothing")
    if name.startswith("/") or name[1:2] == ":":
        raise ArchiveRefusedError(f"{shown} is an absolute path")
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise ArchiveRefusedError(f"{shown} leads out of the chart")
    if not name.isprintable():
        raise ArchiveRefusedError(f"{shown} has characters that a file's name cannot have")
    path = "/".join(parts)
    too_long = len(path.encode()) > PATH_BYTES_MAX or any(len(part.encode()) > PART_BYTES_MAX for part in parts)
    if too_long or len(parts) > DEPTH_MAX:
        raise ArchiveRefusedError(f"{shown} is too long or too deep a path")
    if not parts or (len(parts) == 1 and not member.isdir()):
        raise ArchiveRefusedError(f"{shown} is not inside of the chart's directory")
    return path


def _write(content: IO[bytes], into: Path, path: str) -> str:
    target = into / path
    digest = hashlib.sha256()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # x: nothing that is there is written over, or written through.
        with target.open("xb") as file:
            while chunk := content.read(_CHUNK_BYTES):
                digest.update(chunk)
                file.write(chunk)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise ArchiveRefusedError(f"{path[:120]!r} is a file and a directory at once") from None
    target.chmod(FILE_MODE)
    return digest.hexdigest()


def _drain(tar: tarfile.TarFile) -> None:
    """Read what follows the last member: zeros that fill a block, and nothing else."""
    stream = tar.fileobj
    while chunk := stream.read(_CHUNK_BYTES) if stream is not None else b"":
        if chunk.strip(b"\0"):
            raise ArchiveRefusedError("something follows its last file")


def _top(files: dict[str, str]) -> str:
    tops = {path.partition("/")[0] for path in files}
    if len(tops) != 1:
        raise ArchiveRefusedError(f"it has {len(tops)} directories at its top, and a chart has one")
    top = tops.pop()
    if f"{top}/{CHART_YAML}" not in files:
        raise ArchiveRefusedError(f"it has no {top}/{CHART_YAML}")
    return top


def _described(path: Path) -> tuple[str, str]:
    content = path.read_bytes() if path.stat().st_size <= CHART_YAML_BYTES_MAX else b""
    try:
        documents = read_documents(CHART_YAML, content, YamlBounds())
    except StalledError as error:
        raise ArchiveRefusedError(f"its {error}") from None
    said = documents[0].value if len(documents) == 1 else None
    name, version = (said.get(key) for key in ("name", "version")) if isinstance(said, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(version, str) or not name or not version:
        raise ArchiveRefusedError(f"its {CHART_YAML} does not say both name and version")
    return name, version
