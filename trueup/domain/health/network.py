"""What is reached from outside: Service and Ingress."""

from __future__ import annotations

from trueup.domain.health.value import Health, mapping, objects
from trueup.domain.resource import Body


def service(body: Body) -> Health:
    if mapping(body, "spec").get("type") != "LoadBalancer" or objects(
        mapping(body, "status", "loadBalancer"), "ingress"
    ):
        return Health("Healthy")
    return Health("Progressing", "waiting for a load balancer address")


def ingress(body: Body) -> Health:
    if objects(mapping(body, "status", "loadBalancer"), "ingress"):
        return Health("Healthy")
    return Health("Progressing", "waiting for an address")
