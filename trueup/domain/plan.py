"""What a sync will write, decided before the first write.

Pure: from the differences, the inventory and the policy to a list of actions in their order.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from trueup.domain.diff import ObjectDiff
from trueup.domain.fieldpath import Path
from trueup.domain.inventory import Live
from trueup.domain.normalize import fold_string_data
from trueup.domain.order import apply_order
from trueup.domain.resource import TRACKING_ANNOTATION, Body, Manifest, ResourceKey, tracked_by, tracking_id

SYNC_OPTIONS_ANNOTATION = "argocd.argoproj.io/sync-options"

Verb = Literal["create", "update", "adopt", "prune", "keep"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What this sync may do."""

    prune: bool = False
    #: Whether an empty desired set may prune everything.
    allow_empty: bool = False
    #: False for the sync option `Prune=false` of the whole application.
    prune_option: bool = True
    fail_on_shared_resource: bool = False
    #: Empty means every object; otherwise only these are written, and only these pruned. A key
    #: without a namespace stands for that name in any.
    selected: Collection[ResourceKey] = ()

    def selects(self, key: ResourceKey) -> bool:
        """Whether this sync is about the object."""
        return not self.selected or key in self.selected or replace(key, namespace="") in self.selected


@dataclass(frozen=True, slots=True)
class Action:
    """One object and what is done to it.

    `create`, `update` and `adopt` are a forced server-side apply of `body`. An update first moves
    the ownership of the `remove` paths (`trueup.domain.managedfields.transfer_ownership`), so that
    the apply removes them. Adopting writes no more than ownership and tracking: all else is as Git
    says. `keep` writes nothing and says why.
    """

    verb: Verb
    key: ResourceKey
    #: The manifest with our tracking annotation; None for what is pruned or kept.
    body: Body | None = None
    remove: tuple[Path, ...] = ()
    reason: str = ""
    #: The uid of the live object that was decided upon, for a delete's precondition; empty for a new one.
    uid: str = ""
    #: Whether it is kept although Git no longer has it.
    requires_pruning: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """An entry of `status.conditions`, without its time."""

    type: Literal["SharedResourceWarning", "RepeatedResourceWarning", "SyncError"]
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    #: Written in this order; prunes come last, in reverse order of kinds.
    actions: tuple[Action, ...] = ()
    conditions: tuple[Condition, ...] = ()
    #: Why nothing of this may be carried out; empty for a good plan.
    refusal: str = ""

    @property
    def writes(self) -> tuple[Action, ...]:
        return tuple(action for action in self.actions if action.verb != "keep")


def plan(
    *,
    application: str,
    desired: Sequence[Manifest],
    diffs: Mapping[ResourceKey, ObjectDiff],
    live: Live,
    inventory: Iterable[ResourceKey],
    policy: Policy,
    other_applications: Container[str] = (),
    destination: str = "",
) -> Plan:
    """Decide on every desired object and every object of the inventory.

    `application` is the name that tracking ids carry, `destination` the namespace in those of
    cluster-scoped objects. `live` leaves out what could not be read, and
    such an object is neither written nor pruned. An object that is tracked by one of the
    `other_applications` is left to it.
    """
    manifests = {manifest.key: manifest for manifest in desired}
    conditions = _repeated(desired)
    actions: list[Action] = []
    for key in sorted(manifests, key=apply_order):
        if not policy.selects(key):
            continue
        owner = tracked_by(found) if (found := live.get(key)) is not None else None
        if owner is not None and owner != application and owner in other_applications:
            text = f"{key} is part of application {owner} too; take it out of all but one"
            conditions.append(Condition("SharedResourceWarning", text))
            actions.append(Action("keep", key, reason=f"it belongs to application {owner}"))
        elif (action := _write(manifests[key], diffs.get(key), live, application, destination)) is not None:
            actions.append(action)
    leaving = sorted({key for key in inventory if key not in manifests}, key=apply_order, reverse=True)
    actions += [
        _leave(key, live, application, policy, wipes=not manifests)
        for key in leaving
        if key not in live or live[key] is not None
    ]
    shared = [condition.message for condition in conditions if condition.type == "SharedResourceWarning"]
    refusal = "; ".join(shared) if policy.fail_on_shared_resource else ""
    if not manifests and leaving and policy.prune and not policy.allow_empty:
        text = "Git has no object left for this application; to prune everything, set allowEmpty"
        conditions.append(Condition("SyncError", text))
    return Plan(tuple(actions), tuple(conditions), refusal)


