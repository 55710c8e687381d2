"""What holds for every provider: the genuine is taken, the forged refused, and nothing raises anything else."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.webhooks.detect import MARKS, PROVIDERS, detect
from service.webhooks.event import Headers, Ignored, MalformedError, Move, Ping, PushEvent, UnauthorizedError
from tests.support.amazon import TOPIC
from tests.support.arbitrary import HEADER_TEXT, JSON, paths, replaced
from tests.support.hosts import (
    AZURE,
    BITBUCKET,
    BITBUCKET_SERVER,
    DELIVERIES,
    EVENTBRIDGE,
    FORGEJO,
    GENERIC,
    GHCR,
    GITEA,
    GITHUB,
    GITLAB,
    GOGS,
    HARBOR,
    SIGNING,
    SNS_EVENT,
    SNS_TRIGGER,
    UUID,
    Delivery,
)

OTHERS = {
    SIGNING: b"whsec_" + base64.b64encode(b"another key"),
    UUID: b"{00000000-0000-4000-8000-000000000000}",
    TOPIC: b"arn:aws:sns:eu-west-1:999999999999:deploy",
}

every = pytest.mark.parametrize("delivery", DELIVERIES, ids=[f"{n}-{d.name}" for n, d in enumerate(DELIVERIES)])


def other(secret: bytes) -> bytes:
    """Another secret of the same kind."""
    return OTHERS.get(secret, b"somebody:else's secret")


def moves(event: object) -> list[tuple[str, Move]]:
    assert isinstance(event, PushEvent)
    return [(change.ref, change.move) for change in event.changes]


def test_every_provider_is_tried_here() -> None:
    assert {delivery.provider for delivery in DELIVERIES} == set(PROVIDERS)


@every
def test_a_genuine_delivery_is_a_push_of_a_known_host(delivery: Delivery) -> None:
    assert detect(Headers(delivery.signed(b"").items())) == delivery.provider
    event = delivery.send(delivery.document)
    assert isinstance(event, PushEvent)
    assert event.provider == delivery.provider
    assert event.changes
    assert event.repository_urls


@every
def test_a_forged_delivery_is_refused(delivery: Delivery) -> None:
    with pytest.raises(UnauthorizedError):
        delivery.send(delivery.document, secrets=[other(delivery.secret)])


@every
def test_without_a_secret_nothing_is_let_in(delivery: Delivery) -> None:
    for secrets in ((), (b"",)):
        with pytest.raises(UnauthorizedError, match="No webhook secret"):
            delivery.send(delivery.document, secrets=secrets)


@every
def test_any_of_several_secrets_lets_in(delivery: Delivery) -> None:
    for secrets in ([delivery.secret, other(delivery.secret)], [other(delivery.secret), delivery.secret]):
        assert isinstance(delivery.send(delivery.document, secrets=secrets), PushEvent)


@every
def test_proof_that_is_missing_or_repeated_is_refused(delivery: Delivery) -> None:
    body = delivery.wrap(delivery.document)
    proof = delivery.prove(delivery.secret, body)
    for name, value in proof.items():
        headers = delivery.signed(body)
        twice = Headers([*headers.items(), (name.upper(), value)])
        del headers[name]
        for wrong in (Headers(headers.items()), twice):
            with pytest.raises(UnauthorizedError, match=name):
                PROVIDERS[delivery.provider].parse(wrong, body, [delivery.secret])


@every
@pytest.mark.parametrize("document", [None, [], 7, {}, {"repository": []}])
def test_a_payload_that_says_nothing_is_malformed(delivery: Delivery, document: object) -> None:
    with pytest.raises(MalformedError):
        delivery.send(document)


@every
@given(st.data())
def test_any_value_anywhere_gives_an_event_or_malformed(delivery: Delivery, data: st.DataObject) -> None:
    document = delivery.document
    path = data.draw(st.sampled_from(list(paths(document))))
    try:
        event = delivery.send(replaced(document, path, data.draw(JSON)))
    except MalformedError as error:
        assert 0 < len(str(error)) < 1000  # noqa: PT017 -- either outcome is right, this holds for one
    else:
        assert isinstance(event, PushEvent | Ignored | Ping)


@every
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_with_a_true_proof_give_malformed_or_an_event(delivery: Delivery, body: bytes) -> None:
    try:
        delivery.parse(delivery.signed(body), body, [delivery.secret])
    except (MalformedError, UnauthorizedError) as error:
        assert str(error)  # noqa: PT017 -- either outcome is right


NAMES = sorted({name for delivery in DELIVERIES for name in delivery.signed(b"")})


@every
@given(st.lists(st.tuples(st.sampled_from(NAMES), HEADER_TEXT), max_size=8), st.binary(max_size=50))
def test_any_headers_let_nobody_in(delivery: Delivery, pairs: list[tuple[str, str]], body: bytes) -> None:
    """Bitbucket's ping is not signed, and it moves nothing."""
    try:
        event = PROVIDERS[delivery.provider].parse(Headers(pairs), body, [delivery.secret])
    except (MalformedError, UnauthorizedError):
        return
    assert event == Ping()


