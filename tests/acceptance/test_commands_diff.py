"""`trueup app diff` says what a sync would change, without writing: 0 nothing, 1 something, 2 not known."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from datetime import datetime
from pathlib import Path

import pytest_asyncio

from tests.support.api_proxy import proxy_to
from tests.support.commands import refused, said
from tests.support.kubectl import kubectl
from tests.support.product import Installation, Repo, config_map, is_synced, kubeconfig
from trueup.domain.diffview.model import from_json

SECRET_VALUE = "correct-horse-battery-staple"
ANOTHER_VALUE = "Tr0ub4dor-and-three"


def secret(value: str) -> str:
    return f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: hush\nstringData:\n  password: {value}\n"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def harbour(running: Installation) -> Repo:
    """A synced, manual application with a ConfigMap and a Secret."""
    repository = await running.repository()
    revision = await repository.push(
        {"app/one.yaml": config_map("one", greeting="ahoy"), "app/hush.yaml": secret(SECRET_VALUE)}
    )
    await running.apply("harbour", repository.url)
    said(await running.trueup("app", "sync", "harbour", "--timeout", "60"))
    await running.until("harbour", is_synced(revision), "synced")
    return repository


async def test_no_difference_is_silence_and_0(running: Installation, harbour: Repo) -> None:
    assert said(await running.trueup("app", "diff", "harbour")) == ""


async def test_a_difference_names_path_values_and_manager_and_is_1(running: Installation, harbour: Repo) -> None:
    resource = await running.cluster.resource("", "ConfigMap")
    await running.cluster.merge_patch(
        resource, running.delivered_to, "one", {"data": {"greeting": "bye"}}, field_manager="by-hand"
    )
    before = await running.live("ConfigMap", "one")
    words = said(await running.trueup("app", "diff", "harbour"), code=1)
    title, *rest, one, other = words.splitlines()
    assert title == f"===== ConfigMap {running.delivered_to}/one"
    assert rest == [
        "  … 2 lines unchanged",
        "  metadata:",
        "    name: one",
        f"    namespace: {running.delivered_to}",
        "  data:",
    ]
    written, _, when = one.partition(", ")
    assert written == "-   greeting: bye  # by manager by-hand"
    assert datetime.fromisoformat(when).tzinfo is not None
    assert other == "+   greeting: ahoy"
    assert await running.live("ConfigMap", "one") == before, "nothing was written"
    for flags, code in (
        (["--exit-code=false"], 0),
        (["--diff-exit-code", "7", "--exit-code=true", "--refresh", "--hard-refresh"], 7),
    ):
        assert said(await running.trueup("app", "diff", "harbour", *flags), code=code) == words
    said(await running.trueup("app", "sync", "harbour"))
    assert said(await running.trueup("app", "diff", "harbour")) == ""


async def test_who_may_not_read_incidents_sees_the_difference_all_the_same(
    running: Installation, harbour: Repo, tmp_path: Path
) -> None:
    admin, where = running.sandbox.kubeconfig, ("-n", running.namespace)
    await kubectl(admin, "create", "serviceaccount", "reader", *where)
    reads = {
        running.namespace: "--resource=applications.argoproj.io,appprojects.argoproj.io,secrets,configmaps",
        running.delivered_to: "--resource=configmaps,secrets",
    }
    for namespace, resources in reads.items():
        await kubectl(admin, "create", "role", "reader", "--verb=get,list", resources, "-n", namespace)
        account = f"--serviceaccount={running.namespace}:reader"
        await kubectl(admin, "create", "rolebinding", "reader", "--role=reader", account, "-n", namespace)
    token = (await kubectl(admin, "create", "token", "reader", *where)).strip()
    resource = await running.cluster.resource("", "ConfigMap")
    await running.cluster.merge_patch(resource, running.delivered_to, "one", {"data": {"greeting": "bye"}})
    async with proxy_to(running.sandbox) as proxy:
        path = str(kubeconfig(tmp_path / "reader", proxy.url, token))
        refused(await running.trueup("drift", "list", KUBECONFIG=path))
        words = said(await running.trueup("app", "diff", "harbour", KUBECONFIG=path), code=1)
    assert "-   greeting: bye  # by " in words
    said(await running.trueup("app", "sync", "harbour"))


async def test_another_revision_can_be_asked_about_before_anybody_syncs_to_it(
    running: Installation, harbour: Repo
) -> None:
    revision = await harbour.push({"app/two.yaml": config_map("two", a="b")}, branch="preview")
    words = said(await running.trueup("app", "diff", "harbour", "--revision", "preview"), code=1)
    assert words.splitlines() == [
        f"===== ConfigMap {running.delivered_to}/two is not in the cluster",
        "+ apiVersion: v1",
        "+ kind: ConfigMap",
        "+ metadata:",
        "+   name: two",
        f"+   namespace: {running.delivered_to}",
        "+ data:",
        "+   a: b",
    ]
    assert said(await running.trueup("app", "diff", "harbour", "--revision", revision), code=1) == words
    await harbour.push({"app/two.yaml": None, "app/one.yaml": None}, branch="preview")
    words = said(await running.trueup("app", "diff", "harbour", "--revision", "preview"), code=1)
    title, *rest = words.splitlines()
    assert title == f"===== ConfigMap {running.delivered_to}/one is no longer in Git"
    assert rest[-1] == "-   greeting: ahoy"
    await harbour.push({"app/one.yaml": config_map("one", greeting="ahoy")}, branch="preview")


async def test_of_a_secret_only_that_it_differs_is_shown(running: Installation, harbour: Repo) -> None:
    resource = await running.cluster.resource("", "Secret")
    await running.cluster.merge_patch(
        resource, running.delivered_to, "hush", {"stringData": {"password": ANOTHER_VALUE}}, field_manager="by-hand"
    )
    words = said(await running.trueup("app", "diff", "harbour"), code=1)
    assert "\n  data:\n-   password: •••• (19 bytes)  # by manager by-hand, " in words
    assert words.endswith("\n+   password: •••• (changed, 19 → 28 bytes)\n")
    why = said(await running.trueup("app", "diff", "harbour", "--why"), code=1)
    assert "data.password: reported: differs: live holds another value than Git says" in why
    for value in (SECRET_VALUE, ANOTHER_VALUE):
        for form in (value, b64encode(value.encode()).decode()):
            assert form not in words + why
    said(await running.trueup("app", "sync", "harbour"))


async def test_a_difference_is_shown_as_is_asked(running: Installation, harbour: Repo) -> None:
    resource = await running.cluster.resource("", "ConfigMap")
    await running.cluster.merge_patch(resource, running.delivered_to, "one", {"data": {"greeting": "bye"}})

    async def shown(*flags: str, **env: str) -> str:
        return said(await running.trueup("app", "diff", "harbour", *flags, **env), code=1)

    beside = await shown("--side-by-side", COLUMNS="120")
    assert re.search(r"^  greeting: bye +\|   greeting: ahoy$", beside, re.MULTILINE), beside
    assert "  greeting: ahoy\n" in await shown("--unified", COLUMNS="300")
    fenced = await shown("-o", "markdown")
    assert fenced.startswith(f"**`ConfigMap {running.delivered_to}/one`**\n\n```diff\n")
    assert "\n+   greeting: ahoy\n```\n" in fenced
    (view,) = (from_json(raw) for raw in json.loads(await shown("-o", "json")))
    assert [(line.live, line.git) for line in view.lines if line.differs] == [("greeting: bye", "greeting: ahoy")]
    assert "\x1b[" in await shown("--color", "always")
    said(await running.trueup("app", "sync", "harbour"))
    assert said(await running.trueup("app", "diff", "harbour", "-o", "json")) == "[]\n"


async def test_what_cannot_be_compared_is_2_and_says_why(running: Installation, harbour: Repo) -> None:
    assert refused(await running.trueup("app", "diff", "harbour", "--revision", "nonsense"), code=2) == (
        f"repository {harbour.url} has no branch or tag nonsense; push it, or correct spec.source.targetRevision"
    )
    assert "there is no Application nope" in refused(await running.trueup("app", "diff", "nope"), code=2)
    await harbour.push({"app/broken.yaml": 'data: {a: "b\n'}, branch="broken")
    assert "broken.yaml" in refused(await running.trueup("app", "diff", "harbour", "--revision", "broken"), code=2)


async def test_an_object_that_cannot_be_read_is_2_beside_the_differences_that_are_known(
    running: Installation, harbour: Repo
) -> None:
    unknown = "apiVersion: example.com/v1\nkind: Wonder\nmetadata:\n  name: w\n"
    await harbour.push(
        {"app/broken.yaml": None, "app/w.yaml": unknown, "app/one.yaml": config_map("one", greeting="hello")},
        branch="wonder",
    )
    done = await running.trueup("app", "diff", "harbour", "--revision", "wonder")
    assert done.returncode == 2
    assert f"===== ConfigMap {running.delivered_to}/one" in done.stdout.decode()
    assert done.stderr.decode().startswith("trueup: ")
    assert "Wonder" in done.stderr.decode()


async def test_files_of_this_machine_can_be_compared_before_anybody_commits_them(
    running: Installation, harbour: Repo
) -> None:
    there = running.directory / "local"
    app = there / "app"
    app.mkdir(parents=True)
    (app / "one.yaml").write_text(config_map("one", greeting="ahoy"))
    (app / "hush.yaml").write_text(secret(SECRET_VALUE))
    said(await running.trueup("app", "sync", "harbour"))
    assert said(await running.trueup("app", "diff", "harbour", "--local", str(app))) == ""
    (app / "two.yaml").write_text(config_map("two", a="b"))
    (app / "hush.yaml").write_text(secret(ANOTHER_VALUE))
    words = said(await running.trueup("app", "diff", "harbour", "--local", str(app)), code=1)
    assert f"===== ConfigMap {running.delivered_to}/two is not in the cluster" in words
    assert f"===== Secret {running.delivered_to}/hush" in words
    assert SECRET_VALUE not in words
    assert ANOTHER_VALUE not in words
    rooted = ("--local", str(app), "--local-repo-root", str(there))
    assert said(await running.trueup("app", "diff", "harbour", *rooted), code=1) == words


async def test_where_the_files_of_this_machine_cannot_count_it_is_2(running: Installation, harbour: Repo) -> None:
    async def sentence(*flags: str, name: str = "harbour") -> str:
        return refused(await running.trueup("app", "diff", name, *flags), code=2)

    here = str(running.directory)
    assert "leave one of them out" in await sentence("--local", here, "--revision", "main")
    assert "is for --local" in await sentence("--local-repo-root", here)
    assert "there is no directory" in await sentence("--local", f"{here}/gone")
    await running.apply(
        "harbours",
        harbour.url,
        source=None,
        sources=[{"repoURL": harbour.url, "path": "app", "targetRevision": "main"}],
    )
    assert "is for one source" in await sentence("--local", here, name="harbours")
