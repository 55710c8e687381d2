"""What a worker and a receiver meet when Redis is in trouble, and how they come out of it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.queues import claimed, client_of, real_queue
from tests.support.wait import wait_until
from trueup.clients.queue import Queue
from trueup.clients.queue_scripts import PERMANENT_KEYS, QueueBounds
from trueup.clients.redis import RedisBounds, connect
from trueup.domain.errors import StalledError, SupersededError, TransientError
from trueup.domain.job import EVERYTHING, Job, Priority, Scope
from trueup.sandbox.component import started
from trueup.sandbox.ports import free_port
from trueup.sandbox.valkey import find_binary, valkey_server

PATIENCE_SECONDS = 20
PASSWORD = "open-sesame"


def app(name: str) -> Job:
    return Job("application", f"argocd/{name}", EVERYTHING, Priority.PUSH)


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[SimpleNamespace]:
    async with real_queue(tmp_path) as (queue, client, server):
        yield SimpleNamespace(queue=queue, client=client, server=server)


async def test_a_killed_server_that_keeps_its_data_goes_on_where_it_was(tmp_path):
    async with valkey_server(tmp_path, append_only=True) as server, client_of(server.url) as client:
        queue = Queue(client)
        await queue.open_epoch(1)
        await queue.enqueue([app("a"), app("b")])
        claim = await claimed(queue)
        os.kill(server.pid, signal.SIGKILL)
        await server.component.child.wait()
        with pytest.raises(TransientError, match="cannot be reached"):
            await queue.enqueue([app("c")])
        async with valkey_server(tmp_path, port=server.port, append_only=True):
            await queue.enqueue([app("c")])
            await queue.settle(claim)
            assert [job.subject for job in await queue.peek()] == ["argocd/b", "argocd/c"]


async def test_a_killed_server_without_data_comes_back_as_one_without_an_epoch(tmp_path):
    async with valkey_server(tmp_path) as server, client_of(server.url) as client:
        queue = Queue(client)
        await queue.open_epoch(1)
        await queue.enqueue([app("a")])
        claim = await claimed(queue)
        os.kill(server.pid, signal.SIGKILL)
        await server.component.child.wait()
        async with valkey_server(tmp_path, port=server.port):
            with pytest.raises(SupersededError):
                await queue.heartbeat(claim)
            assert await queue.current_epoch() is None
            assert await queue.open_epoch(2)
            await queue.enqueue([app("a")])
            assert (await claimed(queue)).token > claim.token


async def test_a_blocked_worker_is_told_when_the_server_dies(at):
    waiting = asyncio.create_task(at.queue.claim(wait_seconds_max=600))

    async def is_blocked() -> bool:
        return (await at.client.info("clients"))["blocked_clients"] == 1

    await wait_until(is_blocked, PATIENCE_SECONDS, "a blocked worker")
    os.kill(at.server.pid, signal.SIGKILL)
    with pytest.raises(TransientError):
        await asyncio.wait_for(waiting, PATIENCE_SECONDS)


async def test_a_silent_server_is_given_up(tmp_path):
    async with valkey_server(tmp_path) as server:
        client = connect(server.url, bounds=RedisBounds(reply_seconds_max=0.2))
        queue = Queue(client)
        await queue.open_epoch(1)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            with pytest.raises(TransientError, match="did not answer in time"):
                await queue.enqueue([app("a")])
        finally:
            os.kill(server.pid, signal.SIGCONT)
        await queue.enqueue([app("a")])
        assert (await queue.depth()).ready == 1
        await client.aclose()


async def test_no_server_at_all_is_transient_and_names_the_address():
    async with client_of(f"redis://trueup:{PASSWORD}@127.0.0.1:{free_port()}/0") as client:
        with pytest.raises(TransientError, match=r"Redis at 127\.0\.0\.1:\d+ cannot be reached") as away:
            await Queue(client).check_server()
        assert PASSWORD not in repr(away.value)


async def test_scripts_that_the_server_forgot_are_sent_again(at):
    await at.queue.enqueue([app("a")])
    await at.client.script_flush()
    claim = await claimed(at.queue)
    await at.client.script_flush()
    await at.queue.settle(claim)


async def test_a_full_server_refuses_new_jobs_and_lets_the_queue_drain(at):
    await at.queue.enqueue([app("a"), app("b")])
    await at.client.config_set("maxmemory", 1)
    with pytest.raises(TransientError, match="out of memory"):
        await at.queue.enqueue([app("c")])
    first, second = await claimed(at.queue), await claimed(at.queue)
    await at.queue.heartbeat(first)
    await at.queue.settle(first)
    await at.queue.fail(second, delay_seconds=0, reason="no")
    assert (await claimed(at.queue)).attempt == 1
    await at.client.config_set("maxmemory", 0)
    await at.queue.enqueue([app("c")])


async def test_a_replica_is_waited_for(at, tmp_path):
    await at.queue.check_server()
    async with valkey_server(tmp_path / "primary") as primary:
        await at.client.execute_command("REPLICAOF", "127.0.0.1", str(primary.port))
        with pytest.raises(TransientError, match="read-only replica"):
            await at.queue.check_server()
        with pytest.raises(TransientError, match="read-only replica"):
            await at.queue.enqueue([app("a")])
        await at.client.execute_command("REPLICAOF", "NO", "ONE")
    await at.queue.enqueue([app("a")])


async def test_a_busy_server_is_waited_for(at):
    await at.client.config_set("busy-reply-threshold", 1)
    async with client_of(at.server.url) as other:
        endless = asyncio.ensure_future(other.eval("while true do end", 0))

        async def refuses() -> bool:
            try:
                await at.queue.depth()
            except TransientError as error:
                return "busy with a script" in str(error)
            return False

        await wait_until(refuses, PATIENCE_SECONDS, "the busy server to refuse")
        await at.client.script_kill()
        await asyncio.gather(endless, return_exceptions=True)
    await at.queue.enqueue([app("a")])


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_server_that_may_evict_is_refused_with_the_way_out(at, policy):
    await at.client.config_set("maxmemory-policy", policy)
    await at.queue.check_server()
    await at.client.config_set("maxmemory", 10_000_000)
    with pytest.raises(StalledError, match=f"{policy}.*noeviction"):
        await at.queue.check_server()
    await at.client.config_set("maxmemory-policy", "noeviction")
    await at.queue.check_server()


async def test_passwords_are_used_and_never_shown(at):
    await at.client.config_set("requirepass", PASSWORD)
    host = at.server.url.removeprefix("redis://")
    async with client_of(f"redis://:{PASSWORD}@{host}") as client:
        await Queue(client).check_server()
    for user in ("", ":wrong-sesame@"):
        async with client_of(f"redis://{user}{host}") as client:
            with pytest.raises(StalledError, match="password") as refused:
                await Queue(client).check_server()
            assert "sesame" not in repr(refused.value)


async def test_a_user_without_the_rights_is_told(at):
    await at.client.execute_command("ACL", "SETUSER", "poor", "on", f">{PASSWORD}", "~*", "+info", "+ping")
    host = at.server.url.removeprefix("redis://")
    async with client_of(f"redis://poor:{PASSWORD}@{host}") as client:
        with pytest.raises(StalledError, match="permit"):
            await Queue(client).enqueue([app("a")])


async def test_a_unix_socket_will_do(tmp_path):
    path = tmp_path / "valkey.sock"
    argv = [find_binary(), "--port", "0", "--unixsocket", path, "--dir", tmp_path, "--save", ""]
    async with started("valkey", argv, logs=tmp_path):
        await wait_until(path.exists, PATIENCE_SECONDS, "the socket")
        async with client_of(f"unix://{path}") as client:
            queue = Queue(client)
            await queue.check_server()
            await queue.open_epoch(1)
            await queue.enqueue([app("a")])
            await claimed(queue)


async def test_every_key_has_a_ttl_or_stands_in_the_table(tmp_path):
    bounds = QueueBounds(lease_seconds=600)
    seen = set()
    async with real_queue(tmp_path, bounds=bounds) as (queue, client, _):

        async def walk() -> None:
            async for key in client.scan_iter("*"):
                name = key.decode().removeprefix("{trueup}:")
                seen.add(name)
                assert (await client.pttl(key) > 0) != (name in PERMANENT_KEYS), name

        waiting = asyncio.create_task(queue.claim(wait_seconds_max=600))
        jobs = [app(name) for name in "abcdef"]
        await queue.enqueue([*jobs, Job("application", "argocd/z", Scope(), Priority.SWEEP, 600)])
        await walk()
        first = await waiting
        assert first is not None
        await queue.enqueue_and_move_tip(first, jobs, {"repository main": (None, "sealed")})
        await walk()
        await queue.fail(await claimed(queue), delay_seconds=None, reason="no")
        await queue.fail(await claimed(queue), delay_seconds=1, reason="no")
        await queue.release(await claimed(queue))
        await queue.fail(await claimed(queue), delay_seconds=None, reason="no")
        await walk()
    assert seen >= {*PERMANENT_KEYS, "tip:repository main", "dead", "dead_at", "wake"}
