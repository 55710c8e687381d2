"""A live value as a person would write it: without what the API server filled in."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from trueup.domain.diff import Change
from trueup.domain.fieldpath import Item, Path
from trueup.domain.normalize import TEXT_MAPS, is_default
from trueup.domain.redact import Redactor
from trueup.domain.resource import ResourceKey

#: Of one value so many places are asked about.
CANDIDATES_MAX = 100


def as_written(value: Any, like: Any, path: Path, key: ResourceKey, defaults: Collection[Path]) -> Any:
    """The value without `defaults`, places below `path`, and without what is surely one, unless `like` has it too.

    `like` is what stands in the file.
    """
    if isinstance(value, Mapping):
        said = like if isinstance(like, Mapping) else {}
        found = {}
        for name, below in value.items():
            here = (*path, name)
            is_said = said.get(name) is not None
            if not is_said and (below is None or here in defaults or _is_known(below, name, path, key)):
                continue
            found[name] = as_written(below, said.get(name), here, key, defaults)
        return found
    if isinstance(value, list):
        said_items = like if isinstance(like, list) and len(like) == len(value) else [None] * len(value)
        return [
            as_written(below, said_item, (*path, index), key, defaults)
            for index, (below, said_item) in enumerate(zip(value, said_items, strict=True))
        ]
    return value


def _is_known(value: Any, name: str, above: Path, key: ResourceKey) -> bool:
    return above[-1] not in TEXT_MAPS and is_default(value, name, key, above)


def candidates(change: Change) -> tuple[Path, ...]:
    """The places within a live value that may be defaults, for the API server to say; none where there are too many."""
    if change.kind == "missing" or change.reordered or not isinstance(change.live, Mapping | list):
        return ()
    keys = frozenset(name for name, _ in last.keys) if isinstance(last := change.path[-1], Item) else frozenset()
    found = tuple(_leaves(change.live, change.path, keys))
    return found if len(found) <= CANDIDATES_MAX else ()


def _leaves(value: Any, path: Path, keys: Collection[str]) -> Iterator[Path]:
    if isinstance(value, list):
        for index, below in enumerate(value):
            if isinstance(below, Mapping | list):
                yield from _leaves(below, (*path, index), ())
        return
    for name, below in value.items():
        if name in keys or path[-1] in TEXT_MAPS:
            continue
        if below and isinstance(below, Mapping | list):
            yield from _leaves(below, (*path, name), ())
        else:
            yield (*path, name)


def holds_a_secret(value: Any, redactor: Redactor) -> bool:
    """Whether any text in it would be masked for people."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, Mapping):
            pending += [*each.keys(), *each.values()]
        elif isinstance(each, list):
            pending += each
        elif isinstance(each, str) and redactor.text(each) != each:
            return True
    return False
