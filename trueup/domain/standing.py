"""How far an Application's last verdict still stands, by what its own status says of it."""

from __future__ import annotations

from trueup.domain.application import Application
from trueup.domain.lenient import as_list, as_mapping
from trueup.domain.origin import shown_sources
from trueup.domain.status import COMPARISON_CONDITIONS


def is_unknown(app: Application) -> bool:
    """Whether the last comparison came to no verdict."""
    return as_mapping(app.status.get("sync")).get("status") == "Unknown"


def is_uncertain(app: Application) -> bool:
    """Whether there is no verdict on what the Application asks for now.

    A comparison that never was or that failed, one with another source or destination, or an
    operation in wait.
    """
    sync = as_mapping(app.status.get("sync"))
    compared_to = as_mapping(sync.get("comparedTo"))
    spec = as_mapping(app.raw.get("spec"))
    return (
        not app.revision
        or app.operation is not None
        or bool(_conditions(app) & {"ComparisonError"})
        or is_unknown(app)
        or {name: compared_to[name] for name in ("source", "sources") if name in compared_to} != shown_sources(spec)
        or not app.is_compared_here
    )


def is_bound_to_its_revision(app: Application) -> bool:
    """Whether what moved in the cluster may be held against the revision that was compared last.

    Not where somebody asks for a look at Git, or the verdict on that revision does not stand.
    """
    return not (is_uncertain(app) or app.refresh is not None)


def may_be_looked_at_in_part(app: Application) -> bool:
    """Whether what the status says of an object may stand while another one is looked at.

    Not while a sync is under way, or where a condition speaks of objects.
    """
    return is_bound_to_its_revision(app) and not (
        as_mapping(app.status.get("operationState")).get("phase") == "Running"
        or _conditions(app) & COMPARISON_CONDITIONS
    )


def _conditions(app: Application) -> set[object]:
    return {as_mapping(found).get("type") for found in as_list(app.status.get("conditions"))}
