"""What the API server itself makes of a manifest, remembered: its own rewriting is no drift.

A local comparison knows quantities, defaults and the like, but not every webhook and conversion. So
where it finds a difference, a dry-run apply has the last word, once per (desired content, live
version); and where people added something, a dry run without it tells whether it is a default.
Kept in memory and bounded, of each object the latest version; what is forgotten is asked again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from trueup.clients.api_errors import ApiError, RejectedError, ServerError
from trueup.clients.cluster import Cluster
from trueup.clients.jq import JqError
from trueup.domain.by_hand import added, only_shown, without_additions
from trueup.domain.compare_options import How
from trueup.domain.diff import Change, ObjectDiff, settle_with
from trueup.domain.errors import StalledError, TransientError
from trueup.domain.explain import Explanation
from trueup.domain.ignore_held import Rules
from trueup.domain.ignore_respect import keeping
from trueup.domain.manifest import content_hash, desired_hash
from trueup.domain.plan import tracked
from trueup.domain.resource import Body, Manifest
from trueup.domain.rules import ITS_DEFAULT, NOT_REMOVABLE
from trueup.domain.serverside import settle_by_server
from trueup.engine.comparison import Comparison
from trueup.engine.concurrency import each
from trueup.engine.ignoring import Ignoring
from trueup.engine.judge import Ruling, rule_on
from trueup.engine.refusals import concerns_one_object, refusal

Value = TypeVar("Value")
#: Of which cluster, which object, against what, asked how, without what.
Question = tuple[str, str, str, str, Rules]


class Verdicts:
    """Judged differences, the least recently asked dropped first."""

    def __init__(self, ignoring: Ignoring | None = None, *, verdicts_max: int = 20_000) -> None:
        """Without `ignoring` the verdict on an object that rules concern is that of the comparison alone."""
        self._ignoring = ignoring
        self._known: _Bounded[ObjectDiff] = _Bounded(verdicts_max)
        self._rulings: _Bounded[Ruling] = _Bounded(verdicts_max)

    def get(
        self, server: str, manifest: Manifest, live: Body, how: How | None = None, rules: Rules = ()
    ) -> ObjectDiff | None:
        """The verdict on exactly this manifest and this version of the live object of that cluster."""
        return self._known.get(_question(server, manifest, live, how, rules), _version(live))

    def put(
        self, server: str, manifest: Manifest, live: Body, diff: ObjectDiff, how: How | None = None, rules: Rules = ()
    ) -> None:
        self._known.put(_question(server, manifest, live, how, rules), _version(live), diff)

    def remember(self, comparison: Comparison) -> None:
        """Keep what a sync's own applies were answered, so that nobody has to ask again."""
        for key, diff in comparison.diffs.items():
            live = comparison.live.get(key)
            if live is not None:
                manifest = comparison.manifests[key]
                how, _ = comparison.how.of_object(manifest.body)
                # Of what people add meanwhile the applies say nothing.
                rules = comparison.held.rules_of(key)
                self.put(comparison.server, manifest, live, without_additions(diff), how, rules)

    async def judged(
        self, cluster: Cluster, comparison: Comparison, *, presumed_only: bool = False, in_flight_max: int
    ) -> Comparison:
        """The comparison without differences that are only the API server's own rewriting or its defaults.

        One dry-run apply for each object that differs and was not asked about before; with
        `presumed_only` for those alone where nothing but defaults may differ. What the API server
        refuses stays different. What people added is asked about in any case, for a sync takes it
        away. An object of which the API server cannot tell, and of others can, is unreadable then.
        Raises TransientError where it is away.
        """
        diffs, ignored, unreadable = dict(comparison.diffs), dict(comparison.ignored), dict(comparison.unreadable)

        async def judge(asked: _Asked) -> None:
            key = asked.manifest.key
            try:
                diffs[key], reasons = await verdict_on(asked)
                ignored[key] = (*ignored.get(key, ()), *reasons)
            except (ServerError, JqError) as error:
                # Such as one of a webhook that fails: it is not for others to wait for.
                if not concerns_one_object(error):
                    raise
                unreadable[key] = refusal(error, key)
                del diffs[key]

        async def verdict_on(asked: _Asked) -> tuple[ObjectDiff, tuple[Explanation, ...]]:
            base = without_additions(asked.diff)
            if _is_doubtful(base, asked.how, presumed_only=presumed_only):
                base = await self._settled(cluster, comparison, asked, base)
            base = base.having((*base.changes, *only_shown(asked.diff)))
            additions = added(asked.diff)
            if not additions:
                return base, ()
            additions, reasons = _ruled(additions, await self._ruling(cluster, comparison.server, asked, additions))
            return base.having((*base.changes, *additions)), reasons

        await each(_doubtful(comparison, presumed_only=presumed_only), judge, in_flight_max=in_flight_max)
        return replace(comparison, diffs=diffs, ignored=ignored, unreadable=unreadable)

    async def _settled(self, cluster: Cluster, comparison: Comparison, asked: _Asked, base: ObjectDiff) -> ObjectDiff:
        rules = comparison.held.rules_of(asked.manifest.key)
        known = self.get(comparison.server, asked.manifest, asked.live, asked.how, rules)
        if known is None:
            known, lasts = await _applied_dry(cluster, comparison, asked, base, self._ignoring)
            if lasts:
                self.put(comparison.server, asked.manifest, asked.live, known, asked.how, rules)
        return known

    async def _ruling(self, cluster: Cluster, server: str, asked: _Asked, additions: tuple[Change, ...]) -> Ruling:
        question, state = _question_of_additions(server, asked, additions)
        known = self._rulings.get(question, state)
        if known is None:
            paths = [change.path for change in additions]
            known = await rule_on(cluster, asked.manifest, asked.live, paths, asked.how.hands)
            if known.lasts:
                self._rulings.put(question, state, known)
        return known


