"""The models as CustomResourceDefinitions: structural OpenAPI v3 for `apiextensions.k8s.io/v1`.

Protocol: a structural schema has a type at every node, no `$ref`, and no `null` among its types;
what it does not name is pruned unless `x-kubernetes-preserve-unknown-fields` says otherwise.
Everything here says otherwise, so that a field of a newer Argo CD survives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.clients.crds.application import Application
from trueup.clients.crds.appproject import AppProject
from trueup.clients.crds.incident import Incident
from trueup.clients.crds.model import Model

GROUP = "argoproj.io"
#: Of what Argo CD has no object for.
OWN_GROUP = "trueup.dev"
VERSION = "v1alpha1"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "trueup"

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_KEPT = ("type", "format", "description", "required", "maxLength", "minLength", "x-kubernetes-int-or-string")


def openapi_schema(model: type[Model]) -> dict[str, Any]:
    """The structural schema of one model; the same for the same model, byte for byte."""
    schema = model.model_json_schema(by_alias=True)
    return _structural(schema, schema.get("$defs", {}))


def _structural(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    description = node.get("description")
    node = _resolved(node, definitions)
    structural = {key: node[key] for key in _KEPT if key in node}
    if "required" in structural:
        structural["required"] = list(node["required"])
    if description:
        structural["description"] = description
    if node.get("type") == "integer":
        structural["format"] = "int64"
    if "items" in node:
        structural["items"] = _structural(node["items"], definitions)
    if "properties" in node:
        structural["properties"] = {
            name: _structural(child, definitions) for name, child in sorted(node["properties"].items())
        }
    more = node.get("additionalProperties")
    if isinstance(more, Mapping):
        structural["additionalProperties"] = _structural(more, definitions)
    elif node.get("type") == "object":
        structural[_PRESERVE] = True
    return structural


def _resolved(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """The node itself, behind any `$ref` and without its `null` alternative."""
    while True:
        if "$ref" in node:
            node = definitions[node["$ref"].rpartition("/")[2]]
        elif "anyOf" in node:
            (node,) = (choice for choice in node["anyOf"] if choice.get("type") != "null")
        else:
            return node


def _definition(
    model: type[Model],
    *,
    plural: str,
    short_names: tuple[str, ...],
    group: str = GROUP,
    columns: tuple[tuple[str, str, int], ...] = (),
) -> dict[str, Any]:
    kind = model.__name__
    schema = openapi_schema(model)
    # The API server knows an object's metadata by heart and lets a schema say no more than its type.
    schema["properties"]["metadata"] = {"type": "object"}
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    if columns:
        version["additionalPrinterColumns"] = [
            {
                "name": name,
                "type": "integer" if path.endswith(".times") else "string",
                "jsonPath": path,
                **({"priority": priority} if priority else {}),
            }
            for name, path, priority in columns
        ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            "labels": {"app.kubernetes.io/name": f"{plural}.{group}", MANAGED_BY_LABEL: MANAGED_BY},
        },
        "spec": {
            "group": group,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": list(short_names),
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def crd_manifests() -> list[dict[str, Any]]:
    """All definitions, ready to apply. None has a status subresource, as Argo CD's have none."""
    return [
        _definition(
            Application,
            plural="applications",
            short_names=("app", "apps"),
            columns=(
                ("Sync Status", ".status.sync.status", 0),
                ("Health Status", ".status.health.status", 0),
                ("Revision", ".status.sync.revision", 10),
                ("Project", ".spec.project", 10),
            ),
        ),
        _definition(AppProject, plural="appprojects", short_names=("appproj", "appprojs")),
        _definition(
            Incident,
            plural="incidents",
            short_names=("inc",),
            group=OWN_GROUP,
            columns=(
                ("Application", ".spec.application", 0),
                ("Cause", ".spec.cause", 0),
                ("Phase", ".status.phase", 0),
                ("Opened", ".spec.openedAt", 0),
                ("By", ".status.manager", 0),
                ("Ending", ".status.ending", 0),
                ("Closed", ".status.closedAt", 10),
                ("Times", ".status.times", 10),
            ),
        ),
    ]


def is_ours(crd: Mapping[str, Any]) -> bool:
    """Whether an installed definition was put there by Trueup; any other is never replaced."""
    metadata = crd.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    return isinstance(labels, Mapping) and labels.get(MANAGED_BY_LABEL) == MANAGED_BY
