"""Packed charts: which chart one holds, what it says, and how a directory becomes one."""

from __future__ import annotations

import io
import re
import tarfile
import zlib
from pathlib import Path

from trueup.domain.kubeyaml import YamlBounds, YamlError, read_documents
from trueup.domain.lenient import as_mapping, as_text

#: What is looked at of a packed chart once it is unpacked, in memory; Helm itself stops at a hundred megabytes.
UNPACKED_BYTES_MAX = 16 * 1024 * 1024
CHART_FILE_BYTES_MAX = 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS
#: How `helm package` calls what it makes.
_FILE_NAME = re.compile(r"(?P<name>.+?)-v?\d[^/]*\.tgz")


def unpacked(archive: bytes) -> bytes:
    """The beginning of the tar in it, up to `UNPACKED_BYTES_MAX` bytes; what is no gzip at all is empty."""
    try:
        return zlib.decompressobj(_GZIP).decompress(archive, UNPACKED_BYTES_MAX)
    except zlib.error:
        return b""


def packed_name(file_name: str, archive: bytes) -> str:
    """The name of the chart in it; by the file's name where it cannot be read, so that Helm says what is wrong."""
    try:
        with tarfile.open(fileobj=io.BytesIO(unpacked(archive))) as files:
            for member in files:
                if member.isfile() and member.name.count("/") == 1 and member.name.endswith("/Chart.yaml"):
                    content = files.extractfile(member)
                    name = chart_name(content.read(CHART_FILE_BYTES_MAX)) if content else ""
                    return name or _by_file_name(file_name)
    # A member that claims to begin before the file does is a ValueError.
    except (tarfile.TarError, OSError, ValueError, EOFError):
        pass
    return _by_file_name(file_name)


def chart_name(chart_file: bytes) -> str:
    """The name that `Chart.yaml` gives; empty where there is none to be read."""
    return as_text(as_mapping(first_document(chart_file)).get("name"))


def first_document(content: bytes) -> object:
    """What a YAML file of a chart says; None where it cannot be read: Helm says why."""
    try:
        documents = read_documents("", content, YamlBounds())
    except YamlError:
        return None
    return documents[0].value if documents else None


def pack(directory: Path, name: str, target: Path) -> None:
    """The chart in the directory as one file, with everything in it, as Helm finds it in a repository."""
    with tarfile.open(target, "x:gz", compresslevel=1) as archive:
        archive.add(directory, arcname=name, filter=_plain)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return member if member.isfile() or member.isdir() else None


def _by_file_name(file_name: str) -> str:
    match = _FILE_NAME.fullmatch(file_name)
    return match["name"] if match else file_name.removesuffix(".tgz")
