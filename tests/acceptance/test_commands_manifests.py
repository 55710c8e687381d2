"""`trueup app manifests` prints what Git wants or what is live, and never what a Secret holds."""

from __future__ import annotations

import json

import pytest_asyncio
import yaml

from tests.support.commands import refused, said
from tests.support.product import Installation, Repo, config_map, is_synced

PASSWORD = "correct-horse-battery-staple"
SECRET = f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: hold\nstringData:\n  password: {PASSWORD}\n"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pier(running: Installation) -> Repo:
    """A synced, manual application with a ConfigMap and a Secret, whose value the ConfigMap holds too."""
    repository = await running.repository()
    revision = await repository.push(
        {"app/bell.yaml": config_map("bell", greeting="ahoy", copied=PASSWORD), "app/hold.yaml": SECRET}
    )
    await running.apply("pier", repository.url)
    said(await running.trueup("app", "sync", "pier", "--timeout", "60"))
    await running.until("pier", is_synced(revision), "synced")
    return repository


async def test_what_git_wants_is_printed_with_its_namespace(running: Installation, pier: Repo) -> None:
    words = said(await running.trueup("app", "manifests", "pier"))
    assert PASSWORD not in words
    bell, hold = yaml.safe_load_all(words)
    assert bell["metadata"] == {"name": "bell", "namespace": running.delivered_to}
    assert bell["data"] == {"greeting": "ahoy", "copied": "••••"}
    assert hold["stringData"] == {"password": f"•••• ({len(PASSWORD)} bytes)"}
    listed = json.loads(said(await running.trueup("app", "manifests", "pier", "-o", "json", "--source", "git")))
    assert listed["items"] == [bell, hold]


async def test_another_revision_is_printed_before_anybody_syncs_to_it(running: Installation, pier: Repo) -> None:
    await pier.push({"app/bell.yaml": config_map("bell", greeting="moin")}, branch="preview")
    bell, _ = yaml.safe_load_all(said(await running.trueup("app", "manifests", "pier", "--revision", "preview")))
    assert bell["data"] == {"greeting": "moin"}
    assert "nonsense" in refused(await running.trueup("app", "manifests", "pier", "--revision", "nonsense"))


async def test_what_is_live_is_printed_without_asking_git(running: Installation, pier: Repo) -> None:
    resource = await running.cluster.resource("", "ConfigMap")
    await running.cluster.merge_patch(resource, running.delivered_to, "bell", {"data": {"greeting": "bye"}})
    words = said(await running.trueup("app", "manifests", "pier", "--source", "live", TRUEUP_GIT_SCHEMES=""))
    assert PASSWORD not in words
    bell, hold = yaml.safe_load_all(words)
    assert bell["data"] == {"greeting": "bye", "copied": "••••"}
    assert "managedFields" not in bell["metadata"]
    assert hold["data"] == {"password": f"•••• ({len(PASSWORD)} bytes)"}
    both = await running.trueup("app", "manifests", "pier", "--source", "live", "--revision", "main")
    assert "leave one of them out" in refused(both)
    said(await running.trueup("app", "sync", "pier"))
    assert "there is no Application nope" in refused(await running.trueup("app", "manifests", "nope"))
