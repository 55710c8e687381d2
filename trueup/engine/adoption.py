"""From a comparison to the files that would make Git say what live says: nothing is written to Git or the cluster."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from trueup.clients.cluster import Cluster
from trueup.clients.git_commit import FileChange
from trueup.domain.adoption import reasons
from trueup.domain.adoption.credentials import credentials_in
from trueup.domain.adoption.intent import adopted
from trueup.domain.adoption.place import Place
from trueup.domain.adoption.values import candidates, holds_a_secret
from trueup.domain.adoption.widen import widened
from trueup.domain.adoption.wish import Wish
from trueup.domain.diff import Change, ObjectDiff
from trueup.domain.errors import StalledError
from trueup.domain.fieldpath import Path, show
from trueup.domain.redact import Redactor
from trueup.domain.repository import redact_url
from trueup.domain.resource import Body, Manifest, ResourceKey
from trueup.domain.yamledit.documents import documents_of, with_document, without_document
from trueup.engine.checkout import Checkout
from trueup.engine.comparison import Comparison
from trueup.engine.judge import rule_on
from trueup.engine.render.application import Rendered
from trueup.engine.sources import SourceAt, Sources


@dataclass(frozen=True, slots=True)
class Taken:
    """An object of which something is accepted."""

    key: ResourceKey
    #: The file that says it, from the repository's root.
    file: str
    #: What is accepted; nothing is that the object is gone.
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """Something that is not accepted, and why."""

    key: ResourceKey
    reason: str
    #: Which places of the object; nothing is the object as a whole.
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """Changes of the files of one repository, at one commit."""

    taken: tuple[Taken, ...] = ()
    left: tuple[Left, ...] = ()
    #: By their paths from the root.
    files: Mapping[str, FileChange] = field(default_factory=dict)
    #: The source that they are of; None where nothing is accepted.
    source: SourceAt | None = None
    #: What was named and does not differ.
    unmet: tuple[str, ...] = ()

    @property
    def checkout(self) -> Checkout:
        """What the files were read from."""
        if self.source is None or self.source.checkout is None:
            raise StalledError("nothing of this application can be accepted into a file of Git")
        return self.source.checkout


@dataclass(slots=True)
class _File:
    """A file as it comes to be."""

    source: SourceAt
    #: Its name there, by which it is read as YAML or as JSON.
    name: str
    #: Where it lies in the end, links followed.
    real: str
    content: bytes
    documents: dict[int, object]
    #: Objects that go: their documents, and where they are in lists there. Last, so that the others keep their numbers.
    gone: set[tuple[int, tuple[int, ...]]] = field(default_factory=set)

    def put(self, place: Place, document: object) -> None:
        """Change one document. Raises NotEditableError."""
        self.content = with_document(self.name, self.content, place.document, document)
        self.documents[place.document] = document

    def ended(self) -> bytes | None:
        """The content without what goes; None where nothing is left."""
        for number, items in sorted(self.gone, reverse=True):
            place = Place(self.name, number, items)
            if items:
                self.put(place, place.with_body(self.documents[number], None))
                continue
            content = without_document(self.name, self.content, number)
            if content is None:
                return None
            self.content = content
        return self.content


async def propose(
    cluster: Cluster, sources: Sources, rendered: Rendered, comparison: Comparison, wish: Wish, redactor: Redactor
) -> Proposal:
    """The files' changes for what is wished, and what cannot be had, with its reason.

    The redactor knows the comparison's secrets. Raises StalledError where the changes would be of two repositories.
    """
    work = _Work(cluster, sources, rendered, comparison, wish, redactor)
    for key, reason in sorted(comparison.unreadable.items()):
        if wish.wants(key):
            work.left.append(Left(key, f"it could not be read: {reason}"))
    meant = [diff for key, diff in sorted(comparison.diffs.items()) if wish.wants(key)]
    for diff in meant:
        work.hide_credentials(diff)
    for diff in meant:
        await work.take(diff)
    work.left += [Left(key, reasons.ELSEWHERE) for key in comparison.unwanted if wish.wants_whole(key)]
    return await work.proposal()


class _Work:
    def __init__(
        self,
        cluster: Cluster,
        sources: Sources,
        rendered: Rendered,
        comparison: Comparison,
        wish: Wish,
        redactor: Redactor,
    ) -> None:
        self._cluster = cluster
        self._sources = sources
        self._rendered = rendered
        self._comparison = comparison
        self._wish = wish
        self._redactor = redactor
        self._files: dict[tuple[str, str, str], _File] = {}
        self._taken: dict[tuple[str, str], list[Taken]] = defaultdict(list)
        self.left: list[Left] = []

    def hide_credentials(self, diff: ObjectDiff) -> None:
        """From now on no value that is called a credential is printed, unless it was asked for by name."""
        for change in self._wish.of(diff):
            if self._why_not_plain(diff.key, change):
                for value in credentials_in(change.live, change.path, diff.key):
                    self._redactor.add(value)

    async def take(self, diff: ObjectDiff) -> None:
        """Accept what is wished of one object, as far as that can be."""
        is_gone = diff.status == "Missing"
        changes = () if is_gone else self._wish.of(diff)
        if not (self._wish.wants_whole(diff.key) if is_gone else changes):
            return
        manifest = self._comparison.manifests[diff.key]
        place = Place.of(manifest.origin)
        source, kind = self._source_of(manifest)
        reason = reasons.of_object(kind, source.path or source.source.chart, manifest.body, place)
        if not reason and is_gone:
            reason = self._why_it_stays(diff.key, place)
        if reason or place is None:
            self.left.append(Left(diff.key, reason, changes))
            return
        changes = self._permitted(diff.key, changes)
        if changes or is_gone:
            await self._write(manifest, place, source, changes)

    def _why_it_stays(self, key: ResourceKey, place: Place | None) -> str:
        """Why an object that is gone stays in its file; empty where it is to go."""
        if self._wish.fields:
            return reasons.without_fields(place)
        return "" if self._wish.names(key) else reasons.missing(place)

    def _source_of(self, manifest: Manifest) -> tuple[SourceAt, str]:
        """The source that describes it, of several the last, and what it is rendered as."""
        found = [
            item.source
            for item in self._rendered.objects
            if item.origin == manifest.origin
            and (item.group, item.kind, item.name) == (manifest.key.group, manifest.key.kind, manifest.key.name)
        ]
        index = found[-1] if found else 0
        makers = [number for number, at in enumerate(self._sources.each) if not at.source.is_reference_only]
        kinds = self._rendered.kinds
        of_kind = makers.index(index) if index in makers else len(kinds)
        return self._sources.each[index], kinds[of_kind] if of_kind < len(kinds) else ""

    def _permitted(self, key: ResourceKey, changes: tuple[Change, ...]) -> tuple[Change, ...]:
        kept = []
        for change in changes:
            reason = reasons.of_place(change.path) or self._why_not_plain(key, change)
            if reason:
                self.left.append(Left(key, reason, (change,)))
            else:
                kept.append(change)
        return tuple(kept)

    def _why_not_plain(self, key: ResourceKey, change: Change) -> str:
        """Why a value that is called a credential is not written; empty where it may be."""
        is_said = change.kind == "missing" or self._wish.says(change)
        return "" if is_said or not any(credentials_in(change.live, change.path, key)) else reasons.CREDENTIAL

    def _without_secrets(
        self, key: ResourceKey, whole: tuple[Change, ...], changes: tuple[Change, ...]
    ) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
        """What may be written in plain, and the changes that it stands for."""
        hidden = [each.path for each in whole if each.kind != "missing" and holds_a_secret(each.live, self._redactor)]
        left = tuple(change for change in changes if any(change.path[: len(path)] == path for path in hidden))
        if left:
            self.left.append(Left(key, reasons.MASKED, left))
        kept = tuple(change for change in changes if change not in left)
        return tuple(each for each in whole if each.path not in hidden), kept

    async def _write(self, manifest: Manifest, place: Place, source: SourceAt, changes: tuple[Change, ...]) -> None:
        key, live = manifest.key, self._comparison.live.get(manifest.key)
        try:
            file = await self._file(source, place)
            document = file.documents.get(place.document)
            reason = reasons.of_document(document)
            if reason:
                self.left.append(Left(key, reason, changes))
                return
            if live is None or not changes:
                file.gone.add((place.document, place.items))
            else:
                whole, changes = self._without_secrets(key, widened(changes, manifest.body, live), changes)
                if not changes:
                    return
                defaults = await self._defaults(manifest, live, whole)
                body = adopted(place.body(document), live, whole, key, defaults=defaults)
                file.put(place, place.with_body(document, body))
        except StalledError as error:
            if len(changes) <= 1:
                self.left.append(Left(key, str(error), changes))
            else:
                # One by one, so that a place that cannot be had does not keep the others.
                for change in changes:
                    await self._write(manifest, place, source, (change,))
            return
        self._taken[_repository(source)].append(Taken(key, file.real, changes))

    async def _file(self, source: SourceAt, place: Place) -> _File:
        name = (*_repository(source), place.path)
        known = self._files.get(name)
        if known is None:
            found = await source.tree.find(place.path)
            if found is None or found.kind != "file" or source.checkout is None:
                raise StalledError(f"{place.path} is not to be found at {source.revision}; change it by hand")
            others = [file for file in self._files.values() if _repository(file.source) == _repository(source)]
            real = next((file for file in others if file.real == found.place), None)
            content = (await source.tree.read([found.id]))[found.id]
            known = real or _File(source, place.path, found.place, content, dict(documents_of(place.path, content)))
            self._files[name] = known
        return known

    async def _defaults(self, manifest: Manifest, live: Body, changes: tuple[Change, ...]) -> frozenset[Path]:
        """Places in what is to be written that the API server filled in, as it says itself."""
        asked = [path for change in changes for path in candidates(change)]
        if not asked:
            return frozenset()
        how, _ = self._comparison.how.of_object(manifest.body)
        return (await rule_on(self._cluster, manifest, live, asked, how.hands)).defaults

    async def proposal(self) -> Proposal:
        """All of it together. Raises StalledError where it is of two repositories."""
        taken, left = _merged([each for found in self._taken.values() for each in found], self.left)
        keys = [each.key for each in taken] + [one.key for one in left]
        paths = [show(change.path) for diff in self._comparison.diffs.values() for change in diff.changes]
        unmet = self._wish.unmet(keys, paths)
        if not taken:
            return Proposal((), left, unmet=unmet)
        if len(self._taken) > 1:
            urls = " and ".join(sorted({redact_url(file.source.source.repo_url) for file in self._files.values()}))
            raise StalledError(f"the changes are of several repositories or revisions ({urls}); choose by --resource")
        files: dict[str, FileChange] = {}
        source = None
        for file in {id(file): file for file in self._files.values()}.values():
            if _repository(file.source) not in self._taken:
                continue
            source = file.source
            files[file.real] = FileChange(file.ended(), await _mode(source, file.real))
        return Proposal(taken, left, files, source, unmet)


def _merged(taken: Iterable[Taken], left: Iterable[Left]) -> tuple[tuple[Taken, ...], tuple[Left, ...]]:
    """Each object once, and each reason for it once."""
    accepted: dict[ResourceKey, Taken] = {}
    for each in taken:
        known = accepted.get(each.key)
        accepted[each.key] = replace(known, changes=(*known.changes, *each.changes)) if known else each
    refused: dict[tuple[ResourceKey, str], Left] = {}
    for one in left:
        before = refused.get((one.key, one.reason))
        refused[one.key, one.reason] = replace(before, changes=(*before.changes, *one.changes)) if before else one
    return tuple(accepted.values()), tuple(refused.values())


def _repository(source: SourceAt) -> tuple[str, str]:
    return (source.checkout.mirror.key if source.checkout else "", source.revision)


async def _mode(source: SourceAt, path: str) -> str:
    directory, name = posixpath.split(path)
    if source.checkout is not None:
        mirror = source.checkout.mirror
        tree = await mirror.tree_id(source.revision, directory)
        entry = (await mirror.entries(tree)).get(name) if tree else None
        if entry is not None:
            return entry.mode
    raise StalledError(f"{path} is not to be found at {source.revision}; change it by hand")
