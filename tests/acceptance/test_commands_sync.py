"""`trueup app sync` asks through the Application's `operation`, as `argocd` does, and ends as the sync did."""

from __future__ import annotations

from typing import Any

import pytest_asyncio

from tests.support.commands import refused, said
from tests.support.product import AUTOMATED, Installation, Repo, config_map, is_synced, sync_status


@pytest_asyncio.fixture(loop_scope="session")
async def harbour(running: Installation) -> Repo:
    """A manual application `harbour` with `one` and `two`, anew for each test, never synced."""
    repository = await running.repository()
    await repository.push({"app/one.yaml": config_map("one", at="dawn"), "app/two.yaml": config_map("two", at="dawn")})
    await running.apply("harbour", repository.url)
    yield repository
    resource = await running.cluster.resource("argoproj.io", "Application")
    raw = await running.application("harbour")
    assert raw is not None
    await running.cluster.delete(resource, running.namespace, "harbour", uid=raw["metadata"]["uid"])
    for name in ("one", "two"):
        await running.kubectl("delete", "configmap", name, "-n", running.delivered_to, "--ignore-not-found")


async def test_it_waits_for_the_end_and_says_what_was_done(running: Installation, harbour: Repo) -> None:
    lines = said(await running.trueup("app", "sync", "harbour")).splitlines()
    assert [line.split() for line in lines[1:3]] == [
        ["ConfigMap", running.delivered_to, name, "Synced", "created"] for name in ("one", "two")
    ]
    assert lines[3].startswith(f"{running.namespace}/harbour: Synced, Healthy, at ")
    raw = await running.application("harbour")
    assert raw is not None
    assert raw["status"]["operationState"]["operation"]["initiatedBy"]["username"]
    assert "operation" not in raw


async def test_a_dry_run_writes_nothing(running: Installation, harbour: Repo) -> None:
    words = said(await running.trueup("app", "sync", "harbour", "--dry-run"))
    assert words.count("created (dry run)") == 2
    assert await running.live("ConfigMap", "one") is None


async def test_only_the_named_objects_are_written_with_or_without_their_namespace(
    running: Installation, harbour: Repo
) -> None:
    said(await running.trueup("app", "sync", "harbour", "--resource", ":ConfigMap:one"))
    assert await running.live("ConfigMap", "one") is not None
    assert await running.live("ConfigMap", "two") is None
    said(await running.trueup("app", "sync", "harbour", "--resource", f":ConfigMap:{running.delivered_to}/two"))
    assert await running.live("ConfigMap", "two") is not None


async def test_a_named_object_that_is_not_there_is_no_success(running: Installation, harbour: Repo) -> None:
    done = await running.trueup("app", "sync", "harbour", "--resource", "apps:Deployment:nope")
    assert done.returncode == 1
    assert done.stderr.decode() == "trueup: --resource apps:Deployment:nope: the application has no such object\n"
    for text in ("nonsense", "apps:Deployment", "a::b", "a:b:c:d"):
        sentence = refused(await running.trueup("app", "sync", "harbour", "--resource", text))
        assert sentence.startswith(f"--resource {text}: write it as GROUP:KIND:[NAMESPACE/]NAME")


async def test_only_with_prune_does_what_git_dropped_go(running: Installation, harbour: Repo) -> None:
    said(await running.trueup("app", "sync", "harbour"))
    await harbour.push({"app/two.yaml": None})
    words = said(await running.trueup("app", "sync", "harbour"))
    assert "PruneSkipped" in words
    assert await running.live("ConfigMap", "two") is not None
    words = said(await running.trueup("app", "sync", "harbour", "--prune=true"))
    assert "pruned" in words
    assert await running.live("ConfigMap", "two") is None


async def test_another_revision_is_synced_to_without_becoming_the_target(running: Installation, harbour: Repo) -> None:
    early = await harbour.push({"app/one.yaml": config_map("one", at="noon")}, branch="early")
    words = said(await running.trueup("app", "sync", "harbour", "--revision", "early"))
    assert "created" in words
    live, raw = await running.live("ConfigMap", "one"), await running.application("harbour")
    assert live is not None
    assert raw is not None
    assert live["data"] == {"at": "noon"}
    assert raw["status"]["operationState"]["syncResult"]["revision"] == early
    assert raw["spec"]["source"]["targetRevision"] == "main"


