"""What a webhook announces is looked for where somebody follows it, a bounded number of times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.expected import LOOKS_MAX, Expected, expected_after

SHA = "a" * 40


@pytest.mark.parametrize(
    ("ref", "revisions", "follows"),
    [
        ("refs/heads/main", ["main"], True),
        ("refs/heads/main", ["", "v1"], True),
        ("refs/heads/feature", ["HEAD", "main"], False),
        ("refs/heads/feature", ["refs/heads/feature"], True),
        ("refs/tags/v1.2.0", ["1.*"], True),
        ("refs/tags/v2.0.0", ["1.*", SHA], False),
        ("refs/tags/v2", ["v2"], True),
    ],
)
def test_only_what_somebody_follows_is_looked_for(ref: str, revisions: list[str], follows: bool) -> None:
    assert expected_after(ref, SHA, revisions) == (Expected(SHA) if follows else None)
    assert expected_after(ref, "0" * 40, revisions) is None


def test_the_looks_end_and_survive_their_way_through_the_queue() -> None:
    expected, seconds = Expected(SHA), 0.0
    for _ in range(LOOKS_MAX):
        following = expected.next_look()
        assert following is not None
        seconds += following[1]
        parsed = Expected.parse(str(following[0]))
        assert parsed is not None
        expected = parsed
    assert expected.next_look() is None
    assert seconds < 16


@given(st.text(max_size=60))
def test_any_other_hint_is_none(text: str) -> None:
    assert Expected.parse(text) is None
