"""Kustomizations in other repositories: fetched by us before, and put beside those of the source's own.

A build has no network. So a base elsewhere is fetched into a mirror, and its repository stands in the private
directory under a name that nothing else has; what names it there names that directory instead.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from trueup.domain.errors import InvalidSpecError
from trueup.domain.kustomize_remote import RemoteBase
from trueup.engine.tree import Found, Tree, TreeFile

#: Other repositories, each at one ref, that a kustomization and its bases may name.
REMOTES_MAX = 20
_PREFIX = ".elsewhere-"
#: What may name a kustomization.
_FIELDS = frozenset({"resources", "bases", "components"})


class BaseFetch(Protocol):
    """Fetches other repositories for one Application."""

    async def tree(self, base: RemoteBase) -> Tree:
        """The whole repository at the base's ref.

        InvalidSpecError where that is not allowed, StalledError where it is not there, TransientError where the
        remote is away.
        """
        ...


class NothingElsewhere:
    """Fetches nothing."""

    async def tree(self, base: RemoteBase) -> Tree:  # noqa: ARG002 -- whatever it is
        raise InvalidSpecError(
            "it lies elsewhere, and nothing is fetched here; commit what it has, "
            "or make it a source of its own (spec.sources)"
        )


class Grafted:
    """A tree with the trees of other repositories beside its own files."""

    def __init__(self, own: Tree) -> None:
        self._own = own
        self._grafts: dict[str, Tree] = {}
        self._named: dict[str, str] = {}
        #: The tree that has a file, by its id.
        self._having: dict[str, Tree] = {}

    def __len__(self) -> int:
        return len(self._grafts)

    @property
    def addresses(self) -> Mapping[str, str]:
        """By the directory where each is, how it was named."""
        return self._named

    def graft(self, base: RemoteBase, tree: Tree) -> str:
        """Have the repository in a directory; which."""
        name = _PREFIX + hashlib.sha256(f"{base.url}\0{base.ref}".encode()).hexdigest()[:16]
        self._grafts[name] = tree
        self._named[name] = f"{base.url}?ref={base.ref}"
        return name

    def graft_of(self, place: str) -> str:
        """The directory of the repository that a place is in; empty for the own one."""
        name = place.partition("/")[0]
        return name if name in self._grafts else ""

    async def find(self, place: str) -> Found | None:
        name = self.graft_of(place)
        if not name:
            return await self._own.find(place)
        found = await self._grafts[name].find(place[len(name) + 1 :])
        if found is None:
            return None
        self._having[found.id] = self._grafts[name]
        linked = frozenset(posixpath.join(name, link) for link in found.linked)
        return replace(found, place=posixpath.join(name, found.place).rstrip("/"), linked=linked)

    async def files(self, place: str) -> list[TreeFile]:
        name = self.graft_of(place)
        if name:
            return await self._files_of(name, place[len(name) + 1 :])
        found = await self._own.files(place)
        if not place:
            for graft in self._grafts:
                found += await self._files_of(graft, "")
        return found

    async def _files_of(self, name: str, place: str) -> list[TreeFile]:
        files = await self._grafts[name].files(place)
        self._having.update((file.id, self._grafts[name]) for file in files)
        return [replace(file, place=posixpath.join(name, file.place)) for file in files]

    async def read(self, ids: Collection[str]) -> Mapping[str, bytes]:
        by_tree: dict[int, tuple[Tree, set[str]]] = {}
        for file in ids:
            tree = self._having.get(file, self._own)
            by_tree.setdefault(id(tree), (tree, set()))[1].add(file)
        found: dict[str, bytes] = {}
        for tree, wanted in by_tree.values():
            found.update(await tree.read(wanted))
        return found


def pointed(kustomization: Mapping[str, Any], directories: Mapping[str, str]) -> dict[str, Any]:
    """The kustomization with these names of others replaced."""

    def one(text: Any) -> Any:
        return directories.get(text, text) if isinstance(text, str) else text

    return {
        name: ([one(text) for text in value] if isinstance(value, list) else one(value))
        if name.casefold() in _FIELDS
        else value
        for name, value in kustomization.items()
    }


@dataclass(slots=True)
class Elsewhere:
    """What the kustomizations of one build have of other repositories."""

    tree: Grafted
    fetch: BaseFetch

    async def directory(self, base: RemoteBase, *, said: str) -> str:
        """Where the base is after it was fetched; `said` names who names it."""
        if len(self.tree) >= REMOTES_MAX:
            raise InvalidSpecError(f"{said}: these are more than {REMOTES_MAX} repositories; commit some of them")
        try:
            tree = await self.fetch.tree(base)
        except InvalidSpecError as error:
            raise InvalidSpecError(f"{said}: {error}") from error
        return posixpath.join(self.tree.graft(base, tree), base.path).rstrip("/")
