"""Who has to look again when a ref moves, from what every follower's last render has read.

Kept between pushes, and corrected by what is heard of Applications, so that a push costs its changed
paths and its affected applications. For a follower at revision R with read-set S the rule is: where
nothing in S differs between R and the new tip, the new tip renders what R rendered, and has the same
read-set. It holds for any R and S that once belonged together, so what is heard late does no harm.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from trueup.clients.git_mirror import Mirror
from trueup.domain.affected import ReadIndex, covers
from trueup.domain.application import Application, ApplicationId
from trueup.domain.followers import Followed, follows
from trueup.domain.generate_paths import asked_for
from trueup.domain.read_set import Entry, ReadKey, ReadSet, read_key

#: Of the revisions that followers stand at, so many are held against the tip file by file for one answer;
#: whose directories differ beyond that is affected.
REVISIONS_COMPARED_MAX = 50

Load = Callable[[Collection[ReadKey]], Awaitable[Mapping[ReadKey, ReadSet]]]


@dataclass(frozen=True, slots=True)
class _Follower:
    key: ReadKey
    #: What its annotation adds.
    asked: frozenset[Entry]


@dataclass(slots=True)
class _Ref:
    """The followers of one target revision of one repository."""

    followers: dict[ApplicationId, _Follower] = field(default_factory=dict)
    #: What is known of them, `unread` apart.
    index: ReadIndex = field(default_factory=ReadIndex)
    #: Whose read-set this process has not found yet.
    unread: set[ApplicationId] = field(default_factory=set)
    #: Whose read-set is known, but not yet whether the tip last examined still has all of it as it was.
    unproved: set[ApplicationId] = field(default_factory=set)
    #: Who was affected by an earlier move, and has not been heard of since: what they will have read is not known.
    awaited: set[ApplicationId] = field(default_factory=set)
    #: Up to where this process has followed the ref itself; another one may have been further.
    tip: str | None = None

    def forget(self, application: ApplicationId) -> None:
        self.followers.pop(application, None)
        self.index.drop(application)
        for names in (self.unread, self.unproved, self.awaited):
            names.discard(application)


@dataclass(frozen=True, slots=True)
class Look:
    """What one move of a ref comes to. Nothing is remembered of it before `settle`."""

    affected: frozenset[ApplicationId]
    _ref: _Ref
    _tip: str
    _seen: Mapping[ApplicationId, _Follower]
    _proved: frozenset[ApplicationId]

    def settle(self) -> None:
        """The affected are enqueued, and the tip is examined."""
        ref = self._ref
        ref.tip = self._tip
        for application, follower in self._seen.items():
            if ref.followers.get(application) is not follower:
                continue
            if application in self._proved:
                ref.unproved.discard(application)
            if application in self.affected and follower.key.revision != self._tip:
                ref.awaited.add(application)
            else:
                ref.awaited.discard(application)


class Readers:
    """Every follower of every ref that is followed, as this process knows them.

    Not safe for several threads; an event loop is one. One answer about a ref is given at a time.
    """

    def __init__(self, load: Load) -> None:
        """`load` finds the read-sets that are kept somewhere."""
        self._load = load
        self._refs: dict[Followed, _Ref] = defaultdict(_Ref)
        self._places: dict[ApplicationId, frozenset[Followed]] = {}
        #: What was rendered in this process, until it is asked for.
        self._learned: dict[tuple[ApplicationId, Followed], tuple[ReadKey, ReadSet]] = {}

    def observe(self, identity: ApplicationId, application: Application | None) -> None:
        """What is heard of an Application; None where it is gone. O(its sources), and free where nothing moved."""
        if application is None or application.spec_refusals or application.deleting:
            self._forget(identity)
            return
        revisions = follows(application)
        for followed in self._places.get(identity, frozenset()) - revisions.keys():
            self._leave(identity, followed)
        self._places[identity] = frozenset(revisions)
        for followed, revision in revisions.items():
            follower = _Follower(read_key(application, followed, revision), asked_for(application, followed))
            if self._refs[followed].followers.get(identity) != follower:
                self._take_in(identity, followed, follower)

    def _take_in(self, identity: ApplicationId, followed: Followed, follower: _Follower) -> None:
        ref = self._refs[followed]
        ref.forget(identity)
        ref.followers[identity] = follower
        key, read_set = self._learned.get((identity, followed), (None, frozenset[Entry]()))
        if key == follower.key:
            # Here, and not with the next push, which would have to do so for everybody at once.
            self._know(followed, identity, read_set)
        else:
            ref.unread.add(identity)

    def learn(self, application: Application, followed: Followed, revision: str, read_set: ReadSet) -> ReadKey | None:
        """What a render in this process has read of what the Application follows, at this commit of it.

        Its key, or None where that was known before.
        """
        key, known = read_key(application, followed, revision), (application.id, followed)
        is_heard_of = followed in self._places.get(application.id, frozenset())
        if self._learned.get(known) == (key, read_set):
            return None
        if is_heard_of and application.id not in (ref := self._refs[followed]).unread:
            follower = ref.followers[application.id]
            if follower.key == key and ref.index.entries(application.id) == read_set | follower.asked:
                return None
        if is_heard_of:
            self._learned[known] = (key, read_set)
        return key

    async def look(self, mirror: Mirror, followed: Followed, old: str | None, tip: str, *, by_content: bool) -> Look:
        """Who is affected now that what is followed stands at `tip` and was last examined at `old`.

        None for `old`, or `by_content`, holds every follower's own revision against the tip. Without
        either, and without a move, nobody is.
        """
        ref = self._refs[followed]
        if old == tip and not by_content:
            return Look(frozenset(), ref, tip, {}, frozenset())
        await self._read(followed)
        paths: list[str] | None = []
        # Another process may have examined what this one has not seen: both ways are looked at.
        bases = {old, ref.tip or old} - {tip}
        for base in bases:
            more = await mirror.changed_paths(base, tip) if base is not None else None
            paths = None if paths is None or more is None else paths + more
        if paths is None or by_content:
            doubtful, proved = set(ref.followers) - ref.unread, set[ApplicationId]()
        else:
            # Who was compared where such a way begins, or at the tip itself, is judged by the paths.
            proved = {name for name in ref.unproved if ref.followers[name].key.revision in {*bases, tip}}
            doubtful = ref.unproved - proved
        differing = await self._differing(mirror, ref, doubtful, tip)
        touched = ref.index.concerned(paths or [])
        affected = frozenset(ref.unread | ref.awaited | differing | touched)
        proved |= doubtful
        seen = {name: ref.followers[name] for name in affected | proved if name in ref.followers}
        return Look(affected, ref, tip, seen, frozenset(proved))

    async def _read(self, followed: Followed) -> None:
        """Find the read-sets that are not known yet; those of followers never compared do not exist."""
        ref = self._refs[followed]
        wanted = {name: ref.followers[name] for name in ref.unread if ref.followers[name].key.revision}
        found: dict[ApplicationId, ReadSet] = {}
        for name, follower in wanted.items():
            key, read_set = self._learned.get((name, followed), (None, frozenset[Entry]()))
            if key == follower.key:
                found[name] = read_set
        missing = {follower.key: name for name, follower in wanted.items() if name not in found}
        if missing:
            loaded = await self._load(missing.keys())
            found |= {missing[key]: read_set for key, read_set in loaded.items() if key in missing}
        for name, read_set in found.items():
            if ref.followers.get(name) is wanted[name]:
                self._know(followed, name, read_set)

    def _know(self, followed: Followed, name: ApplicationId, read_set: ReadSet) -> None:
        ref = self._refs[followed]
        ref.index.put(name, read_set | ref.followers[name].asked)
        ref.unread.discard(name)
        ref.unproved.add(name)
        self._learned.pop((name, followed), None)

    async def _differing(
        self, mirror: Mirror, ref: _Ref, names: Collection[ApplicationId], tip: str
    ) -> set[ApplicationId]:
        """Whose read-set the tip does not have as the follower's own revision has it.

        First by the ids of the trees that hold it all; where one differs, by the paths that do.
        """
        places: dict[tuple[str, str], None] = {}
        needs: dict[ApplicationId, list[tuple[tuple[str, str], tuple[str, str]]]] = {}
        for name in names:
            revision = ref.followers[name].key.revision
            if revision != tip:
                pairs = [((revision, place), (tip, place)) for place in covers(ref.index.entries(name))]
                needs[name] = pairs
                places.update(dict.fromkeys(place for pair in pairs for place in pair))
        trees = dict(zip(places, await mirror.tree_ids(list(places)), strict=True))
        suspects: dict[str, set[ApplicationId]] = defaultdict(set)
        for name, pairs in needs.items():
            if any(trees[before] is None or trees[before] != trees[after] for before, after in pairs):
                suspects[pairs[0][0][0]].add(name)
        differing: set[ApplicationId] = set()
        for number, (revision, group) in enumerate(suspects.items()):
            paths = await mirror.changed_paths(revision, tip) if number < REVISIONS_COMPARED_MAX else None
            differing |= group if paths is None else group & ref.index.concerned(paths)
        return differing

    def _leave(self, identity: ApplicationId, followed: Followed) -> None:
        self._learned.pop((identity, followed), None)
        self._refs[followed].forget(identity)
        if not self._refs[followed].followers:
            del self._refs[followed]

    def _forget(self, identity: ApplicationId) -> None:
        for followed in self._places.pop(identity, frozenset()):
            self._leave(identity, followed)
