"""What adds kinds to the API: CustomResourceDefinition and APIService."""

from __future__ import annotations

from trueup.domain.health.value import Health, condition
from trueup.domain.resource import Body


def custom_resource_definition(body: Body) -> Health:
    names, established = condition(body, "NamesAccepted"), condition(body, "Established")
    if names.get("status") == "False":
        return Health("Degraded", str(names.get("message") or "another definition has these names"))
    if not established or established.get("reason") == "Installing":
        return Health("Progressing", "waiting for the kind to be served")
    if established.get("status") != "True":
        return Health("Degraded", str(established.get("message") or "the kind is not served"))
    if (loose := condition(body, "NonStructuralSchema")).get("status") == "True":
        return Health("Degraded", str(loose.get("message") or "the schema is not structural"))
    return Health("Healthy")


def api_service(body: Body) -> Health:
    """What cannot be reached is Progressing: its server may start after it, and comes and goes."""
    available = condition(body, "Available")
    if available.get("status") == "True":
        return Health("Healthy")
    return Health("Progressing", str(available.get("message") or "waiting for a look at its server"))
