"""The versions of one chart in an `index.yaml`, without reading what is said of the others.

An index lists every version of every chart, up to tens of megabytes, and one chart is wanted. Helm writes the
names of charts at an indentation of two below `entries:`, and so does every YAML writer that indents by two; no
writer begins a line inside of a text so shallow there. So what lies between two such lines is one chart's part,
and it alone is parsed. What is not laid out so is read whole, event by event, without building it. Either way
only three fields of an entry are taken, and whoever writes the index decides what they say.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from mmap import mmap
from typing import Any

import orjson
import yaml

#: A JSON index up to this length is read at once, a longer one as the YAML that it is.
JSON_BYTES_MAX = 4 * 1024 * 1024
HEADER_BYTES_MAX = 64 * 1024
_DEPTH_MAX = 64
_STEP_BYTES = 4 * 1024 * 1024
_EVENTS_BETWEEN_CHECKS = 4_096
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})

_HEX_DIGEST = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")
#: The beginning of a line that is no part of a chart's list: of another chart, or of what follows `entries`.
_NEXT = re.compile(rb"\n(?:[ ]?[^ \n\r#]|[ ]{2}[^ \n\r#-])")
#: Beginnings of a line by which a name may be written otherwise than plainly or in quotes.
_ODD_KEYS = (b"\n  ?", b"\n  !", b"\n  &")
_FIRST_NAME = re.compile(rb"(?:[ ]*(?:#[^\n]*)?\n)*[ ]{2}[^ \n\r#-]")

#: What is indexed: a mapped file, or the text itself.
Text = mmap | bytes


class MalformedIndexError(ValueError):
    """It cannot be read as an index; says what is wrong with it."""


class SlowIndexError(ValueError):
    """Reading it takes longer than it may."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of a chart."""

    version: str
    #: As written; relative ones are relative to the repository.
    urls: tuple[str, ...]
    #: SHA-256 in hexadecimal; empty where none is given.
    digest: str


def entries_of(text: Text, chart: str, *, is_late: Callable[[], bool]) -> tuple[Entry, ...] | None:
    """The chart's versions in the order of the index; None where it lists no such chart.

    Raises MalformedIndexError, and SlowIndexError once `is_late` says so. Blocks, so call it in a thread.
    """
    start = text[:256].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<"):
        raise MalformedIndexError("it is a web page, not an index")
    if start.startswith(b"{") and len(text) <= JSON_BYTES_MAX:
        with contextlib.suppress(orjson.JSONDecodeError):
            return _of_json(orjson.loads(bytes(text[:])), chart)
    part = _part(text, chart)
    try:
        if part is None:
            return _Reader(bytes(text[:]), is_late).entries(chart)
        return _Reader(b"entries:" + part, is_late).entries(chart) if part else None
    except yaml.YAMLError as error:
        raise MalformedIndexError(_where(error, whole=part is None)) from None


def _part(text: Text, chart: str) -> bytes | None:
    """The lines of the chart, empty where there are none; None where the text is not laid out as Helm does it."""
    at = 0 if text[:9] == b"entries:\n" else text.find(b"\nentries:\n", 0, HEADER_BYTES_MAX) + 1
    body = at + len(b"entries:")
    if (at == 0 and text[:9] != b"entries:\n") or not _is_whole(text[:at]):
        return None
    if not _FIRST_NAME.match(text[body + 1 : body + HEADER_BYTES_MAX]):
        return None
    found = []
    for spelling in (chart, f'"{chart}"', f"'{chart}'"):
        key = f"\n  {spelling}:".encode()
        place = _find(text, key, body)
        while place >= 0:
            found.append((place, place + len(key)))
            place = _find(text, key, place + 1)
    if not found:
        return None if any(_find(text, sign, body) >= 0 for sign in _ODD_KEYS) else b""
    place, end = found[0]
    if len(found) > 1 or text[end : end + 1] != b"\n":
        return None
    following = _NEXT.search(text, end)
    return bytes(text[place : following.start() if following else len(text)])


def _find(text: Text, sign: bytes, start: int) -> int:
    """Where it is next, from `start` on; -1 for nowhere."""
    while start < len(text):
        # In steps: a search gives no other thread a turn before it is over.
        place = text.find(sign, start, start + _STEP_BYTES + len(sign) - 1)
        if place >= 0:
            return place
        start += _STEP_BYTES
    return -1


def _is_whole(header: bytes) -> bool:
    """Whether what stands before `entries:` ends there, so that this is a key and not the inside of a text."""
    try:
        value = yaml.load(header, Loader=yaml.CBaseLoader)  # noqa: S506 -- texts, lists and mappings alone
    except (yaml.YAMLError, RecursionError):
        return False
    return value is None or isinstance(value, dict)


