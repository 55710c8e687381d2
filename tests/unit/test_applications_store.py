"""Who follows a repository is known without asking anybody."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from trueup.clients.applications import ApplicationStore, without_deeds
from trueup.domain.application import ApplicationId
from trueup.domain.repository import normalize_url

URL = "https://git.example.com/team/app.git"


def application(name: str, url: str = URL, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "argocd", "name": name, "resourceVersion": "1"},
        "spec": {
            "project": "default",
            "source": {"repoURL": url, "path": "."},
            "destination": {"server": "https://kubernetes.default.svc"},
            **spec,
        },
    }


def names(store: ApplicationStore, url: str) -> list[str]:
    return sorted(follower.id.name for follower in store.followers(normalize_url(url)))


def test_every_spelling_of_a_repository_is_one_repository() -> None:
    store = ApplicationStore()
    store.observe(None, application("one"))
    store.observe(None, application("two", "git@git.example.com:team/app"))
    store.observe(None, application("other", "https://git.example.com/team/other.git"))
    assert names(store, "ssh://git@git.example.com/team/app.git") == ["one", "two"]
    assert len(store.repositories()) == 2
    assert len(store.all()) == 3


def test_a_change_of_repository_moves_the_follower() -> None:
    store = ApplicationStore()
    before, after = application("one"), application("one", "https://git.example.com/team/new.git")
    store.observe(None, before)
    store.observe(before, after)
    assert names(store, URL) == []
    assert names(store, "https://git.example.com/team/new.git") == ["one"]
    assert len(store.repositories()) == 1


def test_an_application_that_goes_is_forgotten() -> None:
    store = ApplicationStore()
    raw = application("one")
    store.observe(None, raw)
    store.observe(raw, None)
    store.observe(raw, None)
    assert store.get(ApplicationId("argocd", "one")) is None
    assert (store.all(), store.repositories(), names(store, URL)) == ((), (), [])


def test_the_newest_version_counts_even_when_the_old_one_is_not_told() -> None:
    store = ApplicationStore()
    store.observe(None, application("one"))
    newer = application("one", "https://git.example.com/team/new.git")
    newer["metadata"]["resourceVersion"] = "2"
    store.observe(None, newer)
    found = store.get(ApplicationId("argocd", "one"))
    assert found is not None
    assert found.resource_version == "2"
    assert names(store, URL) == []
    assert names(store, "https://git.example.com/team/new.git") == ["one"]


def test_what_is_refused_follows_nothing_but_can_be_looked_up() -> None:
    store = ApplicationStore()
    store.observe(None, application("chart", source={"repoURL": URL, "path": ".", "plugin": {}}))
    assert names(store, URL) == []
    assert store.get(ApplicationId("argocd", "chart")) is not None


def test_a_refused_operation_does_not_stop_following() -> None:
    store = ApplicationStore()
    raw = application("one")
    raw["operation"] = {"sync": {"manifests": ["x"]}}
    store.observe(None, raw)
    assert names(store, URL) == ["one"]


@pytest.mark.parametrize("count", [10, 1_000])
def test_asking_for_followers_looks_at_followers_only(count: int) -> None:
    store = ApplicationStore()
    for index in range(count):
        store.observe(None, application(f"other-{index}", f"https://git.example.com/team/{index}.git"))
    store.observe(None, application("one"))
    store._applications = None  # type: ignore[assignment]  # whoever walks over all of them falls
    assert names(store, URL) == ["one"]


def test_the_store_never_changes_what_it_was_given() -> None:
    store = ApplicationStore()
    raw = application("one")
    before = copy.deepcopy(raw)
    store.observe(None, raw)
    store.observe(raw, None)
    assert raw == before


def test_what_a_watch_keeps_of_an_application_lacks_only_what_was_done_to_it() -> None:
    asked = {"sync": {"revision": "c1"}}
    kept = {
        "sync": {"status": "Synced", "revision": "c1"},
        "resources": [{"kind": "ConfigMap", "version": "v1", "namespace": "shop", "name": "a", "status": "Synced"}],
        "operationState": {"phase": "Succeeded", "operation": asked},
    }
    done = {"revision": "c1", "resources": [{"kind": "ConfigMap", "name": "a", "message": "configured"}]}
    raw = {
        "metadata": {"name": "shop", "managedFields": [{"manager": "trueup"}]},
        "status": {
            **kept,
            "history": [{"id": 1, "revision": "c1"}],
            "operationState": {"phase": "Succeeded", "operation": asked, "syncResult": done},
        },
    }
    assert without_deeds(raw) == {"metadata": {"name": "shop"}, "status": kept}
    for odd in ({}, {"status": None}, {"status": {"operationState": []}}):
        assert without_deeds(dict(odd)) == odd


def test_what_many_applications_say_is_kept_once() -> None:
    def heard(name: str) -> dict[str, Any]:
        source = {"repoURL": URL}
        raw = {"metadata": {"name": name, "uid": f"u-{name}"}, "spec": {"source": source, "list": [URL, [URL]]}}
        return without_deeds(json.loads(json.dumps(raw)))

    one, other = heard("one"), heard("other")
    assert one["spec"] == other["spec"]
    assert one["spec"]["source"]["repoURL"] is other["spec"]["source"]["repoURL"]
    assert one["spec"]["list"][1][0] is other["spec"]["list"][0]
    assert (one["metadata"]["name"], other["metadata"]["uid"]) == ("one", "u-other")
