"""`trueup webhook`: a stand-in for the Git host, the repository's Secret in a real cluster, and a true service."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest_asyncio

from tests.support.commands import refused, said, trueup
from tests.support.githosts import TOKEN, GitHostStandIn, git_host_stand_in
from tests.support.github import delivery, push_of, sample
from tests.support.hooks import apply_hook_secret, hook_secret
from tests.support.sandbox import SandboxFacts
from tests.support.service import REPO, REPO_KEY, SECONDS, Service, service
from tests.support.wait import wait_until
from trueup.clients.process import Completed
from trueup.domain.credentials import parse_secrets, select

__all__ = ["service"]


@dataclass(frozen=True)
class Desk:
    """Somebody at a terminal."""

    service: Service
    github: GitHostStandIn
    home: Path
    kubeconfig: Path

    @property
    def url(self) -> str:
        return f"http://{self.service.listen}"

    async def run(self, verb: str, *arguments: str, **env: str) -> Completed:
        given = {"KUBECONFIG": str(self.kubeconfig), "TRUEUP_NAMESPACE": self.service.namespace, "GITHUB_TOKEN": TOKEN}
        return await trueup("webhook", verb, *arguments, home=self.home, env=given | env)

    async def setup(self, *more: str, **env: str) -> Completed:
        at = ("--url", self.url, "--provider", "github", "--api-url", self.github.url)
        return await self.run("setup", REPO, *at, *more, **env)

    async def secrets(self) -> list[dict[str, Any]]:
        """The repository Secrets there are."""
        resource = await self.service.cluster.resource("", "Secret")
        page = await self.service.cluster.list_all(
            resource, self.service.namespace, label_selector="argocd.argoproj.io/secret-type=repository"
        )
        return list(page.items)

    async def lines(self) -> list[str]:
        (one,) = await self.secrets()
        return base64.b64decode(one["data"]["webhookSecret"]).decode().split("\n")

    async def until_known(self, secret: str) -> None:
        """The service's watch has brought it."""
        (one,) = await self.secrets()
        body = b"{}"

        async def is_known() -> bool:
            headers = delivery(body, event="ping", secret=secret.encode())
            path = f"/api/webhook/github/{one['metadata']['name']}"
            return (await self.service.post(body, headers, path)).status == 200

        await wait_until(is_known, SECONDS, "the secret is known")


@pytest_asyncio.fixture(loop_scope="session")
async def desk(service: Service, sandbox: SandboxFacts, tmp_path: Path) -> AsyncIterator[Desk]:
    async with git_host_stand_in("github") as github:
        yield Desk(service, github, tmp_path, sandbox.kubeconfig)


async def test_setup_makes_hook_and_secret_and_test_is_accepted(desk: Desk) -> None:
    await desk.service.jobs()
    done = await desk.setup()
    words = said(done)
    (hook,), (secret,), (line,) = desk.github.hooks, await desk.secrets(), await desk.lines()
    name = secret["metadata"]["name"]
    assert hook["config"] == {
        "url": f"{desk.url}/api/webhook/github/{name}",
        "content_type": "json",
        "secret": line,
        "insecure_ssl": "0",
    }
    assert len(line) >= 40
    assert line not in words
    assert (f"Secret {desk.service.namespace}/{name}" in words, "created" in words) == (True, True)
    await desk.until_known(line)
    words = said(await desk.run("test", REPO, "--url", desk.url, "--provider", "github"))
    assert "answered 202" in words
    assert [job.key for job in await desk.service.jobs()] == [REPO_KEY]


async def test_rotate_leaves_the_old_secret_valid(desk: Desk) -> None:
    said(await desk.setup())
    (first,) = await desk.lines()
    assert "older secrets still count" in said(await desk.setup("--rotate"))
    new, old = await desk.lines()
    assert old == first
    assert new != old
    assert [desk.github.secret_of(hook) for hook in desk.github.hooks] == [new]
    await desk.until_known(new)
    await desk.until_known(old)


