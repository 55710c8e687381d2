"""What is read of Amazon SNS, from a server with a certificate of its own that stands at Amazon's address."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from tests.support.amazon import HOST, Stand, amazon, make_signer, standing
from tests.support.fixtures import in_own_task
from trueup.clients.sns import SnsBounds, SnsReader
from trueup.domain.errors import StalledError, TransientError

CERTIFICATE = f"https://{HOST}/SimpleNotificationService-0123456789abcdef.pem"


@pytest_asyncio.fixture(loop_scope="session")
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with in_own_task(standing(tmp_path)) as it:
        yield it


async def test_a_certificate_is_read_once(stand: Stand) -> None:
    reader = stand.reader()
    for _ in range(3):
        assert await reader.read(CERTIFICATE, lasting=True) == amazon().certificate
    assert len(stand.asked) == 1


async def test_what_does_not_last_is_read_each_time(stand: Stand) -> None:
    reader = stand.reader()
    for _ in range(2):
        await reader.read(f"https://{HOST}/?Action=ConfirmSubscription", lasting=False)
    assert stand.asked == ["/?Action=ConfirmSubscription"] * 2


async def test_only_so_many_are_kept(stand: Stand) -> None:
    reader = SnsReader(SnsBounds(cached_max=1), stand.connector)
    for name in ("a", "b", "b", "a"):
        await reader.read(f"https://{HOST}/{name}.pem", lasting=True)
    assert stand.asked == ["/a.pem", "/b.pem", "/a.pem"]


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=500),
        web.Response(status=404),
        web.Response(status=302, headers={"Location": "https://example.com/"}),
        web.Response(body=b"x" * 2_000),
    ],
    ids=lambda answer: str(answer.status),
)
async def test_an_answer_that_is_none_is_told_and_not_kept(stand: Stand, answer: web.Response) -> None:
    reader = SnsReader(SnsBounds(answer_bytes_max=1_999), stand.connector)
    stand.answer = answer
    with pytest.raises(TransientError, match="Amazon SNS answered"):
        await reader.read(CERTIFICATE, lasting=True)
    assert len(stand.asked) == 1
    stand.answer = None
    assert await reader.read(CERTIFICATE, lasting=True) == amazon().certificate


async def test_a_server_that_cannot_prove_who_it_is_is_not_read(tmp_path: Path, stand: Stand) -> None:
    async with standing(tmp_path, make_signer()) as impostor:
        impostor.trusted = stand.trusted
        with pytest.raises(TransientError, match="Certificate"):
            await impostor.reader().read(CERTIFICATE, lasting=True)
        assert impostor.asked == []


async def test_a_server_that_says_nothing_is_given_up() -> None:
    gone = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        gone.set()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with silent:
        stand = Stand(silent.sockets[0].getsockname()[1], ssl.create_default_context())
        reader = SnsReader(SnsBounds(request_seconds_max=0.1), stand.connector)
        with pytest.raises(TransientError, match="cannot be read"):
            await reader.read(CERTIFICATE, lasting=True)
        await gone.wait()


@pytest.mark.parametrize(
    "url",
    [
        f"http://{HOST}/x.pem",
        "https://example.com/x.pem",
        f"https://{HOST}@example.com/",
        f"https://{HOST}.example.com/",
        f"https://{HOST}:444/",
        "https://sns.amazonaws.com/",
    ],
)
async def test_no_other_address_is_asked(stand: Stand, url: str) -> None:
    with pytest.raises(StalledError):
        await stand.reader().read(url, lasting=False)
    assert stand.asked == []
