"""What evaluating the Jsonnet files of a source will read, found without evaluating them.

Imports are looked for as go-jsonnet's importer does it: from the directory of the file that names
them, then in each search path, the last one first.
"""

from __future__ import annotations

import asyncio
import hashlib
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.jsonnet_imports import Import, imports
from trueup.domain.manifest import SKIP_MARKER
from trueup.domain.read_set import Entry
from trueup.domain.source import Jsonnet, JsonnetVariable
from trueup.engine.render.environment import expanded, names_the_revision
from trueup.engine.render.tools import Tool
from trueup.engine.tree import Found, Tree, TreeFile

#: Part of every key: raise it whenever the same program would come to something else.
RENDERER_VERSION = "jsonnet-1"
#: Far above what a library of Kubernetes' kinds has.
FILES_MAX = 10_000
#: What the kernel lets one argument of a program have, without the option's name.
VARIABLE_BYTES_MAX = 100 * 1024
#: More than this is read for its imports in a thread, so that the event loop is not held up.
SCAN_BYTES_INLINE_MAX = 128 * 1024


@dataclass(frozen=True, slots=True)
class Program:
    """Files to evaluate, with all that goes into it. Places are from the repository's root."""

    #: Each makes objects of its own.
    mains: tuple[str, ...]
    #: Where imports are looked for, the last one first.
    search: tuple[str, ...]
    #: Their variables are replaced.
    external: tuple[JsonnetVariable, ...]
    arguments: tuple[JsonnetVariable, ...]
    #: The mains and whatever they may import, in turn.
    files: tuple[TreeFile, ...]
    #: Without a change of any of this the same comes out.
    reads: frozenset[Entry]

    def key(self, tool: Tool) -> str:
        """Names what comes out: equal for equal content at equal places, whatever the commit."""
        variables = [[[v.name, v.value, v.code] for v in group] for group in (self.external, self.arguments)]
        files = [[printable(file.place), file.id] for file in self.files]
        mains = [printable(place) for place in self.mains]
        read = [RENDERER_VERSION, tool.version, mains, self.search, variables, files]
        return hashlib.sha256(orjson.dumps(read)).hexdigest()


async def load(
    tree: Tree,
    mains: Sequence[str],
    *,
    path: str,
    options: Jsonnet,
    environment: Mapping[str, str],
    bytes_max: int,
    said: str = "spec.source",
) -> Program:
    """The program that these files are, `path` being the source's directory.

    Files that ask to be passed over are left out, but a change of them counts. What is imported and
    not there is no error yet: Jsonnet evaluates only what it needs. InvalidSpecError for options
    that cannot hold, StalledError for an import that leads out of the repository, for a directory,
    and for files that are larger than `bytes_max` bytes together.
    """
    where = f"{said}.directory.jsonnet"
    external = _variables(options.ext_vars, environment, f"{where}.extVars")
    arguments = _variables(options.tlas, environment, f"{where}.tlas")
    search = (path, *(_library(lib, where) for lib in options.libs))
    closure = _Closure(tree, search, bytes_max)
    chosen = await closure.read_mains(mains)
    for variable, kind in (*((v, "extVars") for v in external), *((v, "tlas") for v in arguments)):
        if variable.code:
            # An expression stands nowhere: its imports are looked for from the root.
            await closure.follow("", f"{where}.{kind} {variable.name}", variable.value)
    await closure.follow_all()
    if any(names_the_revision(v.value) for v in (*options.ext_vars, *options.tlas)):
        closure.reads.add(Entry("listed", ""))
    files = sorted(closure.files.values(), key=lambda file: file.place)
    return Program(chosen, search, external, arguments, tuple(files), frozenset(closure.reads))