async def test_setup_puts_a_hook_right_that_is_there_and_uses_the_secret_that_is_there(desk: Desk) -> None:
    cluster, namespace = desk.service.cluster, desk.service.namespace
    await apply_hook_secret(cluster, namespace, "shop", "git@git.example.com:acme/deploy.git", b"chosen by hand")
    config = {"url": f"{desk.url}/api/webhook", "content_type": "json", "secret": "old"}
    desk.github.hooks.append({"id": 7, "active": True, "events": ["issues"], "config": config})
    words = said(await desk.setup())
    assert ("updated" in words, "as it was" in words) == (True, True)
    assert await desk.lines() == ["chosen by hand"]
    (hook,) = desk.github.hooks
    assert (hook["config"]["url"], hook["config"]["secret"]) == (
        f"{desk.url}/api/webhook/github/shop",
        "chosen by hand",
    )
    assert hook["events"] == ["issues", "push"]


async def test_a_token_that_is_no_good_leaves_nothing_behind(desk: Desk) -> None:
    sentence = refused(await desk.setup(GITHUB_TOKEN="not-this-one"))
    assert "does not know the token in GITHUB_TOKEN" in sentence
    assert "not-this-one" not in sentence
    assert (await desk.secrets(), desk.github.hooks) == ([], [])


async def test_test_says_what_came_back_and_what_is_missing(desk: Desk) -> None:
    sentence = refused(await desk.run("test", REPO, "--url", desk.url, "--provider", "github"))
    assert "`trueup webhook setup` writes one" in sentence
    await apply_hook_secret(desk.service.cluster, desk.service.namespace, "shop", REPO, b"mine")
    done = await desk.run("test", REPO, "--url", f"{desk.url}/elsewhere", "--provider", "github")
    assert (done.returncode, b"answered 404" in done.stdout) == (1, True)


async def test_a_recorded_delivery_is_replayed_byte_for_byte(desk: Desk) -> None:
    body = push_of(REPO)
    head = "".join(f"{name}: {value}\r\n" for name, value in delivery(body).items())
    file = desk.home / "delivery"
    file.write_bytes(f"POST /api/webhook HTTP/1.1\r\nHost: t\r\n{head}\r\n".encode() + body)
    assert "answered 202" in said(await desk.run("replay", str(file), "--url", desk.url))
    file.write_bytes(file.read_bytes() + b" ")
    done = await desk.run("replay", str(file), "--url", f"{desk.url}/api/webhook")
    assert (done.returncode, b"answered 401" in done.stdout) == (1, True)


async def test_a_delivery_that_github_keeps_is_signed_anew_and_replayed(desk: Desk) -> None:
    at = ("--url", desk.url, "--api-url", desk.github.url)
    await apply_hook_secret(desk.service.cluster, desk.service.namespace, "shop", REPO, b"mine")
    await desk.until_known("mine")
    config = {"url": f"{desk.url}/api/webhook/github/shop"}
    desk.github.hooks.append({"id": 7, "config": config})
    payload = sample("push")
    payload["repository"].update(clone_url=REPO, ssh_url=REPO, html_url=REPO)
    sent = {"X-GitHub-Event": "push", "X-GitHub-Delivery": "guid-3", "X-Hub-Signature-256": "sha256=of-old"}
    desk.github.deliveries.append({"id": 3, "guid": "guid-3", "request": {"headers": sent, "payload": payload}})
    assert "answered 202" in said(await desk.run("replay", REPO, "--delivery", "guid-3", *at))
    desk.github.hooks.clear()
    assert "has no webhook" in refused(await desk.run("replay", REPO, "--delivery", "3", *at))


async def test_a_new_secret_takes_nothing_from_how_the_repository_is_reached(desk: Desk) -> None:
    cluster, namespace = desk.service.cluster, desk.service.namespace
    resource = await cluster.resource("", "Secret")
    above = hook_secret("org", "https://git.example.com/acme", b"", kind="repo-creds", password=b"p", insecure=b"true")
    await cluster.apply(resource, namespace, "org", above)
    before, _ = parse_secrets((await cluster.list_all(resource, namespace)).items)
    said(await desk.setup())
    after, _ = parse_secrets((await cluster.list_all(resource, namespace)).items)
    assert len(after) == len(before) + 1
    login = select(REPO, after)
    assert login == select(REPO, before)
    assert login is not None
    assert login.insecure
