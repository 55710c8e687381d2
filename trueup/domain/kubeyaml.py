"""YAML and JSON files as kubectl reads them, within bounds.

The documents are built straight from libyaml's events, so that nesting costs no stack, an alias
costs what it stands for, and a value takes the type that go-yaml would give it. See
`docs/decisions/0003-yaml-as-kubectl-reads-it.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import yaml

from trueup.domain.errors import StalledError
from trueup.domain.kubeyaml_build import DocumentBuilder, DocumentError, YamlBounds, checked_json

if not yaml.__with_libyaml__:
    raise ImportError("PyYAML was built without libyaml, which Trueup needs; install a binary wheel of PyYAML")

__all__ = ["Document", "YamlBounds", "YamlError", "chunks", "read_documents", "read_json", "text_of"]

_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_SEPARATOR = "---"


class YamlError(StalledError):
    """A file that cannot be read as manifests: says where, never what stands there."""

    def __init__(self, path: str, what: str, *, document: int | None = None, line: int = 0, column: int = 0) -> None:
        where = path
        if line:
            where += f", line {line}, column {column}"
        if document is not None:
            where += f" (document {document})"
        super().__init__(f"{where}: {what}")


@dataclass(frozen=True, slots=True)
class Document:
    """One document that says something; `value` is what JSON can hold, with string keys throughout."""

    #: Counts from 1 and passes over empty documents.
    number: int
    value: Any


def read_documents(path: str, content: bytes, bounds: YamlBounds) -> tuple[Document, ...]:
    """The documents of a YAML file, or of a JSON file that has a `.yaml` name; YamlError for a bad one.

    Aliases share their value: treat what comes back as immutable.
    """
    documents: list[Document] = []
    builder = DocumentBuilder(bounds)
    for first_line, chunk in chunks(path, text_of(path, content, bounds)[0]):
        number = len(documents) + 1
        if number > bounds.documents_max:
            raise YamlError(path, f"it holds more than {bounds.documents_max} documents; split the file")
        try:
            value = _read_chunk(builder, chunk)
        except DocumentError as e:
            line = first_line + e.line if e.line is not None else 0
            raise YamlError(path, e.what, document=number, line=line, column=e.column + 1) from None
        if value is not None:
            documents.append(Document(number, value))
    return tuple(documents)


def read_json(path: str, content: bytes, bounds: YamlBounds) -> tuple[Document, ...]:
    """The one value of a `.json` file."""
    text, _, _ = text_of(path, content, bounds)
    try:
        value = checked_json(orjson.loads(text), bounds)
    except orjson.JSONDecodeError as e:
        what = f"it is not one JSON value ({e.msg})"
        raise YamlError(path, what, line=e.lineno, column=e.colno) from None
    except DocumentError as e:
        raise YamlError(path, e.what) from None
    return () if value is None else (Document(1, value),)


def text_of(path: str, content: bytes, bounds: YamlBounds) -> tuple[str, bytes, str]:
    """A file's text, the mark that stands before it, and how it is encoded; YamlError for what is no text."""
    if len(content) > bounds.file_bytes_max:
        raise YamlError(path, f"it is larger than {bounds.file_bytes_max} bytes; split the file")
    mark, encoding = next((pair for pair in _BYTE_ORDER_MARKS if content.startswith(pair[0])), (b"", "utf-8"))
    try:
        return content[len(mark) :].decode(encoding), mark, encoding
    except UnicodeDecodeError as e:
        line = content.count(b"\n", 0, e.start) + 1
        raise YamlError(path, f"line {line} is not {encoding.upper()}; save the file as UTF-8") from None


def chunks(path: str, text: str) -> Iterator[tuple[int, str]]:
    """Each stretch between lines that begin with `---`, with the number of its first line.

    kubectl separates before it parses, so a `---` inside a quoted scalar separates as well.
    """
    lines: list[str] = []
    first = 1
    # Only "\n" ends a line for kubectl's separator; str.splitlines knows ten others.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.startswith(_SEPARATOR):
            lines.append(line)
            continue
        rest = line[len(_SEPARATOR) :].strip()
        if rest and not rest.startswith("#"):
            what = "`---` separates documents and must stand alone on its line"
            raise YamlError(path, what, line=number, column=1)
        yield first, "\n".join(lines) + "\n"
        lines, first = [], number + 1
    yield first, "\n".join(lines)


def _read_chunk(builder: DocumentBuilder, chunk: str) -> Any:
    if chunk.lstrip()[:1] == "{":
        # JSON has escapes and long keys that YAML has not; a flow mapping that is no JSON is read as YAML.
        try:
            return checked_json(orjson.loads(chunk), builder.bounds)
        except orjson.JSONDecodeError:
            pass
    return builder.read(chunk)
