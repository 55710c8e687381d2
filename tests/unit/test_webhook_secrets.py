from __future__ import annotations

import base64
from typing import Any

from service.webhook_secrets import WebhookSecrets

GITHUB = "webhook.github.secret"


def secret(**values: bytes) -> dict[str, Any]:
    return {"data": {name.replace("_", "."): base64.b64encode(value).decode() for name, value in values.items()}}


def known(body: dict[str, Any] | None, *, tried_max: int = 20) -> list[bytes]:
    secrets = WebhookSecrets(webhook_secrets_tried_max=tried_max)
    secrets.observe(None, body)
    return list(secrets.of(GITHUB))


def test_value_is_taken_byte_for_byte() -> None:
    assert known(secret(webhook_github_secret=b" s\xff\n")) == [b" s\xff\n"]


def test_other_hosts_and_other_keys_do_not_count() -> None:
    assert known(secret(webhook_gitlab_secret=b"a", webhook_github_secrets=b"b", server_secretkey=b"c")) == []


def test_several_stand_side_by_side_up_to_the_bound() -> None:
    body = secret(webhook_github_secret=b"a", webhook_github_secret_1=b"b", webhook_github_secret_2=b"c")
    assert known(body) == [b"a", b"b", b"c"]
    assert known(body, tried_max=2) == [b"a", b"b"]


def test_nothing_is_known_before_the_secret_is_there_and_after_it_is_gone() -> None:
    secrets = WebhookSecrets(webhook_secrets_tried_max=20)
    assert list(secrets.of(GITHUB)) == []
    body = secret(webhook_github_secret=b"a")
    secrets.observe(None, body)
    secrets.observe(body, None)
    assert list(secrets.of(GITHUB)) == []


def test_empty_and_broken_values_are_none() -> None:
    assert known({"data": {GITHUB: ""}}) == []
    assert known({"data": {GITHUB: "not base64!"}}) == []
    assert known({"data": {GITHUB: 7}}) == []
    assert known({"data": None}) == []


def test_reference_is_followed_in_the_same_secret_and_never_taken_literally() -> None:
    assert known(secret(webhook_github_secret=b"$mine", mine=b"a")) == [b"a"]
    assert known(secret(webhook_github_secret=b"$other-secret:key")) == []
    assert known(secret(webhook_github_secret=b"$mine", mine=b"$again", again=b"a")) == []
