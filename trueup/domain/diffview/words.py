"""Which words of two lines differ."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

from trueup.domain.diffview.model import Span

#: Of longer lines only what they begin and end with is held against each other: the time grows with the square.
WORDS_MAX = 120
#: Lines that have less than this in common are told as a whole.
LIKENESS_MIN = 0.3

_WORD = re.compile(r"\w+|\s+|.", re.DOTALL)


def emphasis(live: str, git: str) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Of either text the words that the other does not have; nothing where they have too little in common."""
    before, after = _WORD.findall(live), _WORD.findall(git)
    if max(len(before), len(after)) > WORDS_MAX:
        return _ends(live, git)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    blocks = matcher.get_matching_blocks()
    alike = sum(len(word) for block in blocks for word in before[block.a : block.a + block.size])
    if 2 * alike < LIKENESS_MIN * (len(live) + len(git)):
        return (), ()
    codes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    return (
        _spans(before, [(first, last) for _, first, last, _, _ in codes]),
        _spans(after, [(first, last) for _, _, _, first, last in codes]),
    )


def likeness(one: str, other: str) -> float:
    """How much of two texts is alike, from 0 to 1: what both begin and end with, and words between, in any order.

    Their order is left out so that the time grows with the length alone.
    """
    if not (one or other):
        return 1.0
    start, end = common_ends(one, other)
    words, others = (Counter(_WORD.findall(side[start : len(side) - end])) for side in (one, other))
    alike = start + end + sum(len(word) * times for word, times in (words & others).items())
    return 2 * alike / (len(one) + len(other))


def common_ends(one: Sequence[object], other: Sequence[object]) -> tuple[int, int]:
    """How much the two begin with alike, and of the rest how much they end with alike."""
    shorter = min(len(one), len(other))
    start = 0
    while start < shorter and one[start] == other[start]:
        start += 1
    end = 0
    while end < shorter - start and one[-1 - end] == other[-1 - end]:
        end += 1
    return start, end


def _ends(live: str, git: str) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    start, end = common_ends(live, git)
    spans = ((start, len(live) - end), (start, len(git) - end))
    if start + end == 0:
        return (), ()
    one, other = (((first, last),) if first < last else () for first, last in spans)
    return one, other


def _spans(words: Sequence[str], ranges: Sequence[tuple[int, int]]) -> tuple[Span, ...]:
    ends = [0]
    for word in words:
        ends.append(ends[-1] + len(word))
    return tuple((ends[first], ends[last]) for first, last in ranges if first < last)
