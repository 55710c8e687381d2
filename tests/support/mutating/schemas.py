"""What the API server's OpenAPI v3 documents say of a kind's fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trueup.clients.api_errors import Asked
from trueup.clients.cluster import Cluster
from trueup.clients.discovery import ApiResource
from trueup.clients.transport import Request

Schema = Mapping[str, Any]

_QUANTITY = "resource.Quantity"


@dataclass(frozen=True)
class Schemas:
    """The schemas of every group, by name."""

    by_name: Mapping[str, Schema]

    def of(self, resource: ApiResource) -> Schema:
        """The schema of a kind's objects."""
        asked = {"group": resource.group, "kind": resource.kind, "version": resource.version}
        for schema in self.by_name.values():
            if asked in schema.get("x-kubernetes-group-version-kind", ()) and "metadata" in schema.get(
                "properties", {}
            ):
                return schema
        raise AssertionError(f"no schema of {resource}")

    def resolved(self, schema: Schema) -> Schema:
        """The schema that a reference stands for, its own name under `x-name`."""
        while True:
            if "$ref" in schema:
                name = schema["$ref"].rpartition("/")[2]
                schema = {**self.by_name[name], "x-name": name}
            elif "allOf" in schema and len(schema["allOf"]) == 1:
                schema = schema["allOf"][0]
            else:
                return schema


async def read_schemas(cluster: Cluster) -> Schemas:
    index = await _read(cluster, "/openapi/v3")
    found: dict[str, Schema] = {}
    for path in index["paths"]:
        if path.startswith(("api/", "apis/")):
            found.update((await _read(cluster, f"/openapi/v3/{path}")).get("components", {}).get("schemas", {}))
    return Schemas(found)


async def _read(cluster: Cluster, path: str) -> dict[str, Any]:
    return await cluster.request(Request(Asked("GET", "openapi"), "GET", path))


def is_quantity(schema: Schema) -> bool:
    return str(schema.get("x-name", "")).endswith(_QUANTITY)


def kind_of(schema: Schema) -> str:
    """`map`, `object`, `list`, `int-or-string`, or the plain type; `any` where it says nothing."""
    if is_quantity(schema):
        return "quantity"
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return "int-or-string"
    if schema.get("type") == "array":
        return "list"
    if schema.get("properties"):
        return "object"
    if schema.get("additionalProperties"):
        return "map"
    plain = str(schema.get("type", "any"))
    return "any" if plain == "object" else plain


def inferred(value: Any) -> Schema:
    """A schema of a value that nobody has one for."""
    if isinstance(value, Mapping):
        return {"type": "object", "properties": {name: inferred(below) for name, below in value.items()}}
    if isinstance(value, list):
        return {"type": "array", "items": inferred(value[0]) if value else {"type": "string"}}
    plain = {bool: "boolean", int: "integer", float: "number", str: "string"}.get(type(value))
    return {"type": plain} if plain else {}
