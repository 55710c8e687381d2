"""Git's object as lines, with everything that differs in its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from trueup.domain.attributing import written_by
from trueup.domain.attribution import UNKNOWN, Attribution
from trueup.domain.diff import Change, ObjectDiff
from trueup.domain.diffview.alignment import Pair, aligned
from trueup.domain.diffview.excerpt import excerpt
from trueup.domain.diffview.masked import HIDDEN, as_shown, told_apart
from trueup.domain.diffview.model import Line, LineKind, ObjectView
from trueup.domain.diffview.places import Place, members, places_of
from trueup.domain.diffview.texts import Texts, hidden_difference
from trueup.domain.diffview.yamlish import Text, lines_of, scalar, spelling
from trueup.domain.fieldpath import Item, Member, Path, Segment
from trueup.domain.normalize import wanted
from trueup.domain.redact import Redactor
from trueup.domain.resource import Body, Manifest, ResourceKey
from trueup.domain.rules import DIFFERS, MISSING, REORDERED, SERVER_SAYS, STANDS_IN

ONLY_SHOWN = "only shown"
#: The rules that the lines themselves make plain.
_UNSAID = dict.fromkeys((DIFFERS, MISSING, REORDERED, STANDS_IN, SERVER_SAYS), "")

_METADATA_FIRST = ("name", "namespace", "labels", "annotations")


def view_of(
    diff: ObjectDiff,
    manifest: Manifest | None,
    live: Body | None,
    redactor: Redactor,
    attributions: Mapping[Path, Attribution] | None = None,
) -> ObjectView:
    """What differs between a manifest and its live object, in its place.

    Without a manifest the live object is one that Git no longer has. `attributions` tells who wrote
    what, by the paths of changes; `()` stands for the object as a whole. Where it says nothing, the
    live object's own managers do.
    """
    known = attributions or {}
    if manifest is None:
        return _whole(diff.key, live or {}, redactor, known, of_git=False)
    if live is None or diff.status == "Missing":
        return _whole(diff.key, _git_body(manifest), redactor, known, of_git=True)
    if not diff.changes:
        return ObjectView(diff.key, diff.status, ())
    git = _git_body(manifest, {str(change.path[0]) for change in diff.changes if change.path})
    drawing = _Drawing(Texts(diff.key, git, live, redactor), known)
    drawing.mapping(git, places_of(diff.changes), (), 0)
    return excerpt(ObjectView(diff.key, diff.status, tuple(drawing.lines)))


def _whole(
    key: ResourceKey, body: Body, redactor: Redactor, attributions: Mapping[Path, Attribution], *, of_git: bool
) -> ObjectView:
    """An object that only one side has."""
    git = body if of_git else _live_body(key, body)
    texts = Texts(key, git if of_git else None, None if of_git else git, redactor)
    drawing = _Drawing(texts, attributions)
    for name, value in git.items():
        drawing.one_sided("missing" if of_git else "extra", f"{scalar(name)}:", value, (name,), 0)
    if drawing.lines and () in attributions:
        drawing.lines[0] = drawing.attributed(drawing.lines[0], attributions[()])
    return excerpt(ObjectView(key, "Missing" if of_git else "Unwanted", tuple(drawing.lines)))


def _git_body(manifest: Manifest, compared: Iterable[str] = ()) -> dict[str, Any]:
    """What Git asks for, and of what it does not ask for what was compared all the same, such as `status`."""
    body = wanted(manifest.body, manifest.key)
    also = {name: manifest.body[name] for name in compared if name not in body and name in manifest.body}
    return _in_order(manifest.key, manifest.api_version, {**body, **also})


def _live_body(key: ResourceKey, live: Body) -> dict[str, Any]:
    """Of a live object what a manifest of it would say."""
    return _in_order(key, str(live.get("apiVersion", "")), wanted(live, key))


def _in_order(key: ResourceKey, api_version: str, body: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": key.name, "namespace": key.namespace or None, **(body.get("metadata") or {})}
    said = {name: value for name, value in metadata.items() if value is not None and value != {}}
    first = {name: said[name] for name in _METADATA_FIRST if name in said}
    return {"apiVersion": api_version, "kind": key.kind, "metadata": {**first, **said}} | {
        name: value for name, value in body.items() if name != "metadata"
    }


class _Drawing:
    """The lines so far. `path` is where a value stands, `indent` the level that its label is on."""

    def __init__(self, texts: Texts, attributions: Mapping[Path, Attribution]) -> None:
        self.texts = texts
        self.attributions = attributions
        self.lines: list[Line] = []

    def mapping(self, git: Mapping[str, Any], place: Place, path: Path, indent: int, *, dash: bool = False) -> None:
        """The members of a map; with a dash the map is itself a member of a list, one level further out."""
        lead = "- " if dash else ""
        for name, value in git.items():
            if value is not None:
                label = f"{lead}{self.name(name, (*path, name))}"
                self.member(label, value, place.below.get(name), (*path, name), indent - bool(lead), indent + 1)
                lead = ""
        for segment, below in place.below.items():
            if not isinstance(segment, str) or git.get(segment) is None:
                self.beyond(segment, below, (*path, segment), indent)

    def member(self, label: str, value: Any, place: Place | None, path: Path, indent: int, below: int) -> None:
        """A value that Git has, and what differs there or below."""
        if place is None:
            shown = self.texts.value(value, path, of_git=True)
            self.lines += [Line("same", at, text, text) for at, text in lines_of(label, shown, indent, below=below)]
            return
        differing = [change for change in place.changes if not change.reordered]
        for change in differing:
            self.change(change, label, indent, below)
        if differing or not isinstance(value, Mapping | list):
            # What is said of parts of a value that differs as a whole must not be lost either.
            self.flat(place, differing, indent)
            return
        if label != "-":
            self.lines.append(Line("same", indent, label, label))
        for change in place.changes:
            self.order(change, below)
        if isinstance(value, Mapping):
            self.mapping(value, place, path, below, dash=label == "-")
        else:
            if label == "-":
                self.lines.append(Line("same", indent, label, label))
            self.listing(value, place, path, below)

    def listing(self, git: list[Any], place: Place, path: Path, indent: int) -> None:
        """The members of a list, in Git's order; what Git does not have comes last."""
        known, beyond = members(git, place)
        for index, value in enumerate(git):
            self.member("-", value, known.get(index), (*path, index), indent, indent + 1)
        for segment, below in beyond.items():
            self.beyond(segment, below, (*path, segment), indent)

    def beyond(self, segment: Segment, place: Place, path: Path, indent: int) -> None:
        """What differs where Git has nothing at all."""
        label = f"{self.name(segment, path)}" if isinstance(segment, str) else "-"
        for change in place.changes:
            self.change(change, label, indent, indent + 1)
        if not place.below:
            return
        if not place.changes:
            counts = any(change.counts for change in place.every())
            named = scalar(self.texts.place((segment,))) if isinstance(segment, Item | Member | int) else ""
            self.lines.append(Line("extra", indent, None, f"{label} # {named}" if named else label, counts=counts))
        for inner, below in place.below.items():
            self.beyond(inner, below, (*path, inner), indent + 1)

    def flat(self, place: Place, shown: Iterable[Change], indent: int) -> None:
        for change in place.every():
            if change not in shown:
                self.change(change, f"{scalar(self.texts.place(change.path))}:", indent, indent + 1)

    def order(self, change: Change, indent: int) -> None:
        """Members that are the same and stand in another order: what tells them apart, in a line of its own."""
        live, git = (
            "# in the order " + ", ".join(_short(self.texts.value(keys, change.path, of_git=of_git)) for keys in side)
            for side, of_git in ((change.live, False), (change.desired, True))
        )
        self.differing([((indent, live), (indent, git))], change)

    def change(self, change: Change, label: str, indent: int, below: int) -> None:
        """One place that differs."""
        if change.reordered:
            self.order(change, indent)
        elif change.kind == "changed":
            values = self.texts.pair(change)
            spell = spelling(*values)
            sides = [
                told_apart(list(lines_of(label, value, indent, below=below, spell=spell)), raw)
                for value, raw in zip(values, (change.live, change.desired), strict=True)
            ]
            pairs = list(zip(*sides, strict=True)) if max(map(len, sides)) == 1 else list(aligned(*sides))
            shown = [(as_shown(live), as_shown(git)) for live, git in pairs]
            if all(live == git for live, git in shown):
                self.hidden(shown, change)
            else:
                self.differing(pairs, change)
        else:
            value = change.desired if change.kind == "missing" else change.live
            self.one_sided(change.kind, label, value, change.path, indent, below=below, change=change)

    def one_sided(
        self,
        kind: LineKind,
        label: str,
        value: Any,
        path: Path,
        indent: int,
        *,
        below: int | None = None,
        change: Change | None = None,
    ) -> None:
        """A value that only one side has."""
        of_git = kind == "missing"
        texts = lines_of(label, self.texts.value(value, path, of_git=of_git), indent, below=below)
        pairs: list[Pair] = [(None, text) if of_git else (text, None) for text in texts]
        if change is not None:
            self.differing(pairs, change)
        else:
            place = self.texts.place(path)
            self.lines += [_line(live, git, place, counts=True) for live, git in pairs]

    def hidden(self, pairs: Iterable[Pair], change: Change) -> None:
        """Two values that look alike, because what differs is masked."""
        (_, first), *rest = pairs
        if first is not None:
            line = Line("changed", first[0], first[1], first[1], self.texts.place(change.path), counts=change.counts)
            self.lines.append(self.attributed(line, self.who(change), hidden_difference(change)))
        self.lines += [Line("same", git[0], git[1], git[1]) for _, git in rest if git is not None]

    def differing(self, pairs: Iterable[Pair], change: Change) -> None:
        """The lines of one place; the first one that differs says who wrote it."""
        place = self.texts.place(change.path)
        told = False
        for live, git in pairs:
            line = _line(as_shown(live), as_shown(git), place, counts=change.counts)
            if live != git and not line.differs:
                line = replace(line, kind="changed", path=place, note=HIDDEN, counts=change.counts)
            if line.differs and not told:
                line, told = self.attributed(line, self.who(change), _UNSAID.get(change.rule, change.rule)), True
            self.lines.append(line)

    def who(self, change: Change) -> Attribution | None:
        """Who wrote what is live; of what live lacks nobody is known unless we were told."""
        if (found := self.attributions.get(change.path)) is not None:
            return found
        last = written_by(change.owners)
        return None if last == UNKNOWN and change.kind == "missing" else last

    def attributed(self, line: Line, who: Attribution | None, note: str = "") -> Line:
        """The line as the first of its place."""
        notes = [part for part in (note, line.note, "" if line.counts else ONLY_SHOWN) if part]
        return Line(
            line.kind,
            line.indent,
            line.git,
            line.live,
            line.path,
            self.texts.attribution(who) if who is not None else None,
            "; ".join(notes),
            counts=line.counts,
        )

    def name(self, name: str, path: Path) -> str:
        return f"{scalar(self.texts.name(name, path))}:"


def _line(live: Text | None, git: Text | None, place: str, *, counts: bool) -> Line:
    if live == git and git is not None:
        return Line("same", git[0], git[1], git[1])
    if live is None or git is None:
        kind: LineKind = "missing" if live is None else "extra"
        at, _ = live or git or (0, "")
        return Line(kind, at, git[1] if git else None, live[1] if live else None, place, counts=counts)
    return Line("changed", git[0], git[1], live[1], place, counts=counts)


def _short(keys: Mapping[str, Any] | Any) -> str:
    """What tells a member of a list apart, in a word or two."""
    return " ".join(scalar(value) for value in keys.values()) if isinstance(keys, Mapping) else scalar(keys)
