"""`trueup webhook status`: a repository whose webhooks are missed is named, with the way out."""

from __future__ import annotations

from pathlib import Path

import orjson

from tests.support.commands import refused, said, trueup
from tests.support.service import REPO, Service, service
from trueup.clients.process import Completed
from trueup.domain.job import Claim, Priority, repository_job
from trueup.domain.repository import normalize_url

__all__ = ["service"]

LOST, STILL = "https://git.example.com/acme/lost.git", "https://git.example.com/acme/still.git"


async def test_a_missed_webhook_is_named_until_one_comes(service: Service, tmp_path: Path) -> None:
    for name, url in (("lost", LOST), ("still", STILL)):
        await service.application(name, url)
        await service.job(f"repository:{normalize_url(url)}")

    async def ask(*arguments: str) -> Completed:
        return await trueup("webhook", "status", *arguments, "--url", f"http://{service.listen}", home=tmp_path)

    await service.queue.note_hook(await _run_of(service, REPO))
    await service.queue.note_catch(await _run_of(service, LOST))
    words = said(await ask(), code=1)
    lines = [line.split() for line in words.splitlines()]
    assert lines[:4] == [
        ["REPOSITORY", "APPLICATIONS", "WEBHOOK"],
        ["git.example.com/acme/deploy", "1", "received"],
        ["git.example.com/acme/lost", "1", "missed"],
        ["git.example.com/acme/still", "1", "quiet"],
    ]
    assert "1 of 3 repositories moved in the last 24 h and no webhook came" in words
    assert "trueup webhook setup" in words
    said(await ask(STILL))
    assert "missed" in said(await ask(LOST), code=1)
    assert "no Application follows" in refused(await ask("https://git.example.com/acme/nobody"))

    await service.queue.note_hook(await _run_of(service, LOST))
    items = orjson.loads(said(await ask("-o", "json")))
    assert [item["webhook"] for item in items] == ["received", "received", "quiet"]


async def test_who_is_no_service_is_named(tmp_path: Path) -> None:
    done = await trueup("webhook", "status", "--url", "http://127.0.0.1:1", home=tmp_path)
    assert "no service answers at http://127.0.0.1:1/api/v1/repositories" in refused(done)
    done = await trueup("webhook", "status", home=tmp_path)
    assert "--url" in refused(done)


async def _run_of(service: Service, url: str) -> Claim:
    """A run of the repository's job, settled."""
    await service.queue.enqueue([repository_job(normalize_url(url), Priority.PUSH)])
    claim = await service.queue.claim(wait_seconds_max=5)
    assert claim is not None
    await service.queue.settle(claim)
    return claim
