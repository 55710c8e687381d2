"""A login is shown to the repository it is for, and to nobody else."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.git import secret
from trueup.domain.credentials import RepositoryCredentials, parse_secrets, select

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0IGtleSBieXRlcw==\n-----END OPENSSH PRIVATE KEY-----"


def template(url: str, **data: str) -> RepositoryCredentials:
    (parsed,), faults = parse_secrets([secret("t", "repo-creds", url=url, **({"password": "p"} | data))])
    assert not faults
    return parsed


def repository(url: str, **data: str) -> RepositoryCredentials:
    (parsed,), faults = parse_secrets([secret("r", "repository", url=url, **data)])
    assert not faults
    return parsed


def test_exact_repository_comes_before_the_longest_template() -> None:
    own = repository("https://github.com/org/repo.git", password="own")
    short = template("https://github.com", password="short")
    long = template("https://github.com/org/", password="long")
    every = (short, own, long)
    assert select("https://github.com/org/repo", every) == own
    assert select("https://github.com/org/other", every) == long
    assert select("https://github.com/elsewhere/other", every) == short
    assert select("https://gitlab.com/org/repo", every) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/organisation/repo",
        "https://github.com.evil.example/org/repo",
        "https://evil.example/github.com/org/repo",
        "https://github.com@evil.example/org/repo",
        "https://github.com:8443/org/repo",
        "https://evil.github.com/org/repo",
        "http://github.com/org/repo",
        "ssh://git@github.com/org/repo",
        "git@github.com:org/repo",
        "https://github.com/or",
    ],
)
def test_a_template_says_nothing_of_neighbours(url: str) -> None:
    assert select(url, [template("https://github.com/org", username="u")]) is None


@given(
    st.lists(st.sampled_from(["a", "ab", "b", "org"]), min_size=1, max_size=3),
    st.lists(st.sampled_from(["a", "ab", "b", "org"]), max_size=3),
)
def test_templates_match_whole_segments(path: list[str], prefix: list[str]) -> None:
    chosen = select("https://git.example/" + "/".join(path), [template("https://git.example/" + "/".join(prefix))])
    assert (chosen is not None) == (path[: len(prefix)] == prefix)


def test_a_key_goes_to_ssh_only_and_a_password_never() -> None:
    key = repository("git@github.com:org/repo.git", sshPrivateKey=KEY)
    login = repository("https://github.com/org/repo.git", password="p")
    assert select("ssh://git@github.com/org/repo", [login, key]) == key
    assert select("https://github.com/org/repo", [key, login]) == login
    assert select("https://github.com/org/repo", [key]) is None


def test_plain_http_only_where_the_secret_says_so() -> None:
    assert select("http://git.example/r", [repository("https://git.example/r", password="p")]) is None
    assert select("http://git.example/r", [repository("http://git.example/r", password="p")]) is not None


def test_a_repository_without_login_takes_that_of_its_template_and_keeps_its_own_switches() -> None:
    own = repository("https://git.example/org/r", insecure="true")
    chosen = select("https://git.example/org/r", [own, template("https://git.example/org", password="p")])
    assert chosen is not None
    assert chosen.password == "p"
    assert chosen.insecure
    assert select("https://git.example/org/r", [own]) == own


def test_another_projects_secret_is_never_used() -> None:
    own = repository("https://git.example/r", password="p", project="payments")
    assert select("https://git.example/r", [own]) is None
    assert select("https://git.example/r", [own], project="other") is None
    assert select("https://git.example/r", [own], project="payments") == own


def test_authorization() -> None:
    basic = repository("https://h/r", username="u", password="p:q")
    assert basic.authorization == "Basic " + base64.b64encode(b"u:p:q").decode()
    assert repository("https://h/r", bearerToken="t\n").authorization == "Bearer t"
    assert repository("https://h/r", username="u").authorization == ""


def test_one_bad_secret_is_a_sentence_and_the_others_go_on() -> None:
    bad = secret("broken", "repository", url="https://h/r")
    bad["data"]["password"] = "not base64!"
    good, faults = parse_secrets(
        [
            bad,
            secret("app", "repository", url="https://h/r", githubAppPrivateKey="CANARY", githubAppID="1"),
            secret("lfs", "repository", url="https://h/r", enableLfs="true"),
            secret("nameless", "repository", password="CANARY"),
            secret("split", "repository", url="https://h/r", bearerToken="CANARY\r\nX-Other: 1"),
            secret("chart", "repository", url="https://charts", type="other"),
            secret("cluster", "cluster", server="https://k"),
            secret("good", "repository", url="https://h/r", password="CANARY"),
            {"metadata": {"name": "unlabelled"}},
        ]
    )
    assert [c.secret for c in good] == ["argocd/good"]
    assert len(faults) == 6
    assert all(fault.startswith("Secret argocd/") and "CANARY" not in fault for fault in faults)


def test_nothing_secret_is_shown() -> None:
    shown = repr(repository("https://u:CANARY@h/r", password="CANARY", username="CANARY"))
    shown += repr(repository("git@h:r", sshPrivateKey=KEY)) + str(template("https://h", bearerToken="CANARY"))
    assert "CANARY" not in shown
    assert "c2VjcmV0" not in shown
