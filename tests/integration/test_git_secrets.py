"""Credentials reach the host they are for and show up nowhere else; nothing hostile is run."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.git import Repository, git, http_server, open_mirror, secret
from trueup.clients.git_errors import remote_error, scrub
from trueup.clients.git_mirror import Mirror, Missing
from trueup.domain.credentials import RepositoryCredentials, parse_secrets
from trueup.domain.errors import InvalidSpecError, StalledError, TransientError
from trueup.sandbox import GitServer, git_server
from trueup.telemetry import GIT_COMMANDS

CANARY = "CANARY-hunter2"
CREDENTIALS_FILE = "trueup-credentials"
KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY}\n-----END OPENSSH PRIVATE KEY-----"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitServer]:
    async with git_server(tmp_path / "served") as running:
        yield running


@pytest.fixture
async def private(tmp_path: Path) -> Repository:
    made = await Repository.make(tmp_path, "r")
    await made.commit({"a.yaml": "a: 1\n"})
    (made.bare / CREDENTIALS_FILE).write_text(f"robot:{CANARY}")
    return made


@pytest.fixture
async def mirror(tmp_path: Path, server: GitServer, private: Repository) -> AsyncIterator[Mirror]:
    opened = open_mirror(tmp_path, server.repository_url("r"))
    yield opened
    await opened.close()


def login(url: str, **data: str) -> RepositoryCredentials:
    (parsed,), _ = parse_secrets([secret("r", "repository", url=url, **data)])
    return parsed


def everything_below(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(directory.rglob("*")) if file.is_file())


def arguments_of_all_processes() -> str:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
    return "\n".join(found)


async def test_the_right_login_opens_and_no_other_does(mirror: Mirror, private: Repository) -> None:
    with pytest.raises(TransientError, match="no repository Secret matches it"):
        await mirror.fetch(["main"], credentials=None)
    with pytest.raises(TransientError, match="refuses the credentials in Secret argocd/r") as raised:
        await mirror.fetch(["main"], credentials=login(mirror.url, username="robot", password="CANARY-wrong"))
    assert "CANARY" not in str(raised.value)
    right = login(mirror.url, username="robot", password=CANARY)
    assert await mirror.fetch(["main"], credentials=right) == {"main": await private.head()}
    moved = await private.commit({"a.yaml": "a: 2\n"})
    assert await mirror.fetch(["main"], credentials=right) == {"main": moved}
    assert CANARY.encode() not in everything_below(mirror.directory.parent)
    assert right.authorization.split()[1].encode() not in everything_below(mirror.directory.parent)


async def test_a_login_is_sent_at_once_and_stands_in_no_argument(tmp_path: Path) -> None:
    seen: list[str] = []
    headers: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        seen.append(arguments_of_all_processes())
        headers.append(request.headers.get("Authorization", ""))
        return web.Response(status=500, text=f"{request.headers.get('Authorization')}")

    async with http_server(refuse) as url:
        address = f"{url}/r.git"
        mirror = open_mirror(tmp_path, address)
        for credentials in (login(address, username="u", password=CANARY), login(address, bearerToken=CANARY)):
            headers.clear()
            with pytest.raises(TransientError) as raised:
                await mirror.fetch(["main"], credentials=credentials)
            assert headers == [credentials.authorization]
            for text in (str(raised.value), *seen):
                assert CANARY not in text
                assert credentials.authorization.split()[1] not in text
    assert any("remote-http" in text and address in text for text in seen)


async def test_a_login_is_sent_though_the_url_names_a_user(mirror: Mirror, private: Repository) -> None:
    url = mirror.url.replace("http://", "http://somebody@")
    right = login(url, username="robot", password=CANARY)
    assert await mirror.fetch(["main"], credentials=right, url=url) == {"main": await private.head()}


def test_gits_words_are_scrubbed_and_cut() -> None:
    key = login("git@h:r", sshPrivateKey=KEY)
    words = f"fatal: https://u:{CANARY}@h/r {CANARY}\nAuthorization: Basic {CANARY}x\x1b[31m " + "x" * 2_000
    for secrets in ((CANARY,), key.secret_values):
        said = scrub(words, secrets)
        assert CANARY not in said
        assert said.isprintable()
        assert len(said) <= 400
    said = str(remote_error(words, repository="r", secret="s", secrets=(CANARY,)))
    assert CANARY not in said


async def test_a_login_does_not_follow_a_redirect(
    tmp_path: Path, server: GitServer, private: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    reached: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        reached.append(str(request.headers))
        return web.Response(status=401, headers={"WWW-Authenticate": "Basic"})

    async with http_server(elsewhere) as other:

        async def redirect(request: web.Request) -> web.Response:
            raise web.HTTPFound(other.replace("127.0.0.1", "localhost") + request.path_qs)

        async with http_server(redirect) as url:
            mirror = open_mirror(tmp_path, f"{url}/r.git")
            credentials = login(mirror.url, username="u", password=CANARY)
            with pytest.raises(StalledError, match="redirect"):
                await mirror.fetch(["main"], credentials=credentials)
    assert reached == []
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% {marker}",
        "--upload-pack=touch {marker}",
        "file://{served}/r.git",
        "{served}/r.git",
        "ssh://-oProxyCommand=touch%20{marker}/r",
        "git@-oProxyCommand=touch {marker}:r",
        "https://host/r --upload-pack=touch {marker}",
    ],
)
async def test_a_hostile_url_starts_no_process(tmp_path: Path, private: Repository, url: str) -> None:
    marker = tmp_path / "marker"
    mirror = open_mirror(tmp_path, url.format(marker=marker, served=tmp_path / "served"))
    before = sum(sample.value for metric in GIT_COMMANDS.collect() for sample in metric.samples)
    with pytest.raises(InvalidSpecError):
        await mirror.fetch(["main"], credentials=None)
    with pytest.raises(InvalidSpecError):
        await mirror.ls_remote(["HEAD"], credentials=None)
    assert sum(sample.value for metric in GIT_COMMANDS.collect() for sample in metric.samples) == before
    assert not marker.exists()


@pytest.mark.parametrize("revision", ["--upload-pack=touch {marker}", "-x", "main:refs/heads/x", "a\nb", "a*"])
async def test_a_hostile_revision_starts_no_process(mirror: Mirror, tmp_path: Path, revision: str) -> None:
    with pytest.raises(InvalidSpecError):
        await mirror.fetch([revision.format(marker=tmp_path / "marker")], credentials=None)
    with pytest.raises(InvalidSpecError):
        await mirror.ls_remote([revision], credentials=None)
    assert not (tmp_path / "marker").exists()


async def test_a_revision_with_a_sign_of_refspecs_is_only_a_name(tmp_path: Path, server: GitServer) -> None:
    repository = await Repository.make(tmp_path, "signs")
    commit = await repository.commit({"a": "1"})
    await repository.push("main:refs/heads/+main", "main:refs/heads/a@b")
    mirror = open_mirror(tmp_path, server.repository_url("signs"))
    try:
        found = await mirror.fetch(["+main", "a@b", "%s", "$HOME"], credentials=None)
        assert (found["+main"], found["a@b"]) == (commit, commit)
        assert isinstance(found["$HOME"], Missing)
        assert isinstance(found["%s"], Missing)
    finally:
        await mirror.close()


async def test_the_users_own_git_settings_do_not_count(
    tmp_path: Path, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = await Repository.make(tmp_path, "open")
    commit = await repository.commit({"a": "1"})
    home = tmp_path / "user"
    (home / "hooks").mkdir(parents=True)
    marker = tmp_path / "marker"
    hook = home / "hooks" / "reference-transaction"
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    (home / ".gitconfig").write_text(
        f'[core]\n\thooksPath = {home}/hooks\n[url "http://127.0.0.1:1/"]\n\tinsteadOf = {server.url}/\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    mirror = open_mirror(tmp_path, server.repository_url("open"))
    try:
        assert await mirror.fetch(["main"], credentials=None) == {"main": commit}
    finally:
        await mirror.close()
    assert not marker.exists()


async def test_ssh_is_given_a_private_key_file_known_hosts_and_no_way_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No SSH server runs here: a program named ssh notes how it is called, and runs the remote command itself."""
    repository = await Repository.make(tmp_path, "r")
    commit = await repository.commit({"a": "1"})
    log = tmp_path / "ssh.log"
    bin_directory = tmp_path / "bin"
    bin_directory.mkdir()
    ssh = bin_directory / "ssh"
    ssh.write_text(
        "#!/bin/sh\n"
        f'printf "%s\\n" "$@" >>{log}\n'
        'while [ $# -gt 1 ]; do case "$1" in\n'
        f'  -i) stat -c "key %a" "$2" >>{log}; stat -c "directory %a" "${{2%/*}}" >>{log}; cat "$2" >>{log}.key;;\n'
        f'  UserKnownHostsFile=*) cat "${{1#*=}}" >>{log};;\n'
        'esac; shift; done\nexec sh -c "$1"\n'
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_directory}{os.pathsep}{os.environ['PATH']}")
    url = f"ssh://git@git.example:2222{repository.bare}"
    mirror = open_mirror(tmp_path, url, known_hosts="git.example ssh-ed25519 AAAA\n")
    credentials = login(url, sshPrivateKey=KEY)
    try:
        found = await mirror.fetch(["main", "nope"], credentials=credentials)
        assert found["main"] == commit
        assert isinstance(missing := found["nope"], Missing)
        assert f"repository ssh://git.example:2222{repository.bare} has no branch or tag nope" in missing.reason
        moved = await repository.commit({"a": "2"})
        assert (await mirror.fetch(["main"], credentials=credentials))["main"] == moved
    finally:
        await mirror.close()
    said = log.read_text()
    for wanted in ("StrictHostKeyChecking=yes", "BatchMode=yes", "key 600", "directory 700", "git.example ssh-ed25519"):
        assert wanted in said
    assert said.count("git@git.example\n") == 3
    assert CANARY not in said
    assert (log.with_name("ssh.log.key")).read_text().count(CANARY) == 3
    keys = {line for line in said.splitlines() if line.endswith("/key")}
    assert keys
    assert not any(os.access(key, os.F_OK) for key in keys)