@every
@given(st.lists(st.tuples(st.sampled_from(NAMES), HEADER_TEXT), max_size=4))
def test_any_headers_beside_a_true_proof_give_an_event_or_a_refusal(
    delivery: Delivery, pairs: list[tuple[str, str]]
) -> None:
    body = delivery.wrap(delivery.document)
    true = delivery.signed(body)
    headers = Headers([(name, value) for name, value in pairs if name not in true] + list(true.items()))
    try:
        PROVIDERS[delivery.provider].parse(headers, body, [delivery.secret])
    except (MalformedError, UnauthorizedError) as error:
        assert str(error)  # noqa: PT017 -- either outcome is right


MAIN, TAG, OLD = "refs/heads/main", "refs/tags/v1.4.0", "refs/heads/old"
THREE = [(MAIN, Move.MOVED), (TAG, Move.CREATED), (OLD, Move.DELETED)]


@pytest.mark.parametrize(
    ("delivery", "name", "expected"),
    [
        (BITBUCKET, "push", [*THREE, ("refs/heads/wip", Move.FORCED)]),
        (BITBUCKET_SERVER, "push", THREE),
        (AZURE, "push", THREE),
        (SNS_TRIGGER, "trigger", THREE),
        (EVENTBRIDGE, "event_created", [(TAG, Move.CREATED)]),
        (SNS_EVENT, "event_deleted", [(OLD, Move.DELETED)]),
        (GITLAB, "push_tag", [(TAG, Move.CREATED)]),
        (GITLAB, "push_deleted", [(OLD, Move.DELETED)]),
        (GITLAB, "repository_update", [(MAIN, Move.MOVED), (TAG, Move.CREATED)]),
        (GITHUB, "push_forced", [(MAIN, Move.FORCED)]),
        (GITHUB, "push_tag", [(TAG, Move.CREATED)]),
        (GHCR, "package", [("1.4.0", Move.MOVED)]),
        (
            replace(GHCR, headers={"X-GitHub-Event": "registry_package"}),
            "registry_package",
            [("1.4.0", Move.MOVED)],
        ),
        (replace(BITBUCKET_SERVER, headers={"X-Event-Key": "mirror:repo_synchronized"}), "mirror", THREE),
        (
            HARBOR,
            "push",
            [
                ("1.4.0", Move.MOVED),
                ("sha256:1b9e9863dbb6e10edb5adfe917c00da84e1700fa76e7ed02476aa6e6fb8ee0d8", Move.MOVED),
            ],
        ),
        (GENERIC, "push", [(MAIN, Move.MOVED)]),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "provider", ""),
)
def test_every_ref_of_a_delivery_counts(delivery: Delivery, name: str, expected: list[tuple[str, Move]]) -> None:
    told = replace(delivery, sample=name)
    assert moves(told.send(told.document)) == expected


EVENT_HEADERS: list[tuple[Delivery, str]] = [
    (GITHUB, "X-GitHub-Event"),
    (GITEA, "X-Gitea-Event"),
    (FORGEJO, "X-Forgejo-Event"),
    (GOGS, "X-Gogs-Event"),
]
by_header = pytest.mark.parametrize(("delivery", "header"), EVENT_HEADERS, ids=[d.provider for d, _ in EVENT_HEADERS])


@by_header
def test_a_ref_that_begins_or_ends_is_told_by_an_event_of_its_own(delivery: Delivery, header: str) -> None:
    begun, document = ("refs/heads/release/2", "create") if delivery is GITHUB else (TAG, "create")
    created = replace(delivery, sample=document, headers={header: "create"})
    assert moves(created.send(created.document)) == [(begun, Move.CREATED)]
    if delivery is not GITHUB:
        deleted = replace(delivery, sample="delete", headers={header: "delete"})
        assert moves(deleted.send(deleted.document)) == [(OLD, Move.DELETED)]


@by_header
def test_ping_and_other_events_move_nothing(delivery: Delivery, header: str) -> None:
    assert replace(delivery, headers={header: "ping"}).send({}) == Ping()
    assert isinstance(replace(delivery, headers={header: "issues"}).send({}), Ignored)


