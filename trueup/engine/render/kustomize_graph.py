"""Which files `kustomize build` reads for a directory: those that its kustomization names, and those of its bases.

A build is run on these files alone, so what it comes to is a function of them: whatever is not named here cannot
change it.
"""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.kubeyaml import YamlBounds, YamlError, read_documents
from trueup.domain.kustomization import (
    KUSTOMIZATION_NAMES,
    Holds,
    InlinePlugin,
    Reference,
    charts,
    is_web_address,
    leaves,
    references,
)
from trueup.domain.kustomize_remote import RemoteBase, remote_base
from trueup.domain.read_set import Entry
from trueup.engine.render.directory import PARSE_BYTES_INLINE_MAX, RenderBounds
from trueup.engine.render.kustomize_elsewhere import BaseFetch, Elsewhere, Grafted, pointed
from trueup.engine.render.kustomize_places import Places, Remembering, joined
from trueup.engine.tree import Found, Tree, TreeFile

#: Texts in the settings of plugins that are tried as names of files; with more the whole repository counts.
LEAVES_MAX = 2_000

#: Given the kustomization of the source itself, gives the one that is built.
Override = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Missing:
    """A name that stands for nothing."""

    kustomization: str
    field: str
    text: str
    place: str


@dataclass(slots=True)
class Graph:
    places: Places
    elsewhere: Elsewhere
    #: The source's own directory, links followed.
    root: str = ""
    #: Where its kustomization is, if there is just one.
    root_file: str = ""
    #: Kustomizations that are written otherwise than they are in the tree, by their files: that of the source with the
    #: options of the Application set over it, and those that name others elsewhere.
    contents: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    #: By their places.
    files: dict[str, TreeFile] = field(default_factory=dict)
    directories: set[str] = field(default_factory=set)
    missing: list[Missing] = field(default_factory=list)
    #: Whether something could not be followed, so that only the whole repository is sure to be enough.
    is_partial: bool = False

    def reads(self) -> set[Entry]:
        """What was read of the source's own repository; what lies elsewhere is pinned by what names it."""
        found = self.places.entries | {Entry("read", place) for place in self.files}
        return {entry for entry in found if not self.elsewhere.tree.graft_of(entry.place)}


async def graph(
    tree: Tree, path: str, *, override: Override | None, bases: BaseFetch, said: str, bounds: RenderBounds
) -> Graph:
    """The graph of the kustomization in a directory.

    `bases` fetches those that lie elsewhere. InvalidSpecError for what is not supported: charts, and what lies
    elsewhere and is not allowed. StalledError for a name that leads out of the repository, and for more than the
    bounds. What kustomize itself refuses is left to it.
    """
    grafted = Grafted(tree)
    places = Places(Remembering(grafted))
    top = await places.look(path)
    if top is None or top.kind != "directory":
        what = "is a file, not a directory" if top else "is not there"
        raise StalledError(f"{said}.path {path or '.'} {what}; name the directory of a kustomization")
    walk = _Walk(Graph(places, Elsewhere(grafted, bases), root=top.place), override, bounds)
    await walk.run()
    return walk.graph


@dataclass(slots=True)
class _Node:
    """One kustomization, as far as it was followed."""

    directory: str
    #: Its files, and the directories of the kustomizations that it names.
    files: set[str] = field(default_factory=set)
    below: set[str] = field(default_factory=set)
    #: Of the settings of its plugins: their files, the kustomizations that make them, and those that it has itself.
    plugin_files: set[str] = field(default_factory=set)
    plugin_nodes: set[str] = field(default_factory=set)
    plugin_texts: list[str] = field(default_factory=list)


