"""Bringing a bare mirror up to its remote: which refs to ask for, and what to do when the disk is at fault."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from trueup.clients import process
from trueup.clients.git import Git
from trueup.clients.git_errors import (
    CorruptMirrorError,
    MissingRefError,
    NotMadeError,
    StaleLockError,
    UnavailableObjectError,
    disk_words,
    local_error,
    may_name_a_pause,
    pause_in,
    remote_error,
    scrub,
)
from trueup.clients.git_refs import RemoteFailedError, RemoteRef, RemoteRefs, list_refs, off_loop
from trueup.clients.git_store import Store, local_ref
from trueup.domain.credentials import RepositoryCredentials
from trueup.domain.errors import TransientError
from trueup.domain.repository import (
    HEAD,
    check_revision,
    check_url,
    git_address,
    is_full_sha,
    is_ref_name,
    looks_like_short_sha,
    redact_url,
    remote_refs,
)
from trueup.domain.version_range import best_tag, parse_range
from trueup.telemetry import GIT_FETCH_SECONDS, GIT_FETCHES

_SCRATCH_PREFIX = "refs/trueup-scratch/"


@dataclass(frozen=True, slots=True)
class Missing:
    """The remote has no such revision."""

    revision: str
    #: A sentence that names the revision and the repository.
    reason: str


Resolved = Mapping[str, "str | Missing"]


@dataclass(slots=True)
class _Round:
    """One fetch: what is asked for, of whom, and how."""

    url: str
    credentials: RepositoryCredentials | None
    revisions: frozenset[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def secrets(self) -> tuple[str, ...]:
        return self.credentials.secret_values if self.credentials else ()

    def failed(self, stderr: str) -> Exception:
        has_login = self.credentials is not None and self.credentials.has_login
        return remote_error(
            stderr,
            repository=redact_url(self.url),
            secret=self.credentials.secret if self.credentials and has_login else None,
            secrets=self.secrets,
        )


class Fetcher:
    """Fetches into a store; one at a time among processes that share the disk."""

    def __init__(self, git: Git, store: Store) -> None:
        self._git = git
        self._store = store

    async def fetch(self, url: str, revisions: Collection[str], credentials: RepositoryCredentials | None) -> Resolved:
        """See `Mirror.fetch`; URL and revisions have been checked."""
        work = _Round(url, credentials, frozenset(revisions))
        try:
            async with (
                self._store.locked(),
                self._git.remote_environment(url, credentials) as work.environment,
            ):
                try:
                    return await self._attempt(work)
                except CorruptMirrorError as e:
                    await self._store.quarantine(work.url, str(e))
                    return await self._attempt(work)
        except (CorruptMirrorError, StaleLockError, MissingRefError) as e:
            said = scrub(str(e), work.secrets)
            raise TransientError(f"repository {redact_url(url)}: its mirror could not be brought up: {said}") from e
        except NotMadeError as e:
            raise work.failed(str(e)) from e
        except OSError as e:
            raise work.failed(disk_words(e)) from e

    async def ls_remote(
        self, url: str, refs: Collection[str], credentials: RepositoryCredentials | None
    ) -> Mapping[str, RemoteRef]:
        """See `Mirror.ls_remote`."""
        check_url(url, self._git.schemes)
        for ref in refs:
            check_revision(ref)
        async with self._git.remote_environment(url, credentials) as environment:
            return (await self._list(_Round(url, credentials, frozenset(), environment), refs)).refs

    async def _attempt(self, work: _Round) -> Resolved:
        shas = [revision for revision in work.revisions if is_full_sha(revision)]
        names = work.revisions.difference(shas)
        if names:
            await self._fetch_names(work, names)
        absent = [sha for sha, commit in (await self._store.resolve(shas)).items() if commit is None]
        if absent:
            await self._fetch_shas(work, absent)
        return await self._outcome(work)

    async def _fetch_names(self, work: _Round, names: Collection[str]) -> None:
        # What a range stands for is for the tags to say, so there the remote is always asked first.
        if not any(parse_range(name) for name in names):
            refs = {remote_refs(name)[0] for name in names}
            if await self._store.known(refs) == refs:
                try:
                    await self._fetch_refs(work, {ref: ref for ref in refs})
                except MissingRefError:
                    pass
                else:
                    return
        await self._fetch_listed(work, names)

    async def _fetch_listed(self, work: _Round, names: Collection[str]) -> None:
        """For names of which it is not known what they are, or whether: ask, then fetch what has moved."""
        listed = await self._list(work, {ref for name in names for ref in _asked_for(name)})
        #: By the name under which the mirror keeps it: the remote's ref.
        wanted: dict[str, str] = {}
        for name in names:
            if (ref := await off_loop(len(listed.refs), _meant, name, listed.refs)) is not None:
                wanted[ref if ref in remote_refs(name) else name] = ref
        if wanted and not self._store.exists:
            await self._store.create(listed.object_format)
        values = await self._store.values(wanted)
        moved = {kept: ref for kept, ref in wanted.items() if values.get(kept) != listed.refs[ref].sha}
        if moved:
            await self._fetch_refs(work, moved)
        else:
            GIT_FETCHES.labels("unchanged").inc()
        # A full name, `refs/tags/x`, may be wanted beside a short one that now means the branch.
        gone = {ref for name in names for ref in remote_refs(name) if ref not in wanted}
        await self._store.delete_refs(local_ref(ref) for ref in await self._store.known(gone))

    async def _list(self, work: _Round, refs: Collection[str]) -> RemoteRefs:
        self._git.pauses.check(work.url, work.credentials)
        try:
            return await list_refs(self._git, work.url, sorted(refs), work.environment)
        except (RemoteFailedError, process.ProcessError) as e:
            GIT_FETCHES.labels("failure").inc()
            raise await self._failed(work, _words(e)) from e

    async def _failed(self, work: _Round, said: str) -> Exception:
        """The error, with the pause that the host asks for; others who would ask it wait as well."""
        error = work.failed(said)
        if isinstance(error, TransientError) and may_name_a_pause(said):
            error.retry_after_seconds = await self._pause_seconds(work)
            if error.retry_after_seconds:
                self._git.pauses.ask_for(work.url, work.credentials, error.retry_after_seconds)
        return error

    async def _pause_seconds(self, work: _Round) -> float | None:
        """Git keeps `Retry-After` to itself: the host is asked once more, with the headers on record."""
        try:
            completed = await self._git.run(
                "ls-remote",
                ["--quiet", "--end-of-options", git_address(work.url), HEAD],
                env=dict(work.environment) | {"GIT_TRACE_CURL": "1", "GIT_TRACE_CURL_NO_DATA": "1"},
                cwd=self._git.home,
                timeout_seconds=self._git.bounds.list_seconds_max,
            )
        except process.ProcessError:
            return None
        return pause_in(completed.stderr.decode(errors="replace"))

    async def _fetch_refs(self, work: _Round, refs: Mapping[str, str]) -> None:
        """`refs`: the name under which each is kept, and the remote's."""
        await self._fetch(work, [f"+{ref}:{local_ref(kept)}" for kept, ref in sorted(refs.items())])

    async def _fetch(self, work: _Round, refspecs: Collection[str]) -> None:
        """One `git fetch`; a lock that a killed one left behind is cleared away."""
        self._git.pauses.check(work.url, work.credentials)
        try:
            await self._fetch_once(work, refspecs)
        except StaleLockError:
            self._store.clear_locks()
            await self._fetch_once(work, refspecs)

    async def _fetch_once(self, work: _Round, refspecs: Collection[str]) -> None:
        arguments = [
            "--quiet",
            "--atomic",
            "--force",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--no-show-forced-updates",
            "--stdin",
            "--end-of-options",
            git_address(work.url),
        ]
        try:
            async with self._git.starts.one():
                completed = await self._git.run(
                    "fetch",
                    arguments,
                    env=dict(work.environment) | {"GIT_DIR": str(self._store.directory)},
                    cwd=self._store.directory,
                    timeout_seconds=self._git.bounds.fetch_seconds_max,
                    stdin="".join(f"{refspec}\n" for refspec in refspecs).encode("utf-8", "surrogateescape"),
                )
        except process.ProcessError as e:
            GIT_FETCHES.labels("failure").inc()
            raise work.failed(_words(e)) from e
        GIT_FETCH_SECONDS.observe(completed.seconds)
        if completed.returncode == 0:
            GIT_FETCHES.labels("success").inc()
            return
        GIT_FETCHES.labels("failure").inc()
        said = completed.stderr.decode(errors="replace")
        # What the remote itself says must not make us throw the mirror away.
        own = "\n".join(line for line in said.splitlines() if not line.startswith("remote:"))
        raise local_error(own) or await self._failed(work, said)

    async def _fetch_shas(self, work: _Round, shas: Collection[str]) -> None:
        if not self._store.exists:
            await self._store.create("sha1" if all(len(sha) == 40 for sha in shas) else "sha256")
        for sha in sorted(shas):
            try:
                await self._fetch(work, [f"+{sha.lower()}:{local_ref(sha)}"])
            except MissingRefError:
                # A name of the other hash function.
                continue
            except UnavailableObjectError as e:
                # With protocol 2 git itself gives every object that it has.
                if "not our ref" not in str(e):
                    await self._fetch_everything(work, sha)

    async def _fetch_everything(self, work: _Round, sha: str) -> None:
        """For a host that gives only what a ref stands for: all branches and tags, for the sake of one commit."""
        await self._fetch(work, [f"+refs/{kind}/*:{_SCRATCH_PREFIX}{kind}/*" for kind in ("heads", "tags")])
        listed = await self._store.local("for-each-ref", ["--format=%(refname)", _SCRATCH_PREFIX])
        if (await self._store.resolve([sha]))[sha] is not None:
            await self._store.local("update-ref", [local_ref(sha), sha.lower()])
        await self._store.delete_refs(listed.splitlines())

    async def _outcome(self, work: _Round) -> Resolved:
        repository = redact_url(work.url)
        commits = await self._store.resolve(work.revisions)
        return {
            revision: commit if commit is not None else Missing(revision, _missing(revision, repository))
            for revision, commit in commits.items()
        }


