"""What the API server would make of a live object, held against that object. Pure.

For those who ask for `ServerSideDiff=true`: then a dry-run apply decides also on what is equal at first sight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trueup.domain.diff import Change, ObjectDiff, compare, settle_with
from trueup.domain.fieldpath import ABSENT, Item, Member, Path, Pointers, find
from trueup.domain.listkeys import KEY_DEFAULTS
from trueup.domain.normalize import wanted
from trueup.domain.resource import Body, Manifest
from trueup.domain.rules import SERVER_SAYS


def settle_by_server(diff: ObjectDiff, desired: Manifest, live: Body, applied: Body, *, webhooks: bool) -> ObjectDiff:
    """The diff by what the API server answered to a dry-run apply of the manifest.

    What it settles is gone. What it would change beyond that counts where Git and live are equal only by a rule
    of ours, and with `webhooks` anywhere: also where a mutating webhook has its say.
    """
    settled = settle_with(diff, applied)
    known = {change.path for change in settled.changes}
    predicted = compare(replace(desired, body=applied), live)
    asked, places = wanted(desired.body, desired.key), Pointers(live)
    more = tuple(
        replace(change, rule=SERVER_SAYS)
        for change in predicted.changes
        if change.kind != "extra" and change.path not in known and (webhooks or _by_a_rule(change, asked, places))
    )
    return settled.having((*settled.changes, *more)) if more else settled


def _by_a_rule(change: Change, asked: Mapping[str, Any], live: Pointers) -> bool:
    said = _stated(asked, change.path)
    return said is not ABSENT and said is not None and said != live.found(change.path)[1]


def _stated(asked: Any, path: Path) -> Any:
    """What Git says at the place, or ABSENT; a list key that it leaves out has its default."""
    value = asked
    for segment in path:
        if isinstance(segment, Item) and isinstance(value, list):
            value = next((item for item in value if _selects(segment, item)), ABSENT)
        elif isinstance(segment, Member | Item) or not isinstance(value, Mapping | list):
            return ABSENT
        else:
            value = find(value, (segment,))
        if value is ABSENT:
            return ABSENT
    return value


def _selects(item: Item, member: Any) -> bool:
    return isinstance(member, Mapping) and all(
        member.get(name, KEY_DEFAULTS.get(name)) == value for name, value in item.keys
    )
