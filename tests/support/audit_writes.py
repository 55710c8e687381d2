"""Events of the audit log as a kube-apiserver writes them, and writes as Trueup keeps them."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from trueup.domain.attribution import Person
from trueup.domain.audit import AuditRecord
from trueup.domain.audit_touch import touched_by
from trueup.domain.resource import ResourceKey

KEY = ResourceKey("apps", "Deployment", "shop", "web")
#: 2026-01-01T12:00:00Z.
NOON = 1_767_268_800.0


def event(**changed: Any) -> dict[str, Any]:
    """A patch of Deployment shop/web by alice, which made version 12; `changed` takes the place of members."""
    return {
        "level": "RequestResponse",
        "auditID": secrets.token_hex(16),
        "stage": "ResponseComplete",
        "requestURI": "/apis/apps/v1/namespaces/shop/deployments/web?fieldManager=kubectl-edit",
        "verb": "patch",
        "user": {"username": "alice", "groups": ["dev", "system:authenticated"]},
        "sourceIPs": ["10.0.0.7"],
        "userAgent": "kubectl/v1.36.3 (linux/amd64) kubernetes/abc",
        "objectRef": {
            "resource": "deployments",
            "namespace": "shop",
            "name": "web",
            "apiGroup": "apps",
            "apiVersion": "v1",
        },
        "responseStatus": {"metadata": {}, "code": 200},
        "requestObject": {"spec": {"replicas": 5}},
        "responseObject": {
            "kind": "Deployment",
            "apiVersion": "apps/v1",
            "metadata": {"name": "web", "namespace": "shop", "uid": "u-1", "resourceVersion": "12"},
            "spec": {"replicas": 5},
        },
        "requestReceivedTimestamp": "2026-01-01T12:00:00.100000Z",
        "stageTimestamp": "2026-01-01T12:00:00.120000Z",
        **changed,
    }


def no_kinds(_group: str, _resource: str) -> str:
    return ""


def write(
    user: str,
    version: str = "12",
    *,
    verb: str = "patch",
    manager: str = "kubectl-edit",
    at: float = NOON + 0.1,
    patch: object = None,
    subresource: str = "",
    key: ResourceKey = KEY,
    uid: str = "u-1",
    scaled_to: int | None = None,
) -> AuditRecord:
    """A write as Trueup keeps it; without a patch it may have written anything."""
    touched = None if patch is None else touched_by(patch)
    name = secrets.token_hex(16)
    record = AuditRecord(name, key, uid, version, verb, subresource, manager, at, at + 0.02, Person(user), touched)
    return replace(record, scaled_to=scaled_to)
