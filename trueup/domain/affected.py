"""Which applications a set of changed paths concerns: an index by what each of them has read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from trueup.domain.application import ApplicationId
from trueup.domain.read_set import Entry, Matcher

#: So many times a filter is asked for one answer; after that it counts as passed. Only a huge commit
#: below the paths of many applications with filters of their own gets there.
FILTERS_ASKED_MAX = 200_000


class ReadIndex:
    """Who has read what. Kept between pushes; a change of one application costs what that one has read.

    Not safe for several threads; an event loop is one.
    """

    def __init__(self) -> None:
        self._entries: dict[ApplicationId, frozenset[Entry]] = {}
        #: Place → who is concerned by it and by everything below.
        self._whole: dict[str, set[ApplicationId]] = {}
        #: Place → who is concerned by it, and what below it concerns them.
        self._filtered: dict[str, dict[ApplicationId, list[Matcher]]] = {}
        #: Directory above a place → who has read that place.
        self._above: dict[str, set[ApplicationId]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, application: ApplicationId, entries: frozenset[Entry]) -> None:
        """Record what the application has read, in place of what was recorded before."""
        if self._entries.get(application) == entries:
            return
        self.drop(application)
        self._entries[application] = entries
        for entry in entries:
            if entry.is_filtered:
                readers = self._filtered.setdefault(entry.place, {})
                readers.setdefault(application, []).append(entry.matcher())
            else:
                self._whole.setdefault(entry.place, set()).add(application)
            for directory in _above(entry.place):
                self._above.setdefault(directory, set()).add(application)

    def drop(self, application: ApplicationId) -> None:
        """Forget the application."""
        for entry in self._entries.pop(application, ()):
            _discard(self._whole, entry.place, application)
            _discard(self._filtered, entry.place, application)
            for directory in _above(entry.place):
                _discard(self._above, directory, application)

    def entries(self, application: ApplicationId) -> frozenset[Entry]:
        """What is recorded of the application."""
        return self._entries.get(application, frozenset())

    def concerned(self, changed_paths: Iterable[str]) -> frozenset[ApplicationId]:
        """Who has read any of the changed files, or a directory in which one of them counts.

        The work is O(changed paths · depth + found), whatever the number of applications.
        """
        found: set[ApplicationId] = set()
        climbed: set[str] = set()
        asked = 0
        for path in changed_paths:
            # A directory on the way to what was read is a file now, or was one.
            found.update(self._above.get(path, ()))
            found.update(self._filtered.get(path, ()))
            for place in (path, *_above(path)):
                if place not in climbed:
                    climbed.add(place)
                    found.update(self._whole.get(place, ()))
                for application, matchers in self._filtered.get(place, {}).items():
                    if application not in found:
                        asked += len(matchers)
                        if asked > FILTERS_ASKED_MAX or any(counts(path) for counts in matchers):
                            found.add(application)
        return frozenset(found)


def _above(place: str) -> Iterator[str]:
    """Every directory that the place lies in, the nearest first, the root last."""
    while place:
        place = place.rpartition("/")[0]
        yield place


def _discard(
    readers: dict[str, set[ApplicationId]] | dict[str, dict[ApplicationId, list[Matcher]]],
    place: str,
    application: ApplicationId,
) -> None:
    there = readers.get(place)
    if there is None:
        return
    if isinstance(there, dict):
        there.pop(application, None)
    else:
        there.discard(application)
    if not there:
        del readers[place]


def covers(entries: Collection[Entry]) -> frozenset[str]:
    """Directories such that whoever finds the trees at them unchanged finds nothing changed that was read."""
    # A file is looked for in its directory: its own id does not tell a file from a link.
    places = {e.place if e.rule in {"listed", "asked"} else e.place.rpartition("/")[0] for e in entries}
    return frozenset(place for place in places if not places.intersection(_above(place)))
