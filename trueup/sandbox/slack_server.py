"""A channel as Slack's Web API serves it: `chat.postMessage`, `chat.update` and `auth.test`, on loopback.

It checks what Slack checks (token, channel, the limits of Block Kit, the rate) and answers as Slack
answers (https://docs.slack.dev/apis/web-api), so that a client which gets along with it gets along
with Slack. What it was told is kept in order, for tests and for the demo to read.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Literal

from aiohttp import web

from trueup.sandbox.ports import ADDRESS

BODY_BYTES_MAX = 1024 * 1024
BLOCKS_MAX = 50
HEADER_CHARS_MAX = 150
SECTION_CHARS_MAX = 3_000
FIELD_CHARS_MAX = 2_000
FIELDS_MAX = 10
#: Slack names no figure; people were refused from about 12,000 characters on (slackapi/bolt-js#2509).
MESSAGE_CHARS_MAX = 12_000
SHUTDOWN_SECONDS_MAX = 0.5

Fault = Literal["hang", "500", "garbage", "lost"]


@dataclass(slots=True)
class ChannelMessage:
    """A message as it stands now."""

    ts: str
    text: str
    blocks: list[dict[str, Any]]
    #: How often it was changed.
    edits: int = 0


@dataclass(slots=True)
class SlackServer:
    """One workspace with one channel."""

    token: str
    channel: str
    #: Calls let through at once before 429; None lets all through.
    calls_in_row_max: int | None = None
    retry_after_seconds: int = 1
    url: str = ""
    messages: dict[str, ChannelMessage] = field(default_factory=dict)
    #: Answers to give instead of the next calls, in their order. `lost` does as asked and drops the line.
    faults: list[Fault] = field(default_factory=list)
    #: Slack's word for what is wrong with every call; empty where nothing is.
    refusal: str = ""
    #: A word that no message may have; empty allows all.
    taboo: str = ""
    #: While it is not set, calls are counted and wait.
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    calls: int = 0
    #: Calls that came before the time that a 429 had named.
    hasty_calls: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _closed_until: float = 0.0
    _calls_in_row: int = 0
    _ids: int = 0

    async def until(self, holds: Callable[[SlackServer], bool], seconds: float | None) -> None:
        """Wait until it holds; TimeoutError after so many seconds, never with None."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: holds(self))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One call of the Web API."""
        async with self._changed:
            self.calls += 1
            self._changed.notify_all()
        await self.gate.wait()
        if (throttled := self._throttled()) is not None:
            return throttled
        fault = self.faults.pop(0) if self.faults else None
        if fault == "hang":
            await asyncio.Event().wait()
        if fault == "500":
            return web.Response(status=500, text="no such luck")
        if fault == "garbage":
            return web.Response(text="<html>", content_type="application/json")
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _refused("invalid_auth")
        if self.refusal:
            return _refused(self.refusal)
        async with self._changed:
            answer = self._call(request.match_info["method"], await request.json())
            self._changed.notify_all()
        if fault == "lost" and request.transport is not None:
            request.transport.abort()
        return answer

    def _throttled(self) -> web.Response | None:
        now = monotonic()
        if now < self._closed_until:
            self.hasty_calls += 1
        elif self.calls_in_row_max is None or self._calls_in_row < self.calls_in_row_max:
            self._calls_in_row += 1
            return None
        else:
            self._calls_in_row = 0
            self._closed_until = now + self.retry_after_seconds
        headers = {"Retry-After": str(self.retry_after_seconds)}
        return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)

    def _call(self, method: str, body: dict[str, Any]) -> web.Response:
        if method == "auth.test":
            return web.json_response({"ok": True, "team": "sandbox"})
        if method not in ("chat.postMessage", "chat.update"):
            return _refused("unknown_method")
        faults = {
            "channel_not_found": body.get("channel") != self.channel,
            "no_text": not body.get("text") and not body.get("blocks"),
            "invalid_blocks": bool(self.taboo) and self.taboo in str(body.get("text")),
        }
        error = next((name for name, holds in faults.items() if holds), "") or refusal_of(body.get("blocks") or [])
        if error:
            return _refused(error)
        if method == "chat.postMessage":
            self._ids += 1
            message = ChannelMessage(f"1700000000.{self._ids:06}", "", [])
            self.messages[message.ts] = message
        else:
            found = self.messages.get(str(body.get("ts")))
            if found is None:
                return _refused("message_not_found")
            message = found
            message.edits += 1
        message.text, message.blocks = str(body.get("text") or ""), body.get("blocks") or []
        return web.json_response({"ok": True, "channel": self.channel, "ts": message.ts})


def render_text(message: ChannelMessage) -> str:
    """What a person sees of the message, as plain lines."""
    lines: list[str] = []
    for block in message.blocks:
        if block["type"] == "header":
            lines.append(block["text"]["text"])
        elif "fields" in block:
            lines.append("   ".join(text["text"].replace("\n", " ") for text in block["fields"]))
        elif block["type"] == "section":
            lines += block["text"]["text"].splitlines()
        else:
            lines += [element["text"] for element in block.get("elements", ())]
    text = "\n".join(lines).replace("```", "").replace("*", "")
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@asynccontextmanager
async def slack_server(**more: Any) -> AsyncIterator[SlackServer]:
    """The server, until the block ends; `more` are members of SlackServer."""
    server = SlackServer(**{"token": f"xoxb-{secrets.token_hex(12)}", "channel": "C0HARBOUR", **more})
    server.gate.set()
    application = web.Application(client_max_size=BODY_BYTES_MAX)
    application.router.add_post("/api/{method}", server.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS_MAX)
    await runner.setup()
    try:
        await web.TCPSite(runner, ADDRESS, 0).start()
        server.url = f"http://{ADDRESS}:{runner.addresses[0][1]}/api/"
        yield server
    finally:
        await runner.cleanup()


def _refused(error: str) -> web.Response:
    return web.json_response({"ok": False, "error": error})


def refusal_of(blocks: list[dict[str, Any]]) -> str:
    """Slack's word for what is wrong with the blocks; empty where nothing is."""
    if len(blocks) > BLOCKS_MAX or not all(_is_valid(block) for block in blocks):
        return "invalid_blocks"
    return "msg_blocks_too_long" if len(json.dumps(blocks)) > MESSAGE_CHARS_MAX else ""


def _is_valid(block: dict[str, Any]) -> bool:
    match block.get("type"):
        case "header":
            return _fits(block.get("text"), HEADER_CHARS_MAX, "plain_text")
        case "section":
            fields = block.get("fields")
            if fields is not None:
                return 0 < len(fields) <= FIELDS_MAX and all(_fits(text, FIELD_CHARS_MAX) for text in fields)
            return _fits(block.get("text"), SECTION_CHARS_MAX)
        case "context":
            return bool(block.get("elements")) and all(_fits(text, SECTION_CHARS_MAX) for text in block["elements"])
    return False


def _fits(text: Any, chars_max: int, kind: str = "mrkdwn") -> bool:
    return isinstance(text, dict) and text.get("type") == kind and 0 < len(text.get("text") or "") <= chars_max