async def test_automated_sync_keeps_its_revision(running: Installation, harbour: Repo) -> None:
    await running.patch("harbour", {"spec": {"syncPolicy": AUTOMATED}})
    sentence = refused(await running.trueup("app", "sync", "harbour", "--revision", "elsewhere"))
    assert "cannot be synced to elsewhere: automated sync keeps it at main" in sentence


async def test_a_sync_that_fails_ends_so_and_says_why(running: Installation, harbour: Repo) -> None:
    bad = "apiVersion: v1\nkind: Service\nmetadata:\n  name: bad\nspec:\n  ports:\n    - port: 700000\n"
    await harbour.push({"app/bad.yaml": bad})
    done = await running.trueup("app", "sync", "harbour")
    assert done.returncode == 1
    assert "SyncFailed" in done.stdout.decode()
    words = done.stderr.decode()
    assert words.startswith("trueup: the sync ended Failed: 1 of 3 objects failed; ")
    assert "700000" in words
    assert await running.live("ConfigMap", "one") is not None, "the others were written"
    done = await running.trueup("app", "sync", "harbour", "--revision", "nonsense")
    assert done.returncode == 1
    assert "the sync ended Error: " in done.stderr.decode()
    assert "has no branch or tag nonsense" in done.stderr.decode()
    done = await running.trueup("app", "sync", "harbour", "--revision", "nonsense")
    assert done.returncode == 1, "the same error in the same second is told again"


async def test_several_are_synced_by_name_or_label(running: Installation, harbour: Repo) -> None:
    await running.patch("harbour", {"metadata": {"labels": {"team": "sea"}}})
    await harbour.push({"pier/one.yaml": config_map("pier-one", at="dawn")})
    await running.apply("pier", harbour.url, path="pier")
    words = said(await running.trueup("app", "sync", "pier", f"{running.namespace}/pier", "-l", "team=sea"))
    assert [line.split(":")[0] for line in words.splitlines() if " at " in line] == [
        f"{running.namespace}/pier",
        f"{running.namespace}/harbour",
    ]
    assert refused(await running.trueup("app", "sync")) == "name an Application, or choose some by --selector"
    assert refused(await running.trueup("app", "sync", "-l", "team=land")).endswith("has the labels team=land")
    raw = await running.application("pier")
    assert raw is not None
    resource = await running.cluster.resource("argoproj.io", "Application")
    await running.cluster.delete(resource, running.namespace, "pier", uid=raw["metadata"]["uid"])


async def test_asked_for_and_not_waited_for(running: Installation, harbour: Repo) -> None:
    revision = await harbour.push({})
    assert said(await running.trueup("app", "sync", "harbour", "--async")) == ""
    await running.until("harbour", is_synced(revision), "synced in its own time")


async def test_without_a_worker_it_is_asked_for_once_and_the_patience_ends(trueup: Installation) -> None:
    repository = await trueup.repository()
    revision = await repository.push({"app/one.yaml": config_map("one", at="dawn")})
    await trueup.apply("harbour", repository.url)
    sentence = refused(await trueup.trueup("app", "sync", "harbour", "--timeout", "1"))
    assert sentence.endswith("was not synced within 1 s; the sync stays asked for. Is a worker running?")
    sentence = refused(await trueup.trueup("app", "sync", "harbour", "--timeout", "1"))
    name = f"{trueup.namespace}/harbour"
    assert sentence == (f"another operation is in progress for {name}; wait for it: trueup app wait {name} --operation")
    await trueup.start_both()
    said(await trueup.trueup("app", "wait", name, "--operation", "--timeout", "60"))
    raw: dict[str, Any] = await trueup.until("harbour", is_synced(revision), "synced")
    assert sync_status(raw) == "Synced"
