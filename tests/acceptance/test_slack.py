"""Slack is told of each incident once, truly, and has no say in when anything is synced."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.bad_input import fresh
from tests.support.drift import HEALING, edit, incident, is_healed
from tests.support.fixtures import in_own_task
from tests.support.product import AUTOMATED, Installation, config_map, installation, is_synced, sync_status
from tests.support.sandbox import SandboxFacts
from tests.support.slack import slack
from trueup.clients.cluster import Cluster
from trueup.sandbox import SlackServer, render_text

__all__ = ["slack"]

SECONDS = 30.0


@pytest_asyncio.fixture(loop_scope="session")
async def told(
    sandbox: SandboxFacts, cluster: Cluster, valkey_url: str, tmp_path: Path, slack: SlackServer
) -> AsyncIterator[Installation]:
    settings = {
        "TRUEUP_SLACK_TOKEN": slack.token,
        "TRUEUP_SLACK_CHANNEL": slack.channel,
        "TRUEUP_SLACK_API_URL": slack.url,
        "TRUEUP_SLACK_SETTLE_SECONDS": "0.3",
        "TRUEUP_SLACK_RETRY_SECONDS_MAX": "1",
        "TRUEUP_SLACK_REQUEST_SECONDS_MAX": "2",
        "TRUEUP_SLACK_CLAIM_SECONDS": "3",
    }
    async with in_own_task(installation(sandbox, cluster, tmp_path, valkey_url, **settings)) as place:
        await place.start_both()
        yield place


async def delivered(told: Installation, **policy: object) -> tuple[str, str, str]:
    repository, name, one = await told.repository(), fresh("app"), fresh("one")
    revision = await repository.push({"app/one.yaml": config_map(one, mood="calm")})
    await told.apply(name, repository.url, syncPolicy=policy or AUTOMATED)
    await told.until(name, is_synced(revision), "synced")
    await told.at_rest()
    return name, one, revision


def says(server: SlackServer, *words: str) -> bool:
    shown = [render_text(message) for message in server.messages.values()]
    return len(shown) == 1 and all(word in shown[0] for word in words)


async def test_drift_that_waits_for_a_person_is_one_message_from_its_opening_to_its_end(
    told: Installation, slack: SlackServer
) -> None:
    name, one, revision = await delivered(told)
    assert not slack.messages, "a push that was delivered at once is no news"
    await edit(told, "ConfigMap", one, {"data": {"mood": "stormy <!channel>"}}, manager="kubectl-edit")
    await slack.until(lambda s: says(s, f"{name} drifted", "- stormy <!channel>", "+ calm", "kubectl-edit"), SECONDS)
    raw = next(iter(slack.messages.values())).blocks
    assert "<!channel>" not in str(raw), "nobody can be called by a value"
    await edit(told, "ConfigMap", one, {"data": {"mood": "foggy"}}, manager="somebody-else")
    await slack.until(lambda s: says(s, "- foggy", "somebody-else", f"trueup app sync {name}"), SECONDS)
    await told.patch(name, {"operation": {"sync": {}}})
    await told.until(name, is_synced(revision), "synced")
    await slack.until(lambda s: says(s, f"{name} is Synced again", "put right by a sync"), SECONDS)


async def test_drift_that_is_healed_at_once_is_one_message_that_says_so(told: Installation, slack: SlackServer) -> None:
    name, one, revision = await delivered(told, **HEALING)
    await edit(told, "ConfigMap", one, {"data": {"mood": "stormy"}})
    await told.until(name, is_healed(revision), "healed")
    await slack.until(lambda s: says(s, f"{name} is Synced again", "healed by self-heal", "- stormy"), SECONDS)
    assert next(iter(slack.messages.values())).edits == 0, "it was over before it was told"


async def test_a_429_is_waited_for_and_nothing_is_said_twice(told: Installation, slack: SlackServer) -> None:
    name, one, _ = await delivered(told)
    slack.calls_in_row_max, slack.retry_after_seconds = 0, 2
    await edit(told, "ConfigMap", one, {"data": {"mood": "stormy"}})
    await slack.until(lambda s: s.calls >= 1, SECONDS)
    slack.calls_in_row_max = None
    await slack.until(lambda s: says(s, f"{name} drifted"), SECONDS)
    assert slack.hasty_calls == 0


@pytest.mark.parametrize("fault", ["hang", "500", "garbage"])
async def test_a_slack_that_is_away_holds_up_no_sync_and_is_told_later(
    told: Installation, slack: SlackServer, fault: str
) -> None:
    name, one, revision = await delivered(told, **HEALING)
    slack.faults = [fault] * 2  # type: ignore[list-item]
    await edit(told, "ConfigMap", one, {"data": {"mood": "stormy"}})
    await told.until(name, is_healed(revision), "healed all the same")
    await slack.until(lambda s: says(s, "healed by self-heal"), SECONDS)
    assert slack.faults == []
    assert slack.token not in told.log("worker").read_text()


async def test_a_worker_that_is_killed_before_it_told_is_replaced_by_one_that_tells(
    told: Installation, slack: SlackServer
) -> None:
    name, one, _ = await delivered(told)
    slack.faults = ["hang"]
    await edit(told, "ConfigMap", one, {"data": {"mood": "stormy"}})
    await slack.until(lambda s: s.calls == 1, SECONDS)
    await told.kill("worker")
    await told.start("worker")
    await slack.until(lambda s: says(s, f"{name} drifted"), SECONDS)
    await incident(told, name, lambda one: one.message is not None, "it is on record what was said")
    await told.stop()
    await told.start_both()
    await edit(told, "ConfigMap", one, {"data": {"mood": "calm"}})
    await told.until(name, lambda raw: sync_status(raw) == "Synced", "taken back")
    await slack.until(lambda s: says(s, "taken back by hand"), SECONDS)


async def test_two_workers_tell_once(told: Installation, slack: SlackServer) -> None:
    directory = told.directory / "second"
    directory.mkdir()
    child = await told.start("worker", wait=False, TRUEUP_DATA_DIR=str(directory))
    try:
        for _ in range(3):
            name, one, _ = await delivered(told)
            before = len(slack.messages)
            await edit(told, "ConfigMap", one, {"data": {"mood": "stormy"}})
            found = await incident(told, name, lambda one: one.message is not None, "told")
            assert found.message is not None
            assert found.message.id in slack.messages
            assert len(slack.messages) == before + 1
    finally:
        await child.terminate(grace_seconds=15)


async def test_a_wrong_token_is_named_in_the_log_and_is_not_in_it(told: Installation, slack: SlackServer) -> None:
    _, one, _ = await delivered(told)
    slack.refusal = "invalid_auth"
    await edit(told, "ConfigMap", one, {"data": {"mood": "stormy"}})
    await slack.until(lambda s: s.calls >= 2, SECONDS)
    log = told.log("worker").read_text()
    assert "invalid_auth; put the bot's token" in log
    assert slack.token not in log
    slack.refusal = ""
    await slack.until(lambda s: len(s.messages) == 1, SECONDS)
