"""Bases of kustomizations that lie in other repositories, from where the settings allow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trueup.clients.git_mirror import Missing
from trueup.domain.credentials import RepositoryCredentials
from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.globs import compile_glob
from trueup.domain.kustomize_remote import RemoteBase
from trueup.domain.repository import is_full_sha, redact_url
from trueup.engine.checkout import MirrorPool, at
from trueup.engine.tree import Tree


@dataclass(frozen=True, slots=True)
class RemoteBases:
    """The `BaseFetch` of one Application."""

    mirrors: MirrorPool
    #: Globs of addresses, held against those that are written, without `.git` at their ends.
    allowed: tuple[str, ...]
    #: What opens a repository to this Application.
    credentials: Callable[[str], RepositoryCredentials | None]
    #: Whether a tag that is here already is asked for again: it may have been moved.
    fresh: bool = False

    async def tree(self, base: RemoteBase) -> Tree:
        """As `BaseFetch` has it. Only a tag or a full SHA will do: nobody would hear of a branch that moves."""
        spelled = base.url.removesuffix(".git")
        if not any(compile_glob(pattern, "TRUEUP_KUSTOMIZE_REMOTE_BASES")(spelled) for pattern in self.allowed):
            raise InvalidSpecError(
                "it lies elsewhere, and TRUEUP_KUSTOMIZE_REMOTE_BASES does not allow that; have it allowed, "
                "commit what it has, or make it a source of its own (spec.sources)"
            )
        if not base.ref:
            raise InvalidSpecError("it has no ref; pin it to a tag or a commit: ?ref=v1.2.3")
        mirror = await self.mirrors.mirror(base.url)
        revision = base.ref if is_full_sha(base.ref) else f"refs/tags/{base.ref.removeprefix('refs/tags/')}"
        known = None if self.fresh and not is_full_sha(revision) else await mirror.resolve(revision)
        if known is None:
            fetched = await mirror.fetch([revision], credentials=self.credentials(base.url), url=base.url)
            found = fetched[revision]
            if isinstance(found, Missing):
                raise StalledError(f"{redact_url(base.url)}: {found.reason}; pin it to a tag or a commit that is there")
            known = found
        return (await at(mirror, known, "", said=f"{redact_url(base.url)}?ref={base.ref}")).repository
