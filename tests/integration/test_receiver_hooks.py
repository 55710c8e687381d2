"""Secrets of repositories and organisations, and hooks with an address of their own, by a true service."""

from __future__ import annotations

import json

from structlog.testing import capture_logs

from tests.support.github import SECRET, delivery, push_of, sample
from tests.support.hooks import apply_hook_secret
from tests.support.service import REPO, REPO_KEY, SECONDS, Answer, Service, service
from tests.support.wait import wait_until

__all__ = ["service"]

OWN = b"the secret of shop's repository"
NEW = b"its next secret"
SHARED = b"the secret of an organisation"
OTHER_REPO = "https://git.example.com/else/where.git"


async def deliver(service: Service, url: str, secret: bytes, hook: str = "", provider: str = "github") -> Answer:
    body = push_of(url)
    path = f"/api/webhook/{provider}/{hook}" if hook else "/api/webhook"
    return await service.post(body, delivery(body, secret=secret), path)


async def hook(service: Service, name: str, url: str, lines: bytes, *, kind: str = "repository") -> None:
    """Write the Secret and wait until its last line counts."""
    await apply_hook_secret(service.cluster, service.namespace, name, url, lines, kind=kind)
    body = json.dumps(sample("ping")).encode()
    headers = delivery(body, event="ping", secret=lines.split(b"\n")[-1])

    async def counts() -> bool:
        return (await service.post(body, headers, f"/api/webhook/github/{name}")).status == 200

    await wait_until(counts, SECONDS, f"the hook {name} is known")


async def test_a_repositorys_secret_is_accepted_for_it_and_refused_for_any_other(service: Service) -> None:
    await service.application("elsewhere", OTHER_REPO)
    await hook(service, "shop-repo", REPO, OWN)

    async def is_followed() -> bool:
        return (await deliver(service, OTHER_REPO, SECRET)).status == 202

    await wait_until(is_followed, SECONDS, "the other repository is followed")
    await service.jobs()
    for name in ("", "shop-repo"):
        forged = await deliver(service, OTHER_REPO, OWN, name)
        assert (forged.status, "other repositories only" in forged.body["error"]) == (403, True)
        assert await service.jobs() == []
        assert (await deliver(service, REPO, OWN, name)).status == 202
        assert [job.key for job in await service.jobs()] == [REPO_KEY]


async def test_an_organisations_secret_vouches_for_what_stands_below_its_url(service: Service) -> None:
    await hook(service, "org", "https://git.example.com/acme", SHARED, kind="repo-creds")
    assert (await deliver(service, REPO, SHARED)).status == 202
    assert (await deliver(service, REPO, SHARED, "org")).status == 202
    assert (await deliver(service, "https://git.example.com/acme-labs/deploy", SHARED)).status == 403


async def test_old_and_new_secret_are_accepted_until_the_old_line_goes(service: Service) -> None:
    await hook(service, "shop-repo", REPO, NEW + b"\n\n" + OWN)
    for secret in (OWN, NEW):
        assert (await deliver(service, REPO, secret, "shop-repo")).status == 202
    await apply_hook_secret(service.cluster, service.namespace, "shop-repo", REPO, NEW)

    async def is_refused() -> bool:
        return (await deliver(service, REPO, OWN, "shop-repo")).status == 404

    await wait_until(is_refused, SECONDS, "the old secret is refused")
    assert (await deliver(service, REPO, NEW, "shop-repo")).status == 202


async def test_no_answer_tells_which_hooks_there_are_and_the_log_does(service: Service) -> None:
    with capture_logs() as lines:
        # The first of its kind is always logged, more of them now and then.
        assert (await deliver(service, REPO, OWN, "shop-repo")).status == 404
        await hook(service, "shop-repo", REPO, OWN)
        answers = [await deliver(service, REPO, SECRET, name) for name in ("shop-repo", "nobody", "..%2f%0a")]
    assert {answer.status for answer in answers} == {404}
    assert len({json.dumps(answer.body) for answer in answers}) == 1
    assert any(line.get("hook") == "shop-repo" for line in lines)
    assert OWN.decode() not in str(lines)
    assert (await deliver(service, REPO, OWN, "shop-repo", provider="nosuchhost")).status == 404
    assert await service.jobs() == []


async def test_more_secrets_than_are_tried_is_said_with_the_way_out(service: Service) -> None:
    for number in range(20):
        await apply_hook_secret(
            service.cluster, service.namespace, f"filler-{number:02}", f"{OTHER_REPO}-{number}", b"%d" % number
        )
    await hook(service, "shop-repo", REPO, OWN)
    answer = await deliver(service, REPO, OWN)
    assert (answer.status, "/api/webhook/PROVIDER/NAME" in answer.body["error"]) == (401, True)
    assert (await deliver(service, REPO, OWN, "shop-repo")).status == 202
    assert (await service.push()).status == 202
