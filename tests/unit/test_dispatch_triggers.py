"""Which jobs a change of an Application asks for."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from service.triggers import jobs_of_change, jobs_of_everything
from trueup.clients.applications import ApplicationStore
from trueup.domain.job import (
    BY_CONTENT,
    EVERY_FOLLOWER_BY_CONTENT,
    EVERY_LIVE_OBJECT,
    EVERYTHING,
    SCOPE_MEMBERS_MAX,
    Priority,
    Scope,
)

REPO = "https://git.example.com/acme/deploy.git"
URL = "git.example.com/acme/deploy"
SYNC: dict[str, Any] = {"sync": {}}


def application(name: str = "shop", *, repo: str = REPO, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "argocd", "name": name, "uid": f"uid-{name}", "resourceVersion": "1"},
        "spec": {
            "project": "default",
            "source": {"repoURL": repo, "path": name},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "default"},
            **spec,
        },
    }


def changed(old: dict[str, Any], *, metadata: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    new = copy.deepcopy(old) | fields
    new["metadata"] |= metadata or {}
    return new


def refresh(value: str | None) -> dict[str, Any]:
    return {"annotations": {} if value is None else {"argocd.argoproj.io/refresh": value}}


APP = application()
DELETED = {"deletionTimestamp": "2026-03-02T10:00:00Z", "finalizers": ["resources-finalizer.argocd.argoproj.io"]}
REFUSED = application(syncPolicy={"syncOptions": ["Replace=true"]})
ITS_REPOSITORY = ("repository:" + URL, Scope(frozenset({"argocd/shop"})))
ITSELF = ("application:argocd/shop", EVERYTHING)


@pytest.mark.parametrize(
    ("old", "new", "asked", "priority"),
    [
        (None, APP, ITS_REPOSITORY, Priority.PUSH),
        (None, changed(APP, operation=SYNC), ITS_REPOSITORY, Priority.MANUAL),
        (None, changed(APP, metadata=refresh("normal")), ITS_REPOSITORY, Priority.MANUAL),
        (APP, application(syncPolicy={"automated": {}}), ITS_REPOSITORY, Priority.PUSH),
        (APP, changed(APP, operation=SYNC), ITS_REPOSITORY, Priority.MANUAL),
        (changed(APP, operation=SYNC), changed(APP, operation={"sync": {"prune": True}}), ITS_REPOSITORY, 0),
        (APP, changed(APP, metadata=refresh("hard")), ITS_REPOSITORY, Priority.MANUAL),
        (changed(APP, metadata=refresh("hard")), changed(APP, metadata=refresh("normal")), ITS_REPOSITORY, 0),
        (
            APP,
            changed(APP, metadata={"annotations": {"trueup.dev/added-by-hand": "report"}}),
            ITS_REPOSITORY,
            Priority.PUSH,
        ),
        (
            APP,
            changed(APP, metadata={"annotations": {"argocd.argoproj.io/compare-options": "x"}}),
            ITS_REPOSITORY,
            Priority.PUSH,
        ),
        (APP, changed(APP, metadata=DELETED), ITSELF, Priority.MANUAL),
        (None, changed(APP, metadata=DELETED), ITSELF, Priority.MANUAL),
        (APP, REFUSED, ITSELF, Priority.PUSH),
        (REFUSED, APP, ITS_REPOSITORY, Priority.PUSH),
        (APP, {"metadata": APP["metadata"], "spec": None}, ITSELF, Priority.PUSH),
    ],
)
def test_change_that_somebody_asked_for_is_one_job(
    old: dict[str, Any] | None, new: dict[str, Any], asked: tuple[str, Scope], priority: int
) -> None:
    (job,) = jobs_of_change(old, new)
    assert (job.key, job.scope, job.priority) == (*asked, priority)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (APP, changed(APP, status={"sync": {"status": "Synced", "revision": "a" * 40}})),
        (APP, changed(APP, metadata={"generation": 7, "resourceVersion": "2", "labels": {"team": "a"}})),
        (APP, None),
        (changed(APP, metadata=DELETED), changed(APP, metadata=DELETED, status={"health": {"status": "Missing"}})),
        (changed(APP, operation=SYNC), changed(APP, status={"operationState": {"phase": "Running"}})),
        (changed(APP, metadata=refresh("hard")), changed(APP, metadata=refresh(None))),
        (changed(APP, metadata=refresh("hard"), operation=SYNC), APP),
    ],
)
def test_change_that_nobody_asked_for_is_none(old: dict[str, Any], new: dict[str, Any] | None) -> None:
    assert jobs_of_change(old, new) == ()


def test_request_that_is_taken_away_while_the_spec_changes_is_still_a_change() -> None:
    (job,) = jobs_of_change(changed(APP, operation=SYNC), application(syncPolicy={"automated": {}}))
    assert (job.kind, job.priority) == ("repository", Priority.PUSH)


def test_refused_operation_that_is_taken_away_leaves_a_condition_to_take_back() -> None:
    refused = changed(APP, operation={"sync": {"manifests": ["kind: ConfigMap"]}})
    (job,) = jobs_of_change(None, refused)
    assert (job.kind, job.priority) == ("application", Priority.MANUAL)
    (job,) = jobs_of_change(refused, APP)
    assert job.kind == "repository"


def test_moved_source_asks_for_the_new_repository_alone() -> None:
    (job,) = jobs_of_change(APP, application(repo="git@git.example.com:acme/elsewhere.git"))
    assert job.key == "repository:git.example.com/acme/elsewhere"


def store_of(*applications: dict[str, Any]) -> ApplicationStore:
    store = ApplicationStore()
    for each in applications:
        store.observe(None, each)
    return store


def test_everything_is_each_repository_with_open_requests_and_each_deletion_and_refusal() -> None:
    store = store_of(
        *(application(f"app-{n}") for n in range(20)),
        changed(application("asked"), operation=SYNC),
        changed(application("fresh"), metadata=refresh("normal")),
        changed(application("going"), metadata=DELETED),
        application("refused", syncPolicy={"syncOptions": ["Replace=true"]}),
        application("other", repo="https://git.example.com/acme/other"),
    )
    jobs = {job.key: job for job in jobs_of_everything(store.repositories(), store.all(), live=False)}
    assert set(jobs) == {
        f"repository:{URL}",
        "repository:git.example.com/acme/other",
        "application:argocd/going",
        "application:argocd/refused",
    }
    assert jobs[f"repository:{URL}"].scope == Scope(frozenset({BY_CONTENT, "argocd/asked", "argocd/fresh"}))
    assert jobs["repository:git.example.com/acme/other"].scope == EVERY_FOLLOWER_BY_CONTENT


def test_everything_that_is_live_is_each_application_that_owns_objects() -> None:
    owning = {"status": {"resources": [{"kind": "Service", "name": "a", "namespace": "default", "version": "v1"}]}}
    store = store_of(application("owner") | owning, application("new"))
    (look,) = (j for j in jobs_of_everything(store.repositories(), store.all(), live=True) if j.kind == "application")
    assert (look.subject, look.scope, look.priority) == ("argocd/owner", EVERY_LIVE_OBJECT, Priority.SWEEP)


def test_more_open_requests_than_a_scope_holds_are_everything() -> None:
    many = (changed(application(f"app-{n}"), operation=SYNC) for n in range(SCOPE_MEMBERS_MAX + 1))
    store = store_of(*many)
    (job,) = jobs_of_everything(store.repositories(), store.all(), live=False)
    assert job.scope == EVERYTHING
