"""The files that an Application hands to a chart: found in the trees of its sources, never in a clone."""

from __future__ import annotations

import asyncio
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from trueup.domain.doublestar import compile_doublestar, is_pattern
from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.read_set import Entry
from trueup.domain.source import Helm
from trueup.engine.render.environment import expanded
from trueup.engine.render.request import OWN, Request
from trueup.engine.tree import Tree, TreeFile

VALUE_FILES_MAX = 1_000
#: Files below a pattern's directory, times the ways to take its braces.
COMPARISONS_MAX = 1_000_000

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


@dataclass(frozen=True, slots=True)
class ValueFile:
    #: As messages call it: `values.yaml`, `$ref/values.yaml`.
    said: str
    #: `OWN` or a `ref`.
    source: str
    file: TreeFile


@dataclass(slots=True)
class FoundValues:
    #: In order, the last wins.
    files: list[ValueFile] = field(default_factory=list)
    #: The name of each parameter, and the file that holds its value.
    parameters: list[tuple[str, ValueFile]] = field(default_factory=list)
    #: What was looked at, by `OWN` or a `ref`.
    reads: dict[str, set[Entry]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Place:
    source: str
    tree: Tree
    #: From the tree's root.
    place: str
    #: As the Application has it.
    written: str
    #: What it is an item of, for messages.
    field: str

    @property
    def said(self) -> str:
        return f"${self.source}/{self.place}" if self.source else self.place


async def find_values(request: Request, options: Helm, environment: Mapping[str, str]) -> FoundValues:
    """Every file that `valueFiles` and `fileParameters` name.

    InvalidSpecError for one that may not be named, StalledError for one that is not there.
    """
    finder = _Finder(request, environment)
    await finder.add_value_files(options)
    await finder.add_parameters(options)
    return finder.found


class _Finder:
    def __init__(self, request: Request, environment: Mapping[str, str]) -> None:
        self.found = FoundValues()
        self._request = request
        self._environment = environment
        self._field = f"{request.said}.helm"

    async def add_value_files(self, options: Helm) -> None:
        places = [self._place(written, f"{self._field}.valueFiles") for written in options.value_files]
        # What is named in full stands where it is named, not where a pattern would put it.
        named = {(place.source, place.place) for place in places if not is_pattern(place.place)}
        taken: set[tuple[str, str]] = set()
        for place in places:
            if is_pattern(place.place):
                found = await self._matching(place, named, options)
            else:
                file = await self._file(place, options)
                found = [] if file is None else [file]
            for one in found:
                key = (one.source, one.file.place)
                if key not in taken:
                    taken.add(key)
                    self.found.files.append(one)
            if len(self.found.files) > VALUE_FILES_MAX:
                raise StalledError(
                    f"{place.field} stands for more than {VALUE_FILES_MAX} files; narrow {place.written!r}"
                )

    async def add_parameters(self, options: Helm) -> None:
        for parameter in options.file_parameters:
            place = self._place(parameter.path, f"{self._field}.fileParameters")
            file = await self._file(place, Helm())
            if file is not None:
                self.found.parameters.append((parameter.name, file))

    def _place(self, written: str, field: str) -> _Place:
        if not written or "\0" in written:
            raise InvalidSpecError(f"{field} has {written!r}, which names no file")
        name, slash, rest = written.partition("/")
        tree = self._request.files.refs.get(name[1:]) if name.startswith("$") and slash else None
        if tree is not None:
            source, base, text = name[1:], "", expanded("/" + rest, self._environment)
        else:
            source, base, text = OWN, self._request.files.path, expanded(written, self._environment)
            tree = self._request.files.own
            if name.startswith("$") and slash and not expanded(name, self._environment):
                raise InvalidSpecError(f"{field} has {written!r}, but no source of the Application has ref: {name[1:]}")
            if scheme := _URL.match(text):
                raise InvalidSpecError(
                    f"{field} has an address that begins with {scheme[1]}:, and values come from the Application's "
                    "sources alone; commit the file, or name a source that has it by its ref"
                )
        place = posixpath.normpath(text.lstrip("/") if text.startswith("/") else posixpath.join(base, text))
        if place.startswith("../") or place in {"..", ".", "/"}:
            raise InvalidSpecError(f"{field} has {written!r}, which leads out of the source; name a file inside")
        return _Place(source, tree, place, written, field)

    async def _file(self, place: _Place, options: Helm) -> ValueFile | None:
        found = await place.tree.find(place.place)
        if found is None:
            self._read(place.source, [Entry("missed", place.place)])
            if options.ignore_missing_value_files:
                return None
            way_out = "commit it, or correct the name"
            if place.field.endswith(".valueFiles"):
                way_out += f", or set {self._field}.ignoreMissingValueFiles where it may be absent"
            raise StalledError(f"{place.field} has {place.written!r}, and there is no file {place.said}; {way_out}")
        if found.kind == "directory":
            raise InvalidSpecError(f"{place.field} has {place.written!r}, which is a directory; name the files in it")
        file = TreeFile(place.place, found.id, linked=found.linked)
        self._read(place.source, [Entry("read", place.place), *_links(file.linked)])
        return ValueFile(place.said, place.source, file)

    async def _matching(self, place: _Place, named: set[tuple[str, str]], options: Helm) -> Sequence[ValueFile]:
        pattern = compile_doublestar(place.place, place.field)
        base = await place.tree.find(pattern.base)
        files = {file.place: file for file in await place.tree.files(pattern.base)}
        if not pattern.is_deep:
            start = len(pattern.base) + 1 if pattern.base else 0
            files = {name: file for name, file in files.items() if "/" not in name[start:]}
        self._read(place.source, [Entry("listed", pattern.base, recurse=pattern.is_deep)])
        self._read(place.source, _links(base.linked) if base else ())
        if len(files) * pattern.ways > COMPARISONS_MAX:
            raise StalledError(f"{place.field} has {place.written!r}, with too many files to look at; narrow it")
        matching = await asyncio.to_thread(pattern.chosen, files)
        # A directory's link decides over what lies behind it, so that a deep look depends on every link it passed.
        for file in files.values() if pattern.is_deep else (files[name] for name in matching):
            self._read(place.source, _links(file.linked))
        if not matching and not options.ignore_missing_value_files:
            raise StalledError(
                f"{place.field} has {place.written!r}, which no file matches; commit one, or set "
                f"{self._field}.ignoreMissingValueFiles where there may be none"
            )
        return [
            ValueFile(f"${place.source}/{name}" if place.source else name, place.source, files[name])
            for name in matching
            if (place.source, name) not in named
        ]

    def _read(self, source: str, entries: Iterable[Entry]) -> None:
        self.found.reads.setdefault(source, set()).update(entries)


def _links(places: Iterable[str]) -> list[Entry]:
    return [Entry("linked", place) for place in places]
