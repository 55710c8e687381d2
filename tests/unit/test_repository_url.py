"""One repository has one key, however it is spelled, and no hostile spelling reaches git."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trueup.domain.errors import InvalidSpecError
from trueup.domain.repository import (
    check_revision,
    check_url,
    git_address,
    is_full_sha,
    normalize_url,
    redact_url,
    remote_refs,
)

segment = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,8}", fullmatch=True)
host = st.from_regex(r"[a-z][a-z0-9-]{0,6}\.example(\.org)?", fullmatch=True)


@given(st.text())
@example("git@host:7999/x")
@example("HTTPS://[::1]:0443/a.git/.git/")
@example("a:1:2/x")
@example("ssh://git@ssh.dev.azure.com/v3/o/p/r")
def test_normalizing_any_text_is_idempotent(text: str) -> None:
    once = normalize_url(text)
    assert normalize_url(once) == once


@given(host, st.lists(segment, min_size=1, max_size=3))
def test_all_spellings_have_one_key(name: str, path: list[str]) -> None:
    plain = "/".join(path)
    spellings = {
        f"https://{name}/{plain}",
        f"https://{name}/{plain}.git",
        f"https://{name}/{plain}.git/",
        f"https://{name}//{plain}///",
        f"https://{name.upper()}:443/{plain}",
        f"HTTPS://somebody@{name}/{plain}",
        f"https://somebody:password@{name}/{plain}",
        f"http://{name}:80/{plain}",
        f"ssh://git@{name}/{plain}",
        f"ssh://git@{name}:22/{plain}.git",
        f"git@{name}:{plain}.git",
        f"git@{name}:/{plain}",
        f"  https://{name}/{plain}\n",
    }
    assert {normalize_url(spelling) for spelling in spellings} == {f"{name}/{plain}"}


@given(host, st.lists(segment, min_size=1, max_size=2), st.lists(segment, min_size=1, max_size=2))
def test_different_paths_have_different_keys(name: str, one: list[str], other: list[str]) -> None:
    same = one == other
    keys = {normalize_url(f"https://{name}/{'/'.join(path)}") for path in (one, other)}
    assert len(keys) == (1 if same else 2)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://GitHub.com/Org/Repo.git", "github.com/org/repo"),
        ("https://git.example/Org/Repo.git", "git.example/Org/Repo"),
        ("https://git.example:8443/r", "git.example:8443/r"),
        ("ssh://git@git.example:7999/team/r.git", "git.example:7999/team/r"),
        ("ssh://git@ssh.github.com:443/org/repo", "github.com/org/repo"),
        ("https://org@dev.azure.com/org/My%20Project/_git/repo", "dev.azure.com/org/my%20project/_git/repo"),
        ("git@ssh.dev.azure.com:v3/org/project/repo", "dev.azure.com/org/project/_git/repo"),
        ("https://[::1]:3000/r.git", "[::1]:3000/r"),
        ("http://127.0.0.1:3000/r.git", "127.0.0.1:3000/r"),
        ("file:///srv/r.git", "/srv/r"),
    ],
)
def test_keys(url: str, key: str) -> None:
    assert normalize_url(url) == key


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/org/repo",
        "https://somebody@github.com/org/repo.git",
        "https://git.example:8443/a%20b/c",
        "https://[2001:db8::1]/r",
        "ssh://git@github.com/org/repo.git",
        "ssh://git@git.example:7999/~me/r",
        "git@github.com:org/repo.git",
    ],
)
def test_ordinary_urls_are_allowed(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "--upload-pack=touch /tmp/x",
        "-oProxyCommand=x",
        "ext::sh -c touch% /tmp/x",
        "fd::17",
        "https::https://github.com/org/repo",
        "file:///etc",
        "/etc",
        "../other",
        "http://github.com/org/repo",
        "git://github.com/org/repo",
        "ftp://github.com/org/repo",
        "github.com/org/repo",
        "host:org/repo",
        "ssh://-oProxyCommand=x/repo",
        "ssh://git@-oProxyCommand=x/repo",
        "ssh://-l@host/repo",
        "-l@host:repo",
        "git@-oProxyCommand=x:repo",
        "git@host:-x",
        "ssh://git@host:org/repo",
        "ssh://git@host:99999/repo",
        "https://host",
        "https://host/",
        "https:///repo",
        "https://host/a/../b",
        "https://host/%2e%2e/b",
        "https://host/a%0ab",
        "https://host/a\nb",
        "https://host/a\0b",
        "https://host/a b",
        "https://host/r?x=1",
        "https://host/r#x",
        "https://user:hunter2@host/r",
        "https://host/" + "a" * 3_000,
    ],
)
def test_hostile_urls_are_refused(url: str) -> None:
    with pytest.raises(InvalidSpecError) as raised:
        check_url(url)
    assert "hunter2" not in str(raised.value)
    assert str(raised.value).isprintable()


def test_listed_schemes_are_allowed_too() -> None:
    check_url("http://127.0.0.1:3000/r.git", {"http"})
    check_url("file:///srv/r.git", {"file"})
    for url in ("file://host/srv/r.git", "http:///r", "ext::sh"):
        with pytest.raises(InvalidSpecError):
            check_url(url, {"http", "file"})


@given(st.text(alphabet="abcxyz0123456789@:/%#?", min_size=6, max_size=20))
def test_redaction_hides_what_stands_before_the_host(password: str) -> None:
    shown = redact_url(f"https://someone:S3CRET{password.replace('/', '')}@host.example/org/repo")
    assert "S3CRET" not in shown


def test_redaction_keeps_what_names_the_repository() -> None:
    assert redact_url("https://u:p@host:8443/org/repo.git?token=t#f") == "https://host:8443/org/repo.git"
    assert redact_url("git@host:org/repo.git") == "host:org/repo.git"


def test_git_is_handed_no_http_user() -> None:
    assert git_address("HTTPS://Somebody@Host/Org/r.git") == "https://host/Org/r.git"
    assert git_address("ssh://git@Host:22/Org/r.git") == "ssh://git@host:22/Org/r.git"
    assert git_address("git@host:Org/r.git") == "git@host:Org/r.git"


@pytest.mark.parametrize(
    "revision",
    [
        "",
        "HEAD",
        "main",
        "release/1.2",
        "v1.0.0",
        "refs/heads/main",
        "refs/pull/7/head",
        "a" * 40,
        "é",
        "a@b",
        "1.x",
        "1.*",
        ">=1.0 <2",
    ],
)
def test_ordinary_revisions_are_allowed(revision: str) -> None:
    check_revision(revision)


@pytest.mark.parametrize(
    "revision",
    [
        "-x",
        "--output=x",
        "--upload-pack=x",
        "a b",
        "a..b",
        "a~1",
        "a^",
        "a:b",
        "+a",
        "a?",
        "v1.*.y",
        ">=1.0 <two",
        "a[b",
        "a\\b",
        "a@{1}",
        "@",
        "a//b",
        "/a",
        "a/",
        "a.",
        ".a",
        "a/.b",
        "a.lock",
        "a.lock/b",
        "a\nb",
        "a\0b",
        "refs/heads",
        "x" * 300,
    ],
)
def test_hostile_revisions_are_refused(revision: str) -> None:
    if revision == "+a":  # a name that git allows, and that no refspec here begins with
        check_revision(revision)
        return
    with pytest.raises(InvalidSpecError):
        check_revision(revision)


def test_a_branch_wins_over_a_tag() -> None:
    assert remote_refs("x") == ("refs/heads/x", "refs/tags/x")
    assert remote_refs("") == remote_refs("HEAD") == ("HEAD",)
    assert remote_refs("refs/tags/x") == ("refs/tags/x",)
    assert remote_refs("0" * 40) == ()


def test_full_shas() -> None:
    assert is_full_sha("a" * 40)
    assert is_full_sha("A" * 64)
    assert not is_full_sha("a" * 41)
    assert not is_full_sha("a" * 39)
    assert not is_full_sha("g" * 40)