def _asked_for(name: str) -> tuple[str, ...]:
    """What to list for a target revision: of a range all tags, and the branch that may be called so."""
    wanted = parse_range(name)
    if wanted is None:
        return remote_refs(name)
    return (f"refs/tags/{wanted.prefix}", *((f"refs/heads/{name}",) if is_ref_name(name) else ()))


def _meant(name: str, listed: Mapping[str, RemoteRef]) -> str | None:
    """The ref that a target revision stands for; a range that admits no tag may yet be a name."""
    wanted = parse_range(name)
    if wanted is None:
        return next((ref for ref in remote_refs(name) if ref in listed), None)
    named = (f"refs/heads/{name}", f"refs/tags/{name}")
    return best_tag(wanted, listed) or next((ref for ref in named if ref in listed), None)


def _words(error: Exception) -> str:
    if isinstance(error, RemoteFailedError):
        return error.stderr
    if isinstance(error, process.ProcessTimeout):
        return f"timed out; {error.stderr.decode(errors='replace')}"
    return str(error)


def _missing(revision: str, repository: str) -> str:
    if revision in {"", HEAD}:
        return f"repository {repository} has no commit on its default branch; push one, or name a branch"
    if is_full_sha(revision):
        return f"repository {repository} has no commit {revision}; push it, or correct spec.source.targetRevision"
    if parse_range(revision) is not None:
        return f"repository {repository} has no tag that {revision} admits; push one, or correct the range"
    way_out = "push it, or correct spec.source.targetRevision"
    if looks_like_short_sha(revision):
        way_out = "a commit has to be named by its full SHA"
    return f"repository {repository} has no branch or tag {revision}; {way_out}"
