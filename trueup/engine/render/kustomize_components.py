"""The components that an Application adds to a kustomization."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field

from trueup.domain.errors import StalledError
from trueup.domain.go_pattern import compile_go_pattern, is_pattern, literal_directory
from trueup.domain.kustomize_remote import is_remote_repository
from trueup.domain.read_set import Entry
from trueup.domain.source import Kustomize
from trueup.engine.render.kustomize_places import Places, joined
from trueup.engine.tree import Tree


@dataclass(slots=True)
class Components:
    #: Directories relative to the source's, in the order of the options.
    found: list[str] = field(default_factory=list)
    entries: set[Entry] = field(default_factory=set)


async def components(tree: Tree, path: str, options: Kustomize, said: str) -> Components:
    """Those that are there, patterns of Go's `filepath.Match` written out as `kustomize edit add component` does.

    StalledError for one that is not there, unless missing ones are to be passed over.
    """
    made, places = Components(), Places(tree)
    top = await places.look(path) if options.components else None
    for text in options.components if top else ():
        assert top is not None  # noqa: S101 -- for the type checker
        if is_remote_repository(text):
            made.found.append(text)
            continue
        if is_pattern(text) and not options.ignore_missing_components:
            matching = await _matching(tree, top.place, text, made)
            made.found += matching
            if matching:
                continue
        place = joined(top.place, text)
        if place is not None and await places.look(place) is not None:
            made.found.append(text)
        elif options.ignore_missing_components:
            made.entries.add(Entry("missed", place or ""))
        else:
            raise StalledError(
                f"{said}.components names {text}, which is not there; commit it, or set {said}.ignoreMissingComponents"
            )
    made.entries |= places.entries
    return made


async def _matching(tree: Tree, directory: str, text: str, made: Components) -> list[str]:
    """What the pattern matches, relative to the source's directory, in order."""
    start = joined(directory, literal_directory(text) or ".")
    if start is None:
        return []
    made.entries.add(Entry("listed", start))
    pattern = joined(directory, text)
    matches = compile_go_pattern(pattern or "")
    found = set()
    for file in await tree.files(start):
        place = file.place
        while len(place) > len(start):
            if matches(place):
                found.add(posixpath.relpath(place, directory or "."))
            place = posixpath.dirname(place)
    return sorted(found)
