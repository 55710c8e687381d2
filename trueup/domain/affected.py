"""Which applications a set of changed paths concerns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from trueup.domain.application import ApplicationId


def affected(
    changed_paths: Iterable[str], followers: Mapping[str, AbstractSet[ApplicationId]]
) -> frozenset[ApplicationId]:
    """The followers of every changed path and of every directory above it.

    A key of `followers` is a path that an application reads, file or directory, relative to the
    repository's root without slashes at its ends; the empty one is the whole repository. An
    application may stand under as many paths as it reads. The work is O(changed paths · depth),
    whatever the number of applications.
    """
    found: set[ApplicationId] = set()
    climbed: set[str] = set()
    for path in changed_paths:
        place = path
        while place not in climbed:
            climbed.add(place)
            found.update(followers.get(place, ()))
            place = place.rpartition("/")[0]
    return frozenset(found)
