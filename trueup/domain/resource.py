"""The name of a Kubernetes object, and the object as somebody wants it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: In place of a version: that an object is not there.
ABSENT = "-"
TRACKING_ANNOTATION = "argocd.argoproj.io/tracking-id"

#: A JSON object as the API server speaks it. Treated as immutable everywhere.
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class ResourceKey:
    """Which object: independent of its API version, so that a version bump is not a delete."""

    #: API group, empty for the core group.
    group: str
    kind: str
    #: Empty for a cluster-scoped object.
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind}.{self.group} {where}" if self.group else f"{self.kind} {where}"

    def member(self, version: str = "") -> str:
        """The key as a member of a job's scope; `from_member` reads it.

        With the `resourceVersion` that somebody has seen of it, a run that has seen it too need not look again.
        """
        member = f"{self.group}/{self.kind}/{self.namespace}/{self.name}"
        return f"{member}/{version}" if version else member

    @classmethod
    def from_member(cls, text: str) -> ResourceKey | None:
        """The key that `member` wrote; None for anything else. No part of a legal key holds a slash."""
        parts = text.split("/")
        return cls(*parts[:4]) if len(parts) in {4, 5} and parts[1] and parts[3] else None

    @classmethod
    def of(cls, body: Body) -> ResourceKey:
        """The key that a complete object states of itself."""
        group, _ = split_api_version(str(body.get("apiVersion", "")))
        metadata = body.get("metadata") or {}
        return cls(group, str(body.get("kind", "")), metadata.get("namespace") or "", metadata.get("name") or "")


def split_api_version(api_version: str) -> tuple[str, str]:
    """`apps/v1` is ("apps", "v1"); `v1` is ("", "v1")."""
    group, slash, version = api_version.rpartition("/")
    return (group, version) if slash else ("", api_version)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object as Git wants it, with its namespace settled."""

    key: ResourceKey
    #: API version without the group: `v1`.
    version: str
    body: Body
    #: Where it stands in the repository: `path/to/file.yaml, document 2`.
    origin: str

    @property
    def api_version(self) -> str:
        return f"{self.key.group}/{self.version}" if self.key.group else self.version


def is_built_in(group: str) -> bool:
    """Whether the API group is Kubernetes' own: its name has no dot, or lies in the domain kept for it."""
    return "." not in group or group.endswith(".k8s.io")


def tracking_id(application: str, key: ResourceKey, destination: str = "") -> str:
    """The value of the tracking annotation, in the form Argo CD users already have on their objects.

    `destination` is the application's namespace for objects that name none: as in Argo CD, the id of
    a cluster-scoped object carries it, though the object has no namespace.
    """
    return f"{application}:{key.group}/{key.kind}:{key.namespace or destination}/{key.name}"


def tracked_by(body: Body) -> str | None:
    """The application that this live object's tracking annotation names.

    None where there is no annotation or where it speaks of another object, as it does on a copy.
    """
    annotations = (body.get("metadata") or {}).get("annotations") or {}
    value = annotations.get(TRACKING_ANNOTATION)
    if not isinstance(value, str):
        return None
    application, separator, rest = value.partition(":")
    key = ResourceKey.of(body)
    # Of a cluster-scoped object the namespace in the id is the application's, which is not known here.
    stated = rest.split(":")[-1].partition("/")[0]
    if not separator or value != tracking_id(application, key, "" if key.namespace else stated):
        return None
    return application
