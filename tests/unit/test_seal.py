from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueup.clients.seal import KEY_BYTES_MIN, Sealer
from trueup.domain.errors import StalledError

OLD, NEW = b"o" * KEY_BYTES_MIN, b"n" * KEY_BYTES_MIN
# A busy machine is no failure.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXT = st.text(st.characters(), max_size=20)


@UNHURRIED
@given(TEXT, TEXT, TEXT)
def test_what_was_sealed_opens(kind, subject, value):
    assert Sealer(NEW).open(kind, subject, Sealer(NEW).seal(kind, subject, value)) == value


@UNHURRIED
@given(TEXT)
def test_what_nobody_sealed_is_unknown(rubbish):
    assert Sealer(NEW).open("tip", "r", rubbish) is None


@UNHURRIED
@given(st.tuples(TEXT, TEXT, TEXT), st.tuples(TEXT, TEXT, TEXT))
def test_a_seal_opens_only_what_it_was_made_for(parts, others):
    mac = Sealer(NEW).seal(*parts).partition(".")[0]
    opened = Sealer(NEW).open(*others[:2], f"{mac}.{others[2]}")
    assert opened == (others[2] if parts == others else None)


def test_parts_do_not_run_into_each_other():
    mac = Sealer(NEW).seal("ab", "c", "d").partition(".")[0]
    assert Sealer(NEW).open("a", "bc", f"{mac}.d") is None


def test_every_character_of_a_seal_counts():
    sealed = Sealer(NEW).seal("tip", "r", "0" * 40)
    for i, character in enumerate(sealed):
        other = "B" if character != "B" else "C"
        assert Sealer(NEW).open("tip", "r", sealed[:i] + other + sealed[i + 1 :]) is None


def test_keys_can_be_rotated():
    old = Sealer(OLD).seal("tip", "r", "v")
    rotated = Sealer(NEW, OLD)
    assert rotated.open("tip", "r", old) == "v"
    assert Sealer(NEW).open("tip", "r", old) is None
    assert Sealer(NEW).open("tip", "r", rotated.seal("tip", "r", "v")) == "v"


@pytest.mark.parametrize("keys", [(b"",), (b"x" * (KEY_BYTES_MIN - 1),), (NEW, b"short")])
def test_a_short_key_is_refused(keys):
    with pytest.raises(StalledError):
        Sealer(*keys)