class _Closure:
    """The files that were found so far, and where others were looked for."""

    def __init__(self, tree: Tree, search: Sequence[str], bytes_max: int) -> None:
        self.files: dict[str, TreeFile] = {}
        self.reads: set[Entry] = set()
        self._tree = tree
        self._search = search
        self._bytes_left = bytes_max
        self._bytes_max = bytes_max
        self._looked: dict[str, Found | None] = {}
        #: Programs that are not read yet, and all that there were.
        self._pending: list[str] = []
        self._contents: dict[str, bytes] = {}
        self._programs: set[str] = set()

    async def read_mains(self, mains: Sequence[str]) -> tuple[str, ...]:
        """Those of the files that are to be evaluated."""
        for place in mains:
            found = await self._at(place)
            if found is None or found.kind != "file":
                raise StalledError(f"{printable(place)} is not a file of the repository; name one that is")
            self._take(place, found, is_code=True)
        contents = await self._read(self._pending)
        passed_over = {place for place in contents if SKIP_MARKER in contents[place]}
        for place in passed_over:
            self.files.pop(place)
        self._pending = [place for place in self._pending if place not in passed_over]
        self._programs -= passed_over
        return tuple(place for place in mains if place not in passed_over)

    async def follow_all(self) -> None:
        """Read every program, and what it imports, until there is nothing new."""
        while self._pending:
            level, self._pending = self._pending, []
            contents = await self._read(level)
            size = sum(len(content) for content in contents.values())
            if size > SCAN_BYTES_INLINE_MAX:
                named = await asyncio.to_thread(_scan, contents)
            else:
                named = _scan(contents)
            for place, found in named.items():
                await self._follow(posixpath.dirname(place), printable(place), found)

    async def follow(self, directory: str, said: str, program: str) -> None:
        """Look for what a text imports."""
        await self._follow(directory, said, tuple(imports(program)))

    async def _follow(self, directory: str, said: str, named: Iterable[Import]) -> None:
        for one in named:
            for start in dict.fromkeys((directory, *reversed(self._search))):
                place = _joined(start, one.path)
                if place is None:
                    what = f"imports {one.path!r}, which leads out of the repository; import a file inside"
                    raise StalledError(f"{said}, line {one.line}: {what}")
                found = await self._at(place)
                if found is None:
                    self.reads.add(Entry("missed", place))
                elif found.kind == "file":
                    self._take(place, found, is_code=one.is_code)
                    break
                else:
                    what = f"imports {one.path!r}, which is a directory; import a file in it"
                    raise StalledError(f"{said}, line {one.line}: {what}")

    def _take(self, place: str, found: Found, *, is_code: bool) -> None:
        self.files[place] = TreeFile(place, found.id, linked=found.linked)
        if len(self.files) > FILES_MAX:
            raise StalledError(f"the Jsonnet files import more than {FILES_MAX} files; import fewer of them")
        self.reads.add(Entry("read", place))
        self.reads |= {Entry("linked", link) for link in found.linked}
        if is_code and place not in self._programs:
            self._programs.add(place)
            self._pending.append(place)

    async def _at(self, place: str) -> Found | None:
        if place not in self._looked:
            self._looked[place] = await self._tree.find(place)
        return self._looked[place]

    async def _read(self, places: Sequence[str]) -> dict[str, bytes]:
        ids = {place: self.files[place].id for place in places}
        unread = set(ids.values()) - self._contents.keys()
        self._contents |= await self._tree.read(unread)
        self._bytes_left -= sum(len(self._contents[name]) for name in unread)
        if self._bytes_left < 0:
            raise StalledError(f"the Jsonnet files are larger than {self._bytes_max} bytes together; import fewer")
        return {place: self._contents[name] for place, name in ids.items()}


def _scan(contents: Mapping[str, bytes]) -> dict[str, tuple[Import, ...]]:
    return {place: tuple(imports(content.decode(errors="replace"))) for place, content in contents.items()}


def _joined(directory: str, path: str) -> str | None:
    """The place that an import means from there; None for one outside of the repository."""
    if path.startswith("/"):
        return None
    place = posixpath.normpath(posixpath.join(directory, path))
    if place == ".." or place.startswith("../"):
        return None
    return "" if place == "." else place


def _library(lib: str, where: str) -> str:
    place = _joined("", lib.lstrip("/"))
    if place is None or "\0" in lib:
        raise InvalidSpecError(f"{where}.libs has {lib!r}, which leads out of the repository; name a directory inside")
    return place


def _variables(
    variables: Sequence[JsonnetVariable], environment: Mapping[str, str], where: str
) -> tuple[JsonnetVariable, ...]:
    found = tuple(JsonnetVariable(v.name, expanded(v.value, environment), v.code) for v in variables)
    for variable in found:
        # The command line cannot carry these.
        if not variable.name or "=" in variable.name or variable.name.startswith("-"):
            raise InvalidSpecError(f"{where} has the name {variable.name!r}; give it one that Jsonnet can refer to")
        if "\0" in variable.name + variable.value:
            raise InvalidSpecError(f"{where} {variable.name!r} holds a zero byte; leave it out")
        if len(f"{variable.name}={variable.value}".encode("utf-8", "surrogatepass")) > VARIABLE_BYTES_MAX:
            way_out = "commit it as a file, and import that"
            raise InvalidSpecError(f"{where} {variable.name!r} has more than {VARIABLE_BYTES_MAX} bytes; {way_out}")
    return found


def printable(place: str) -> str:
    """Bytes of a path that are no UTF-8 arrive as surrogates, which neither JSON nor a log can carry."""
    return place.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