def tracked(manifest: Manifest, application: str, destination: str = "") -> Body:
    """The manifest as it is applied: with our tracking annotation, and a Secret's `stringData` in its `data`.

    Server-side apply could not remove a dropped `stringData` key: live objects have none.
    """
    body: dict[str, Any] = fold_string_data(manifest.body, manifest.key)
    metadata = dict(body.get("metadata") or {})
    annotation = {TRACKING_ANNOTATION: tracking_id(application, manifest.key, destination)}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotation}
    body["metadata"] = metadata
    return body


def _write(
    manifest: Manifest, diff: ObjectDiff | None, live: Live, application: str, destination: str
) -> Action | None:
    key = manifest.key
    if key not in live or diff is None:
        return Action("keep", key, reason="its live state could not be read")
    found = live[key]
    body = tracked(manifest, application, destination)
    if found is None:
        return Action("create", key, body)
    if (found.get("metadata") or {}).get("deletionTimestamp"):
        return Action("keep", key, reason="it is being deleted; it is created anew once it is gone")
    if diff.status != "Synced":
        return Action("update", key, body, diff.removals, uid=_uid(found))
    if tracked_by(found) == application:
        return None
    return Action("adopt", key, body, uid=_uid(found))


def _leave(key: ResourceKey, live: Live, application: str, policy: Policy, *, wipes: bool) -> Action:
    """What becomes of an object of the inventory that Git no longer has."""
    found = live.get(key)
    if found is None:
        return Action("keep", key, reason="its live state could not be read", requires_pruning=True)
    owner = tracked_by(found)
    if owner != application:
        held = f"it is tracked by {owner}" if owner else "it does not carry our tracking id"
        return Action("keep", key, reason=held)
    reason = _prune_guard(key, found, policy, wipes=wipes)
    if reason:
        return Action("keep", key, reason=reason, requires_pruning=True, uid=_uid(found))
    return Action("prune", key, uid=_uid(found))


def _prune_guard(key: ResourceKey, live: Body, policy: Policy, *, wipes: bool) -> str:
    metadata = live.get("metadata") or {}
    options = sync_options(live)
    guards = {
        "pruning is not enabled": not policy.prune,
        "it is not among the selected resources": not policy.selects(key),
        "Git has no object left for this application, and allowEmpty is not set": wipes and not policy.allow_empty,
        "the sync option Prune=false keeps it": not policy.prune_option or options.get("Prune") == "false",
        "Prune=confirm asks for a confirmation, which is not supported yet": options.get("Prune") == "confirm",
        "it is being deleted already": bool(metadata.get("deletionTimestamp")),
    }
    return next((reason for reason, holds in guards.items() if holds), "")


def sync_options(body: Body) -> dict[str, str]:
    """The options of the sync-options annotation, `Prune=false,Validate=false`."""
    text = ((body.get("metadata") or {}).get("annotations") or {}).get(SYNC_OPTIONS_ANNOTATION)
    pairs = (option.partition("=") for option in text.split(",")) if isinstance(text, str) else ()
    return {name.strip(): value.strip() for name, _, value in pairs}


def _repeated(desired: Sequence[Manifest]) -> list[Condition]:
    origins: dict[ResourceKey, list[str]] = {}
    for manifest in desired:
        origins.setdefault(manifest.key, []).append(manifest.origin)
    return [
        Condition("RepeatedResourceWarning", f"{key} is defined in {', '.join(where)}; the last one counts")
        for key, where in origins.items()
        if len(where) > 1
    ]


def _uid(live: Body) -> str:
    return str((live.get("metadata") or {}).get("uid") or "")
