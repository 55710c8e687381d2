"""The rules of a verdict, by the names that people are shown. Pure.

A rule reports a field, ignores it, or finds it equal though it is written otherwise; `docs/diff.md` lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# What reports a field.
DIFFERS: Final = "differs"
MISSING: Final = "missing"
REORDERED: Final = "in another order"
STANDS_IN: Final = "stands in for what Git says"
BESIDE: Final = "cannot stand beside what Git says"
WHOLE: Final = "beyond a value that is applied as a whole"
GONE_FROM_GIT: Final = "no longer in Git"
SERVER_SAYS: Final = "differs, says the API server"
BY_HAND: Final = "added by hand"
FOR_ITS_CONTROLLER: Final = "added by hand, and for its controller to take away"

# What finds it equal, or leaves it be.
NOTATION: Final = "another notation"
SAYS_NOTHING: Final = "asks for nothing"
DEFAULT: Final = "a default"
JUDGED: Final = "judged by the API server"
NOT_IN_GIT: Final = "not in Git"
PASSED_BY: Final = "added by hand, and no drift"
ITS_DEFAULT: Final = "a default, says the API server"
IGNORED: Final = "ignored by a rule"
NOT_REMOVABLE: Final = "the API server keeps it"

#: What a rule that reports means, for those who ask why.
MEANINGS: Final[Mapping[str, str]] = {
    DIFFERS: "live holds another value than Git says",
    MISSING: "Git says it and live lacks it",
    REORDERED: "the members are the same and stand in another order",
    STANDS_IN: "somebody changed what tells this list member apart, so it took the place of the one in Git",
    BESIDE: "only one of the two may be there, and Git says the other",
    WHOLE: "Git says the value around it, which is applied as a whole and has no room for this",
    GONE_FROM_GIT: "Git said it once, and says it no more",
    SERVER_SAYS: "an apply would change it, though Git and live seem to say the same",
    BY_HAND: "a person put it there, and Git does not have it",
    FOR_ITS_CONTROLLER: "taking it away may lose what its controller has yet to clean up",
}
