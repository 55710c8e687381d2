"""Objects without their ignored places, so that whole maps and lists still compare right.

What a cut leaves empty is marked as hollow: that one side has nothing there is then no difference either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trueup.domain.ignore_places import Place
from trueup.domain.normalize import LAST_APPLIED_ANNOTATION
from trueup.domain.resource import Body

#: Places as a tree: None is a place that does not count, with all below it.
Tree = Mapping[str | int, "Tree | None"]
NOTHING: Tree = {}


class HollowMap(dict[str, Any]):
    """A map of which a cut left nothing, or hollow values alone."""


class HollowList(list[Any]):
    """A list of which a cut left nothing, or hollow values alone."""


def tree_of(places: Iterable[Place]) -> Tree:
    """The places as one tree."""
    tree: dict[str | int, Any] = {}
    for place in places:
        node = tree
        for step in place[:-1]:
            below = node.setdefault(step, {})
            if below is None:
                break
            node = below
        else:
            node[place[-1]] = None
    return tree


def cut(body: Body, tree: Tree) -> Body:
    """A copy without the places, sharing everything that none leads to.

    What says who owns the fields, and what was delivered once, stays: it is never compared itself.
    """
    if not tree:
        return body
    less: Body = cut_value(body, tree)
    before = body.get("metadata")
    if "metadata" not in tree or not isinstance(before, Mapping):
        return less
    kept = dict(less.get("metadata") or {})
    if "managedFields" in before:
        kept["managedFields"] = before["managedFields"]
    note = (before.get("annotations") or {}).get(LAST_APPLIED_ANNOTATION)
    if note is not None:
        kept["annotations"] = {**(kept.get("annotations") or {}), LAST_APPLIED_ANNOTATION: note}
    return {**less, "metadata": kept}


def goes(tree: Tree, step: str | int) -> bool:
    """Whether the member is one of the places."""
    return tree.get(step, tree) is None


def is_hollow(value: Any) -> bool:
    """Whether a cut has left nothing of the value."""
    return isinstance(value, HollowMap | HollowList)


def cut_value(value: Any, tree: Tree) -> Any:
    """The same for a part of an object: what is left of it."""
    if isinstance(value, Mapping):
        members = {name: _below(below, tree, name) for name, below in value.items() if not goes(tree, name)}
        return HollowMap(members) if all(map(is_hollow, members.values())) else members
    if isinstance(value, list):
        items = [_below(below, tree, index) for index, below in enumerate(value) if not goes(tree, index)]
        return HollowList(items) if all(map(is_hollow, items)) else items
    return value


def _below(value: Any, tree: Tree, step: str | int) -> Any:
    below = tree.get(step)
    return cut_value(value, below) if below else value