@dataclass(frozen=True, slots=True)
class _Asked:
    """One object, and what is asked about it."""

    manifest: Manifest
    live: Body
    diff: ObjectDiff
    how: How


class _Bounded(Generic[Value]):
    """What was asked last, and its answers: each for one state of the object, for none comes back."""

    def __init__(self, entries_max: int) -> None:
        self._max = entries_max
        self._known: OrderedDict[Question, tuple[str, Value]] = OrderedDict()

    def get(self, question: Question, state: str) -> Value | None:
        known = self._known.get(question)
        if known is None or known[0] != state:
            return None
        self._known.move_to_end(question)
        return known[1]

    def put(self, question: Question, state: str, value: Value) -> None:
        self._known[question] = state, value
        self._known.move_to_end(question)
        while len(self._known) > self._max:
            self._known.popitem(last=False)


def _doubtful(comparison: Comparison, *, presumed_only: bool) -> list[_Asked]:
    found = []
    for key, diff in comparison.diffs.items():
        live = comparison.live.get(key)
        if live is None:
            continue
        manifest = comparison.manifests[key]
        how, _ = comparison.how.of_object(manifest.body)
        if added(diff) or _is_doubtful(without_additions(diff), how, presumed_only=presumed_only):
            found.append(_Asked(manifest, live, diff, how))
    return found


def _is_doubtful(diff: ObjectDiff, how: How, *, presumed_only: bool) -> bool:
    if how.server_side is False:
        return False
    if diff.is_presumed:
        return True
    return not presumed_only and (how.server_side is True or any(change.may_settle for change in diff.changes))


async def _applied_dry(
    cluster: Cluster, comparison: Comparison, asked: _Asked, diff: ObjectDiff, ignoring: Ignoring | None
) -> tuple[ObjectDiff, bool]:
    """The diff as the API server's answer leaves it, and whether it would answer the same another time.

    Raises JqError where it is not known what of the answer is ignored.
    """
    manifest, key = asked.manifest, asked.manifest.key
    rules, mask = comparison.held.rules_of(key), comparison.held.mask_of(key)
    if rules and ignoring is None:
        return diff, True
    try:
        resource = await cluster.resource(key.group, key.kind, manifest.version)
        # What is ignored may be what the API server would refuse to change: of that nobody asks.
        body = keeping(tracked(manifest, comparison.application, comparison.destination), key, asked.live, mask)
        applied: Body = await cluster.apply(resource, key.namespace, key.name, body, dry_run=True)
    except TransientError:
        raise
    except (ApiError, StalledError) as error:
        # A right that is missing, or a quota, says nothing of the object.
        return diff, isinstance(error, RejectedError)
    if ignoring is not None:
        applied = await ignoring.without_ignored(rules, mask, applied)
    if asked.how.server_side is True:
        manifest, live = mask.sides(manifest, asked.live)
        return settle_by_server(diff, manifest, live, applied, webhooks=asked.how.webhooks), True
    return settle_with(diff, applied), True


def _ruled(additions: tuple[Change, ...], ruling: Ruling) -> tuple[tuple[Change, ...], tuple[Explanation, ...]]:
    """What is drift of it, or shown, and why the rest is not."""
    stays: list[Change] = []
    reasons: list[Explanation] = []
    for change in additions:
        if change.path in ruling.defaults:
            detail = "without it the API server puts it back as it is (dry run)"
            reasons.append(Explanation(change.path, "ignored", ITS_DEFAULT, detail))
        elif change.path in ruling.kept:
            detail = "a person wrote it, and the API server refuses to take it away (dry run)"
            reasons.append(Explanation(change.path, "ignored", NOT_REMOVABLE, detail))
        else:
            stays.append(replace(change, counts=change.counts and change.path not in ruling.undecided))
    return tuple(stays), tuple(reasons)


def _question(server: str, manifest: Manifest, live: Body, how: How | None, rules: Rules) -> Question:
    return server, _uid(live), desired_hash(manifest), (how or How()).mode, rules


def _version(live: Body) -> str:
    return str((live.get("metadata") or {}).get("resourceVersion"))


def _uid(live: Body) -> str:
    return str((live.get("metadata") or {}).get("uid"))


def _question_of_additions(server: str, asked: _Asked, additions: tuple[Change, ...]) -> tuple[Question, str]:
    """The same question and state as long as spec and additions stay, however often a status is written."""
    generation = (asked.live.get("metadata") or {}).get("generation")
    version = f"generation {generation}" if generation else _version(asked.live)
    written = content_hash([[change.pointer, change.live] for change in additions])
    return (server, _uid(asked.live), desired_hash(asked.manifest), "", ()), f"{version} {written}"