class _Walk:
    """Kustomizations level by level, so that the files of a level are read at once."""

    def __init__(self, made: Graph, override: Override | None, bounds: RenderBounds) -> None:
        self.graph = made
        self._override = override
        self._bounds = bounds
        self._nodes: dict[str, _Node] = {}
        self._named = 0

    async def run(self) -> None:
        level = [self.graph.root]
        while level:
            found = [(place, await self._kustomization(place)) for place in level]
            # At once, as far as the tree can.
            await self._read(*(file for _, file in found if file))
            for place, file in found:
                node = self._nodes[place] = _Node(place)
                if file:
                    await self._follow(node, file)
            named = {place for node in self._nodes.values() for place in node.below | node.plugin_nodes}
            level = sorted(named - self._nodes.keys())
        await self._follow_plugins()

    async def _kustomization(self, directory: str) -> str:
        """The place of the one kustomization file in a directory; empty for none or several."""
        self.graph.directories.add(directory)
        found = []
        for name in KUSTOMIZATION_NAMES:
            place = posixpath.join(directory, name)
            end = await self.graph.places.look(place)
            if end is not None and end.kind == "file":
                self._add_file(end)
                found.append(end.place)
            else:
                self.graph.places.entries.add(Entry("missed", place))
        return found[0] if len(found) == 1 else ""

    async def _follow(self, node: _Node, file: str) -> None:
        is_root = node.directory == self.graph.root
        if is_root:
            self.graph.root_file = file
        node.files.add(file)
        value = await self._parsed(file)
        if is_root and self._override is not None:
            if not isinstance(value, Mapping):
                raise StalledError(f"{file}: it is no kustomization, so nothing can be set over it")
            value = self.graph.contents[file] = self._override(value)
        if field_name := charts(value):
            raise InvalidSpecError(
                f"{file}: {field_name} is not supported: charts are not inflated by kustomize here; make the chart a "
                "source of its own (spec.sources, with helm), or commit what it renders"
            )
        fetched: dict[str, str] = {}
        for reference in references(value):
            if isinstance(reference, InlinePlugin):
                node.plugin_texts.append(reference.text)
            else:
                await self._follow_reference(node, file, reference, fetched)
        if fetched:
            self.graph.contents[file] = pointed(value, fetched)

    async def _follow_reference(self, node: _Node, file: str, reference: Reference, fetched: dict[str, str]) -> None:
        """`fetched` is told of what lies elsewhere, and where it is from here now."""
        self._named += 1
        if self._named > self._bounds.render_files_max:
            raise StalledError(
                f"{file}: with all its bases it names more than {self._bounds.render_files_max} files; "
                "split the Application"
            )
        base = remote_base(reference.text) if reference.holds is not Holds.FILE else None
        # To kustomize any address of the web may be that of a file; one with a ref in it can only be a repository's.
        is_pinned = base is not None and base.ref != ""
        if reference.holds is not Holds.KUSTOMIZATION and is_web_address(reference.text) and not is_pinned:
            _refuse_remote(file, reference)
        place = joined(node.directory, reference.text)
        end = await self.graph.places.look(place) if place is not None else None
        # A file of that name comes first; a directory of that name does not.
        is_file = end is not None and end.kind == "file"
        if is_file:
            base = None
        if base is not None and reference.holds is Holds.PLUGIN:
            _refuse_remote(file, reference)
        elif base is not None:
            there = await self._fetched(file, reference, base)
            node.below.add(there)
            fetched[reference.text] = posixpath.relpath(there, node.directory or ".")
            return
        if place is None or not self._is_within(node.directory, place):
            raise StalledError(
                f"{file}: {reference.field} names {reference.text}, which is not in the repository; "
                "name a file inside it, relative to the kustomization"
            )
        if end is None:
            self.graph.places.entries.add(Entry("missed", place))
            self.graph.missing.append(Missing(file, reference.field, reference.text, place))
        elif end.kind == "file":
            self._add_file(end)
            (node.plugin_files if reference.holds is Holds.PLUGIN else node.files).add(end.place)
        else:
            self.graph.directories.add(end.place)
            if reference.holds is not Holds.FILE:
                (node.plugin_nodes if reference.holds is Holds.PLUGIN else node.below).add(end.place)

    async def _fetched(self, file: str, reference: Reference, base: RemoteBase) -> str:
        said = f"{file}: {reference.field} names {reference.text}"
        place = await self.graph.elsewhere.directory(base, said=said)
        end = await self.graph.places.look(place)
        if end is None or end.kind != "directory":
            raise StalledError(f"{said}, and there is no such directory at {base.ref}; correct the address")
        return end.place

    def _is_within(self, directory: str, place: str) -> bool:
        """Whether both are in one repository: none may name what another has."""
        graft_of = self.graph.elsewhere.tree.graft_of
        return graft_of(directory) == graft_of(place)

    async def _follow_plugins(self) -> None:
        """What the settings of plugins name: any text in them that is the name of a file may be one."""
        count = 0
        for node in list(self._nodes.values()):
            files = node.plugin_files | self._files_of(node.plugin_nodes)
            contents = await self._read(*files)
            values = [await self._parsed_all(file, contents[file]) for file in sorted(files)]
            values += [await self._parsed_all(node.directory, text.encode()) for text in node.plugin_texts]
            for text in dict.fromkeys(leaves(values)):
                count += 1
                if count > LEAVES_MAX:
                    self.graph.is_partial = True
                    return
                await self._try(node.directory, text)

    async def _try(self, directory: str, text: str) -> None:
        place = joined(directory, text)
        if place is None or not self._is_within(directory, place):
            return
        try:
            end = await self.graph.places.look(place)
        except StalledError:
            # It need not be a name at all; where it is one, kustomize misses it and says so.
            return
        if end is not None and end.kind == "file":
            self._add_file(end)

    def _files_of(self, directories: Iterable[str]) -> set[str]:
        """Every file of these kustomizations and of those below them."""
        pending, seen, found = list(directories), set[str](), set[str]()
        while pending:
            place = pending.pop()
            if place not in seen and place in self._nodes:
                seen.add(place)
                node = self._nodes[place]
                found |= node.files | node.plugin_files
                pending += node.below | node.plugin_nodes
        return found

    def _add_file(self, end: Found) -> None:
        self.graph.files[end.place] = TreeFile(end.place, end.id)

    async def _read(self, *files: str) -> dict[str, bytes]:
        ids = {file: self.graph.files[file].id for file in files}
        contents = await self.graph.places.tree.read(set(ids.values()))
        return {file: contents[name] for file, name in ids.items()}

    async def _parsed(self, file: str) -> Any:
        documents = await self._parsed_all(file, (await self._read(file))[file])
        if documents is None:
            return None
        return documents[0] if documents else {}

    async def _parsed_all(self, file: str, content: bytes) -> list[Any] | None:
        """The documents of a file; None for one that is not YAML to us, which kustomize may see otherwise."""
        try:
            if len(content) > PARSE_BYTES_INLINE_MAX:
                return await asyncio.to_thread(_read, file, content, self._bounds.yaml)
            return _read(file, content, self._bounds.yaml)
        except YamlError:
            self.graph.is_partial = True
            if file == self.graph.root_file and self._override is not None:
                raise
            return None


def _read(file: str, content: bytes, bounds: YamlBounds) -> list[Any]:
    return [document.value for document in read_documents(file, content, bounds)]


def _refuse_remote(file: str, reference: Reference) -> NoReturn:
    raise InvalidSpecError(
        f"{file}: {reference.field} names {reference.text}, which lies elsewhere, and only bases with a ref are "
        "fetched from there (?ref=v1.2.3); commit it to this repository, or make it a source of its own (spec.sources)"
    )
