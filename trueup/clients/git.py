"""Git child processes: how they are shielded, bounded, given credentials and counted."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from trueup.clients import process
from trueup.clients.git_pauses import Pauses
from trueup.clients.git_starts import Starts
from trueup.clients.git_trees import KeptTrees
from trueup.domain.credentials import RepositoryCredentials
from trueup.domain.errors import StalledError
from trueup.domain.repository import SCHEMES, git_address, split_url
from trueup.telemetry import GIT_COMMANDS

VERSION_MIN = (2, 39)

#: Faults that git's own old versions made and that lie in many a history; harmless in a bare mirror.
_FSCK_IGNORED = (
    "badDate",
    "badTimezone",
    "badDateOverflow",
    "missingEmail",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "missingTaggerEntry",
    "multipleAuthors",
    "nullSha1",
    "zeroPaddedDate",
    "zeroPaddedFilemode",
)
_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY")
_TRUST_VARIABLES = ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True)
class GitBounds:
    """How long git may take and how much it may say."""

    fetch_seconds_max: float = 600.0
    list_seconds_max: float = 60.0
    local_seconds_max: float = 60.0
    maintenance_seconds_max: float = 1_800.0
    #: So many fetches begin at a time: each is given so long before the next one may.
    fetches_starting_max: int = 1
    fetch_start_seconds_max: float = 0.1
    #: How far a command that does not stay gives way to other processes, by nice(1).
    niceness: int = 0
    #: Every fetch adds a pack; over this many they are made into one, beside the work.
    packs_max: int = 50
    #: How long to wait for another process that fetches into the same mirror.
    lock_seconds_max: float = 660.0
    #: A remote that sends less than this for `low_speed_seconds_max` is given up.
    low_speed_bytes_per_second_min: int = 1_000
    low_speed_seconds_max: int = 30
    connect_seconds_max: int = 20
    refs_bytes_max: int = 64 * 1024 * 1024
    #: Paths that one comparison of two commits may name.
    diff_bytes_max: int = 64 * 1024 * 1024
    blob_bytes_max: int = 16 * 1024 * 1024
    read_bytes_max: int = 256 * 1024 * 1024
    #: Objects that one request may read, and entries that one tree may have.
    objects_max: int = 200_000


def shielded_environment(
    home: Path, *, schemes: Collection[str] = (), config: Sequence[tuple[str, str]] = ()
) -> dict[str, str]:
    """The whole environment of a git process: nothing of the user's or the system's configuration.

    `home` is an empty directory; `schemes` are allowed beside https and ssh. Configuration is
    handed over as `GIT_CONFIG_KEY_n`, in the environment, so that a login in it stands neither in
    an argument list nor on disk.
    """
    allowed = sorted(SCHEMES.union(schemes))
    settings = [
        ("protocol.version", "2"),
        ("protocol.allow", "never"),
        *((f"protocol.{scheme}.allow", "always") for scheme in allowed),
        ("core.hooksPath", "/dev/null"),
        ("core.fsmonitor", "false"),
        ("core.logAllRefUpdates", "false"),
        ("core.attributesFile", "/dev/null"),
        ("credential.helper", ""),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("http.followRedirects", "false"),
        ("fetch.fsckObjects", "true"),
        *((f"fetch.fsck.{fault}", "ignore") for fault in _FSCK_IGNORED),
        ("fetch.recurseSubmodules", "false"),
        ("submodule.recurse", "false"),
        ("transfer.bundleURI", "false"),
        *config,
    ]
    environment = process.base_environment() | {
        "LC_ALL": "C.UTF-8",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "GIT_ALLOW_PROTOCOL": ":".join(allowed),
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for number, (key, value) in enumerate(settings):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return environment


@dataclass(frozen=True, slots=True)
class Git:
    """Starts git in a shielded environment."""

    #: An empty directory of our own.
    home: Path
    bounds: GitBounds = GitBounds()
    #: Allowed beside https and ssh.
    schemes: frozenset[str] = frozenset()
    #: Lines of an OpenSSH known_hosts file, beside those of the system; an unknown host is refused.
    known_hosts: str = ""
    #: Shared by all repositories.
    pauses: Pauses = field(default_factory=Pauses)
    trees: KeptTrees = field(default_factory=KeptTrees)
    #: Whose turn it is to fetch.
    starts: Starts = field(init=False)

    def __post_init__(self) -> None:
        bounds = self.bounds
        starts = Starts(fetches_max=bounds.fetches_starting_max, seconds_max=bounds.fetch_start_seconds_max)
        object.__setattr__(self, "starts", starts)

    def local_environment(self, directory: Path) -> dict[str, str]:
        """For commands that stay on this machine."""
        return shielded_environment(self.home) | {"GIT_DIR": str(directory)}

    def maintenance_environment(self, directory: Path) -> dict[str, str]:
        """For `git gc`, which makes many packs into one."""
        config = [
            # A commit that nothing points at any more may still be the base of a comparison.
            ("gc.pruneExpire", "2.weeks.ago"),
            # Refs are few, and locking them all would be in the way of a fetch.
            ("gc.packRefs", "false"),
            ("repack.writeBitmaps", "false"),
        ]
        return shielded_environment(self.home, config=config) | {"GIT_DIR": str(directory)}

    @asynccontextmanager
    async def remote_environment(
        self, url: str, credentials: RepositoryCredentials | None
    ) -> AsyncIterator[dict[str, str]]:
        """For commands that speak to `url`; a key lies on disk, readable by us alone, while this lasts."""
        bounds = self.bounds
        config = [
            ("http.lowSpeedLimit", str(bounds.low_speed_bytes_per_second_min)),
            ("http.lowSpeedTime", str(bounds.low_speed_seconds_max)),
        ]
        environment = {name: os.environ[name] for name in (*_PROXY_VARIABLES, *_TRUST_VARIABLES) if name in os.environ}
        if credentials is not None:
            environment |= _proxy(credentials)
            if credentials.insecure:
                config.append(("http.sslVerify", "false"))
            if credentials.authorization and split_url(url).scheme != "ssh":
                config.append((f"http.{git_address(url)}.extraHeader", f"Authorization: {credentials.authorization}"))
        environment |= shielded_environment(self.home, schemes=self.schemes, config=config)
        if split_url(url).scheme != "ssh":
            yield environment
            return
        directory = Path(tempfile.mkdtemp(prefix="trueup-ssh-"))
        try:
            command = self._ssh_command(directory, credentials)
            yield environment | {"GIT_SSH_COMMAND": shlex.join(command), "GIT_SSH_VARIANT": "ssh"}
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _ssh_command(self, directory: Path, credentials: RepositoryCredentials | None) -> list[str]:
        options = {
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "PasswordAuthentication": "no",
            "ConnectTimeout": str(self.bounds.connect_seconds_max),
            "ServerAliveInterval": str(self.bounds.low_speed_seconds_max),
            "ForwardAgent": "no",
            "PermitLocalCommand": "no",
            "UserKnownHostsFile": str(directory / "known_hosts"),
            "StrictHostKeyChecking": "yes",
        }
        (directory / "known_hosts").write_text(self.known_hosts)
        if credentials is not None and credentials.insecure:
            options |= {"StrictHostKeyChecking": "no", "UserKnownHostsFile": "/dev/null"}
        command = ["ssh", "-F", "/dev/null"]
        for name, value in options.items():
            command += ["-o", f"{name}={value}"]
        if credentials is not None and credentials.ssh_private_key:
            key = directory / "key"
            key.touch(mode=0o600)
            key.write_text(credentials.ssh_private_key)
            command += ["-i", str(key)]
        return command

    async def run(
        self,
        command: str,
        arguments: Sequence[str | bytes],
        *,
        env: Mapping[str, str],
        cwd: Path,
        timeout_seconds: float | None = None,
        output_bytes_max: int = 1024 * 1024,
        stdin: bytes | None = None,
    ) -> process.Completed:
        """Run `git command arguments…` and count it; the errors are those of `process.run`."""
        GIT_COMMANDS.labels(command).inc()
        return await process.run(
            ["git", command, *arguments],
            cwd=cwd,
            env=env,
            stdin=stdin,
            timeout_seconds=self.bounds.local_seconds_max if timeout_seconds is None else timeout_seconds,
            output_bytes_max=output_bytes_max,
            niceness=self.bounds.niceness,
        )

    async def check_version(self) -> None:
        """Raise StalledError where git is missing or older than what the mirrors rely on."""
        wanted = ".".join(map(str, VERSION_MIN))
        try:
            completed = await self.run("version", [], env=shielded_environment(self.home), cwd=self.home)
        except process.ProcessNotStarted as e:
            raise StalledError(f"git is not installed; Trueup needs git {wanted} or newer") from e
        said = completed.stdout.decode(errors="replace").strip()
        match = re.search(r"(\d+)\.(\d+)", said)
        if match is None or (int(match[1]), int(match[2])) < VERSION_MIN:
            raise StalledError(f"{said or 'this git'} is too old; Trueup needs git {wanted} or newer")


def _proxy(credentials: RepositoryCredentials) -> dict[str, str]:
    environment: dict[str, str] = {}
    if credentials.proxy:
        environment |= dict.fromkeys(("https_proxy", "http_proxy"), credentials.proxy)
    if credentials.no_proxy:
        environment["no_proxy"] = credentials.no_proxy
    return environment


async def remove_tree(directory: Path) -> None:
    """Delete a directory, however large, without holding up the loop."""
    await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
