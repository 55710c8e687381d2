"""Who holds a Lease (`coordination.k8s.io/v1`), and what to write to take, keep or give it back. Pure.

The times written into a Lease are for people. Whether a holder's time is over is judged by the clock of
the one who waits, from the moment he last saw the record change: clocks of two machines may differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trueup.domain.lenient import as_mapping, as_text, as_whole

#: A free Lease keeps a duration, since the API server takes none that is not positive.
FREE_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Lease:
    """What is on record."""

    #: Empty where nobody holds it.
    holder: str
    #: How long it is the holder's after he last wrote to it.
    seconds: int
    acquire_time: str
    renew_time: str
    #: How often it has changed hands.
    transitions: int
    resource_version: str


@dataclass(frozen=True, slots=True)
class Sight:
    """A Lease and when it was first seen to be so, by a clock that only goes forward."""

    lease: Lease
    seen_at: float

    @property
    def ends_at(self) -> float:
        """When the holder's time is over unless he is seen to renew it."""
        return self.seen_at + self.lease.seconds

    def may_be_taken_by(self, identity: str, now: float) -> bool:
        """Nobody's, his own from before, or one whose holder has not been heard of for its whole time."""
        return self.lease.holder in ("", identity) or now >= self.ends_at


def read_lease(body: Mapping[str, Any]) -> Lease:
    """The Lease in an object, whatever is missing in it."""
    spec = as_mapping(body.get("spec"))
    return Lease(
        holder=as_text(spec.get("holderIdentity")),
        seconds=max(FREE_SECONDS, as_whole(spec.get("leaseDurationSeconds"), FREE_SECONDS)),
        acquire_time=as_text(spec.get("acquireTime")),
        renew_time=as_text(spec.get("renewTime")),
        transitions=as_whole(spec.get("leaseTransitions")),
        resource_version=as_text(as_mapping(body.get("metadata")).get("resourceVersion")),
    )


def seen(before: Sight | None, lease: Lease, now: float) -> Sight:
    """The sight after a look at `now`: a record that has not changed was not renewed."""
    return before if before is not None and before.lease == lease else Sight(lease, now)


def taken_spec(before: Lease | None, identity: str, seconds: int, now: datetime) -> dict[str, Any]:
    """The `spec` of a Lease that changes hands."""
    changes = before is not None and before.holder != identity
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": seconds,
        "acquireTime": _micro_time(now),
        "renewTime": _micro_time(now),
        "leaseTransitions": (before.transitions if before is not None else 0) + changes,
    }


def renewed_spec(now: datetime) -> dict[str, Any]:
    """What of the `spec` its holder writes to keep it."""
    return {"renewTime": _micro_time(now)}


def freed_spec(now: datetime) -> dict[str, Any]:
    """What of the `spec` its holder writes to give it back."""
    return {"holderIdentity": "", "leaseDurationSeconds": FREE_SECONDS, "renewTime": _micro_time(now)}


def _micro_time(now: datetime) -> str:
    """`MicroTime` of the Kubernetes API: RFC 3339 with six digits, in UTC."""
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
