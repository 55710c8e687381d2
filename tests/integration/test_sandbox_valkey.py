"""A Valkey of one's own: alone, killed, and back again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.support.processes import is_alive
from trueup.sandbox import SandboxError, valkey_server


async def test_each_has_its_own_port_and_ends_with_its_block(tmp_path: Path) -> None:
    async with valkey_server(tmp_path / "a") as one, valkey_server(tmp_path / "b") as other:
        assert one.port != other.port
        for server in (one, other):
            async with Redis.from_url(server.url) as client:
                assert await client.ping()
        pids = (one.pid, other.pid)
        assert all(map(is_alive, pids))
    assert not any(map(is_alive, pids))


async def test_comes_back_with_its_data_after_kill_9(tmp_path: Path) -> None:
    async with valkey_server(tmp_path, append_only=True) as server:
        async with Redis.from_url(server.url) as client:
            await client.set("kept", "yes")
        os.kill(server.pid, signal.SIGKILL)
        assert await server.component.child.wait() == -signal.SIGKILL
        async with (
            valkey_server(tmp_path, port=server.port, append_only=True) as again,
            Redis.from_url(again.url, decode_responses=True) as client,
        ):
            assert again.url == server.url
            assert await client.get("kept") == "yes"


async def test_without_a_disk_it_comes_back_empty(tmp_path: Path) -> None:
    async with valkey_server(tmp_path) as server:
        async with Redis.from_url(server.url) as client:
            await client.set("kept", "no")
        os.kill(server.pid, signal.SIGKILL)
        await server.component.child.wait()
        async with valkey_server(tmp_path, port=server.port) as again, Redis.from_url(again.url) as client:
            assert await client.get("kept") is None


async def test_a_port_that_is_taken_is_a_clear_error(tmp_path: Path) -> None:
    async with valkey_server(tmp_path / "a") as server:
        with pytest.raises(SandboxError, match=r"(?s)valkey ended with exit status 1.*Address already in use"):
            async with valkey_server(tmp_path / "b", port=server.port):
                pass
        async with Redis.from_url(server.url) as client:
            assert await client.ping()
