from __future__ import annotations

import hmac
import json
from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.webhooks.event import (
    Headers,
    Ignored,
    MalformedError,
    Move,
    Ping,
    PushEvent,
    RefChange,
    UnauthorizedError,
    WebhookEvent,
)
from service.webhooks.github import parse
from tests.support.arbitrary import HEADER_TEXT, JSON, paths, replaced
from tests.support.github import SECRET, delivery, sample, sign

OTHER = b"the secret of another repository"
FORM = "application/x-www-form-urlencoded"


def deliver(body: bytes, secrets: tuple[bytes, ...] = (SECRET,), **changed: str) -> WebhookEvent:
    headers = delivery(body) | {name.replace("_", "-"): value for name, value in changed.items()}
    return parse(Headers(headers.items()), body, secrets)


def dumps(document: object) -> bytes:
    return json.dumps(document).encode()


def test_push_names_the_repository_and_the_ref() -> None:
    event = deliver(dumps(sample("push")))
    assert event == PushEvent(
        provider="github",
        repository_urls=(
            "https://github.com/acme/deploy.git",
            "git@github.com:acme/deploy.git",
            "https://github.com/acme/deploy",
        ),
        changes=(
            RefChange(
                ref="refs/heads/main",
                before="9049f1265b7d61be4a8904a9a27120d2064dab3b",
                after="0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c",
                move=Move.MOVED,
            ),
        ),
        delivery_id="72d3162e-cc78-11e3-81ab-4c9367dc0958",
    )


def test_push_of_a_tag_and_of_a_deleted_branch_are_pushes() -> None:
    tag, gone = deliver(dumps(sample("push_tag"))), deliver(dumps(sample("push_deleted")))
    assert isinstance(tag, PushEvent)
    assert [(change.ref, change.move) for change in tag.changes] == [("refs/tags/v1.4.0", Move.CREATED)]
    assert isinstance(gone, PushEvent)
    assert [change.move for change in gone.changes] == [Move.DELETED]


def test_ping_and_uninteresting_events_are_no_pushes() -> None:
    body = dumps(sample("ping"))
    assert deliver(body, X_GitHub_Event="ping") == Ping()
    assert isinstance(deliver(body, X_GitHub_Event="star"), Ignored)


def test_form_is_signed_as_it_came() -> None:
    body = urlencode({"payload": json.dumps(sample("push"))}).encode()
    event = deliver(body, Content_Type=f"{FORM}; charset=utf-8")
    assert isinstance(event, PushEvent)
    assert [change.ref for change in event.changes] == ["refs/heads/main"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"payload",
        b"payload=%ff",
        b"payload={}&payload={}",
        b"\xff\xfe",
        b"payload=%ED%A0%80",
        b"&".join(b"a=1" for _ in range(1000)),
    ],
)
def test_form_that_cannot_be_read_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError, match=r"form|payload"):
        deliver(body, Content_Type=FORM)


def test_form_that_is_not_utf8_inside_is_malformed_and_not_mended() -> None:
    body = urlencode({"payload": json.dumps(sample("push"))}).encode().replace(b"Ada", b"A%ffa", 1)
    with pytest.raises(MalformedError, match="percent-encoded"):
        deliver(body, Content_Type=FORM)


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data; boundary=x", "application/xml"])
def test_other_content_types_are_malformed(content_type: str) -> None:
    with pytest.raises(MalformedError, match="Content-Type"):
        deliver(dumps(sample("push")), Content_Type=content_type)


BODY = dumps(sample("push"))
GOOD = sign(BODY)


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "sha256=",
        GOOD[:-1],
        GOOD + "0",
        GOOD.removeprefix("sha256="),
        "sha256=" + GOOD.removeprefix("sha256=").upper(),
        GOOD.replace("sha256", "SHA256"),
        GOOD.replace("sha256", "sha1"),
        f" {GOOD}",
        f"{GOOD}, {GOOD}",
        sign(BODY, OTHER),
        sign(BODY + b" "),
        "sha256=é\udcff",
    ],
)
def test_wrong_signature_is_unauthorized(signature: str) -> None:
    with pytest.raises(UnauthorizedError):
        deliver(BODY, X_Hub_Signature_256=signature)


def test_signature_must_be_there_once() -> None:
    headers = delivery(BODY)
    pairs = list(headers.items())
    with pytest.raises(UnauthorizedError, match="2 times"):
        parse(Headers([*pairs, ("x-hub-signature-256", GOOD)]), BODY, [SECRET])
    without = [(name, value) for name, value in pairs if name != "X-Hub-Signature-256"]
    with pytest.raises(UnauthorizedError, match="missing"):
        parse(Headers(without), BODY, [SECRET])


def test_sha1_alone_is_unauthorized() -> None:
    headers = delivery(BODY)
    del headers["X-Hub-Signature-256"]
    headers["X-Hub-Signature"] = "sha1=" + hmac.digest(SECRET, BODY, "sha1").hex()
    with pytest.raises(UnauthorizedError, match="X-Hub-Signature-256"):
        parse(Headers(headers.items()), BODY, [SECRET])


