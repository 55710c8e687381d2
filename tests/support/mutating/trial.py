"""A person's edit of one field: whether the API server takes it, and the product sees it and puts it right."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from tests.support.mutating.mutations import Mutation
from tests.support.mutating.product import Product, content
from tests.support.mutating.witness import Witness
from tests.support.wait import wait_until
from trueup.clients.api_errors import ApiError, NotFoundError, RejectedError
from trueup.clients.cluster import Cluster
from trueup.domain.diff import Change, ObjectDiff
from trueup.domain.resource import Body, Manifest

#: Who edits, and as which program.
USER = "alice"
MANAGER = "kubectl-edit"
GONE_SECONDS = 20.0
#: What the API server and the controllers give an object, and give it again otherwise.
_MADE_ANEW = frozenset(
    {
        "clusterIP",
        "clusterIPs",
        "healthCheckNodePort",
        "nodePort",
    }
)

Fate = Literal[
    "rejected",  # by the API server
    "without effect",  # taken, and nothing of it kept
    "detected",
    "missed",
    "elsewhere",  # OutOfSync, and no change names the place
    "unattributed",  # to the field manager
    "misattributed",  # by the audit log, to anybody else than who wrote it
    "not healed",
    "irreversible",  # detected, and the API server refuses to have it put right
    "only shown",  # added by hand where that is never taken away
    "stays",  # added by hand, and the API server or its controller would have it so, or will not lose it
]


@dataclass(frozen=True)
class Outcome:
    kind: str
    mutation: Mutation
    fate: Fate
    #: Whether Git says nothing of the place.
    by_hand: bool = False
    detail: str = ""

    def __str__(self) -> str:
        hand = " (by hand)" if self.by_hand else ""
        return f"{self.fate}{hand}: {self.kind} {self.mutation}: {self.detail[:300]}"


@dataclass
class Subject:
    """One object, delivered by the product and edited by a person."""

    product: Product
    person: Cluster
    manifest: Manifest
    live: dict[str, Any]
    witness: Witness | None = None

    async def tried(self, mutation: Mutation) -> Outcome:
        """Make the edit, look, and put it right."""
        writes = self.witness.writes(self.manifest.key, USER) if self.witness else 0
        edited, error = await self._edited(mutation)
        by_hand = is_by_hand(mutation, self.manifest)
        kind = self.manifest.key.kind
        if edited is None:
            return Outcome(kind, mutation, "rejected", by_hand, error)
        before = content(self.live)
        if content(edited) == before:
            self.live = edited
            return Outcome(kind, mutation, "without effect", by_hand)
        diff = await self.product.compared(self.manifest, edited)
        fate, detail = _seen(mutation, diff)
        if fate == "missed" and by_hand and await self._stays(mutation, edited):
            fate = "stays"
        if fate == "missed" and mutation.field.startswith("rules") and self.manifest.body.get("aggregationRule"):
            fate = "stays"
        if fate == "detected" and (others := await self._blamed_others(mutation, diff, edited, writes)):
            fate, detail = "misattributed", others
        try:
            after = await self._put_right(mutation, diff, edited, before)
        except ApiError as refused:
            await self.renewed()
            return Outcome(
                kind, mutation, fate if fate != "detected" else "irreversible", by_hand, detail or str(refused)
            )
        if fate == "detected" and after:
            fate, detail = "not healed", after
        return Outcome(kind, mutation, fate, by_hand, detail)

    async def _edited(self, mutation: Mutation) -> tuple[dict[str, Any] | None, str]:
        resource = await self.product.resource(self.manifest)
        error = ""
        for patch in mutation.patches:
            try:
                edited = await self.person.json_patch(
                    resource, self.manifest.key.namespace, self.manifest.key.name, patch, field_manager=MANAGER
                )
            except ApiError as refused:
                if not error or isinstance(refused, RejectedError):
                    error = str(refused)
                continue
            if content(edited) != content(self.live) or patch == mutation.patches[-1]:
                return edited, ""
            self.live = edited
        return None, error

    async def _blamed_others(self, mutation: Mutation, diff: ObjectDiff, edited: Body, writes: int) -> str:
        """Whom the audit log names of the edited place, where it is not the person who edited it."""
        if self.witness is None:
            return ""
        told = [change for change in diff.counted if _is_about(change, mutation)]
        found = await self.witness.names(told, edited, self.manifest.key, user=USER, after=writes)
        sure = [each for each in found if each.person is not None and each.person.user == USER]
        return "" if sure else f"{[str(each) for each in found]}"

    async def _stays(self, mutation: Mutation, edited: Body) -> bool:
        """Whether the API server refuses to lose what was added, or puts the same there by itself."""
        names = mutation.pointer.split("/")[1:]
        if names[-1] == "-":
            return False
        resource, key = await self.product.resource(self.manifest), self.manifest.key
        patch = [{"op": "remove", "path": mutation.pointer}]
        try:
            without = await self.product.cluster.json_patch(resource, key.namespace, key.name, patch, dry_run=True)
        except RejectedError:
            return True
        return content(without) == content(edited)

    async def _put_right(self, mutation: Mutation, diff: ObjectDiff, edited: Body, before: Mapping[str, Any]) -> str:
        """What still differs after the sync; for what was not seen the object is made anew."""
        if diff.status == "Synced":
            await self.renewed()
            return ""
        self.live, after = await self.product.put_right(self.manifest, diff, edited)
        if after.status != "Synced":
            # What was a default while something was missing need be none once it is back.
            self.live, after = await self.product.delivered(self.manifest)
        if after.status != "Synced":
            detail = ", ".join(f"{change.kind} {change}" for change in after.changes)
            await self.renewed()
            return f"still differs: {detail}"
        now = _lasting(content(self.live))
        if self.manifest.body.get("aggregationRule"):
            # Their controller writes these, in its own time.
            before, now = ({name: value for name, value in side.items() if name != "rules"} for side in (before, now))
        # What the API server filled in while something was gone may stay beside it.
        left = difference(
            _lasting(before), now if is_by_hand(mutation, self.manifest) else _asked(now, _lasting(before))
        )
        if left:
            await self.renewed()
            return f"Synced, but not as it was: {left}"
        return ""

    async def renewed(self) -> None:
        """Delete the object and deliver it anew."""
        await self.removed()
        self.live, diff = await self.product.delivered(self.manifest)
        assert diff.status == "Synced", [f"{change.kind} {change}" for change in diff.changes]

    async def removed(self) -> None:
        """Delete the object, whatever holds it."""
        product, key = self.product, self.manifest.key
        resource = await product.resource(self.manifest)
        found = await product.live(self.manifest)
        if found is not None:
            await product.cluster.delete(
                resource, key.namespace, key.name, uid=found["metadata"]["uid"], propagation="Background"
            )
            await wait_until(lambda: self._is_gone(found["metadata"]["uid"]), GONE_SECONDS, f"{key} is gone")
        self.live, diff = await product.delivered(self.manifest)
        assert diff.status == "Synced", [f"{change.kind} {change}" for change in diff.changes]

    async def _is_gone(self, uid: str) -> bool:
        found = await self.product.live(self.manifest)
        if found is not None and found["metadata"].get("finalizers"):
            resource, key = await self.product.resource(self.manifest), self.manifest.key
            with suppress(NotFoundError):
                await self.product.cluster.merge_patch(
                    resource, key.namespace, key.name, {"metadata": {"finalizers": None}}
                )
        return found is None or found["metadata"]["uid"] != uid


def _lasting(value: Any) -> Any:
    """A content without what is allocated or counted anew, and without what is empty: an apply may leave it out."""
    if isinstance(value, Mapping):
        kept = {name: _lasting(below) for name, below in value.items() if name not in _MADE_ANEW}
        return {name: below for name, below in kept.items() if below not in ({}, [])}
    return [_lasting(below) for below in value] if isinstance(value, list) else value


def _asked(value: Any, before: Any) -> Any:
    """The value without the keys of maps that there were not before."""
    if isinstance(value, Mapping) and isinstance(before, Mapping):
        return {name: _asked(below, before[name]) for name, below in value.items() if name in before}
    return value


def is_by_hand(mutation: Mutation, manifest: Manifest) -> bool:
    """Whether Git says nothing of the place."""
    value: Any = manifest.body
    for token in mutation.pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list) and name.isdigit():
            value = value[int(name)] if int(name) < len(value) else None
        else:
            return True
    return value is None


def _seen(mutation: Mutation, diff: ObjectDiff) -> tuple[Fate, str]:
    if diff.status != "OutOfSync":
        shown = any(_is_about(change, mutation) for change in diff.changes)
        return ("only shown", "") if shown else ("missed", "")
    told = [change for change in diff.counted if _is_about(change, mutation)]
    shown = ", ".join(f"{change.kind} {change}" for change in diff.changes)
    if not told:
        return "elsewhere", shown
    # What was taken away, and an order, belong to nobody: who did it, only the audit log can say.
    if any(not change.owners or _wrote(change) for change in told):
        return "detected", ""
    return "unattributed", f"{shown}: {[owner.manager for change in told for owner in change.owners]}"


def _wrote(change: Change) -> bool:
    return any(owner.manager == MANAGER and owner.operation == "Update" for owner in change.owners)


def _is_about(change: Change, mutation: Mutation) -> bool:
    """Whether the change's place is the edited one, or holds it, or lies in it."""
    names = tuple(part for part in change.path if isinstance(part, str))
    # What is written as a Secret's `stringData` stands in its `data`.
    edited = tuple("data" if name == "stringData" else name for name in mutation.names)
    shorter = min(len(names), len(edited))
    return names[:shorter] == edited[:shorter]


def difference(one: Any, other: Any, at: str = "") -> str:
    """The first places where two JSON values differ, for people."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        found = [
            difference(one.get(name), other.get(name), f"{at}/{name}")
            for name in {**one, **other}
            if one.get(name) != other.get(name)
        ]
        return "; ".join(found[:3])
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return "; ".join(
            difference(a, b, f"{at}/{index}") for index, (a, b) in enumerate(zip(one, other, strict=True)) if a != b
        )
    return f"{at}: {str(one)[:80]} → {str(other)[:80]}"
