"""List members that stand in for desired ones: somebody edited the key, so by key they are two.

Left alone, the forced apply would bring the desired member back beside the edited one, or be
refused. A member that another manager put in for itself must not be taken for one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.domain.fieldpath import Path, Scalar
from trueup.domain.listkeys import Pairing, item_of
from trueup.domain.managedfields import Cursor
from trueup.domain.normalize import means
from trueup.domain.resource import ResourceKey


@dataclass(frozen=True, slots=True)
class Sides:
    """A keyed list on both sides, and what is known of its members."""

    desired: Sequence[Any]
    live: Sequence[Any]
    pairing: Pairing
    #: Who owns which live member, by the values of its keys.
    owned: Mapping[tuple[Scalar, ...], Cursor]
    keys: tuple[str, ...]


def stand_ins(key: ResourceKey, path: Path, sides: Sides) -> dict[int, int]:
    """The positions of desired members, each with the position of the live member that stands in for it.

    Either the two share a name that no second member may have, or they are the only two without a
    partner and agree in everything but the key.
    """
    desired, live, pairing, keys = sides.desired, sides.live, sides.pairing, sides.keys
    if not pairing.desired_left or not pairing.live_left:
        return {}
    found: dict[int, int] = {}
    if path[-1] == "ports" and "name" not in keys:
        by_name = {live[index].get("name"): index for index in pairing.live_left}
        by_name.pop(None, None)
        found = {one: by_name[name] for one in pairing.desired_left if (name := desired[one].get("name")) in by_name}
    desired_left = [one for one in pairing.desired_left if one not in found]
    live_left = [other for other in pairing.live_left if other not in found.values()]
    if len(desired_left) == len(live_left) == 1:
        one, other = desired_left[0], live_left[0]
        if _sole_service_port(key, path, desired, live) or (
            _agree(key, path, desired[one], live[other], keys) and not _applied_by_another(live[other], sides)
        ):
            found[one] = other
    return found


def _sole_service_port(key: ResourceKey, path: Path, desired: Sequence[Any], live: Sequence[Any]) -> bool:
    """A Service must have a port, so that its only one, if another, can only have taken the place of ours."""
    return key.group == "" and key.kind == "Service" and path == ("spec", "ports") and len(desired) == len(live) == 1


def _agree(
    key: ResourceKey, path: Path, desired: Mapping[str, Any], live: Mapping[str, Any], keys: tuple[str, ...]
) -> bool:
    """Whether live holds everything else that the manifest says of the member, and it says something."""
    said = {name: value for name, value in desired.items() if name not in keys and value is not None}
    above = (*path, item_of(live, keys))
    return bool(said) and all(means(key, (*above, name), value, live.get(name)) for name, value in said.items())


def _applied_by_another(item: Mapping[str, Any], sides: Sides) -> bool:
    cursor = sides.owned.get(tuple(value for _, value in item_of(item, sides.keys).keys))
    return cursor is not None and any(owner.applies and not owner.delivers for owner in cursor.owners)
