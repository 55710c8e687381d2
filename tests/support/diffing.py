"""Small objects to compare, and what a comparison says of them."""

from __future__ import annotations

import copy
from typing import Any

from trueup.domain.diff import compare
from trueup.domain.resource import Manifest, ResourceKey, split_api_version


def manifest(body: dict[str, Any]) -> Manifest:
    _, version = split_api_version(body["apiVersion"])
    return Manifest(ResourceKey.of(body), version, body, "test.yaml")


def config_map(**data: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}, "data": data}


def deployment(**pod: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "namespace": "n"},
        "spec": {"template": {"spec": pod}},
    }


def service(*ports: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a", "namespace": "n"},
        "spec": {"ports": list(ports)},
    }


def managed(body: dict[str, Any], *entries: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    live = copy.deepcopy(body)
    live["metadata"]["managedFields"] = [
        {"manager": manager, "operation": operation, "apiVersion": body["apiVersion"], "fieldsV1": fields}
        for manager, operation, fields in entries
    ]
    return live


def shown(desired: dict[str, Any], live: dict[str, Any] | None) -> list[str]:
    return [f"{change.kind} {change}" for change in compare(manifest(desired), live).changes]
