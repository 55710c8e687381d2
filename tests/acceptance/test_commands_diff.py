"""`trueup app diff` says what a sync would change, without writing: 0 nothing, 1 something, 2 not known."""

from __future__ import annotations

import pytest_asyncio

from tests.support.commands import refused, said
from tests.support.product import Installation, Repo, config_map, is_synced

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
    assert words.splitlines() == [
        f"===== ConfigMap {running.delivered_to}/one",
        "  data.greeting  (last written by by-hand)",
        '    - "bye"',
        '    + "ahoy"',
    ]
    assert await running.live("ConfigMap", "one") == before, "nothing was written"
    for flags, code in (
        (["--exit-code=false"], 0),
        (["--diff-exit-code", "7", "--exit-code=true", "--refresh", "--hard-refresh"], 7),
    ):
        assert said(await running.trueup("app", "diff", "harbour", *flags), code=code) == words
    said(await running.trueup("app", "sync", "harbour"))
    assert said(await running.trueup("app", "diff", "harbour")) == ""


async def test_another_revision_can_be_asked_about_before_anybody_syncs_to_it(
    running: Installation, harbour: Repo
) -> None:
    revision = await harbour.push({"app/two.yaml": config_map("two", a="b")}, branch="preview")
    words = said(await running.trueup("app", "diff", "harbour", "--revision", "preview"), code=1)
    assert words == f"===== ConfigMap {running.delivered_to}/two is not in the cluster\n"
    assert said(await running.trueup("app", "diff", "harbour", "--revision", revision), code=1) == words
    await harbour.push({"app/two.yaml": None, "app/one.yaml": None}, branch="preview")
    words = said(await running.trueup("app", "diff", "harbour", "--revision", "preview"), code=1)
    assert words == f"===== ConfigMap {running.delivered_to}/one is no longer in Git\n"
    await harbour.push({"app/one.yaml": config_map("one", greeting="ahoy")}, branch="preview")


async def test_of_a_secret_only_that_it_differs_is_shown(running: Installation, harbour: Repo) -> None:
    resource = await running.cluster.resource("", "Secret")
    await running.cluster.merge_patch(
        resource, running.delivered_to, "hush", {"stringData": {"password": ANOTHER_VALUE}}, field_manager="by-hand"
    )
    words = said(await running.trueup("app", "diff", "harbour"), code=1)
    assert "data.password" in words
    assert "by-hand" in words
    for value in (SECRET_VALUE, ANOTHER_VALUE):
        assert value not in words
    said(await running.trueup("app", "sync", "harbour"))


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