@pytest.mark.parametrize("secrets", [(), (b"",)])
def test_without_a_secret_the_door_is_closed(secrets: tuple[bytes, ...]) -> None:
    with pytest.raises(UnauthorizedError, match="No webhook secret"):
        deliver(BODY, secrets, X_Hub_Signature_256=sign(BODY, b""))


def test_any_of_the_secrets_lets_in_so_that_they_can_be_rotated() -> None:
    assert isinstance(deliver(BODY, (OTHER, SECRET)), PushEvent)
    assert isinstance(deliver(BODY, (SECRET, OTHER)), PushEvent)


def test_header_names_come_in_any_case() -> None:
    headers = Headers((name.lower(), value) for name, value in delivery(BODY).items())
    assert isinstance(parse(headers, BODY, [SECRET]), PushEvent)


def test_repeated_event_header_is_malformed() -> None:
    pairs = [*delivery(BODY).items(), ("x-github-event", "ping")]
    with pytest.raises(MalformedError, match="X-GitHub-Event"):
        parse(Headers(pairs), BODY, [SECRET])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        b'{"ref": NaN}',
        b'{"ref": 1e999}',
        b'{"ref": "\\ud800"}',
        b'{"ref": "\xed\xa0\x80"}',
        b'{"ref":' + b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError):
        deliver(body)


def test_last_of_duplicate_keys_counts() -> None:
    body = BODY.replace(b'"ref":', b'"ref": 7, "ref":', 1)
    assert isinstance(deliver(body), PushEvent)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("ref", None),
        ("ref", ""),
        ("ref", ["refs/heads/main"]),
        ("before", 0),
        ("after", {}),
        ("deleted", "false"),
        ("deleted", 0),
        ("deleted", None),
        ("repository", None),
        ("repository", []),
        ("repository", "https://github.com/acme/deploy"),
        ("repository.clone_url", 7),
        ("repository.ssh_url", None),
        ("repository.html_url", ["https://github.com/acme/deploy"]),
    ],
)
def test_wrong_type_is_malformed_and_names_the_path(path: str, value: object) -> None:
    document = sample("push")
    *parents, last = path.split(".")
    target = document
    for name in parents:
        target = target[name]
    target[last] = value
    with pytest.raises(MalformedError, match=path.replace(".", r"\.")):
        deliver(dumps(document))


@pytest.mark.parametrize("path", ["ref", "repository"])
def test_missing_value_is_malformed_and_names_the_path(path: str) -> None:
    document = sample("push")
    del document[path]
    with pytest.raises(MalformedError, match=path):
        deliver(dumps(document))


def test_repository_without_any_address_is_malformed() -> None:
    with pytest.raises(MalformedError, match=r"repository\.clone_url"):
        deliver(dumps(sample("push") | {"repository": {"git_url": "git://github.com/acme/deploy.git"}}))


def test_shas_are_hints_and_what_is_no_sha_is_none() -> None:
    event = deliver(dumps(sample("push") | {"after": "--upload-pack=x", "before": "a" * 41}))
    assert isinstance(event, PushEvent)
    assert [(change.before, change.after) for change in event.changes] == [("", "")]


PUSH = sample("push")


@given(st.sampled_from(list(paths(PUSH))), JSON)
def test_any_value_anywhere_gives_an_event_or_malformed(path: tuple[str | int, ...], value: object) -> None:
    body = json.dumps(replaced(PUSH, path, value)).encode()
    for content_type, raw in (("application/json", body), (FORM, b"payload=" + quote(body).encode())):
        try:
            event = deliver(raw, Content_Type=content_type)
        except MalformedError as error:
            assert 0 < len(str(error)) < 1000  # noqa: PT017 -- either outcome is right, this holds for one
        else:
            assert isinstance(event, PushEvent)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode), st.sampled_from(["application/json", FORM]))
@example(b"\x00", FORM)
@example(b'"' + b"\\u0000" * 20 + b'"', "application/json")
def test_any_bytes_give_malformed_and_nothing_else(body: bytes, content_type: str) -> None:
    with pytest.raises(MalformedError):
        deliver(body, Content_Type=content_type)


@given(st.dictionaries(st.sampled_from(sorted(delivery(b""))), HEADER_TEXT), st.binary(max_size=50))
def test_any_headers_give_an_answer_and_none_lets_in(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(UnauthorizedError):
        parse(Headers(headers.items()), body, [SECRET])


@given(st.dictionaries(st.sampled_from(["X-GitHub-Event", "X-GitHub-Delivery", "Content-Type"]), HEADER_TEXT))
def test_any_headers_with_a_true_signature_give_an_event_or_malformed(headers: dict[str, str]) -> None:
    try:
        event = deliver(BODY, (SECRET,), **{name.replace("-", "_"): value for name, value in headers.items()})
    except MalformedError:
        return
    assert isinstance(event, PushEvent | Ping | Ignored)
