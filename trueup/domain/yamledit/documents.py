"""One document of a file changed, or taken out; all others stay byte for byte."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from trueup.domain.errors import StalledError
from trueup.domain.kubeyaml import YamlBounds, chunks, read_documents, read_json, text_of
from trueup.domain.kubeyaml_build import DocumentBuilder, DocumentError
from trueup.domain.normalize import same_json
from trueup.domain.yamledit.editor import NotEditableError, changed_text
from trueup.domain.yamledit.form import form_of
from trueup.domain.yamledit.json_nodes import json_tree
from trueup.domain.yamledit.nodes import Tree, yaml_tree

__all__ = ["NotEditableError", "documents_of", "with_document", "without_document"]

BOUNDS = YamlBounds()


@dataclass(frozen=True, slots=True)
class _Chunk:
    """One document's text, and where it stands in the file's."""

    number: int
    start: int
    end: int


def documents_of(path: str, content: bytes) -> dict[int, Any]:
    """What each document says, by its number, empty ones passed over. Raises YamlError for a bad file."""
    read = read_json if path.endswith(".json") else read_documents
    return {document.number: document.value for document in read(path, content, BOUNDS)}


def with_document(path: str, content: bytes, number: int, value: Any) -> bytes:
    """The file with this value for the document of that number.

    Raises NotEditableError where that cannot be done without touching anything else. What comes back was read
    again and says exactly what it should.
    """
    before = documents_of(path, content)
    text, mark, encoding = text_of(path, content, BOUNDS)
    chunk = _chunk(path, text, number)
    written = text[: chunk.start] + _edited(path, text[chunk.start : chunk.end], value) + text[chunk.end :]
    edited = mark + written.encode(encoding)
    _check(path, edited, {**before, number: value})
    return edited


def without_document(path: str, content: bytes, number: int) -> bytes | None:
    """The file without that document and its comments; None where nothing else is in it."""
    before = documents_of(path, content)
    if number not in before:
        raise StalledError(f"{path} has no document {number} any more; try again")
    if len(before) == 1:
        return None
    text, mark, encoding = text_of(path, content, BOUNDS)
    chunk = _chunk(path, text, number)
    start, end = chunk.start, chunk.end
    if start:
        # With the separator above it.
        start = text.rfind("\n", 0, start - 1) + 1
    else:
        line_end = text.find("\n", end)
        end = len(text) if line_end < 0 else line_end + 1
    edited = mark + (text[:start] + text[end:]).encode(encoding)
    rest = [each for each in before if each != number]
    _check(path, edited, {position: before[each] for position, each in enumerate(rest, start=1)})
    return edited


def _chunk(path: str, text: str, number: int) -> _Chunk:
    """Where a document stands; those that say nothing are not counted."""
    if path.endswith(".json"):
        return _Chunk(number, 0, len(text))
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    found = 0
    for first_line, content in chunks(path, text):
        if _says_something(path, content):
            found += 1
            if found == number:
                start = starts[first_line - 1]
                return _Chunk(number, start, start + len(content))
    raise StalledError(f"{path} has no document {number} any more; try again")


def _says_something(path: str, content: str) -> bool:
    return bool(read_documents(path, content.encode(), BOUNDS))


def _edited(path: str, text: str, value: Any) -> str:
    is_json = path.endswith(".json") or _is_json(text)
    tree = json_tree(text) if is_json else yaml_tree(text)
    if tree is None:
        raise StalledError(f"{path}: the document is empty; try again")
    if is_json or text.endswith("\n"):
        return _changed(path, text, tree, value, is_json=is_json)
    # A line break at the end makes every line a whole one, unless a text that stands last would take it in.
    whole = yaml_tree(text + "\n")
    if whole is None or not same_json(whole.root.value, tree.root.value):
        written = _changed(path, text, tree, value, is_json=False)
        return written if _says(written, value) else written + form_of(text, tree, is_json=False).newline
    written = _changed(path, text + "\n", whole, value, is_json=False)
    cut = written.removesuffix("\n").removesuffix("\r")
    return cut if _says(cut, value) else written


def _says(text: str, value: Any) -> bool:
    """Whether the text says this: one that stands last needs its own line break at its end, or none."""
    try:
        return bool(same_json(DocumentBuilder(BOUNDS).read(text), value))
    except DocumentError:
        return False


def _changed(path: str, text: str, tree: Tree, value: Any, *, is_json: bool) -> str:
    try:
        return changed_text(text, tree, form_of(text, tree, is_json=is_json), value)
    except StalledError as error:
        raise NotEditableError(f"{path}: {error}") from None


def _is_json(text: str) -> bool:
    """As `kubeyaml` tells it."""
    if text.lstrip()[:1] != "{":
        return False
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _check(path: str, edited: bytes, wanted: dict[int, Any]) -> None:
    """That the text says what it should, and nothing else of the file says anything else."""
    try:
        found = documents_of(path, edited)
    except StalledError as error:
        raise NotEditableError(
            f"{path}: it cannot be changed so and stay readable ({error}); edit it by hand"
        ) from None
    if found.keys() != wanted.keys() or not all(same_json(found[each], wanted[each]) for each in wanted):
        raise NotEditableError(f"{path}: it cannot be changed so without changing something else; edit it by hand")
