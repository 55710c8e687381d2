"""The demo claims of a channel only what it shows."""

from __future__ import annotations

import pytest

from trueup.cli.demo.channel import told
from trueup.clients.slack import SlackChannel
from trueup.domain.errors import StalledError
from trueup.sandbox import slack_server


async def test_a_second_message_about_an_application_ends_the_story() -> None:
    async with (
        slack_server() as slack,
        SlackChannel(token=slack.token, channel=slack.channel, api_url=slack.url, request_seconds_max=5.0) as channel,
    ):
        await channel.post("tides drifted from Git", ())
        await channel.post("lighthouse drifted from Git", ())
        assert (await told(slack, "tides", "drifted")).text == "tides drifted from Git"
        await channel.post("tides is Synced again", ())
        with pytest.raises(StalledError, match="told of tides 2 times"):
            await told(slack, "tides", "Synced again")
