"""Deliveries that are made or recorded here."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.webhooks.detect import PROVIDERS
from service.webhooks.event import Headers, PushEvent
from tests.support.github import SECRET, delivery, push_of
from trueup.domain.errors import StalledError
from trueup.domain.webhook_delivery import Delivery, parse_recording, proved, sample_push

ID = UUID(int=7)
URL = "https://git.example.com/acme/deploy.git"


@pytest.mark.parametrize("provider", ["github", "gitlab", "gitea", "forgejo"])
def test_a_sample_is_a_genuine_push_to_the_repository(provider: str) -> None:
    made = sample_push(provider, URL, SECRET, delivery_id=ID)
    event = PROVIDERS[provider].parse(Headers(made.headers.items()), made.body, [SECRET])
    assert isinstance(event, PushEvent)
    assert URL in event.repository_urls
    assert [change.ref for change in event.changes] == ["refs/heads/main"]


@pytest.mark.parametrize("provider", ["github", "gitlab", "gitea", "forgejo"])
def test_another_proof_takes_the_place_of_the_first(provider: str) -> None:
    first = sample_push(provider, URL, b"old", delivery_id=ID)
    second = proved(provider, first, b"new")
    assert second == sample_push(provider, URL, b"new", delivery_id=ID)
    assert second.headers.keys() == first.headers.keys()


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_recording_is_read_to_the_last_byte(newline: str) -> None:
    body = push_of(URL) + b"\n\r\n\n\x00\xff"
    headers = delivery(body)
    lines = ["POST /api/webhook HTTP/1.1", "Host: trueup.example", "Content-Length: 7"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    found = parse_recording((newline.join(lines) + newline * 2).encode() + body)
    assert found == Delivery(headers, body)


@pytest.mark.parametrize("text", [b"", b"\n", b"no header\n\nbody", b"A: b", b"A: b\n", b": b\n\n", b"A: \x01\n\n"])
def test_what_is_no_recording_is_named(text: bytes) -> None:
    with pytest.raises(StalledError, match="recording"):
        parse_recording(text)


@given(st.binary(max_size=200) | st.text("aA:-\r\n \x00é", max_size=60).map(str.encode))
def test_any_file_is_a_recording_or_named(text: bytes) -> None:
    try:
        found = parse_recording(text)
    except StalledError:
        return
    assert text.endswith(found.body)
    assert all("\n" not in value and "\r" not in value for value in found.headers.values())
