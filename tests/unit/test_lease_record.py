"""Who may take a Lease is judged by the clock of the one who waits, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.lease import Sight, freed_spec, read_lease, renewed_spec, seen, taken_spec

NOW = datetime(2026, 2, 3, 4, 5, 6, 7, UTC)


def body(spec: dict[str, object], version: str = "1") -> dict[str, object]:
    return {"metadata": {"resourceVersion": version}, "spec": spec}


def test_a_lease_is_taken_kept_and_given_back_in_the_terms_of_kubernetes() -> None:
    spec = taken_spec(None, "me", 10, NOW)
    assert spec == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 10,
        "acquireTime": "2026-02-03T04:05:06.000007Z",
        "renewTime": "2026-02-03T04:05:06.000007Z",
        "leaseTransitions": 0,
    }
    mine = read_lease(body(spec))
    assert taken_spec(mine, "me", 10, NOW)["leaseTransitions"] == 0, "it stays in one hand"
    assert taken_spec(mine, "other", 10, NOW)["leaseTransitions"] == 1
    assert renewed_spec(NOW).keys() == {"renewTime"}
    freed = read_lease(body({**spec, **freed_spec(NOW)}, "2"))
    assert Sight(freed, 0.0).may_be_taken_by("other", 0.0)
    assert taken_spec(freed, "other", 10, NOW)["leaseTransitions"] == 1


@given(
    renewals=st.lists(st.floats(0, 20), max_size=10),
    written=st.sampled_from(["", "1999-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"]),
    waited=st.floats(0, 40),
)
def test_a_holder_is_left_alone_for_its_whole_time_after_each_renewal_that_is_seen(
    renewals: list[float], written: str, waited: float
) -> None:
    sight, now = None, 1_000.0
    for number, pause in enumerate([0.0, *renewals]):
        now += pause
        spec = {"holderIdentity": "other", "leaseDurationSeconds": 10, "renewTime": written}
        sight = seen(sight, read_lease(body(spec, str(number))), now)
        # Looked at again without news: that is no renewal.
        assert seen(sight, sight.lease, now + 5).seen_at == now
    assert sight is not None
    assert sight.may_be_taken_by("me", now + waited) == (now + waited >= now + 10)
    assert sight.may_be_taken_by("other", now)


@pytest.mark.parametrize("spec", [None, {}, {"holderIdentity": 7, "leaseDurationSeconds": "soon"}])
def test_a_lease_that_says_nothing_is_nobodys(spec: dict[str, object] | None) -> None:
    lease = read_lease({"metadata": {"resourceVersion": "1"}, "spec": spec})
    assert Sight(lease, 0.0).may_be_taken_by("me", 0.0)
