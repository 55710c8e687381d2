"""`trueup app list` and `get` say what the Applications say of themselves, to people and to programs."""

from __future__ import annotations

import json

import pytest_asyncio
import yaml

from tests.support.commands import refused, said
from tests.support.product import Installation, Repo, config_map, is_synced, sync_status
from trueup.domain.application import REFRESH_ANNOTATION


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fleet(running: Installation) -> Repo:
    """Three compared applications: `harbour` and `pier` of one repository, `buoy` of another one."""
    repository, other = await running.repository(), await running.repository()
    first = await repository.push(
        {"harbour/one.yaml": config_map("harbour-one", at="dawn"), "pier/one.yaml": config_map("pier-one", at="dawn")}
    )
    await other.push({"app/one.yaml": config_map("buoy-one", at="dawn")})
    await running.apply("harbour", repository.url, path="harbour", syncPolicy={"automated": {}})
    await running.apply("pier", repository.url, path="pier", syncPolicy={"automated": {"prune": True}})
    await running.apply("buoy", other.url)
    await running.patch("harbour", {"metadata": {"labels": {"team": "sea"}}})
    for name in ("harbour", "pier"):
        await running.until(name, is_synced(first), "synced")
    await running.until("buoy", lambda raw: sync_status(raw) == "OutOfSync", "compared")
    return repository


async def test_list_shows_each_application_in_full_whatever_the_width(running: Installation, fleet: Repo) -> None:
    lines = said(await running.trueup("app", "list", COLUMNS="40")).splitlines()
    header, buoy, harbour, pier = (line.split() for line in lines)
    assert header[:4] == ["NAME", "CLUSTER", "NAMESPACE", "PROJECT"]
    columns = dict(zip(header, harbour, strict=True))
    assert columns == {
        "NAME": f"{running.namespace}/harbour",
        "CLUSTER": "https://kubernetes.default.svc",
        "NAMESPACE": running.delivered_to,
        "PROJECT": "default",
        "STATUS": "Synced",
        "HEALTH": "Healthy",
        "SYNCPOLICY": "Auto",
        "CONDITIONS": "<none>",
        "REPO": fleet.url,
        "PATH": "harbour",
        "TARGET": "main",
    }
    assert (buoy[0], buoy[4], buoy[6]) == (f"{running.namespace}/buoy", "OutOfSync", "Manual")
    assert (pier[4], pier[6]) == ("Synced", "Auto-Prune")


async def test_list_filters_as_argocd_does(running: Installation, fleet: Repo) -> None:
    async def names(*arguments: str) -> list[str]:
        lines = said(await running.trueup("app", "list", "-o", "name", *arguments)).splitlines()
        return [line.removeprefix(f"{running.namespace}/") for line in lines]

    assert await names() == ["buoy", "harbour", "pier"]
    assert await names("-l", "team=sea") == ["harbour"]
    assert await names("-r", fleet.url.removesuffix(".git")) == ["harbour", "pier"]
    assert await names("-r", fleet.url, "-P", "pier") == ["pier"]
    assert await names("-p", "default", "-p", "other", "-c", "https://kubernetes.default.svc") == [
        "buoy",
        "harbour",
        "pier",
    ]
    assert await names("-p", "other") == []
    assert await names("-N", running.delivered_to) == []


async def test_list_and_get_give_whole_objects_to_programs(running: Installation, fleet: Repo) -> None:
    listed = json.loads(said(await running.trueup("app", "list", "-o", "json")))
    assert [raw["metadata"]["name"] for raw in listed] == ["buoy", "harbour", "pier"]
    assert yaml.safe_load(said(await running.trueup("app", "list", "-o", "yaml"))) == listed
    got = json.loads(said(await running.trueup("app", "get", "pier", "-o", "json")))
    assert (got["kind"], got["metadata"]["name"], got["status"]["sync"]["status"]) == ("Application", "pier", "Synced")
    assert got["spec"] == listed[2]["spec"]
    assert yaml.safe_load(said(await running.trueup("app", "get", "pier", "-o", "yaml")))["spec"] == got["spec"]


async def test_get_describes_an_application_and_each_of_its_objects(running: Installation, fleet: Repo) -> None:
    words = said(await running.trueup("app", "get", f"{running.namespace}/harbour"))
    facts = dict(line.split(":", 1) for line in words.split("\n\n")[0].splitlines())
    assert {name: facts[name].strip() for name in ("Name", "Repo", "Path", "Sync Policy")} == {
        "Name": f"{running.namespace}/harbour",
        "Repo": fleet.url,
        "Path": "harbour",
        "Sync Policy": "Auto",
    }
    assert facts["Sync Status"].strip().startswith("Synced (")
    row = words.split("\n\n")[1].splitlines()[1].split()
    assert row == ["ConfigMap", running.delivered_to, "harbour-one", "Synced"]


async def test_a_refresh_compares_anew_and_takes_its_annotation_away(running: Installation, fleet: Repo) -> None:
    for flag in ("--refresh", "--hard-refresh"):
        resource = await running.cluster.resource("", "ConfigMap")
        await running.cluster.merge_patch(
            resource, running.delivered_to, "harbour-one", {"data": {"at": flag}}, field_manager="by-hand"
        )
        got = json.loads(said(await running.trueup("app", "get", "harbour", flag, "-o", "json")))
        assert got["status"]["sync"]["status"] == "OutOfSync", "what was edited meanwhile is seen"
        assert REFRESH_ANNOTATION not in (got["metadata"].get("annotations") or {})
        await running.trueup("app", "sync", "harbour")
    assert is_synced(got["status"]["sync"]["revision"])(await running.application("harbour") or {})


async def test_what_is_not_there_is_named(running: Installation, fleet: Repo) -> None:
    assert f"there is no Application nope in namespace {running.namespace};" in refused(
        await running.trueup("app", "get", "nope")
    )
    assert "no Application harbour in namespace elsewhere;" in refused(
        await running.trueup("app", "get", "elsewhere/harbour")
    )
    assert "no Application harbour in namespace elsewhere;" in refused(
        await running.trueup("app", "get", "harbour", "-N", "elsewhere")
    )
    assert "'a/b/c' names no Application" in refused(await running.trueup("app", "get", "a/b/c"))
    assert "unable to parse requirement" in refused(await running.trueup("app", "list", "-l", "!!"))


async def test_a_refresh_that_nobody_answers_ends_in_time(trueup: Installation) -> None:
    repository = await trueup.repository()
    await repository.push({"app/one.yaml": config_map("one", at="dawn")})
    await trueup.apply("harbour", repository.url)
    sentence = refused(await trueup.trueup("app", "get", "harbour", "--refresh", "--timeout", "1"))
    assert sentence.endswith("was not refreshed within 1 s; is a worker running?")
