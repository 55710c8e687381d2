"""Which member of a list became which: what stayed as it was is never moved or written again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

import orjson

from trueup.domain.diffview.words import common_ends
from trueup.domain.normalize import same_json

#: What tells the members of lists in Kubernetes apart, the surest first.
_NAMES = ("name", "key", "containerPort", "port", "mountPath", "devicePath", "ip", "uid", "host", "path", "type")


def matched(old: Sequence[Any], new: Sequence[Any]) -> Iterator[tuple[int | None, int | None]]:
    """Pairs of positions in the order of both lists; None stands for a member that is gone, or for a new one."""
    before, after = [_content(value) for value in old], [_content(value) for value in new]
    # Of members that are alike each stays where it is, as long as what is around it does.
    start, end = common_ends(before, after)
    yield from ((i, i) for i in range(start))
    last, new_last = len(old) - end, len(new) - end
    # Repeated members are no junk: each counts.
    matcher = SequenceMatcher(None, before[start:last], after[start:new_last], False)
    for what, i1, i2, j1, j2 in matcher.get_opcodes():
        there, here = range(start + i1, start + i2), range(start + j1, start + j2)
        yield from zip(there, here, strict=True) if what == "equal" else _changed(old, new, there, here)
    yield from zip(range(last, len(old)), range(new_last, len(new)), strict=True)


def _changed(
    old: Sequence[Any], new: Sequence[Any], before: range, after: range
) -> Iterator[tuple[int | None, int | None]]:
    left, right = before.start, after.start
    for j in after:
        i = next((i for i in range(left, before.stop) if _is_same(old[i], new[j])), None)
        if i is not None:
            yield from _between(old, new, range(left, i), range(right, j))
            yield i, j
            left, right = i + 1, j + 1
    yield from _between(old, new, range(left, before.stop), range(right, after.stop))


def _between(
    old: Sequence[Any], new: Sequence[Any], before: range, after: range
) -> Iterator[tuple[int | None, int | None]]:
    """What has no name in common: as many as before are taken for the same ones."""
    if len(before) == len(after) and all(
        _shape(old[i]) is _shape(new[j]) and not _are_others(old[i], new[j]) for i, j in zip(before, after, strict=True)
    ):
        yield from zip(before, after, strict=True)
        return
    yield from ((i, None) for i in before)
    yield from ((None, j) for j in after)


def _is_same(old: Any, new: Any) -> bool:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return False
    return next((old[name] == new[name] for name in _NAMES if name in old and name in new), False)


def _shape(value: Any) -> type:
    return type(value) if isinstance(value, dict | list) else str


def _are_others(old: Any, new: Any) -> bool:
    """Whether two members with two names are two things, and not one thing that got another name."""
    if not (isinstance(old, dict) and "name" in old and "name" in new and old["name"] != new["name"]):
        return False
    others = (old.keys() | new.keys()) - {"name"}
    alike = sum(name in old and name in new and bool(same_json(old[name], new[name])) for name in others)
    return 2 * alike <= len(others)


def _content(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
