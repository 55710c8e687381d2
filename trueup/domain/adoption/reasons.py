"""Why something live cannot be written into Git here, and what to do instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.domain.adoption.place import Place
from trueup.domain.fieldpath import Path
from trueup.domain.redact import is_secret
from trueup.domain.resource import Body

_NEVER_PLAIN = (
    "values of Secrets are never written to Git in plain; change it where it is kept, such as a sealed Secret "
    "or a secret store"
)
SOPS = "its file is encrypted by SOPS, and whoever has the key has to change it: sops FILE"
ELSEWHERE = "it is in the cluster and not in Git; commit a manifest of it, or let a sync prune it"
STATUS = "a status is the work of controllers, and no wish; have `status` ignored instead"
MASKED = (
    "the value holds what a Secret holds, or looks like a credential, and is not written to Git in plain; "
    "put it into a Secret"
)
CREDENTIAL = (
    "its name says that it is a credential, which everybody with the repository could read; put it into a Secret, or "
    "name just this place by --field to have it written all the same"
)
NOT_FOUND = "no file says it; change it by hand where it comes from"
_OF_KIND: Mapping[str, str] = {
    "Helm": "it is made by Helm of {where}; give it by spec.source.helm.valuesObject, or in a value file of the chart",
    "Kustomize": "it is made by Kustomize of {where}; change it there, as a patch or by `images` or `replicas`",
}
_JSONNET = "it is made by the Jsonnet program {path}; change it there"


def missing(place: Place | None) -> str:
    """Of an object that Git has and the cluster has not."""
    where = f" out of {place.path}" if place else ""
    return f"it is in Git and not in the cluster; to take it{where}, name it by --resource"


def without_fields(place: Place | None) -> str:
    """Of an object that Git has and the cluster has not, where fields were asked for."""
    where = f" out of {place.path}" if place else ""
    return f"it is not in the cluster, so that it has no fields to accept; to take it{where}, leave --field out"


def of_object(kind: str, where: str, body: Body, place: Place | None) -> str:
    """Why the object cannot be written; empty where it can be. `kind` is that of its source, which is at `where`."""
    if is_secret(body):
        return _NEVER_PLAIN
    if kind != "Directory":
        return _OF_KIND.get(kind, NOT_FOUND).format(where=where or "the root of its repository")
    if place is None:
        return NOT_FOUND
    return _JSONNET.format(path=place.path) if place.path.endswith(".jsonnet") else ""


def of_document(document: Any) -> str:
    """Why this document of a file is not changed; empty where it may be."""
    return SOPS if isinstance(document, Mapping) and isinstance(document.get("sops"), Mapping) else ""


def of_place(path: Path) -> str:
    """Why this place of an object is not written; empty where it may be."""
    return STATUS if path and path[0] == "status" else ""
