"""Whether a commit does what it should: rendered and compared again, what it accepts is no difference any more."""

from __future__ import annotations

from dataclasses import replace

from trueup.clients.cluster import Cluster
from trueup.domain.application import Application
from trueup.domain.errors import StalledError
from trueup.domain.fieldpath import show
from trueup.domain.redact import Redactor
from trueup.engine.adoption import Proposal
from trueup.engine.checkout import at
from trueup.engine.compared import compared
from trueup.engine.comparison import Comparison
from trueup.engine.engine import Engine
from trueup.engine.sources import Sources

#: Of the places that still differ so many are named.
PLACES_NAMED_MAX = 5


async def prove(
    engine: Engine,
    cluster: Cluster,
    application: Application,
    sources: Sources,
    before: Comparison,
    proposal: Proposal,
    commit: str,
    redactor: Redactor,
) -> None:
    """Raise StalledError where the commit leaves a difference that it was to take away, or makes another one."""
    moved = await _moved(sources, proposal, commit)
    _, after = await compared(engine, cluster, application, moved)
    wrong = worse(before, after, proposal)
    if wrong:
        named = redactor.text("; ".join(wrong[:PLACES_NAMED_MAX]))
        more = f"; and {len(wrong) - PLACES_NAMED_MAX} more" if len(wrong) > PLACES_NAMED_MAX else ""
        raise StalledError(
            f"the change would not make Git say what live says ({named}{more}), so nothing was made of it; "
            "live may have moved meanwhile: try again, or choose by --resource and --field"
        )


async def _moved(sources: Sources, proposal: Proposal, commit: str) -> Sources:
    """The sources with the commit in the place of the one that it stands on."""
    base = proposal.checkout
    found = []
    for source in sources.each:
        if source.checkout is None or source.checkout.mirror is not base.mirror or source.revision != base.revision:
            found.append(source)
            continue
        try:
            checkout = await at(base.mirror, commit, source.path, said=source.said)
        except StalledError:
            # It was there before.
            raise StalledError(
                f"the change would take the last file out of {source.path}, and an Application cannot be without its "
                "directory; leave a file in it, or delete the Application"
            ) from None
        found.append(replace(source, revision=commit, tree=checkout.repository, checkout=checkout))
    return Sources(tuple(found))


def worse(before: Comparison, after: Comparison, proposal: Proposal) -> list[str]:
    """What differs after the change and should not: what was accepted, and what did not differ before."""
    taken = {each.key: frozenset(change.path for change in each.changes) for each in proposal.taken}
    found = []
    for key, diff in sorted(after.diffs.items()):
        known = before.diffs.get(key)
        expected = frozenset(change.path for change in known.counted) if known else frozenset()
        expected -= taken.get(key, frozenset())
        if diff.status == "Missing" and (known is None or known.status != "Missing"):
            found.append(f"{key} is missing")
        found += [f"{key}: {show(change.path)}" for change in diff.counted if change.path not in expected]
    gone = {each.key for each in proposal.taken if not each.changes}
    found += [f"{key} is still in Git" for key in sorted(gone & after.manifests.keys())]
    lost = before.manifests.keys() - after.manifests.keys() - gone
    return [*found, *(f"{key} would be gone from Git" for key in sorted(lost))]
