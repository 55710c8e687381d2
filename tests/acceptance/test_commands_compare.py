"""`trueup compare` shows what differs between two applications, and nothing of where each of them is."""

from __future__ import annotations

import json
from typing import Any

import pytest_asyncio

from tests.support.commands import refused, said
from tests.support.drift import DEPLOYMENT, SERVICE, edit
from tests.support.product import Installation, config_map, is_synced

PASSWORDS = ("tide-and-time-0815", "another-one-4711-longer")


def files(folder: str, prefix: str, replicas: int, password: str) -> dict[str, str]:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{prefix}hush"}}
    return {
        f"{folder}/web.yaml": DEPLOYMENT.format(name=f"{prefix}web", replicas=replicas, tag="1"),
        f"{folder}/service.yaml": SERVICE.format(name=f"{prefix}web"),
        f"{folder}/hush.yaml": json.dumps({**secret, "stringData": {"password": password}}),
        f"{folder}/only.yaml": config_map(f"only-{folder}", mood="calm", copied=password),
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two(running: Installation) -> str:
    """`staging` and `production`, in one namespace each, the first with names of its own, both delivered."""
    repository = await running.repository()
    revision = await repository.push(
        files("staging", "staging-", 1, PASSWORDS[0]) | files("production", "", 3, PASSWORDS[1])
    )
    other: dict[str, Any] = {
        "destination": {"server": "https://kubernetes.default.svc", "namespace": f"{running.delivered_to}-other"},
        "syncPolicy": {"syncOptions": ["CreateNamespace=true"]},
    }
    for name, more in (("staging", {}), ("production", other)):
        await running.apply(name, repository.url, path=name, **more)
        said(await running.trueup("app", "sync", name))
        await running.until(name, is_synced(revision), "synced")
    return revision


async def test_what_git_wants_of_one_is_held_against_what_it_wants_of_the_other(
    running: Installation, two: str
) -> None:
    words = said(await running.trueup("compare", "staging", "production", "--strip-prefix", "staging-"), code=1)
    legend, *objects = words.split("\n\n")
    assert legend.splitlines() == [f"--- {running.namespace}/staging", f"+++ {running.namespace}/production"]
    titles = [text.splitlines()[0] for text in objects]
    assert titles == [
        f"===== ConfigMap only-production is only in {running.namespace}/production",
        f"===== ConfigMap only-staging is only in {running.namespace}/staging",
        "===== Secret hush",
        "===== Deployment.apps web",
    ]
    changed = [line.strip() for line in objects[-1].splitlines() if line[:1] in "+-"]
    assert changed == ["-   replicas: 1", "+   replicas: 3"]
    for value in PASSWORDS:
        assert value not in words
    before, after = [line for line in objects[2].splitlines() if line[:1] in "+-"]
    assert "password: •••• (18 bytes)" in before
    assert "password: •••• (changed, 18 → 23 bytes)" in after, "that they differ is seen"


async def test_for_a_pull_request_it_is_markdown_that_names_both_sides(running: Installation, two: str) -> None:
    arguments = ("compare", "staging", "production", "--strip-prefix", "staging-", "-o", "markdown")
    words = said(await running.trueup(*arguments), code=1)
    first, second = (f"`{running.namespace}/{name}`" for name in ("staging", "production"))
    assert words.startswith(f"`-` is {first}, `+` is {second}\n\n**`ConfigMap only-production is only in ")
    assert "is no longer in Git" not in words
    assert "```diff\n" in words
    assert "\n-   replicas: 1\n+   replicas: 3\n" in words
    for value in PASSWORDS:
        assert value not in words


async def test_without_their_prefix_names_are_those_of_other_objects(running: Installation, two: str) -> None:
    compared = json.loads(
        said(await running.trueup("compare", "production", "staging", "--desired", "-o", "json"), code=1)
    )
    assert (compared["first"], compared["second"]) == (
        f"{running.namespace}/production",
        f"{running.namespace}/staging",
    )
    assert {each["only"] for each in compared["objects"]} == {"first", "second"}
    assert len(compared["objects"]) == 8
    for value in PASSWORDS:
        assert value not in json.dumps(compared)


async def test_what_is_live_differs_by_what_somebody_did_and_not_by_what_the_cluster_assigned(
    running: Installation, two: str
) -> None:
    await edit(running, "Service", "staging-web", {"spec": {"sessionAffinity": "ClientIP"}})
    command = ("compare", "staging", "production", "--live", "--strip-prefix", "staging-", "-o", "json")
    compared = json.loads(said(await running.trueup(*command), code=1))
    told = {
        each["key"]["kind"]: {line["path"] for line in each["lines"] if line.get("path")}
        for each in compared["objects"]
        if each["only"] is None
    }
    assert set(told) == {"Deployment", "Secret", "Service"}
    assert told["Deployment"] == {"spec.replicas"}
    assert "spec.sessionAffinity" in told["Service"]
    assert not {path for path in told["Service"] if "clusterIP" in path or "nodePort" in path}
    assert told["Secret"] == {"data.password"}


async def test_applications_that_want_the_same_are_the_same(running: Installation, two: str) -> None:
    repository = await running.repository()
    await repository.push({"app/one.yaml": config_map("one", mood="calm")})
    for name, namespace in (("twin", running.delivered_to), ("other-twin", "elsewhere")):
        destination = {"server": "https://kubernetes.default.svc", "namespace": namespace}
        await running.apply(name, repository.url, destination=destination)
    assert said(await running.trueup("compare", "twin", "other-twin")) == ""


async def test_what_cannot_be_compared_is_an_error_with_the_way_out(running: Installation, two: str) -> None:
    assert "there is no Application nope" in refused(await running.trueup("compare", "staging", "nope"), code=2)
    assert "is one Application" in refused(
        await running.trueup("compare", "staging", f"{running.namespace}/staging"), code=2
    )
