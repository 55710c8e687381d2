"""Whether what people added is a default: the API server is asked what it makes of the object without it.

A dry run of a JSON patch (RFC 6902) removes the places. What comes back with the value that it had is the
server's own default; what the server refuses to lose is no drift either, for nobody could heal it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from trueup.clients.api_errors import ApiError, RejectedError
from trueup.clients.cluster import Cluster
from trueup.domain.by_hand import Hands, additions
from trueup.domain.errors import TransientError
from trueup.domain.fieldpath import ABSENT, Item, Member, Path, Pointers
from trueup.domain.normalize import same_json
from trueup.domain.resource import Body, Manifest
from trueup.engine.refusals import lacks_right

#: Dry runs for one object: so many find among dozens of places those that cannot go.
REMOVALS_TRIED_MAX = 24
#: An object whose lists change meanwhile is asked about anew so often, as long as people's additions stay as they were.
MOVES_MAX = 3
#: What the API server says where a webhook has side effects, so that nothing can be tried.
NO_DRY_RUN = "does not support dry run"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the API server said of places that people added. The rest of them is drift."""

    #: They come back as they were.
    defaults: frozenset[Path] = frozenset()
    #: They cannot be taken away.
    kept: frozenset[Path] = frozenset()
    #: Nobody could tell: the object moved, the tries did not suffice, or we may not even try.
    undecided: frozenset[Path] = frozenset()
    #: Whether the same question has the same answer later.
    lasts: bool = True


async def rule_on(cluster: Cluster, manifest: Manifest, live: Body, paths: Sequence[Path], hands: Hands) -> Ruling:
    """Ask about these places of the live object. Raises TransientError where nobody can answer now."""
    trial = _Trial(cluster, manifest, live, hands)
    try:
        await trial.decide(tuple(paths))
    except (_MovedError, _NoRightError):
        return Ruling(undecided=frozenset(paths), lasts=False)
    return trial.ruling(paths)


class _MovedError(Exception):
    """Somebody changed what was asked about."""


class _NoRightError(Exception):
    """The API server does not let us try."""


@dataclass(slots=True)
class _Trial:
    cluster: Cluster
    manifest: Manifest
    live: Body
    hands: Hands
    #: What can be taken away, all of it together, and the object that is left then.
    taken: list[Path] = field(default_factory=list)
    left: Body | None = None
    refused: list[Path] = field(default_factory=list)
    untried: list[Path] = field(default_factory=list)
    tried: int = 0

    async def decide(self, paths: tuple[Path, ...]) -> None:
        await self._take(paths)
        # What needed another place to go first, such as a volume its mount, can go now.
        again, self.refused = self.refused, []
        for path in again:
            if self.taken:
                await self._take((path,))
            else:
                self.refused.append(path)

    async def _take(self, paths: tuple[Path, ...]) -> None:
        """Take away as many of them as can be, by halves where not all can."""
        if not paths:
            return
        if self.tried >= REMOVALS_TRIED_MAX:
            self.untried += paths
            return
        self.tried += 1
        try:
            left = await self._asked((*self.taken, *paths))
        except ApiError as error:
            if isinstance(error, TransientError):
                raise
            if lacks_right(error):
                raise _NoRightError from error
            if NO_DRY_RUN in str(error):
                self.tried = REMOVALS_TRIED_MAX
                self.untried += paths
            elif len(paths) == 1:
                self.refused += paths
            else:
                half = len(paths) // 2
                await self._take(paths[:half])
                await self._take(paths[half:])
        else:
            self.taken += paths
            self.left = left

    async def _asked(self, paths: Sequence[Path]) -> Body:
        """The object without these places. Raises ApiError where the API server refuses."""
        key = self.manifest.key
        resource = await self.cluster.resource(key.group, key.kind, self.manifest.version)
        for _ in range(MOVES_MAX):
            operations = removal(self.live, paths)
            try:
                return await self.cluster.json_patch(resource, key.namespace, key.name, operations, dry_run=True)
            except RejectedError:
                # Or the places stand elsewhere by now, which is refused with the same words.
                found = await self.cluster.get(resource, key.namespace, key.name)
                if found is None or not self._is_unmoved(found):
                    raise _MovedError from None
                self.live = found
                if removal(found, paths) == operations:
                    raise
        raise _MovedError

    def _is_unmoved(self, found: Body) -> bool:
        """Whether people's additions are the same, value for value."""
        before, after = self._added(self.live), self._added(found)
        return before.keys() == after.keys() and all(same_json(value, after[path]) for path, value in before.items())

    def _added(self, live: Body) -> dict[Path, Any]:
        places = Pointers(live)
        return {each.path: places.found(each.path)[1] for each in additions(self.manifest, live, self.hands)}

    def ruling(self, paths: Sequence[Path]) -> Ruling:
        left, live = Pointers(self.left or {}), Pointers(self.live)
        defaults = frozenset(path for path in self.taken if _same(left.found(path)[1], live.found(path)[1]))
        return Ruling(defaults, frozenset(self.refused), frozenset(self.untried) & frozenset(paths))


def removal(live: Body, paths: Sequence[Path]) -> list[dict[str, Any]]:
    """The JSON patch that takes these places away, as long as the members of lists that it means are where they were.

    It does not hang on the object's version: a status is written more often than a question is answered.
    """
    places = Pointers(live)
    tests: dict[str, dict[str, Any]] = {}
    for path in paths:
        for length, segment in enumerate(path, start=1):
            if isinstance(segment, Item | Member):
                place, there = places.found(path[:length])
                stated = segment.keys if isinstance(segment, Item) else ()
                values = [(f"{place}/{name}", value) for name, value in stated] or [(place, there)]
                tests |= {where: {"op": "test", "path": where, "value": value} for where, value in values}
    # From the last member of a list to the first, so that no removal moves what the next one means.
    ends = sorted((places.found(path)[0] for path in paths), key=_position, reverse=True)
    return [*tests.values(), *({"op": "remove", "path": place} for place in ends)]


def _position(place: str) -> list[tuple[int, str]]:
    return [(int(token), "") if token.isdecimal() else (-1, token) for token in place.split("/")]


def _same(one: Any, other: Any) -> bool:
    return one is not ABSENT and other is not ABSENT and bool(same_json(one, other))
