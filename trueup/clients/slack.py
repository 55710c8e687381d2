"""One Slack channel, through the Web API: `chat.postMessage` and `chat.update`.

Errors are Slack's own words (https://docs.slack.dev/reference/methods/chat.postMessage), each with the
way out; the token is in none of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from trueup.domain.errors import StalledError, TransientError

CONNECTIONS_MAX = 2
AWAY_SECONDS = 5.0
_WAYS_OUT = {
    "invalid_auth": "put the bot's token (xoxb-…) into TRUEUP_SLACK_TOKEN",
    "not_authed": "put the bot's token (xoxb-…) into TRUEUP_SLACK_TOKEN",
    "token_revoked": "install the app anew and use its new token",
    "account_inactive": "install the app anew and use its new token",
    "missing_scope": "give the app the scope chat:write, and install it anew",
    "channel_not_found": "correct TRUEUP_SLACK_CHANNEL, or invite the app into the channel",
    "not_in_channel": "invite the app into the channel",
    "is_archived": "choose a channel that is not archived",
}
#: Beside those above: what Slack answers to every message alike.
_CHANNEL_WIDE = frozenset(
    {
        "access_denied",
        "accesslimited",
        "deprecated_endpoint",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "messages_tab_disabled",
        "method_deprecated",
        "no_permission",
        "not_allowed_token_type",
        "org_login_required",
        "restricted_action",
        "restricted_action_non_threadable_channel",
        "restricted_action_read_only_channel",
        "team_access_not_granted",
        "team_added_to_org",
        "token_expired",
        "two_factor_setup_required",
        "unknown_method",
    }
)
_MESSAGE_IS_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
_PASSING = frozenset({"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable"})


class MessageGoneError(StalledError):
    """The message cannot be changed any more: somebody has deleted it, or its time is over."""


class ChannelRefusedError(StalledError):
    """No message gets into the channel until somebody changes the token, the app or the channel."""


class SlackChannel:
    """To be used as an async context manager."""

    def __init__(self, *, token: str, channel: str, api_url: str, request_seconds_max: float) -> None:
        self.channel = channel
        self._token = token
        self._api_url = api_url
        self._seconds_max = request_seconds_max

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
            timeout=aiohttp.ClientTimeout(total=self._seconds_max),
            trust_env=True,
        )
        # Retries are the caller's, who knows what has changed meanwhile.
        self._client = AsyncWebClient(
            token=self._token,
            base_url=self._api_url.rstrip("/") + "/",
            session=self._session,
            retry_handlers=[],
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(self, text: str, blocks: Sequence[dict[str, Any]]) -> tuple[str, str]:
        """A new message: the channel's id and the message's, which `update` takes.

        Raises ChannelRefusedError where no other message would be taken either, another StalledError
        where it is this one that Slack does not take.
        """
        answer = await self._call("chat.postMessage", channel=self.channel, text=text, blocks=list(blocks))
        return str(answer.get("channel") or self.channel), str(answer.get("ts") or "")

    async def update(self, channel: str, message: str, text: str, blocks: Sequence[dict[str, Any]]) -> None:
        """Change a message. Raises MessageGoneError where that cannot be done any more."""
        await self._call("chat.update", channel=channel, ts=message, text=text, blocks=list(blocks))

    async def _call(self, method: str, **body: Any) -> dict[str, Any]:
        unfurl = {"unfurl_links": False, "unfurl_media": False} if method == "chat.postMessage" else {}
        try:
            async with asyncio.timeout(self._seconds_max):
                answer = await self._client.api_call(method, json={**body, **unfurl})
        except SlackApiError as error:
            raise _understood(method, error) from error
        except TimeoutError as error:
            text = f"Slack did not answer {method} within {self._seconds_max:g} s"
            raise TransientError(text, retry_after_seconds=AWAY_SECONDS) from error
        except (SlackClientError, aiohttp.ClientError, OSError, ValueError) as error:
            text = f"Slack is away ({method}: {type(error).__name__})"
            raise TransientError(text, retry_after_seconds=AWAY_SECONDS) from error
        if not isinstance(answer.data, dict):
            raise TransientError(f"Slack's answer to {method} is not readable", retry_after_seconds=AWAY_SECONDS)
        return answer.data


def _understood(method: str, error: SlackApiError) -> TransientError | StalledError:
    response = error.response
    status = int(getattr(response, "status_code", 0) or 0)
    data = getattr(response, "data", None)
    code = str(data.get("error") or "") if isinstance(data, dict) else ""
    if status == 429 or code in ("ratelimited", "rate_limited"):
        seconds = _retry_after(getattr(response, "headers", {}))
        return TransientError(f"Slack asks to wait {seconds:g} s before the next {method}", retry_after_seconds=seconds)
    if status >= 500 or code in _PASSING or not code:
        return TransientError(f"Slack answered {method} with status {status}", retry_after_seconds=AWAY_SECONDS)
    if code in _MESSAGE_IS_GONE:
        return MessageGoneError(f"Slack answered {method}: {code}")
    way_out = _WAYS_OUT.get(code)
    text = f"Slack answered {method}: {code[:100]}" + (f"; {way_out}" if way_out else "")
    return ChannelRefusedError(text) if way_out or code in _CHANNEL_WIDE else StalledError(text)


def _retry_after(headers: Any) -> float:
    for name, value in dict(headers).items():
        if str(name).lower() == "retry-after":
            try:
                return max(1.0, float(value))
            except ValueError:
                break
    return AWAY_SECONDS
