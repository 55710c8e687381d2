"""Whom a change of the resource settings concerns. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from trueup.domain.application import Application
from trueup.domain.ignore_settings import ResourceSettings
from trueup.domain.lenient import as_list, as_mapping

Kind = tuple[str, str]


def concerned(
    before: ResourceSettings, after: ResourceSettings, applications: Iterable[Application]
) -> tuple[Application, ...]:
    """The Applications that are to be looked at again: each with an object whose rules are others now.

    Which objects are left alone no inventory tells: where that changes, everybody is looked at.
    """
    if _for_all(before) != _for_all(after):
        return tuple(applications)
    changed = frozenset(before.differences) ^ frozenset(after.differences)
    if not changed:
        return ()
    known: dict[Kind, bool] = {}

    def is_concerned(kind: Kind) -> bool:
        if kind not in known:
            known[kind] = any(rule.concerns_kind(*kind) for rule in changed)
        return known[kind]

    return tuple(app for app in applications if any(is_concerned(kind) for kind in _kinds(app)))


def _for_all(settings: ResourceSettings) -> tuple[object, ...]:
    return settings.exclusions, settings.inclusions, settings.fault


def _kinds(application: Application) -> frozenset[Kind]:
    entries = (as_mapping(entry) for entry in as_list(application.status.get("resources")))
    return frozenset((str(entry.get("group") or ""), str(entry.get("kind") or "")) for entry in entries)
