"""What is not supported yet is refused by name; nothing is applied or pruned until it is taken out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.support.bad_input import fresh, gone, healed, owned, sound_neighbour, told
from tests.support.product import AUTOMATED, Installation, config_map, sync_status

Files = Mapping[str, str]


@dataclass(frozen=True)
class InGit:
    """Something in the source, beside good files."""

    files: Files
    words: tuple[str, ...]


@dataclass(frozen=True)
class InSpec:
    """Something in the Application, and the patch that takes it out."""

    patch: Mapping[str, Any]
    words: tuple[str, ...]
    back: Mapping[str, Any] = field(default_factory=dict)


def _with(name: str, value: str) -> Files:
    body = orjson.loads(config_map("extra"))
    body["metadata"]["annotations"] = {name: value}
    return {"extra.yaml": orjson.dumps(body).decode()}


IN_GIT = {
    "overrides": InGit(
        {".argocd-source.yaml": "plugin: {name: x}\n"},
        (".argocd-source.yaml", "spec.source.plugin", "render in your pipeline"),
    ),
    "hook": InGit(_with("argocd.argoproj.io/hook", "PreSync"), ("extra.yaml", "hooks are not supported", "remove")),
    "helm-hook": InGit(_with("helm.sh/hook", "pre-install"), ("extra.yaml", "Helm hooks are not supported")),
    "wave": InGit(_with("argocd.argoproj.io/sync-wave", "-1"), ("extra.yaml", "sync waves are not supported")),
    "replace": InGit(_with("argocd.argoproj.io/sync-options", "Replace=true"), ("extra.yaml", "Replace=true")),
}
REMOTE = {"spec": {"destination": {"server": "https://10.1.2.3:6443"}}}
NAMED = {"spec": {"destination": {"server": None, "name": "production"}}}
HOME = {"spec": {"destination": {"server": "https://kubernetes.default.svc", "name": None}}}
HYDRATOR = {
    "drySource": {"repoURL": "https://example.org/x.git", "path": "x", "targetRevision": "main"},
    "syncSource": {"path": "x", "targetBranch": "rendered"},
}
IN_SPEC = {
    "plugin": InSpec(
        {"spec": {"source": {"plugin": {"name": "x"}}}}, ("spec.source.plugin", "render in your pipeline")
    ),
    "hydrator": InSpec(
        {"spec": {"sourceHydrator": HYDRATOR}},
        ("spec.sourceHydrator", "writes to no repository", "rendered YAML"),
        {"spec": {"sourceHydrator": None}},
    ),
    "two-kinds": InSpec(
        {"spec": {"source": {"kustomize": {}, "helm": {}}}},
        ("spec.source", "helm", "kustomize"),
        {"spec": {"source": {"kustomize": None, "helm": None}}},
    ),
    "tags": InSpec(
        {"spec": {"source": {"tagPrefix": "a b"}}}, ("spec.source.tagPrefix", "not what a tag's name can begin with")
    ),
    "cluster": InSpec(REMOTE, ("no cluster Secret has that server", "https://kubernetes.default.svc"), HOME),
    "cluster-name": InSpec(NAMED, ("no cluster Secret has that name", "production"), HOME),
    "namespace-labels": InSpec(
        {"spec": {"syncPolicy": {"managedNamespaceMetadata": {"labels": {"a": "b"}}}}},
        ("managedNamespaceMetadata",),
        {"spec": {"syncPolicy": {"managedNamespaceMetadata": None}}},
    ),
    "option": InSpec(
        {"spec": {"syncPolicy": {"syncOptions": ["Replace=true"]}}},
        ("Replace=true",),
        {"spec": {"syncPolicy": {"syncOptions": None}}},
    ),
    "no-project": InSpec({"spec": {"project": "no-such"}}, ("AppProject", "no-such", "create it")),
}


async def test_unsupported_things_in_git_are_refused_until_a_commit_takes_them_out(running: Installation) -> None:
    repository, suffix = await running.repository(), fresh("g")
    first = await repository.push({**_good(IN_GIT, suffix), "next/two.yaml": config_map(f"two-{suffix}")})
    for word in IN_GIT:
        await running.apply(f"{word}-{suffix}", repository.url, path=word, syncPolicy=AUTOMATED)
    await asyncio.gather(*(healed(running, f"{word}-{suffix}", first) for word in IN_GIT))
    added: dict[str, str | None] = {
        f"{word}/{name}": content for word, case in IN_GIT.items() for name, content in case.files.items()
    }
    second = await repository.push({**added, **_changed(IN_GIT, suffix)})
    assert await running.webhook(repository.url) == 202
    await asyncio.gather(*(_is_refused(running, word, suffix, case.words) for word, case in IN_GIT.items()))
    await sound_neighbour(running, repository.url, "next", second)
    third = await repository.push(dict.fromkeys(added))
    assert await running.webhook(repository.url) == 202
    await asyncio.gather(*(_is_taken_up(running, word, suffix, third) for word in IN_GIT))


async def test_unsupported_things_in_the_application_are_refused_until_they_are_taken_out(
    running: Installation,
) -> None:
    repository, suffix = await running.repository(), fresh("s")
    first = await repository.push(_good(IN_SPEC, suffix))
    for word in IN_SPEC:
        await running.apply(f"{word}-{suffix}", repository.url, path=word, syncPolicy=AUTOMATED)
    await asyncio.gather(*(healed(running, f"{word}-{suffix}", first) for word in IN_SPEC))
    for word, case in IN_SPEC.items():
        await running.patch(f"{word}-{suffix}", case.patch)
    second = await repository.push(_changed(IN_SPEC, suffix))
    assert await running.webhook(repository.url) == 202
    await asyncio.gather(*(_is_refused(running, word, suffix, case.words) for word, case in IN_SPEC.items()))
    for word, case in IN_SPEC.items():
        await running.patch(f"{word}-{suffix}", case.back or {"spec": _emptied(case.patch["spec"])})
    await asyncio.gather(*(_is_taken_up(running, word, suffix, second) for word in IN_SPEC))


async def test_a_project_that_restricts_anything_is_refused_until_it_allows_all(running: Installation) -> None:
    repository, name, project, one = await running.repository(), fresh("projected"), fresh("project"), fresh("one")
    revision = await repository.push({"app/one.yaml": config_map(one)})
    projects = await running.cluster.resource("argoproj.io", "AppProject")
    everywhere = [{"server": "*", "namespace": "*"}]
    spec = {
        "sourceRepos": ["https://github.com/example/*"],
        "destinations": everywhere,
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    }
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": project, "namespace": running.namespace},
        "spec": spec,
    }
    await running.cluster.create(projects, running.namespace, body)
    await running.apply(name, repository.url, project=project, syncPolicy=AUTOMATED)
    await told(running, name, "InvalidSpecError", project, "spec.sourceRepos", "use a project that allows all")
    await running.at_rest()
    assert await running.live("ConfigMap", one) is None
    await running.cluster.merge_patch(projects, running.namespace, project, {"spec": {"sourceRepos": ["*"]}})
    await running.patch(name, {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}})
    raw = await healed(running, name, revision)
    assert "argocd.argoproj.io/refresh" not in (raw["metadata"].get("annotations") or {})


async def test_a_request_to_sync_what_is_refused_ends_with_the_reason(running: Installation) -> None:
    repository, name = await running.repository(), fresh("asked")
    await repository.push({f"app/{name}": content for name, content in IN_GIT["hook"].files.items()})
    await running.apply(name, repository.url)
    done = await running.trueup("app", "sync", name, "--timeout", "30")
    assert done.returncode != 0
    assert "hooks are not supported" in (done.stdout + done.stderr).decode()
    raw = await running.application(name)
    assert raw is not None
    assert "operation" not in raw


def _good(cases: Mapping[str, Any], suffix: str) -> dict[str, str]:
    """Two objects for each case: one that a commit will change, one that it will remove."""
    return {f"{w}/{p}.yaml": config_map(f"{w}-{p}-{suffix}", at="first") for w in cases for p in ("a", "b")}


def _changed(cases: Mapping[str, Any], suffix: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {f"{w}/a.yaml": config_map(f"{w}-a-{suffix}", at="second") for w in cases}
    return {**found, **{f"{w}/b.yaml": None for w in cases}}


async def _is_refused(trueup: Installation, word: str, suffix: str, words: tuple[str, ...]) -> None:
    raw = await told(trueup, f"{word}-{suffix}", "InvalidSpecError", *words)
    assert sync_status(raw) == "Unknown", word
    assert owned(raw) == {f"{word}-a-{suffix}", f"{word}-b-{suffix}"}, word
    await trueup.at_rest()
    kept = await trueup.live("ConfigMap", f"{word}-a-{suffix}")
    assert kept is not None
    assert kept["data"] == {"at": "first"}, word
    assert await trueup.live("ConfigMap", f"{word}-b-{suffix}") is not None, word


async def _is_taken_up(trueup: Installation, word: str, suffix: str, revision: str) -> None:
    await healed(trueup, f"{word}-{suffix}", revision)
    changed = await trueup.live("ConfigMap", f"{word}-a-{suffix}")
    assert changed is not None
    assert changed["data"] == {"at": "second"}, word
    await gone(trueup, "ConfigMap", f"{word}-b-{suffix}")


def _emptied(patch: Mapping[str, Any]) -> dict[str, Any]:
    """The patch that takes the innermost members out again; a project goes back to the default."""
    if "project" in patch:
        return {"project": "default"}
    return {name: dict.fromkeys(value) for name, value in patch.items()}
