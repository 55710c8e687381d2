from __future__ import annotations

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueup.clients.queue_records import claim_of, dead_letter_of, encode, job_of, token_of
from trueup.clients.redis import connect
from trueup.domain.errors import StalledError
from trueup.domain.job import EVERYTHING, SCOPE_MEMBERS_MAX, Job, Priority, Scope

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["v", "p", "at", "tip", "attempt", "all", "scope", "epoch", "n", "reason", "dead_at"])


@pytest.mark.parametrize("scope", [EVERYTHING, Scope(frozenset()), Scope(frozenset({"Service ns/a", "é", "1"}))])
def test_a_job_is_read_as_it_was_written(scope):
    job = Job("repository", "https://git/a:b", scope, Priority.DRIFT, tip="c0ffee")
    record = encode(job)
    assert job_of(record["key"].encode(), orjson.dumps(record)) == job


def test_too_many_members_are_everything():
    scope = Scope(frozenset(str(i) for i in range(SCOPE_MEMBERS_MAX + 1)))
    assert encode(Job("application", "a/b", scope, Priority.PUSH))["all"]


def _dumps(record: dict) -> bytes:
    try:
        return orjson.dumps(record)
    except orjson.JSONEncodeError:
        return b"{}"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=20) | st.dictionaries(FIELDS, JSON).map(_dumps))
def test_whatever_stands_in_redis_is_read_without_an_error(text):
    for read in (claim_of, dead_letter_of, job_of):
        assert read(b"application:a/b", text) is not None
        assert read(b"\xff:x", text) is None
    token_of(text)


@pytest.mark.parametrize(
    "url",
    ["", "localhost", "http://x", "redis://u:pa/sesame@h:1", "redis://h:sesame", "redis://h?socket_timeout=sesame"],
)
def test_a_url_that_cannot_be_understood_is_refused_without_being_shown(url):
    with pytest.raises(StalledError, match="redis://") as refused:
        connect(url)
    assert "sesame" not in repr(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
