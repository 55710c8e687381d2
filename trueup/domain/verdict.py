"""The local verdict on one object, as its options ask for it, and why. Pure.

What the API server has to say of it comes after, see `trueup.engine.verdicts`.
"""

from __future__ import annotations

from collections.abc import Iterable

from trueup.domain.by_hand import passed_by, with_additions
from trueup.domain.compare_options import How
from trueup.domain.diff import ObjectDiff, compare
from trueup.domain.explain import Explanation, explain
from trueup.domain.fieldpath import Path
from trueup.domain.resource import Body, Manifest
from trueup.domain.rules import DEFAULT


def local_verdict(desired: Manifest, live: Body | None, how: How, *, only: frozenset[Path] | None = None) -> ObjectDiff:
    """Every place where live is not what Git says, and what people added, of that with `only` no more than these."""
    diff = compare(desired, live)
    if how.server_side is False:
        # Nobody will tell a default from what Git dropped.
        diff = diff.having(tuple(change for change in diff.changes if not change.is_presumed))
    return with_additions(diff, desired, live, how.hands, how.by_hand, only=only)


def explained(
    desired: Manifest, live: Body | None, diff: ObjectDiff, how: How, ignored: Iterable[Explanation] = ()
) -> tuple[Explanation, ...]:
    """Why the verdict on the object is what it is, field by field; see `explain` for `ignored`."""
    reasons = list(ignored)
    if live is not None:
        reasons += passed_by(desired, live, how.hands)
        if how.server_side is False:
            presumed = (change for change in compare(desired, live).changes if change.is_presumed)
            detail = "it is taken for a default, since ServerSideDiff=false keeps from asking the API server"
            reasons += [Explanation(change.path, "ignored", DEFAULT, detail) for change in presumed]
    return explain(desired, live, diff, ignored=reasons)
