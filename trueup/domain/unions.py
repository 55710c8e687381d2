"""Fields of which an object may have only one: what took the place of the desired one has to go.

Server-side apply knows nothing of them. It would bring the desired field back beside the other and
be refused, even where the other is a mere default, as with a Deployment that turns to `Recreate`.
Source: the validation rules of the API server's own kinds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.domain.fieldpath import Item, Path
from trueup.domain.listkeys import is_builtin
from trueup.domain.resource import ResourceKey

_HANDLERS = frozenset({"exec", "grpc", "httpGet", "sleep", "tcpSocket"})
_ALTERNATIVES: Mapping[str, frozenset[str]] = {
    "clientConfig": frozenset({"service", "url"}),
    "defaultBackend": frozenset({"resource", "service"}),
    "livenessProbe": _HANDLERS,
    "postStart": _HANDLERS,
    "preStop": _HANDLERS,
    "readinessProbe": _HANDLERS,
    "startupProbe": _HANDLERS,
    "valueFrom": frozenset({"configMapKeyRef", "fieldRef", "fileKeyRef", "resourceFieldRef", "secretKeyRef"}),
}
_IN_ENV = frozenset({"value", "valueFrom"})
_IN_BUDGETS = frozenset({"maxUnavailable", "minAvailable"})

#: The field that only makes sense with one value of its neighbour `type`.
_DEPENDENT: Mapping[str, tuple[str, str]] = {
    "strategy": ("rollingUpdate", "RollingUpdate"),
    "updateStrategy": ("rollingUpdate", "RollingUpdate"),
    "seccompProfile": ("localhostProfile", "Localhost"),
    "appArmorProfile": ("localhostProfile", "Localhost"),
}


def usurpers(key: ResourceKey, path: Path, desired: Mapping[str, Any], live: Mapping[str, Any]) -> list[str]:
    """The fields of the live object at this place that cannot stay beside what is desired there."""
    if not path or not is_builtin(key.group):
        return []
    extra = [name for name, value in live.items() if value is not None and desired.get(name) is None]
    if not extra:
        return []
    name = path[-1]
    if isinstance(name, str) and name in _DEPENDENT:
        dependent, only_with = _DEPENDENT[name]
        kind = desired.get("type")
        return [dependent] if dependent in extra and kind is not None and kind != only_with else []
    stated = {name for name, value in desired.items() if value is not None}
    alternatives = _alternatives(key, path, stated.union(extra))
    return [name for name in extra if name in alternatives] if stated & alternatives else []


def _alternatives(key: ResourceKey, path: Path, names: set[str]) -> frozenset[str]:
    name = path[-1]
    if isinstance(name, str):
        if key.kind == "PodDisruptionBudget" and path == ("spec",):
            return _IN_BUDGETS
        return _ALTERNATIVES.get(name, frozenset())
    where = path[-2] if isinstance(name, Item) and len(path) > 1 else None
    if where == "volumes":
        # A volume's sources are too many to list: everything but its name is one.
        return frozenset(names - {"name"})
    return _IN_ENV if where == "env" else frozenset()
