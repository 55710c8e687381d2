"""Packages at ghcr.io, as GitHub's webhooks tell of them.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#package
https://docs.github.com/en/webhooks/webhook-events-and-payloads#registry_package
"""

from __future__ import annotations

from .event import Ignored, PushEvent, WebhookEvent
from .oci import addresses
from .payload import Payload
from .refs import change

#: The event to the field that holds the package.
EVENTS = {"package": "package", "registry_package": "registry_package"}
HOST = "ghcr.io"


def event_of(event: str, payload: Payload, *, provider: str, delivery_id: str) -> WebhookEvent:
    """A version of a package that has a tag now. Without one there is nothing that could be followed."""
    package = payload.child(EVENTS[event])
    if package.text("package_type", default="").lower() != "container":
        return Ignored("Only packages that are containers hold OCI charts.")
    version = package.child("package_version")
    tag = ""
    if version.has("container_metadata") and version.child("container_metadata").has("tag"):
        tag = version.child("container_metadata").child("tag").text("name", default="")
    if not tag:
        return Ignored("This version of the package has no tag.")
    name, owner = package.text("name"), package.child("owner").text("login")
    return PushEvent(
        provider=provider,
        repository_urls=addresses(HOST, f"{owner}/{name}".lower()),
        changes=(change(tag),),
        delivery_id=delivery_id,
    )
