"""Which lines of two texts stand beside each other.

First what both begin and end with; then lines that each text has once, in the order that most of
them agree on, hold the rest apart; what is between two of them is small, or is told as a whole. So
the time grows with the length and not with its square.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest

from trueup.domain.diffview.words import common_ends, likeness
from trueup.domain.diffview.yamlish import Text

#: Of either side: how much is looked at line against line.
CHUNK_LINES_MAX = 300
#: How alike two lines are that stand for one line that was changed.
LIKENESS_MIN = 0.5

#: Live's line and Git's; None where a side has none.
Pair = tuple[Text | None, Text | None]


def aligned(live: Sequence[Text], git: Sequence[Text]) -> Iterator[Pair]:
    """Every line of both, in the order of both."""
    start, end = common_ends(live, git)
    yield from zip(live[:start], git[:start], strict=True)
    yield from _anchored(live[start : len(live) - end], git[start : len(git) - end])
    yield from zip(live[len(live) - end :], git[len(git) - end :], strict=True)


def _anchored(live: Sequence[Text], git: Sequence[Text]) -> Iterator[Pair]:
    if max(len(live), len(git)) <= CHUNK_LINES_MAX:
        yield from _matched(live, git)
        return
    one = other = 0
    for left, right in (*_anchors(live, git), (len(live), len(git))):
        yield from _between(live[one:left], git[other:right])
        yield from zip(live[left : left + 1], git[right : right + 1], strict=True)
        one, other = left + 1, right + 1


def _between(live: Sequence[Text], git: Sequence[Text]) -> Iterator[Pair]:
    start, end = common_ends(live, git)
    yield from zip(live[:start], git[:start], strict=True)
    middle = live[start : len(live) - end], git[start : len(git) - end]
    if max(len(middle[0]), len(middle[1])) <= CHUNK_LINES_MAX:
        yield from _matched(*middle)
    else:
        yield from zip_longest(*middle)
    yield from zip(live[len(live) - end :], git[len(git) - end :], strict=True)


def _matched(live: Sequence[Text], git: Sequence[Text]) -> Iterator[Pair]:
    matcher = SequenceMatcher(None, live, git, autojunk=False)
    for code, one, one_end, other, other_end in matcher.get_opcodes():
        if code == "equal":
            yield from zip(live[one:one_end], git[other:other_end], strict=True)
        else:
            yield from _replaced(live[one:one_end], git[other:other_end])


def _replaced(live: Sequence[Text], git: Sequence[Text]) -> Iterator[Pair]:
    """Lines that took the place of others: side by side as long as they are alike."""
    for one, other in zip_longest(live, git):
        if one is None or other is None or _is_alike(one, other):
            yield one, other
        else:
            yield one, None
            yield None, other


def _is_alike(one: Text, other: Text) -> bool:
    return one[0] == other[0] and likeness(one[1].strip(), other[1].strip()) >= LIKENESS_MIN


def _anchors(live: Sequence[Text], git: Sequence[Text]) -> Sequence[tuple[int, int]]:
    """Lines that each side has once, as many as stand in the same order on both."""
    once_in_live = {line for line, times in Counter(live).items() if times == 1}
    places = {line: place for place, line in enumerate(git)}
    once = once_in_live & {line for line, times in Counter(git).items() if times == 1}
    return _increasing([(place, places[line]) for place, line in enumerate(live) if line in once])


def _increasing(pairs: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """The longest run of pairs, in order, whose second places increase too (patience sorting)."""
    tops: list[int] = []
    top_of: list[int] = []
    before: list[int] = []
    for index, (_, place) in enumerate(pairs):
        pile = bisect_left(tops, place)
        before.append(top_of[pile - 1] if pile else -1)
        if pile == len(tops):
            tops.append(place)
            top_of.append(index)
        else:
            tops[pile] = place
            top_of[pile] = index
    found: list[tuple[int, int]] = []
    index = top_of[-1] if top_of else -1
    while index >= 0:
        found.append(pairs[index])
        index = before[index]
    return found[::-1]
