"""A commit on top of one that a mirror has, made of objects alone: no work tree, no ref of the mirror moves.

See git-read-tree(1), git-update-index(1) `--index-info`, git-commit-tree(1) and git-push(1) `--porcelain`.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from trueup.clients import process
from trueup.clients.git import Git, shielded_environment
from trueup.clients.git_errors import remote_error, scrub
from trueup.domain.credentials import RepositoryCredentials
from trueup.domain.errors import StalledError, TransientError
from trueup.domain.repository import check_url, git_address, redact_url

#: A line that the remote wrote for people, such as which rule of a protected branch a push is against.
_REMOTE_SAYS = re.compile(r"^remote:[ \t]*(.*\S)", re.MULTILINE)
#: Ours, and only while somebody fetches from the mirror by this name.
_HANDED_OVER = "refs/trueup-made/branch"


@dataclass(frozen=True, slots=True)
class Author:
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file's new content; None takes it away."""

    content: bytes | None
    #: As git writes it; of a file that was there the one that it had.
    mode: str = "100644"


class Workbench:
    """Makes commits in a bare repository, and brings them to others."""

    def __init__(self, git: Git, directory: Path) -> None:
        self._git = git
        self._directory = directory

    async def commit(
        self, base: str, files: Mapping[str, FileChange], *, message: str, author: Author, at: datetime
    ) -> str:
        """The SHA of a commit whose only parent is `base`, with these files changed, by their paths."""
        with tempfile.TemporaryDirectory(prefix="trueup-index-") as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            await self._local("read-tree", [base], index)
            entries = []
            for path, change in files.items():
                sha = "0" * len(base) if change.content is None else await self._blob(change.content)
                mode = "0" if change.content is None else change.mode
                entries.append(f"{mode} {sha}\t{path}\0")
            listed = "".join(entries).encode("utf-8", "surrogateescape")
            await self._local("update-index", ["-z", "--index-info"], index, stdin=listed)
            tree = (await self._local("write-tree", [], index)).decode().strip()
        identity = {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (
                ("NAME", author.name),
                ("EMAIL", author.email),
                ("DATE", f"{int(at.timestamp())} +0000"),
            )
        }
        arguments = ["-p", base, "-F", "-", tree]
        return (await self._local("commit-tree", arguments, identity, stdin=message.encode())).decode().strip()

    async def patch(self, base: str, commit: str) -> bytes:
        """What `git apply` takes to make the one of the other."""
        options = ["-p", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--full-index", "--binary"]
        return await self._local("diff-tree", [*options, base, commit], {})

    async def push(self, commit: str, branch: str, *, url: str, credentials: RepositoryCredentials | None) -> None:
        """Push the commit as the branch, never by force.

        Raises StalledError where the branch has moved on, or where the remote refuses it, and TransientError where
        the remote is away.
        """
        check_url(url, self._git.schemes)
        arguments = ["--porcelain", "--end-of-options", git_address(url), f"{commit}:refs/heads/{branch}"]
        secrets = credentials.secret_values if credentials else ()
        async with self._git.remote_environment(url, credentials) as environment:
            try:
                done = await self._git.run(
                    "push",
                    arguments,
                    env=dict(environment) | {"GIT_DIR": str(self._directory)},
                    cwd=self._directory,
                    timeout_seconds=self._git.bounds.fetch_seconds_max,
                )
            except process.ProcessError as error:
                raise TransientError(f"repository {redact_url(url)}: the push did not end well: {error}") from error
        if done.returncode == 0:
            return
        said, words = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        refused = next((line for line in said.splitlines() if line.startswith("!")), "")
        if "[rejected]" in refused:
            raise StalledError(
                f"branch {branch} of repository {redact_url(url)} has other commits than those that were compared; "
                "try again, or name another branch"
            )
        if refused:
            reason = scrub(refused.rpartition("\t")[2], secrets)
            told = scrub("\n".join(_REMOTE_SAYS.findall(words)), secrets)
            why = f"{reason} ({told})" if told else reason
            raise StalledError(f"repository {redact_url(url)} refuses the push to {branch}: {why}; name another branch")
        login = credentials.secret if credentials is not None and credentials.has_login else None
        raise remote_error(words, repository=redact_url(url), secret=login, secrets=secrets)

    async def hand_over(self, commit: str, branch: str, clone: Path) -> None:
        """Make the branch in a clone on this machine; what is checked out there stays as it is.

        Raises StalledError where there is no clone, or where it has such a branch with other commits.
        """
        await self._local("update-ref", [_HANDED_OVER, commit], {})
        config = [("protocol.file.allow", "always")]
        environment = shielded_environment(self._git.home, schemes=("file",), config=config)
        options = ["--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance"]
        done = await self._git.run(
            "fetch",
            [*options, "--end-of-options", str(self._directory), f"{_HANDED_OVER}:refs/heads/{branch}"],
            env=environment,
            cwd=clone,
        )
        if done.returncode == 0:
            return
        words = done.stderr.decode(errors="replace")
        if "not a git repository" in words:
            raise StalledError(f"{clone} is in no clone of Git; name one by --into, or push the branch by --push")
        if "checked out" in words:
            raise StalledError(f"the clone {clone} has branch {branch} checked out; name another one")
        if "rejected" in words:
            raise StalledError(f"the clone {clone} has a branch {branch} with other commits; name another one")
        raise StalledError(f"branch {branch} was not made in the clone {clone} (git: {scrub(words, ())})")

    async def _blob(self, content: bytes) -> str:
        return (await self._local("hash-object", ["-w", "--stdin"], {}, stdin=content)).decode().strip()

    async def _local(
        self, command: str, arguments: list[str], more: Mapping[str, str], *, stdin: bytes | None = None
    ) -> bytes:
        done = await self._git.run(
            command,
            arguments,
            env=self._git.local_environment(self._directory) | dict(more),
            cwd=self._directory,
            stdin=stdin,
            output_bytes_max=self._git.bounds.diff_bytes_max,
        )
        if done.returncode != 0:
            raise TransientError(f"git {command} failed: {scrub(done.stderr.decode(errors='replace'), ())}")
        return done.stdout