class _Reader:
    """Reads a YAML text event by event."""

    def __init__(self, text: bytes, is_late: Callable[[], bool]) -> None:
        self._events = self._watched(text, is_late)

    @staticmethod
    def _watched(text: bytes, is_late: Callable[[], bool]) -> Iterator[Any]:
        numbers = count(1)
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if next(numbers) % _EVENTS_BETWEEN_CHECKS == 0 and is_late():
                raise SlowIndexError
            yield event

    def entries(self, chart: str) -> tuple[Entry, ...] | None:
        """Of the first document. Raises MalformedIndexError, yaml.YAMLError and SlowIndexError."""
        first = next(event for event in self._events if not _is_start(event))
        found: tuple[Entry, ...] | None = None
        has_entries = False
        for key, value in self._members(first, "the index"):
            if key != "entries":
                self._skip(value)
                continue
            has_entries = True
            if _is_nothing(value):
                continue
            for name, listed in self._members(value, "entries"):
                if name != chart:
                    self._skip(listed)
                    continue
                if found is not None:
                    raise MalformedIndexError(f"it lists the chart {chart} twice")
                found = tuple(self._listed(listed))
        if not has_entries:
            raise MalformedIndexError("it has no entries")
        # What follows must be sound as well, or a part that was cut off would pass for all of it.
        for _ in self._events:
            pass
        return found

    def _listed(self, start: Any) -> Iterator[Entry]:
        if _is_nothing(start):
            return
        for item in self._items(start, "the list of a chart's versions"):
            version, digest = "", ""
            urls: tuple[str, ...] = ()
            for key, value in self._members(item, "a version of a chart"):
                if key == "version":
                    version = self._text(value, key)
                elif key == "digest":
                    digest = self._text(value, key)
                elif key == "urls" and not _is_nothing(value):
                    urls = tuple(self._text(one, key) for one in self._items(value, key))
                else:
                    self._skip(value)
            if version:
                yield Entry(version, urls, sha256_of(digest))

    def _members(self, start: Any, what: str) -> Iterator[tuple[str | None, Any]]:
        """Keys and the first events of their values, which the caller reads to the end. None for an odd key."""
        if not isinstance(start, yaml.MappingStartEvent):
            raise MalformedIndexError(f"{what} is no mapping")
        while not isinstance(key := next(self._events), yaml.MappingEndEvent):
            if isinstance(key, yaml.ScalarEvent):
                yield key.value, next(self._events)
            else:
                self._skip(key)
                yield None, next(self._events)

    def _items(self, start: Any, what: str) -> Iterator[Any]:
        if not isinstance(start, yaml.SequenceStartEvent):
            raise MalformedIndexError(f"{what} is no list")
        while not isinstance(item := next(self._events), yaml.SequenceEndEvent):
            yield item

    def _text(self, event: Any, what: str) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise MalformedIndexError(f"{what} is no text, or an alias, which an index cannot have there")
        return str(event.value)

    def _skip(self, event: Any) -> None:
        depth = 0
        while True:
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > _DEPTH_MAX:
                    raise MalformedIndexError("it is nested too deeply")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth == 0:
                return
            event = next(self._events)


def _of_json(index: Any, chart: str) -> tuple[Entry, ...] | None:
    if not isinstance(index, dict) or "entries" not in index:
        raise MalformedIndexError("it has no entries")
    entries = index["entries"] or {}
    listed = entries.get(chart) if isinstance(entries, dict) else None
    if listed is None:
        return None
    if not isinstance(listed, list):
        raise MalformedIndexError("the list of a chart's versions is no list")
    return tuple(
        Entry(str(item["version"]), _texts(item.get("urls")), sha256_of(item.get("digest") or ""))
        for item in listed
        if isinstance(item, dict) and isinstance(item.get("version"), str) and item["version"]
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def sha256_of(digest: object) -> str:
    """The digest in lower-case hexadecimal; empty for what is no SHA-256."""
    match = _HEX_DIGEST.fullmatch(digest.strip()) if isinstance(digest, str) else None
    return match[1].lower() if match else ""


def _is_start(event: Any) -> bool:
    return isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent)


def _is_nothing(event: Any) -> bool:
    return isinstance(event, yaml.ScalarEvent) and event.implicit[0] and event.value in _NULLS


def _where(error: yaml.YAMLError, *, whole: bool) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "its characters are not those of YAML"
    line = f" in line {mark.line + 1}" if mark is not None and whole else ""
    return f"it is no YAML{line} ({problem})"
