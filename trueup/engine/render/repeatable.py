"""Whether a render would come to what it came to before: the state of every place that it read."""

from __future__ import annotations

from collections.abc import Mapping

from trueup.domain.errors import StalledError
from trueup.domain.read_set import ReadSet
from trueup.engine.render.request import Files
from trueup.engine.render.store import States
from trueup.engine.tree import Tree

_BROKEN = "broken"


def trees_of(files: Files) -> dict[str, Tree]:
    """The trees by the names that `Output.reads` has for them."""
    return {"": files.own, **files.refs}


async def states(reads: Mapping[str, ReadSet], trees: Mapping[str, Tree]) -> dict[tuple[str, str], str]:
    """What lies at each place now, contents and links; of a directory all of it."""
    found: dict[tuple[str, str], str] = {}
    for name, entries in reads.items():
        for place in {entry.place for entry in entries}:
            found[name, place] = await _state(trees[name], place)
    return found


async def is_as_then(then: States, trees: Mapping[str, Tree]) -> bool:
    """Whether every place is what it was; asks no further after the first that is not."""
    for (name, place), state in then.items():
        if name not in trees or await _state(trees[name], place) != state:
            return False
    return True


async def _state(tree: Tree, place: str) -> str:
    try:
        found = await tree.find(place)
    except StalledError:
        return _BROKEN
    return "" if found is None else f"{found.kind} {found.id} {found.place}"
