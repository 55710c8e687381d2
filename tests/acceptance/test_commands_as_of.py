"""`trueup app as-of` says what was deployed at a moment and which incidents were open, or that no record tells."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest_asyncio

from tests.support.commands import refused, said
from tests.support.drift import edit, incident
from tests.support.product import STEP_SECONDS, Installation, config_map, is_synced
from tests.support.wait import wait_until
from trueup.domain.incident import Incident
from trueup.domain.moment import shown_moment


@dataclass(frozen=True)
class Story:
    """`harbour` was deployed at two revisions, drifted after the first, and keeps but two deployments."""

    revisions: tuple[str, ...]
    deployed_at: tuple[datetime, ...]
    incident: Incident
    url: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def story(running: Installation) -> Story:
    repository = await running.repository()
    await running.apply("harbour", repository.url, revisionHistoryLimit=2)
    revisions, deployed_at = [], []

    async def deploy(mood: str, **more: str | None) -> None:
        revision = await repository.push({"app/one.yaml": config_map("one", mood=mood), **more})
        said(await running.trueup("app", "sync", "harbour", "--prune"))
        raw = await running.until("harbour", is_synced(revision), "synced")
        revisions.append(revision)
        deployed_at.append(datetime.fromisoformat(raw["status"]["history"][-1]["deployedAt"]))

    await deploy("calm")
    await deploy("stormy", **{"app/two.yaml": config_map("two", lit="yes")})
    await incident(running, "harbour", lambda one: not one.is_open, "its deliveries are over")
    await running.all_watched()
    await edit(running, "ConfigMap", "one", {"data": {"mood": "wild"}}, manager="first-hand")
    await incident(running, "harbour", lambda one: one.is_open and one.cause == "Drift", "opened")
    await edit(running, "ConfigMap", "one", {"data": {"mood": "stormy"}}, manager="first-hand")
    over = await incident(running, "harbour", lambda one: one.ending == "Reverted", "taken back")
    # A history has whole seconds: only in the next one is a deployment told from what was before it.
    next_second = over.opened_at.replace(microsecond=0) + timedelta(seconds=1)
    await wait_until(lambda: datetime.now(UTC) >= next_second, STEP_SECONDS, "the next second")
    await deploy("still", **{"app/two.yaml": None})
    return Story(tuple(revisions), tuple(deployed_at), over, repository.url)


async def test_what_was_deployed_then_is_told_with_what_followed(running: Installation, story: Story) -> None:
    moment = story.incident.opened_at + timedelta(milliseconds=1)
    words = said(await running.trueup("app", "as-of", "harbour", moment.isoformat()))
    facts, *incidents = words.split("\n\n")
    about = {title: fact.strip() for title, _, fact in (line.partition(":") for line in facts.splitlines())}
    by = about["Deployed"].split(" by ")[1].split(" (")[0]
    assert about == {
        "Application": f"{running.namespace}/harbour",
        "As Of": f"{shown_moment(moment)} (UTC)",
        "Deployed": f"at {shown_moment(story.deployed_at[1])} by {by} (deployment 1)",
        "Source": f"{story.url} app at main",
        "Revision": story.revisions[1],
        "Followed By": f"{story.revisions[2]} at {shown_moment(story.deployed_at[2])} by {by}",
        "Incidents": "1 open",
    }
    table, recorded = incidents
    assert table.splitlines()[1].split()[0] == story.incident.name
    assert "first-hand" in table
    assert recorded.startswith(f"{story.incident.name}, as it was recorded last, at ")
    assert "mood" in recorded
    assert "wild" in recorded


async def test_with_a_diff_it_is_told_what_git_wants_now_and_did_not_then(running: Installation, story: Story) -> None:
    moment = shown_moment(story.deployed_at[1])
    words = said(await running.trueup("app", "as-of", "harbour", moment, "--diff"), code=1)
    assert "What Git wants now, against what was deployed then:\n" in words
    assert f"--- {running.namespace}/harbour as of {moment}\n+++ {running.namespace}/harbour now\n" in words
    lines = [line.rstrip() for line in words.splitlines() if line.startswith(("+  ", "-  "))]
    assert [line for line in lines if "mood" in line] == ["-   mood: stormy", "+   mood: still"]
    assert f"===== ConfigMap two is only in {running.namespace}/harbour as of {moment}" in words
    same = said(await running.trueup("app", "as-of", "harbour", "now", "--diff"))
    assert same.endswith("What Git wants now, against what was deployed then: the same.\n")


async def test_then_is_rendered_from_the_source_that_was_deployed_then(running: Installation, story: Story) -> None:
    repository = await running.repository()
    first = await repository.push({"old/one.yaml": config_map("moved", at="old")})
    await running.apply("mover", repository.url, path="old")
    said(await running.trueup("app", "sync", "mover"))
    raw = await running.until("mover", is_synced(first), "synced")
    moment = raw["status"]["history"][-1]["deployedAt"]
    await repository.push({"old/one.yaml": None, "new/one.yaml": config_map("moved", at="new")})
    await running.patch("mover", {"spec": {"source": {"path": "new"}}})
    told = json.loads(said(await running.trueup("app", "as-of", "mover", moment, "--diff", "-o", "json"), code=1))
    assert [source["path"] for source in told["deployed"]["sources"]] == ["old"]
    assert [source["revision"] for source in told["deployed"]["sources"]] == [first]
    (view,) = told["diff"]
    assert [(line["live"], line["git"]) for line in view["lines"] if line.get("path") == "data.at"] == [
        ("at: old", "at: new")
    ]


async def test_what_no_record_tells_is_said_to_be_unknown(running: Installation, story: Story) -> None:
    raw = await running.application("harbour")
    assert raw is not None
    created = datetime.fromisoformat(raw["metadata"]["creationTimestamp"])
    begins = f"the history begins at {shown_moment(story.deployed_at[1])}"
    if story.deployed_at[1] > created:
        told = json.loads(said(await running.trueup("app", "as-of", "harbour", created.isoformat(), "-o", "json")))
        assert (told["deployed"], told["unknown"]) == (None, begins)
        assert refused(await running.trueup("app", "as-of", "harbour", created.isoformat(), "--diff"), code=2).endswith(
            f"cannot be compared: unknown: {begins}"
        )
    words = said(await running.trueup("app", "as-of", "harbour", "1 day ago"))
    assert f"Deployed:       nothing: the Application was created at {shown_moment(created)}\n" in words


async def test_a_moment_that_can_be_read_in_two_ways_is_refused(running: Installation, story: Story) -> None:
    sentence = refused(await running.trueup("app", "as-of", "harbour", "yesterday"))
    assert "write 2026-01-31T14:00:00Z" in sentence
    assert "lies ahead" in refused(await running.trueup("app", "as-of", "harbour", "2999-01-01"))
    assert "there is no Application nope" in refused(await running.trueup("app", "as-of", "nope", "now"))
