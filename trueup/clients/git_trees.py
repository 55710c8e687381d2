"""Trees that were read and parsed, kept for the next one who walks through them.

A tree is named by its content and was held against its name when it was read, so one that is kept is
never wrong, only unused.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

#: Of all trees that are kept; one holds about 300 bytes.
TREE_ENTRIES_KEPT_MAX = 20_000


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One entry of a tree. The path's bytes that are no UTF-8 are kept as surrogates."""

    #: Octal, as git writes it: `100644`, `100755`, `120000` (link), `40000` (tree), `160000` (submodule).
    mode: str
    sha: str
    path: str


#: By name.
Entries = Mapping[str, TreeEntry]


class KeptTrees:
    """The trees read last of all repositories, by repository and id; those least recently asked for go first."""

    def __init__(self, *, tree_entries_kept_max: int = TREE_ENTRIES_KEPT_MAX) -> None:
        self._entries_max = tree_entries_kept_max
        self._count = 0
        self._trees: OrderedDict[tuple[str, str], Entries] = OrderedDict()

    def get(self, repository: str, tree: str) -> Entries | None:
        """What the tree has; None where it is not kept. Not to be changed."""
        found = self._trees.get((repository, tree))
        if found is not None:
            self._trees.move_to_end((repository, tree))
        return found

    def put(self, repository: str, tree: str, entries: Entries) -> None:
        """Keep it, unless it alone is larger than the bound."""
        self._count -= _size(self._trees.pop((repository, tree), None))
        if _size(entries) > self._entries_max:
            return
        self._trees[repository, tree] = entries
        self._count += _size(entries)
        while self._count > self._entries_max:
            _, dropped = self._trees.popitem(last=False)
            self._count -= _size(dropped)


def _size(entries: Entries | None) -> int:
    # An empty tree takes room too.
    return 0 if entries is None else len(entries) + 1
