"""Whatever a source is, a push that changes what it is made from becomes a synced cluster, and no other push does."""

from __future__ import annotations

import textwrap

from tests.support.product import AUTOMATED, Installation, config_map, is_synced


def kustomization(text: str) -> str:
    return textwrap.dedent(text).lstrip()


OVERLAYS = {
    "base/kustomization.yaml": kustomization("""
        resources: [config.yaml]
    """),
    "base/config.yaml": config_map("settings", greeting="ahoy"),
    "overlays/east/kustomization.yaml": kustomization("""
        resources: [../../base]
        namePrefix: east-
    """),
    "overlays/west/kustomization.yaml": kustomization("""
        resources: [../../base]
        namePrefix: west-
    """),
}


async def greeting(trueup: Installation, name: str) -> str | None:
    live = await trueup.live("ConfigMap", name)
    return None if live is None else live["data"]["greeting"]


async def test_a_change_of_a_base_reaches_exactly_its_overlays(trueup: Installation) -> None:
    repository = await trueup.repository()
    files = {
        **OVERLAYS,
        "other/kustomization.yaml": "resources: [a.yaml]\n",
        "other/a.yaml": config_map("other", greeting="x"),
    }
    first = await repository.push(files)
    await trueup.start_both()
    for name, path in {"east": "overlays/east", "west": "overlays/west", "other": "other"}.items():
        await trueup.apply(name, repository.url, path, syncPolicy=AUTOMATED)
    for name in ("east", "west", "other"):
        raw = await trueup.until(name, is_synced(first), "synced at the first commit")
        assert raw["status"]["sourceType"] == "Kustomize"
    await trueup.at_rest()
    before = await trueup.metrics("worker")
    second = await repository.push({"base/config.yaml": config_map("settings", greeting="high water")})
    await trueup.webhook(repository.url)
    for name in ("east", "west"):
        await trueup.until(name, is_synced(second), "synced at the second commit")
        assert await greeting(trueup, f"{name}-settings") == "high water"
    await trueup.at_rest()
    spent = (await trueup.metrics("worker")).since(before)
    assert spent.total("trueup_renders_total") == 2
    assert spent.total("trueup_renders_total", outcome="ok") == 2
    raw = await trueup.application("other")
    assert raw is not None
    assert raw["status"]["sync"]["revision"] == first, "it was not looked at"


async def test_jsonnet_and_plain_files_stand_side_by_side(trueup: Installation) -> None:
    repository = await trueup.repository()
    program = """
        local named = import 'lib/named.libsonnet';
        function(greeting) [named(std.extVar('name'), greeting)]
    """
    library = """
        function(name, greeting) {
          apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: name}, data: {greeting: greeting},
        }
    """
    files = {
        "app/a.yaml": config_map("plain", greeting="a"),
        "app/b.jsonnet": program,
        "vendor/lib/named.libsonnet": library,
    }
    first = await repository.push(files)
    await trueup.start_both()
    jsonnet = {
        "libs": ["vendor"],
        "extVars": [{"name": "name", "value": "$ARGOCD_APP_NAME-made"}],
        "tlas": [{"name": "greeting", "value": "'ah' + 'oy'", "code": True}],
    }
    source = {"repoURL": repository.url, "path": "app", "targetRevision": "main", "directory": {"jsonnet": jsonnet}}
    await trueup.apply("harbour", repository.url, source=source, syncPolicy=AUTOMATED)
    await trueup.until("harbour", is_synced(first), "synced at the first commit")
    assert await greeting(trueup, "harbour-made") == "ahoy"
    assert await greeting(trueup, "plain") == "a"
    second = await repository.push(
        {"vendor/lib/named.libsonnet": library.replace("greeting: greeting", "greeting: greeting + '!'")}
    )
    await trueup.webhook(repository.url)
    await trueup.until("harbour", is_synced(second), "synced at the second commit")
    assert await greeting(trueup, "harbour-made") == "ahoy!"


async def test_of_many_sources_the_later_one_counts_and_each_is_followed(trueup: Installation) -> None:
    near, far = await trueup.repository(), await trueup.repository()
    first = await near.push(
        {"app/a.yaml": config_map("shared", greeting="near"), "app/b.yaml": config_map("own", greeting="b")}
    )
    there = await far.push(
        {"x/kustomization.yaml": "resources: [a.yaml]\n", "x/a.yaml": config_map("shared", greeting="far")}
    )
    await trueup.start_both()
    sources = [
        {"repoURL": near.url, "path": "app", "targetRevision": "main"},
        {"repoURL": far.url, "path": "x", "targetRevision": "main"},
    ]
    await trueup.apply("harbour", near.url, source=None, sources=sources, syncPolicy=AUTOMATED)

    def at(*revisions: str):
        return lambda raw: (
            raw.get("status", {}).get("sync", {}).get("revisions") == list(revisions)
            and raw["status"]["sync"]["status"] == "Synced"
            and raw["status"]["operationState"]["phase"] == "Succeeded"
            and raw["status"]["operationState"]["syncResult"]["revisions"] == list(revisions)
        )

    raw = await trueup.until("harbour", at(first, there), "synced at both")
    status = raw["status"]
    assert await greeting(trueup, "shared") == "far"
    assert status["sourceTypes"] == ["Directory", "Kustomize"]
    assert [c["type"] for c in status["conditions"]] == ["RepeatedResourceWarning"]
    assert "revision" not in status["sync"]
    assert status["history"][-1]["revisions"] == [first, there]
    assert [source["repoURL"] for source in status["history"][-1]["sources"]] == [near.url, far.url]

    later = await far.push({"x/a.yaml": config_map("shared", greeting="farther")})
    await trueup.webhook(far.url)
    await trueup.until("harbour", at(first, later), "synced at the second one's new commit")
    assert await greeting(trueup, "shared") == "farther"
    newest = await near.push({"app/b.yaml": config_map("own", greeting="c")})
    await trueup.webhook(near.url)
    await trueup.until("harbour", at(newest, later), "synced at the first one's new commit")
    assert await greeting(trueup, "own") == "c"
