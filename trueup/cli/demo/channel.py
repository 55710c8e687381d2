"""What the channel shows: of each application one message, however often it drifts and is put right."""

from __future__ import annotations

from collections.abc import Callable

from trueup.cli.demo.watch import STEP_SECONDS_MAX
from trueup.domain.errors import StalledError
from trueup.sandbox import ChannelMessage, SlackServer, render_text


async def told(slack: SlackServer, application: str, news: str, *, by: str = "") -> ChannelMessage:
    """The message about the application, once it says so; StalledError when it never does or is not the only one.

    With `by` it has to name whoever that is, too.
    """

    def about_it(server: SlackServer) -> list[ChannelMessage]:
        return [message for message in server.messages.values() if application in message.text]

    try:
        await slack.until(
            lambda server: any(news in message.text and by in render_text(message) for message in about_it(server)),
            STEP_SECONDS_MAX,
        )
    except TimeoutError:
        raise StalledError(f"the demo waited {STEP_SECONDS_MAX:.0f} s in vain until Slack said: {news}") from None
    message, *others = about_it(slack)
    if others:
        raise StalledError(f"Slack was told of {application} {1 + len(others)} times; once was promised")
    return message


async def relay(slack: SlackServer, say: Callable[[str], None]) -> None:
    """Say what every message that comes or changes from now on tells in short; until cancelled."""
    said = {message.ts: message.edits for message in slack.messages.values()}

    def news(server: SlackServer) -> list[ChannelMessage]:
        return [message for message in server.messages.values() if said.get(message.ts) != message.edits]

    while True:
        await slack.until(lambda server: bool(news(server)), None)
        for message in news(slack):
            said[message.ts] = message.edits
            say(message.text)
