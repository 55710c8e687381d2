"""A repository that cannot be read says so on its applications, and is taken up once it can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from redis.asyncio import Redis

from tests.support.bad_input import fresh, healed, told
from tests.support.git import git, http_server
from tests.support.product import AUTOMATED, STEP_SECONDS, Installation, config_map, sync_status
from tests.support.wait import wait_until
from trueup.clients.queue import Queue
from trueup.domain.repository import normalize_url
from trueup.sandbox import create_repository
from trueup.sandbox.git_http import git_server
from trueup.sandbox.ports import free_port

USER, PASSWORD = "ada", "open-sesame-4711"


async def test_one_that_is_away_is_named_and_is_read_once_it_is_back(running: Installation, tmp_path: Path) -> None:
    port = free_port()
    one, name = fresh("one"), fresh("away")
    url = f"http://127.0.0.1:{port}/shore.git"
    await running.apply(name, url, syncPolicy=AUTOMATED)
    raw = await told(running, name, "ComparisonError", url, "cannot be reached", "check the address")
    assert sync_status(raw) == "Unknown"
    root = tmp_path / "served"
    async with git_server(root, port=port):
        revision = await _serve(root, tmp_path, {"app/one.yaml": config_map(one)})
        assert await running.webhook(url) == 202
        await healed(running, name, revision)


async def test_one_that_goes_away_later_leaves_the_verdict_and_the_objects(
    running: Installation, tmp_path: Path
) -> None:
    port = free_port()
    one, name = fresh("one"), fresh("leaves")
    url = f"http://127.0.0.1:{port}/shore.git"
    root = tmp_path / "served"
    async with git_server(root, port=port):
        revision = await _serve(root, tmp_path, {"app/one.yaml": config_map(one)})
        await running.apply(name, url, syncPolicy=AUTOMATED)
        await healed(running, name, revision)
    assert await running.webhook(url) == 202
    raw = await told(running, name, "ComparisonError", "cannot be reached")
    assert sync_status(raw) == "Synced", "what was true when it was last looked at"
    assert await running.live("ConfigMap", one) is not None
    async with git_server(root, port=port):
        # No event: the retry alone.
        await healed(running, name, revision)


async def test_an_empty_one_asks_for_a_commit(running: Installation) -> None:
    repository = await running.repository()
    one, two, name, default = fresh("one"), fresh("two"), fresh("empty"), fresh("empty-head")
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    await running.apply(default, repository.url, source={"repoURL": repository.url, "path": "other"})
    await told(running, name, "ComparisonError", repository.url, "no branch or tag main")
    await told(running, default, "ComparisonError", repository.url, "no commit on its default branch", "push one")
    revision = await repository.push({"app/one.yaml": config_map(one), "other/two.yaml": config_map(two)})
    assert await running.webhook(repository.url) == 202
    await healed(running, name, revision)


async def test_one_that_asks_for_a_login_is_read_as_soon_as_its_secret_is_there(running: Installation) -> None:
    repository = await running.repository(credentials=f"{USER}:{PASSWORD}")
    one, name = fresh("one"), fresh("private")
    revision = await repository.push({"app/one.yaml": config_map(one)})
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    await told(running, name, "ComparisonError", repository.url, "asks for credentials and no repository Secret")
    await _given_up(running, repository.url)
    await _secret(running, fresh("login"), "repository", url=repository.url, username=USER, password=PASSWORD)
    await healed(running, name, revision)


async def test_a_login_for_all_repositories_of_a_host_opens_each(running: Installation) -> None:
    repository = await running.repository(fresh("team/private"), credentials=f"{USER}:{PASSWORD}")
    one, name = fresh("one"), fresh("template")
    revision = await repository.push({"app/one.yaml": config_map(one)})
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    await told(running, name, "ComparisonError", "asks for credentials")
    above = repository.url.rpartition("/")[0]
    await _secret(running, fresh("creds"), "repo-creds", url=above, username=USER, password=PASSWORD)
    await healed(running, name, revision)


async def test_a_wrong_login_names_its_secret_until_it_is_corrected(running: Installation) -> None:
    repository = await running.repository(credentials=f"{USER}:{PASSWORD}")
    one, name, secret = fresh("one"), fresh("mistyped"), fresh("login")
    revision = await repository.push({"app/one.yaml": config_map(one)})
    await _secret(running, secret, "repository", url=repository.url, username=USER, password="wrong-password-0815")
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    raw = await told(running, name, "ComparisonError", "refuses the credentials", f"{running.namespace}/{secret}")
    assert "0815" not in str(raw)
    secrets = await running.cluster.resource("", "Secret")
    corrected = {"stringData": {"password": PASSWORD}}
    await running.cluster.merge_patch(secrets, running.namespace, secret, corrected)
    await healed(running, name, revision)


@pytest.mark.parametrize(
    "url", ["ext::sh -c touch% /tmp/pwned", "file:///etc", "git://127.0.0.1/x.git", "/etc", "-uroot"]
)
async def test_an_address_that_git_must_not_see_is_refused(running: Installation, url: str) -> None:
    repository = await running.repository()
    one, name = fresh("one"), fresh("scheme")
    revision = await repository.push({"app/one.yaml": config_map(one)})
    await running.apply(name, url, syncPolicy=AUTOMATED)
    raw = await told(running, name, "InvalidSpecError", "https")
    assert sync_status(raw) == "Unknown"
    await running.patch(name, {"spec": {"source": {"repoURL": repository.url}}})
    await healed(running, name, revision)


async def test_a_request_to_sync_what_can_never_be_read_ends(running: Installation) -> None:
    name = fresh("never")
    await running.apply(name, "git://127.0.0.1/x.git")
    await told(running, name, "InvalidSpecError", "https")
    await running.patch(name, {"operation": {"sync": {}}})
    raw = await running.until(name, lambda raw: not raw.get("operation"), "the request is answered")
    assert raw["status"]["operationState"]["phase"] == "Error"


async def test_a_request_to_sync_from_what_time_will_not_mend_ends(running: Installation) -> None:
    async def moved(_: web.Request) -> web.StreamResponse:
        return web.Response(status=301, headers={"Location": "https://example.org/elsewhere.git"})

    name = fresh("moved")
    async with http_server(moved) as address:
        await running.apply(name, f"{address}/shore.git")
        await told(running, name, "ComparisonError", "redirect", "put the new address into spec.source.repoURL")
        await running.patch(name, {"operation": {"sync": {}}})
        raw = await running.until(name, lambda raw: not raw.get("operation"), "the request is answered")
        assert raw["status"]["operationState"]["phase"] == "Error"
        assert "redirect" in raw["status"]["operationState"]["message"]


async def test_a_wrong_login_of_one_project_does_not_lock_the_others_out(running: Installation) -> None:
    """They share one mirror, and one job that fetches it."""
    repository = await running.repository(credentials=f"{USER}:{PASSWORD}")
    one, name, project = fresh("one"), fresh("other"), fresh("a-project")
    allowed = {
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    }
    projects = await running.cluster.resource("argoproj.io", "AppProject")
    body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": project}, "spec": allowed}
    await running.cluster.create(projects, running.namespace, body)
    wrong = {"username": USER, "password": "wrong-password-0815", "project": project}
    await _secret(running, fresh("wrong"), "repository", url=repository.url, **wrong)
    await _secret(running, fresh("right"), "repository", url=repository.url, username=USER, password=PASSWORD)
    first = await repository.push({"app/one.yaml": config_map(one), "locked/two.yaml": config_map(fresh("two"))})
    await running.apply(fresh("locked"), repository.url, path="locked", project=project)
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    await healed(running, name, first)
    second = await repository.push({"app/one.yaml": config_map(one, at="second")})
    assert await running.webhook(repository.url) == 202
    await healed(running, name, second)


async def _serve(root: Path, directory: Path, files: dict[str, str]) -> str:
    bare = await create_repository(root, "shore")
    work = directory / "work"
    work.mkdir()
    await git(work, "init", "-q", "-b", "main")
    for name, content in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(content)
    await git(work, "add", "-A")
    await git(work, "commit", "-q", "-m", "First")
    await git(work, "push", "-q", str(bare), "HEAD:refs/heads/main")
    return await git(work, "rev-parse", "HEAD")


async def _given_up(trueup: Installation, url: str) -> None:
    """Wait until no retry is left, so that whatever heals the application afterwards is not time."""
    async with Redis.from_url(trueup.redis_url) as redis:
        queue = Queue(redis)

        async def is_dead() -> bool:
            return any(letter.job.key == f"repository:{normalize_url(url)}" for letter in await queue.dead_letters())

        await wait_until(is_dead, STEP_SECONDS, "the repository's job is a dead letter")


async def _secret(trueup: Installation, name: str, kind: str, **data: str) -> dict[str, Any]:
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {"argocd.argoproj.io/secret-type": kind}},
        "stringData": data,
    }
    return await trueup.cluster.create(await trueup.cluster.resource("", "Secret"), trueup.namespace, body)