@pytest.mark.parametrize(
    ("delivery", "name", "headers"),
    [
        (GITLAB, "merge_request", {"X-Gitlab-Event": "Merge Request Hook"}),
        (BITBUCKET, "fork", {"X-Event-Key": "repo:fork"}),
        (BITBUCKET_SERVER, "comment", {"X-Event-Key": "repo:comment:added"}),
        (AZURE, "pull_request", {}),
        (HARBOR, "pull", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_true_events_that_move_no_ref_are_ignored(delivery: Delivery, name: str, headers: dict[str, str]) -> None:
    told = replace(delivery, sample=name, headers={**delivery.headers, **headers})
    assert isinstance(told.send(told.document), Ignored)


def test_a_package_without_a_tag_and_one_that_holds_no_chart_are_ignored() -> None:
    untagged, other_kind = GHCR.document, GHCR.document
    untagged["package"]["package_version"]["container_metadata"]["tag"]["name"] = ""
    other_kind["package"]["package_type"] = "npm"
    assert isinstance(GHCR.send(untagged), Ignored)
    assert isinstance(GHCR.send(other_kind), Ignored)


def test_a_push_of_harbor_must_name_what_was_pushed() -> None:
    document = HARBOR.document
    document["event_data"]["resources"] = []
    with pytest.raises(MalformedError, match="resources"):
        HARBOR.send(document)


@pytest.mark.parametrize("delivery", [GITEA, FORGEJO, GOGS], ids=lambda delivery: delivery.provider)
def test_of_a_form_the_json_inside_is_signed(delivery: Delivery) -> None:
    text = json.dumps(delivery.document).encode()
    headers = delivery.signed(text) | {"Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({"payload": text}).encode()
    assert moves(delivery.parse(headers, body, [delivery.secret])) == [(MAIN, Move.MOVED)]
    with pytest.raises(UnauthorizedError):
        delivery.parse(headers | delivery.prove(delivery.secret, body), body, [delivery.secret])


ADDRESSES: list[tuple[Delivery, set[str]]] = [
    (
        GITLAB,
        {"https://gitlab.com/acme/deploy.git", "git@gitlab.com:acme/deploy.git", "https://gitlab.com/acme/deploy"},
    ),
    (BITBUCKET, {"https://bitbucket.org/acme/deploy.git", "git@bitbucket.org:acme/deploy.git"}),
    (
        BITBUCKET_SERVER,
        {
            "https://bitbucket.example.com/scm/acme/deploy.git",
            "ssh://git@bitbucket.example.com:7999/acme/deploy.git",
        },
    ),
    (
        AZURE,
        {
            "https://acme@dev.azure.com/acme/Shop%20Floor/_git/deploy",
            "https://acme.visualstudio.com/Shop%20Floor/_git/deploy",
            "https://acme.visualstudio.com/DefaultCollection/Shop%20Floor/_git/deploy",
            "git@ssh.dev.azure.com:v3/acme/Shop%20Floor/deploy",
        },
    ),
    (EVENTBRIDGE, {"https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/deploy"}),
    (SNS_TRIGGER, {"ssh://git-codecommit.eu-west-1.amazonaws.com/v1/repos/deploy"}),
    (GHCR, {"oci://ghcr.io/acme/charts/shop", "oci://ghcr.io/acme/charts"}),
    (HARBOR, {"oci://harbor.example.com/charts/shop", "oci://harbor.example.com/charts"}),
]


@pytest.mark.parametrize(("delivery", "expected"), ADDRESSES, ids=[d.provider for d, _ in ADDRESSES])
def test_every_address_of_the_repository_is_named(delivery: Delivery, expected: set[str]) -> None:
    event = delivery.send(delivery.document)
    assert isinstance(event, PushEvent)
    assert expected <= set(event.repository_urls)


def test_no_host_takes_the_key_of_another() -> None:
    asked: dict[str, list[str]] = {}
    for name, provider in PROVIDERS.items():
        keys = asked.setdefault(name, [])
        provider.secrets(lambda key, keys=keys: keys.append(key) or [b"x"])  # type: ignore[misc]
        assert provider.secret_key in keys
    assert sorted(key for keys in asked.values() for key in keys) == [
        "webhook.azuredevops.password",
        "webhook.azuredevops.username",
        "webhook.bitbucket.secret",
        "webhook.bitbucket.uuid",
        "webhook.bitbucketserver.secret",
        "webhook.codecommit.secret",
        "webhook.codecommit.topic",
        "webhook.forgejo.secret",
        "webhook.generic.secret",
        "webhook.gitea.secret",
        "webhook.github.secret",
        "webhook.gitlab.secret",
        "webhook.gogs.secret",
        "webhook.harbor.secret",
    ]


def known(values: dict[str, bytes]) -> Any:
    return lambda key: [values[key]] if key in values else []


def test_gitea_and_forgejo_read_the_key_of_gogs_as_argo_cd_does_until_they_have_one() -> None:
    for name in ("gitea", "forgejo"):
        assert list(PROVIDERS[name].secrets(known({"webhook.gogs.secret": b"old"}))) == [b"old"]
        both = known({"webhook.gogs.secret": b"old", f"webhook.{name}.secret": b"own"})
        assert list(PROVIDERS[name].secrets(both)) == [b"own"]


def test_azure_needs_user_and_password() -> None:
    secrets = PROVIDERS["azure"].secrets
    user, password = {"webhook.azuredevops.username": b"u"}, {"webhook.azuredevops.password": b"p"}
    assert list(secrets(known(user | password))) == [b"u:p"]
    assert list(secrets(known(user))) == list(secrets(known(password))) == []


def test_each_mark_leads_to_its_provider_alone() -> None:
    for mark, provider in MARKS:
        assert detect(Headers([(mark.lower(), "x")])) == provider.name