async def test_an_unreachable_ssh_host_is_a_sentence(tmp_path: Path) -> None:
    mirror = open_mirror(tmp_path, "ssh://git@127.0.0.1:1/org/r.git")
    with pytest.raises(TransientError, match=r"repository ssh://127\.0\.0\.1:1/org/r\.git: it cannot be reached"):
        await mirror.fetch(["main"], credentials=login(mirror.url, sshPrivateKey=KEY))


async def test_submodules_and_hooks_of_the_remote_do_nothing(tmp_path: Path, server: GitServer) -> None:
    repository = await Repository.make(tmp_path, "evil")
    reached: list[str] = []

    async def trap(request: web.Request) -> web.Response:
        reached.append(request.path)
        return web.Response(status=404)

    async with http_server(trap) as url:
        modules = f'[submodule "s"]\n\tpath = s\n\turl = {url}/s.git\n'
        await repository.commit({".gitmodules": modules, "hooks/post-checkout": "#!/bin/sh\ntouch marker\n"})
        await git(repository.work, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},s")
        await git(repository.work, "commit", "-q", "-m", "submodule")
        await repository.push("main")
        mirror = open_mirror(tmp_path, server.repository_url("evil"))
        try:
            assert await mirror.fetch(["main"], credentials=None) == {"main": await repository.head()}
        finally:
            await mirror.close()
    assert reached == []
