"""Webhooks at Git hosts, against a local server that speaks their APIs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.githosts import PATH, TOKEN, GitHostStandIn, git_host_stand_in
from trueup.clients.githosts.github import GitHub
from trueup.clients.githosts.http import HookHost
from trueup.clients.githosts.open import open_host
from trueup.clients.webhook_sender import send
from trueup.domain.errors import InvalidSpecError, StalledError, TransientError
from trueup.domain.githost import GitHost, git_host, hook_address
from trueup.domain.webhook_delivery import Delivery

PROVIDERS = ["github", "gitlab", "gitea", "forgejo"]
URL = f"https://git.example.com/{PATH}.git"
ADDRESS = "https://trueup.example/api/webhook/x/shop"
SECRET = "hook-secret-of-a-test"


@asynccontextmanager
async def opened(host: GitHostStandIn, token: str = TOKEN, path: str = PATH) -> AsyncIterator[HookHost]:
    place = GitHost(host.provider, host.url, path, "SOME_TOKEN")
    async with open_host(place, {"SOME_TOKEN": token}, hidden=[SECRET]) as hooks:
        yield hooks


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_hook_is_made_found_behind_other_pages_and_changed(provider: str) -> None:
    async with git_host_stand_in(provider) as host, opened(host) as hooks:
        for n in range(4):
            await hooks.create(f"https://other.example/{n}", "another")
        await hooks.create(ADDRESS, SECRET)
        found = next(hook for hook in await hooks.hooks() if hook.url == ADDRESS)
        host.hooks[-1] |= {"branch_filter": "release/*", "events": ["issues", "push"]}
        found = next(hook for hook in await hooks.hooks() if hook.url == ADDRESS)
        await hooks.update(found, f"{ADDRESS}-new", "next")
        assert len(host.hooks) == 5
        hook = host.hooks[-1]
        assert (host.url_of(hook), host.secret_of(hook)) == (f"{ADDRESS}-new", "next")
        if provider != "gitlab":
            assert set(hook["events"]) >= {"issues", "push"}
        assert hook["branch_filter"] == "release/*", "what somebody else chose stays"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "does not know the token in SOME_TOKEN"),
        (403, "it needs"),
        (404, f"no repository {PATH}"),
        (301, "has moved"),
        (422, "refuses it (422)"),
        (400, "refuses it (400)"),
    ],
)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_refusal_names_the_way_out_and_shows_no_secret(provider: str, status: int, said: str) -> None:
    async with git_host_stand_in(provider) as host, opened(host) as hooks:
        host.instead.append((status, {"Location": "/elsewhere"}, {"message": f"no: {TOKEN} {SECRET}"}))
        with pytest.raises(StalledError, match=re.escape(said)) as raised:
            await hooks.create(ADDRESS, SECRET)
        assert TOKEN not in str(raised.value)
        assert SECRET not in str(raised.value)
        assert len(host.requests) == 1, "a redirect is not followed with the token"


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_wrong_token_and_another_repository_are_told_apart(provider: str) -> None:
    async with git_host_stand_in(provider) as host:
        async with opened(host, token="wrong") as hooks:
            with pytest.raises(StalledError, match="does not know the token"):
                await hooks.hooks()
        async with opened(host, path="acme/other") as hooks:
            with pytest.raises(StalledError, match="no repository acme/other"):
                await hooks.hooks()


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {"Retry-After": "0"}),
        (403, {"Retry-After": "0"}),
        (403, {"X-RateLimit-Remaining": "0", "Retry-After": "0"}),
    ],
)
async def test_a_host_that_asks_to_wait_is_asked_again_then(status: int, headers: dict[str, str]) -> None:
    async with git_host_stand_in("github") as host, opened(host) as hooks:
        host.instead += [(status, headers, {})] * 2
        assert await hooks.hooks() == []
        assert len(host.requests) == 3


async def test_a_long_pause_is_told_and_not_waited_for() -> None:
    async with git_host_stand_in("gitlab") as host, opened(host) as hooks:
        host.instead.append((429, {"Retry-After": "3600"}, {}))
        with pytest.raises(TransientError, match="wait 3600 s"):
            await hooks.hooks()
        host.instead += [(429, {"Retry-After": "0"}, {})] * 3
        with pytest.raises(TransientError, match="asks to wait"):
            await hooks.hooks()


async def test_the_token_follows_no_page_to_another_host() -> None:
    async with git_host_stand_in("github") as trap, git_host_stand_in("github") as host, opened(host) as hooks:
        host.instead.append((200, {"Link": f'<{trap.url}/repos>; rel="next"'}, []))
        assert await hooks.hooks() == []
        assert trap.requests == []


@pytest.mark.parametrize("answer", [(500, {}, {}), (200, {}, {"no": "list"})])
async def test_a_host_that_is_broken_may_be_asked_again(answer: tuple[int, dict[str, str], object]) -> None:
    async with git_host_stand_in("gitea") as host, opened(host) as hooks:
        host.instead.append(answer)
        with pytest.raises(TransientError):
            await hooks.hooks()


async def test_rubbish_in_a_list_of_hooks_is_no_hook() -> None:
    rubbish = [None, 7, {}, {"id": "1", "config": {"url": "u"}}, {"id": 1}, {"id": 1, "config": []}]
    for provider in PROVIDERS:
        async with git_host_stand_in(provider) as host, opened(host) as hooks:
            host.instead.append((200, {}, rubbish))
            assert await hooks.hooks() == []


async def test_a_host_that_is_away_and_a_token_that_is_missing_are_named() -> None:
    place = GitHost("github", "http://127.0.0.1:1", PATH, "SOME_TOKEN")
    async with open_host(place, {"SOME_TOKEN": TOKEN}) as hooks:
        with pytest.raises(TransientError, match=re.escape("127.0.0.1 cannot be reached")):
            await hooks.hooks()
    for token in ("", " ", "a\nb"):
        with pytest.raises(StalledError, match="SOME_TOKEN"):
            async with open_host(place, {"SOME_TOKEN": token}):
                pass


@pytest.mark.parametrize(
    ("url", "provider", "api_url"),
    [
        ("https://github.com/acme/deploy.git", "", "https://api.github.com"),
        ("git@github.com:acme/deploy.git", "", "https://api.github.com"),
        ("ssh://git@ssh.github.com:443/acme/deploy", "", "https://api.github.com"),
        ("https://gitlab.com/acme/deploy", "", "https://gitlab.com/api/v4"),
        ("https://codeberg.org/acme/deploy", "", "https://codeberg.org/api/v1"),
        ("https://git.example.com:8443/acme/deploy", "github", "https://git.example.com:8443/api/v3"),
        ("ssh://git@git.example.com:2222/acme/deploy", "gitea", "https://git.example.com/api/v1"),
    ],
)
def test_the_api_is_found_from_the_repositorys_url(url: str, provider: str, api_url: str) -> None:
    found = git_host(url, provider=provider)
    assert (found.api_url, found.path) == (api_url, PATH)


def test_what_cannot_be_found_is_asked_for() -> None:
    for provider in ("", "svn"):
        with pytest.raises(StalledError, match="--provider"):
            git_host(URL, provider=provider)
    with pytest.raises(StalledError, match="owner/repository"):
        git_host("https://github.com/acme")
    with pytest.raises(StalledError, match="--api-url"):
        git_host(URL, provider="gitea", api_url="git.example.com")
    with pytest.raises(InvalidSpecError):
        git_host("https://user:hunter2@github.com/acme/deploy")


def test_a_hooks_address_is_below_the_services() -> None:
    for base in ("https://t.example", "https://t.example/", "https://t.example/api/webhook"):
        assert hook_address(base) == "https://t.example/api/webhook"
        assert hook_address(base, "github", "shop") == "https://t.example/api/webhook/github/shop"
    for base in ("", "t.example", "https://u:p@t.example", "https://t.example?x"):
        with pytest.raises(StalledError, match="--url"):
            hook_address(base)


async def test_a_delivery_that_github_keeps_is_found_by_id_and_by_guid() -> None:
    async with git_host_stand_in("github") as host, opened(host) as hooks:
        assert isinstance(hooks, GitHub)
        await hooks.create(ADDRESS, SECRET)
        (hook,) = await hooks.hooks()
        sent = {"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=of-old", "Host": "elsewhere"}
        for n in range(5):
            request = {"headers": sent, "payload": {"n": n}}
            host.deliveries.append({"id": n, "guid": f"guid-{n}", "request": request})
        for name in ("3", "guid-3"):
            found = await hooks.delivery(hook, name)
            assert (found.body, found.headers["X-GitHub-Event"]) == (b'{"n":3}', "push")
            assert "Host" not in found.headers
        with pytest.raises(StalledError, match="knows no delivery"):
            await hooks.delivery(hook, "guid-9")
        host.deliveries[3]["request"] = {}
        with pytest.raises(StalledError, match="does not keep"):
            await hooks.delivery(hook, "3")


async def test_a_service_that_is_away_is_named_without_what_its_address_hides() -> None:
    with pytest.raises(TransientError, match=re.escape("nobody answers at http://127.0.0.1:1/x")) as raised:
        await send("http://user:hunter2@127.0.0.1:1/x", Delivery({}, b""))
    assert "hunter2" not in str(raised.value)
