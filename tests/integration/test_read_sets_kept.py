"""A read-set that was lost, forged, damaged or belongs to something else is unknown, and never another one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from tests.support.queues import client_of
from trueup.clients.read_sets import ReadSetBounds, ReadSetStore, _name
from trueup.clients.seal import KEY_BYTES_MIN, Sealer
from trueup.domain.read_set import ENTRIES_MAX, EVERYTHING, Entry, ReadKey, bounded, decode, encode
from trueup.sandbox.valkey import valkey_server

SEALER = Sealer(b"k" * KEY_BYTES_MIN)
KEY = ReadKey("uid", "source", "a" * 40)
READS = frozenset({Entry("listed", "apps/web", recurse=False, suffixes=(".yaml",)), Entry("linked", "shared/\udcff")})
OTHERS = frozenset({Entry("listed", "elsewhere")})


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[Redis]:
    async with valkey_server(tmp_path / "valkey") as server, client_of(server.url) as client:
        yield client


async def test_another_machine_reads_what_this_one_kept_and_it_does_not_stay_for_ever(
    tmp_path: Path, redis: Redis
) -> None:
    await ReadSetStore(tmp_path / "here", redis, SEALER).put(KEY, READS)
    assert await ReadSetStore(tmp_path / "there", redis, SEALER).get([KEY]) == {KEY: READS}
    (name,) = await redis.keys("*")
    assert 0 < await redis.ttl(name) <= ReadSetBounds().read_set_seconds_max


async def test_the_disk_has_what_an_emptied_redis_has_lost(tmp_path: Path, redis: Redis) -> None:
    await ReadSetStore(tmp_path, redis, SEALER).put(KEY, READS)
    await redis.flushall()
    assert await ReadSetStore(tmp_path, redis, SEALER).get([KEY]) == {KEY: READS}


@pytest.mark.parametrize("other", [{"uid": "another"}, {"source": "another"}, {"revision": "b" * 40}])
async def test_what_belongs_to_something_else_is_unknown(tmp_path: Path, redis: Redis, other: dict[str, Any]) -> None:
    store, key = ReadSetStore(tmp_path, redis, SEALER), replace(KEY, **other)
    await store.put(KEY, READS)
    assert await store.get([key]) == {}
    # Put where the other's would be, by whoever can write there.
    (tmp_path / "read-sets" / _name(key)).write_bytes((tmp_path / "read-sets" / _name(KEY)).read_bytes())
    await redis.set(store._key(key), await redis.get(store._key(KEY)))
    assert await store.get([key]) == {}


async def test_what_is_forged_or_damaged_is_unknown(tmp_path: Path, redis: Redis) -> None:
    store = ReadSetStore(tmp_path, redis, SEALER)
    forged = Sealer(b"f" * KEY_BYTES_MIN).seal("reads", f"{KEY.uid} {KEY.source} {KEY.revision}", encode(OTHERS))
    for content in (forged.encode(), b"", b"\xff\xfe", b"." + encode(OTHERS).encode(), b"x" * 10_000_000):
        await store.put(KEY, READS)
        await redis.set(store._key(KEY), content)
        (tmp_path / "read-sets" / _name(KEY)).write_bytes(content)
        assert await store.get([KEY]) == {}, content[:40]


async def test_the_disk_is_bounded_and_a_disk_that_cannot_be_written_hinders_nobody(
    tmp_path: Path, redis: Redis
) -> None:
    store = ReadSetStore(tmp_path / "small", None, SEALER, bounds=ReadSetBounds(read_sets_kept_max=10))
    for number in range(40):
        await store.put(replace(KEY, uid=str(number)), READS)
    assert len(list((tmp_path / "small/read-sets").iterdir())) <= 11
    (tmp_path / "file").write_text("no directory")
    blocked = ReadSetStore(tmp_path / "file", redis, SEALER)
    await blocked.put(KEY, READS)
    assert await blocked.get([KEY]) == {KEY: READS}


async def test_a_read_set_too_large_to_keep_is_unknown(tmp_path: Path) -> None:
    store = ReadSetStore(tmp_path, None, SEALER, bounds=ReadSetBounds(read_set_bytes_max=10))
    await store.put(KEY, READS)
    assert await store.get([KEY]) == {}


def test_one_with_too_many_entries_has_read_everything() -> None:
    assert bounded(Entry("linked", str(number)) for number in range(ENTRIES_MAX + 1)) == EVERYTHING


TEXT = st.text(st.characters(), max_size=8)
RULES = st.sampled_from(["listed", "read", "missed", "linked", "asked"])
ENTRIES = st.builds(Entry, RULES, TEXT, st.booleans(), st.lists(TEXT, max_size=2).map(tuple))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=20,
)


@given(st.frozensets(ENTRIES, min_size=1, max_size=4))
def test_what_was_written_is_read_back_in_ascii(read_set: frozenset[Entry]) -> None:
    assert decode(encode(read_set)) == read_set
    assert encode(read_set).isascii()


@given(st.one_of(st.text(max_size=40), JSON.map(json.dumps)))
def test_any_other_text_is_a_read_set_or_unknown(text: str) -> None:
    found = decode(text)
    assert found is None or decode(encode(found)) == found
