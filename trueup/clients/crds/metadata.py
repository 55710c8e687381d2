"""The part of an object's metadata that a reconciler reads."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trueup.clients.crds.model import Model


class Metadata(Model):
    name: Annotated[str, Field(min_length=1)]
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    deletion_timestamp: str | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None
