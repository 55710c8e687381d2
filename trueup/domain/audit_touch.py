"""Which fields a patch names, as the audit log has the patch: names alone, never a value. Pure.

Of a patch nothing tells its type. So a list of objects counts as written whole, unless the order that a strategic
merge patch states beside it says that its members are patched one by one; what looks like a server-side apply,
which also takes away what it does not name, tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from trueup.domain.fieldpath import Item, Path

#: Names of fields; a member of a list is `[` and its name, or ANY_MEMBER.
Chain = tuple[str, ...]
ANY_MEMBER = "["
#: Instead of a field: the order of a list's members.
_ORDER = "[order"
#: A patch that names more, or longer ones, tells nothing: it may have written anything.
CHAINS_MAX = 64
CHAIN_NAMES_MAX = 32
CHAINS_CHARS_MAX = 4_096

_ORDERED = "$setElementOrder/"
_TAKEN_FROM = "$deleteFromPrimitiveList/"


@dataclass(frozen=True, slots=True)
class Touched:
    """What a patch names."""

    written: tuple[Chain, ...] = ()
    #: Of these the ones that it takes away.
    removed: tuple[Chain, ...] = ()

    def names(self, path: Path) -> bool:
        """Whether the patch names the place, or something above or below it."""
        return _meets(self.written, path)

    def proves(self, path: Path) -> bool:
        """Whether the patch writes this very place, or something below it, beyond doubt.

        A list that is sent as a whole names every member, and most of them stand there as they were; and of a member
        without a name nobody can tell which one it is.
        """
        steps = tuple(map(_step, path))
        return ANY_MEMBER not in steps and any(chain[: len(steps)] == steps for chain in self.written)

    def removes(self, path: Path) -> bool:
        """Whether the patch takes the place away, or something above it."""
        above = (chain for chain in self.removed if len(chain) <= len(path))
        return _meets(above, path)


class _TooManyError(Exception):
    """The patch names more than is kept."""


def touched_by(patch: object) -> Touched | None:
    """The fields that a patch names, None where it may write others too."""
    walk = _Walk()
    try:
        if isinstance(patch, Mapping) and not ("kind" in patch and "apiVersion" in patch):
            walk.mapping((), patch)
        elif isinstance(patch, list):
            walk.operations(patch)
        else:
            return None
    except _TooManyError:
        return None
    return Touched(tuple(walk.written), tuple(walk.removed))


def as_json(touched: Touched) -> list[list[list[str]]]:
    """Lists of lists of names, which `from_json` reads."""
    return [[list(chain) for chain in chains] for chains in (touched.written, touched.removed)]


def from_json(raw: Any) -> Touched:
    """What `as_json` wrote. Raises ValueError, TypeError for anything else."""
    written, removed = raw
    return Touched(*(tuple(tuple(map(str, chain)) for chain in chains) for chains in (written, removed)))


class _Walk:
    def __init__(self) -> None:
        self.written: list[Chain] = []
        self.removed: list[Chain] = []
        self.chars_left = CHAINS_CHARS_MAX

    def note(self, chain: Chain, *, removed: bool = False) -> None:
        self.chars_left -= sum(map(len, chain))
        if len(self.written) == CHAINS_MAX or self.chars_left < 0:
            raise _TooManyError
        self.written.append(chain)
        if removed:
            self.removed.append(chain)

    def mapping(self, above: Chain, patch: Mapping[Any, Any]) -> None:
        if "$patch" in patch or "$retainKeys" in patch or not patch or len(above) >= CHAIN_NAMES_MAX:
            self.note(above, removed=patch.get("$patch") == "delete")
            return
        for name, value in patch.items():
            chain = (*above, str(name))
            if chain[-1].startswith(_ORDERED):
                self.note((*above, chain[-1].removeprefix(_ORDERED), _ORDER))
            elif chain[-1].startswith(_TAKEN_FROM):
                self.note((*above, chain[-1].removeprefix(_TAKEN_FROM)), removed=True)
            elif isinstance(value, Mapping):
                self.mapping(chain, value)
            elif isinstance(value, list) and f"{_ORDERED}{name}" in patch:
                self.members(chain, value)
            else:
                self.note(chain, removed=value is None)

    def members(self, above: Chain, members: Sequence[Any]) -> None:
        for member in members:
            if not isinstance(member, Mapping):
                self.note(above)
                continue
            name = member.get("name")
            self.mapping((*above, f"[{name}" if isinstance(name, str) else ANY_MEMBER), member)

    def operations(self, patch: Sequence[Any]) -> None:
        """JSON Patch (RFC 6902)."""
        for operation in patch:
            if not isinstance(operation, Mapping) or operation.get("op") == "test":
                continue
            kind = operation.get("op")
            self.note(_chain_of(operation.get("path")), removed=kind == "remove")
            if kind == "move":
                self.note(_chain_of(operation.get("from")), removed=True)


def _chain_of(pointer: object) -> Chain:
    if not isinstance(pointer, str) or pointer.count("/") > CHAIN_NAMES_MAX:
        return ()
    names = [name.replace("~1", "/").replace("~0", "~") for name in pointer.split("/")[1:]]
    return tuple(ANY_MEMBER if name == "-" or name.isdigit() else name for name in names)


def _meets(chains: Iterable[Chain], path: Path) -> bool:
    steps = [_step(segment) for segment in path]
    return any(all(map(_same, chain, steps)) for chain in chains)


def _step(segment: Any) -> str:
    if isinstance(segment, str):
        return segment
    name = dict(segment.keys).get("name") if isinstance(segment, Item) else None
    return f"[{name}" if isinstance(name, str) else ANY_MEMBER


def _same(one: str, other: str) -> bool:
    # A number in a JSON pointer may be a position or a name.
    return one == other or (ANY_MEMBER in (one, other) and _ORDER not in (one, other))


Evidence = Literal["names it", "may have written it", "is about something else"]


def evidence(touched: Touched | None, path: Path) -> Evidence:
    """What a write's patch says of a place; None is a write of which nobody can tell."""
    if touched is None:
        return "may have written it"
    return "names it" if touched.names(path) else "is about something else"
