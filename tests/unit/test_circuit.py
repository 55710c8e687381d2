"""Somebody who gave no answer is asked again by one, after growing pauses."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.domain.circuit import Circuit

MIN, MAX = 1.0, 60.0


def failed(circuit: Circuit, now: float) -> Circuit:
    return circuit.failed(now, seconds_min=MIN, seconds_max=MAX)


def test_pauses_double_up_to_the_longest_and_an_answer_ends_them() -> None:
    circuit, now, pauses = Circuit(), 100.0, []
    for _ in range(8):
        circuit = failed(circuit, now)
        pauses.append(circuit.pause_seconds(now))
        now = circuit.open_until
        assert circuit.pause_seconds(now) == 0
        assert not circuit.is_closed
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert circuit.answered() == Circuit()


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e6), st.booleans()), max_size=50))
def test_a_pause_is_bounded_and_what_fails_within_one_changes_nothing(events: list[tuple[float, bool]]) -> None:
    circuit, now = Circuit(), 0.0
    for later, answers in events:
        now += later
        before, pause = circuit, circuit.pause_seconds(now)
        circuit = circuit.answered() if answers else failed(circuit, now)
        assert 0 <= circuit.pause_seconds(now) <= MAX + 1e-6
        if pause and not answers:
            assert circuit == before
        assert circuit.is_closed is answers
