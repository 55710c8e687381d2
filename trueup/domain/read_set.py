"""What a render has read: a change of anything else cannot change what it comes to.

Paths are relative to the repository's root, without slashes at their ends; the empty one is the root.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from trueup.domain.application import Application
from trueup.domain.errors import InvalidSpecError
from trueup.domain.followers import Followed
from trueup.domain.globs import compile_glob
from trueup.domain.go_pattern import compile_go_pattern
from trueup.domain.lenient import as_list, as_mapping

#: Raise it whenever a render of the same source would have to record more than before.
READ_SET_VERSION = "reads-2"
#: One that would have more is recorded as having read the whole repository.
ENTRIES_MAX = 2_000

#: `listed`: a directory, and the files in it. `read`: a file. `missed`: a file that was looked for and not
#: found. `linked`: what a symbolic link led to or through. `asked`: not read, but named by the annotation
#: `argocd.argoproj.io/manifest-generate-paths`.
Rule = Literal["listed", "read", "missed", "linked", "asked"]
Matcher = Callable[[str], bool]


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One place that was looked at. Without a filter, a change of it or of anything below it counts."""

    rule: Rule
    place: str
    #: Whether directories below the place were gone through too.
    recurse: bool = True
    #: Of the files in a directory only those count whose name ends so; empty is every file.
    suffixes: tuple[str, ...] = ()
    #: Globs as in `spec.source.directory`, held against the path below the place.
    include: str = ""
    exclude: str = ""
    #: A pattern of Go's `filepath.Match`, held against the path from the root.
    pattern: str = ""

    @property
    def is_filtered(self) -> bool:
        """Whether not everything below the place counts."""
        return bool(not self.recurse or self.suffixes or self.include or self.exclude or self.pattern)

    def matcher(self) -> Matcher:
        """Whether a changed path *below* the place counts. Compiles the globs, so keep it."""
        included = compile_glob(self.include, "include") if self.include else None
        excluded = compile_glob(self.exclude, "exclude") if self.exclude else None
        named = compile_go_pattern(self.pattern) if self.pattern else None
        start = len(self.place) + 1 if self.place else 0

        def counts(path: str) -> bool:
            below = path[start:]
            return (
                (self.recurse or "/" not in below)
                and (not self.suffixes or path.endswith(self.suffixes))
                and (included is None or included(below))
                and (excluded is None or not excluded(below))
                and (named is None or named(path))
            )

        return counts

    def concerns(self, path: str) -> bool:
        """Whether a change of the file at this path may change what was read here.

        A directory above the place that is a changed file was none before, or is none any more.
        """
        if path == self.place or is_below(self.place, path):
            return True
        return is_below(path, self.place) and self.matcher()(path)


ReadSet = frozenset[Entry]
#: What stands for a read-set with too much in it.
EVERYTHING: ReadSet = frozenset({Entry("listed", "")})


@dataclass(frozen=True, slots=True)
class ReadKey:
    """What a read-set belongs to; that of another source or revision says nothing."""

    #: Of the Application.
    uid: str
    #: A hash of the Application's source.
    source: str
    #: The commit that was rendered.
    revision: str


def is_below(path: str, place: str) -> bool:
    """Whether the path is inside the directory; no path is inside itself."""
    return path.startswith(place + "/") if place else bool(path)


def bounded(entries: Iterable[Entry]) -> ReadSet:
    """The entries, or everything where they are too many."""
    found = frozenset(entries)
    return found if len(found) <= ENTRIES_MAX else EVERYTHING


def read_key(application: Application, followed: Followed, revision: str) -> ReadKey:
    """The key of what a render of the Application has read of what it follows, at this commit of it."""
    spec = as_mapping(application.raw.get("spec"))
    sources = as_list(spec.get("sources")) or [spec.get("source")]
    text = json.dumps(
        [READ_SET_VERSION, sources, followed.url, followed.revision], sort_keys=True, separators=(",", ":")
    )
    return ReadKey(application.uid, hashlib.sha256(text.encode()).hexdigest(), revision)


def encode(read_set: ReadSet) -> str:
    """As ASCII text, equal for equal read-sets."""
    rows = [[e.rule, e.place, e.recurse, e.suffixes, e.include, e.exclude] for e in sorted(read_set)]
    return json.dumps(rows, separators=(",", ":"))


def decode(text: str) -> ReadSet | None:
    """What `encode` made; None for any other text."""
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(rows, list) or len(rows) > ENTRIES_MAX:
        return None
    entries = [_entry(row) for row in rows]
    found = frozenset(entry for entry in entries if entry is not None)
    return found if None not in entries else None


def _entry(row: Any) -> Entry | None:
    if not isinstance(row, list) or len(row) != 6:
        return None
    rule, place, recurse, suffixes, include, exclude = row
    is_sound = (
        rule in get_args(Rule)
        and isinstance(recurse, bool)
        and isinstance(suffixes, list)
        and all(isinstance(text, str) for text in (place, include, exclude, *suffixes))
    )
    if not is_sound:
        return None
    entry = Entry(rule, place, recurse, tuple(suffixes), include, exclude)
    try:
        entry.matcher()
    except InvalidSpecError:
        return None
    return entry
