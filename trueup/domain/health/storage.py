"""What keeps data: PersistentVolumeClaim."""

from __future__ import annotations

from trueup.domain.health.value import Health, mapping
from trueup.domain.resource import Body


def persistent_volume_claim(body: Body) -> Health:
    phase = mapping(body, "status").get("phase")
    if phase == "Bound":
        return Health("Healthy")
    if phase == "Lost":
        return Health("Degraded", "the volume of the claim is lost")
    if phase in ("Pending", None):
        return Health("Progressing", "waiting for a volume")
    return Health("Unknown", f"the claim's phase is {phase}")
