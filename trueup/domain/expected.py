"""What a webhook says a followed ref has, before the remote may show it: replicas of a Git host lag behind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from trueup.domain.repository import HEAD, is_full_sha, remote_refs
from trueup.domain.version_range import best_tag, parse_range

#: What the default branch is called nearly everywhere; only the remote knows for certain.
_DEFAULT_BRANCHES = ("refs/heads/main", "refs/heads/master")
LOOKS_MAX = 5
_LOOK_SECONDS_MIN = 0.5


@dataclass(frozen=True, slots=True)
class Expected:
    """A hint, as everything in a job: a wrong one costs `LOOKS_MAX` looks at the remote, and nothing else."""

    sha: str
    #: How often the remote was looked at for it in vain.
    looks: int = 0

    def __str__(self) -> str:
        return f"{self.sha} {self.looks}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        sha, _, looks = text.partition(" ")
        if not is_full_sha(sha) or looks not in {str(n) for n in range(LOOKS_MAX + 1)}:
            return None
        return cls(sha, int(looks))

    def next_look(self) -> tuple[Self, float] | None:
        """What to expect then, and after how many seconds; None where it was looked for often enough."""
        if self.looks >= LOOKS_MAX:
            return None
        return type(self)(self.sha, self.looks + 1), _LOOK_SECONDS_MIN * 2.0**self.looks


def expected_after(ref: str, sha: str, target_revisions: Iterable[str]) -> Expected | None:
    """What to look for after a push of `sha` to `ref`; None where nobody follows that ref."""
    if not is_full_sha(sha) or not sha.strip("0"):
        return None
    return Expected(sha.lower()) if any(_may_mean(revision, ref) for revision in target_revisions) else None


def _may_mean(revision: str, ref: str) -> bool:
    wanted = parse_range(revision)
    if wanted is not None:
        return best_tag(wanted, [ref]) is not None
    refs = remote_refs(revision)
    return ref in (_DEFAULT_BRANCHES if refs == (HEAD,) else refs)
