"""Whose secret vouches for which repository, held against a model that tries everything."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.proof import Proven, prove
from service.webhook_secrets import WebhookSecrets, only_webhook_data
from service.webhooks.event import Headers, MalformedError, UnauthorizedError
from service.webhooks.github import parse
from tests.support.github import delivery, push_of
from tests.support.hooks import hook_secret
from trueup.domain.credentials import parse_secrets
from trueup.domain.repository import normalize_url
from trueup.domain.webhook_secret import parse_hook, secret_lines

GLOBAL = "webhook.github.secret"
BASES = ["https://h.example/org", "https://h.example/organisation", "https://h.example", "https://other.example/org"]
REPOSITORIES = [f"{base}/{path}" for base in BASES for path in ("a", "b", "a/b")]
#: As the same repository may be written by a host.
SPELLINGS = ["{}", "{}.git", "{}/", "ssh://git@{ssh}"]
SECRETS = [b"one", b"two", b"three", b"four"]


@dataclass(frozen=True)
class Written:
    """A Secret as it stands in the cluster."""

    url: str
    kind: str
    secrets: tuple[bytes, ...]

    def covers(self, repository: str) -> bool:
        if self.kind == "repository":
            return repository == self.url
        return repository == self.url or repository.startswith(self.url + "/")


written = st.builds(
    Written,
    st.sampled_from([*BASES, *REPOSITORIES]),
    st.sampled_from(["repository", "repo-creds"]),
    st.lists(st.sampled_from(SECRETS), min_size=1, max_size=3, unique=True).map(tuple),
)


def known(hooks: list[Written], shared: list[bytes] = [], *, tried_max: int = 20) -> WebhookSecrets:  # noqa: B006
    secrets = WebhookSecrets(webhook_secrets_tried_max=tried_max)
    body = {f"{GLOBAL}.{n}": value for n, value in enumerate(shared)}
    secrets.observe(None, {"data": {key: _base64(value) for key, value in body.items()}})
    for n, hook in enumerate(hooks):
        secrets.observe_hook(None, hook_secret(f"s{n:02}", hook.url, b"\n".join(hook.secrets), kind=hook.kind))
    return secrets


def _base64(value: bytes) -> str:
    import base64

    return base64.b64encode(value).decode()


def proven(secrets: WebhookSecrets, url: str, secret: bytes, *, hook: str | None = None) -> Proven | None:
    body = push_of(url)
    candidates = secrets.of_everybody(secrets.of(GLOBAL))[0] if hook is None else (secrets.of_hook(hook),)
    try:
        return prove(parse, Headers(delivery(body, secret=secret).items()), body, candidates)
    except UnauthorizedError:
        return None


def spelled(repository: str, spelling: str) -> str:
    return spelling.format(repository, ssh=repository.removeprefix("https://"))


@given(
    st.lists(written, max_size=4),
    st.lists(st.sampled_from(SECRETS), max_size=2, unique=True),
    st.sampled_from(REPOSITORIES),
    st.sampled_from(SPELLINGS),
    st.sampled_from([*SECRETS, b"a stranger's"]),
)
def test_a_secret_vouches_for_its_own_repositories_and_no_other(
    hooks: list[Written], shared: list[bytes], repository: str, spelling: str, secret: bytes
) -> None:
    url = spelled(repository, spelling)
    found = proven(known(hooks, shared), url, secret)
    holders = [hook for hook in hooks if secret in hook.secrets]
    assert (found is not None) == (secret in shared or bool(holders))
    for other in REPOSITORIES:
        vouched = secret in shared or any(hook.covers(other) for hook in holders)
        assert (found is not None and found.speaks_for(normalize_url(spelled(other, spelling)))) == vouched


@given(st.lists(written, min_size=1, max_size=4), st.sampled_from(REPOSITORIES), st.sampled_from(SECRETS), st.data())
def test_at_a_hooks_address_its_own_secrets_count_and_no_others(
    hooks: list[Written], repository: str, secret: bytes, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(hooks) - 1))
    found = proven(known(hooks, [b"a global one", *SECRETS]), repository, secret, hook=f"s{place:02}")
    assert (found is not None) == (secret in hooks[place].secrets)
    if found:
        assert found.speaks_for(normalize_url(repository)) == hooks[place].covers(repository)


@given(st.lists(written, max_size=6), st.lists(st.sampled_from(SECRETS), max_size=3, unique=True), st.integers(1, 8))
def test_no_more_secrets_are_tried_than_the_bound_says_and_global_ones_first(
    hooks: list[Written], shared: list[bytes], tried_max: int
) -> None:
    secrets = known(hooks, shared, tried_max=tried_max)
    candidates, untried = secrets.of_everybody(secrets.of(GLOBAL))
    tried = [secret for one in candidates for secret in one.secrets]
    distinct = dict.fromkeys(hook.secrets for hook in hooks)
    everything = [*shared[:tried_max], *(secret for some in distinct for secret in some)]
    assert tried == everything[:tried_max]
    assert untried == len(everything) - len(tried)


def test_every_name_costs_as_many_secrets_whether_there_is_such_a_hook_or_not() -> None:
    hooks = [Written(BASES[0], "repository", (b"one", b"two", b"three")), Written(BASES[1], "repository", (b"four",))]
    secrets = known(hooks)
    assert {len(secrets.of_hook(name).secrets) for name in ("s00", "s01", "nobody")} == {3}
    assert len(known([]).of_hook("nobody").secrets) == 1
    assert not known([]).of_hook("nobody").reaches


def test_a_secret_that_many_repositories_share_is_tried_once_and_vouches_for_all_of_them() -> None:
    hooks = [Written(f"https://h.example/{n}", "repository", (b"shared",)) for n in range(100)]
    candidates, untried = known(hooks, tried_max=2).of_everybody([])
    assert ([one.secrets for one in candidates], untried) == ([(b"shared",)], 0)
    assert all(any(reach.covers(f"h.example/{n}") for reach in candidates[0].reaches) for n in range(100))


def test_an_old_and_a_new_secret_are_valid_side_by_side_and_an_empty_line_is_none() -> None:
    secrets = WebhookSecrets(webhook_secrets_tried_max=20)
    url = REPOSITORIES[0]
    body = hook_secret("mine", url, b"\n new \r\n\n\nold\nnew\n")
    secrets.observe_hook(None, body)
    assert secret_lines(b"\n new \r\n\n\nold\nnew\n") == (b"new", b"old")
    assert all(proven(secrets, url, secret, hook="mine") for secret in (b"new", b"old"))
    for empty in (b"", b" ", b"\n"):
        assert proven(secrets, url, empty) is None
    secrets.observe_hook(body, hook_secret("mine", url, b"new"))
    assert proven(secrets, url, b"old") is None
    secrets.observe_hook(hook_secret("mine", url, b"new"), None)
    assert proven(secrets, url, b"new") is None


@pytest.mark.parametrize(
    ("url", "lines", "kind"),
    [("", b"s", "repository"), ("https://", b"s", "repo-creds"), (BASES[0], b" \n\n", "repository")],
)
def test_what_speaks_for_nobody_or_has_no_secret_is_no_hook(url: str, lines: bytes, kind: str) -> None:
    assert parse_hook(hook_secret("mine", url, lines, kind=kind)) is None


def test_a_label_of_another_kind_or_data_that_is_no_base64_is_no_hook() -> None:
    assert parse_hook(hook_secret("mine", BASES[0], b"s", kind="cluster")) is None
    body = hook_secret("mine", BASES[0], b"s")
    body["data"]["webhookSecret"] = "not base64!"
    assert parse_hook(body) is None
    assert parse_hook({"metadata": None, "data": 7}) is None


def test_the_service_keeps_no_password_of_a_repository() -> None:
    body = hook_secret("mine", BASES[0], b"s", password=b"hunter2", sshPrivateKey=b"key")
    kept = only_webhook_data(body)
    assert kept["data"].keys() == {"url", "webhookSecret"}
    assert parse_hook(kept) == parse_hook(body)
    assert "s" not in repr(parse_hook(body)).removeprefix("Hook(mine)")


def test_a_webhook_secret_of_any_bytes_does_not_spoil_the_repositorys_login() -> None:
    (login,), faults = parse_secrets([hook_secret("mine", BASES[0], b"\xff\xfe", password=b"p")])
    assert (login.password, faults) == ("p", ())


def test_a_body_that_nobody_signed_is_not_looked_into() -> None:
    headers = Headers(delivery(b"rubbish", secret=b"a stranger's").items())
    candidates, _ = known([Written(BASES[0], "repository", (b"one",))]).of_everybody([])
    with pytest.raises(UnauthorizedError):
        prove(parse, headers, b"rubbish", candidates)
    with pytest.raises(MalformedError):
        prove(parse, Headers(delivery(b"rubbish", secret=b"one").items()), b"rubbish", candidates)


def test_one_delivery_may_name_many_addresses_and_only_its_own_count() -> None:
    hooks = [Written(REPOSITORIES[0], "repository", (b"one",))]
    payload = json.loads(push_of(REPOSITORIES[0]))
    payload["repository"]["ssh_url"] = REPOSITORIES[1]
    body = json.dumps(payload).encode()
    candidates, _ = known(hooks).of_everybody([])
    found = prove(parse, Headers(delivery(body, secret=b"one").items()), body, candidates)
    assert [found.speaks_for(normalize_url(url)) for url in REPOSITORIES[:2]] == [True, False]
