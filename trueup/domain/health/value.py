"""What health is, and which of two is worse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

HealthStatus = Literal["Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown"]

#: From best to worst, as Argo CD ranks them.
ORDER: tuple[HealthStatus, ...] = ("Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown")


@dataclass(frozen=True, slots=True)
class Health:
    status: HealthStatus
    #: What is waited for, or what is wrong; empty where there is nothing to say.
    message: str = ""


def worst(healths: Iterable[Health | None]) -> Health:
    """The first of the worst; an application without any object that has health is Healthy."""
    known = [health for health in healths if health is not None]
    return max(known, key=lambda health: ORDER.index(health.status), default=Health("Healthy"))


def mapping(body: Any, *names: str) -> Mapping[str, Any]:
    """The object at the end of these fields, empty where there is none."""
    value = body
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def objects(body: Any, name: str) -> list[Mapping[str, Any]]:
    """The objects in the list of this name."""
    value = body.get(name) if isinstance(body, Mapping) else None
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def number(body: Mapping[str, Any], name: str, default: int = 0) -> int:
    value = body.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def condition(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The status condition of this type, empty where there is none."""
    conditions = objects(mapping(body, "status"), "conditions")
    return next((entry for entry in conditions if entry.get("type") == name), {})


def is_observed(body: Mapping[str, Any]) -> bool:
    """Whether the controller has seen the latest spec."""
    return number(mapping(body, "metadata"), "generation") <= number(mapping(body, "status"), "observedGeneration")
