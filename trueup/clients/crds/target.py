"""Where an Application's objects go, and which of their differences do not count."""

from __future__ import annotations

from trueup.clients.crds.model import Model


class Destination(Model):
    """A cluster, by its server's URL or by its name, and the namespace of objects that name none."""

    server: str | None = None
    name: str | None = None
    namespace: str | None = None


class IgnoreDifference(Model):
    """Fields that comparison leaves alone; `*` works as a glob in group, kind, name and namespace."""

    group: str | None = None
    kind: str
    name: str | None = None
    namespace: str | None = None
    json_pointers: list[str] | None = None
    jq_path_expressions: list[str] | None = None
    managed_fields_managers: list[str] | None = None
    """Fields that these managers own."""


class ManagedNamespaceMetadata(Model):
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
