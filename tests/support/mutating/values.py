"""Values that a field's schema allows, the likeliest to be accepted first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from tests.support.mutating.schemas import Schema, Schemas, kind_of

#: Of a field's possible values, so many are tried until the API server takes one.
CANDIDATES_MAX = 8
#: An object that is generated holds at most so many levels of what it requires.
DEPTH_MAX = 6

#: What strings of these names may be, where the schema itself does not say.
_BY_NAME: dict[str, tuple[str, ...]] = {
    "image": ("registry.example/changed:2",),
    "reference": ("registry.example/changed:2",),
    "mountPath": ("/changed",),
    "devicePath": ("/dev/changed",),
    "subPath": ("changed",),
    "workingDir": ("/changed",),
    "path": ("changed", "/changed", "/changed/x"),
    "key": ("changed", "example.com/changed"),
    "url": ("https://changed.example.com/x",),
    "host": ("changed.example.com",),
    "hostname": ("changed",),
    "hosts": ("changed.example.com",),
    "ip": ("192.0.2.77",),
    "clusterIP": ("None", "10.96.77.77"),
    "clusterIPs": ("None", "10.96.77.77"),
    "externalIPs": ("192.0.2.77",),
    "addresses": ("192.0.2.77", "changed.example.com"),
    "nameservers": ("192.0.2.77",),
    "loadBalancerIP": ("192.0.2.77",),
    "loadBalancerSourceRanges": ("192.0.2.0/28",),
    "cidr": ("198.51.100.0/24", "10.0.0.0/8"),
    "cidrs": ("198.51.100.0/24",),
    "except": ("198.51.100.8/30", "10.9.0.0/16"),
    "timeZone": ("Europe/Berlin", "Etc/UTC"),
    "schedule": ("5 4 * * *",),
    "operator": ("Exists", "In", "NotIn", "DoesNotExist", "Gt", "Equal"),
    "scopeName": ("PriorityClass", "Terminating", "BestEffort"),
    "scopes": ("Terminating", "NotTerminating", "BestEffort"),
    "effect": ("NoExecute", "NoSchedule", "PreferNoSchedule"),
    "fieldPath": ("metadata.namespace", "metadata.annotations", "status.podIP"),
    "resource": ("requests.memory", "limits.memory", "limits.cpu"),
    "apiVersion": ("v1", "apps/v1", "example.com/v1"),
    "apiGroup": ("example.com", "rbac.authorization.k8s.io", ""),
    "kind": ("Deployment", "Changed", "User", "Group", "ServiceAccount", "ConfigMap"),
    "verbs": ("deletecollection",),
    "add": ("SYS_TIME",),
    "drop": ("NET_RAW",),
    "expression": ("1 == 1", "true", "object.metadata.name != 'changed'"),
    "messageExpression": ("'changed'",),
    "valueExpression": ("'changed'",),
    "message": ("changed",),
    "reason": ("Forbidden", "Unauthorized", "Invalid", "Changed"),
    "accessModes": ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce"),
    "mountOptions": ("noatime",),
    "volumeMode": ("Block", "Filesystem"),
    "storageClassName": ("changed",),
    "volumeName": ("changed",),
    "matchLabelKeys": ("pod-template-hash", "changed"),
    "mismatchLabelKeys": ("changed",),
    "topologyKey": ("topology.kubernetes.io/region",),
    "optionalOldSelf": (),
    "pattern": ("^changed$",),
    "format": ("date", "byte"),
    "type": ("string", "object", "integer"),
    "jsonPath": (".spec.changed",),
    "labelSelectorPath": (".status.changed",),
    "specReplicasPath": (".spec.changed",),
    "statusReplicasPath": (".status.changed",),
    "admissionReviewVersions": ("v1beta1",),
    "resources": ("changed",),
    "nonResourceURLs": ("/changed",),
    "driver": ("changed.example.com",),
    "provisioner": ("changed.example.com/x",),
    "controller": ("changed.example.com/x",),
    "seLinuxChangePolicy": ("Recursive", "MountOption"),
    "schedulerName": ("changed",),
    "localhostProfile": ("changed.json",),
    "sysctl": ("kernel.shm_rmid_forced",),
    "matchPolicy": ("Exact", "Equivalent"),
    "resourceName": ("cpu", "memory"),
    "restartPolicy": ("NotRequired", "RestartContainer", "Always", "Never", "OnFailure"),
    "procMount": ("Default",),
    "finalizers": ("example.com/changed",),
    "shortNames": ("changed",),
    "categories": ("changed",),
    "loadBalancerClass": ("example.com/changed",),
    "name": ("changed", "memory", "changed.example.com"),
}


def values(schemas: Schemas, schema: Schema, name: str, current: Any = None) -> list[Any]:
    """Values for a field of that name, none of them the current one."""
    found: list[Any] = []
    for value in _candidates(schemas, schemas.resolved(schema), name, current, DEPTH_MAX):
        if value != current and value not in found:
            found.append(value)
    return found[:CANDIDATES_MAX]


def _candidates(schemas: Schemas, schema: Schema, name: str, current: Any, depth: int) -> Iterator[Any]:
    kind = kind_of(schema)
    if "enum" in schema:
        yield from schema["enum"]
    elif kind in ("boolean", "integer", "number", "quantity", "int-or-string", "string"):
        yield from _plain(kind, schema, name, current)
    elif kind == "list":
        for value in _candidates(schemas, schemas.resolved(schema["items"]), name, None, depth - 1):
            yield [value]
    elif kind == "map":
        for value in _candidates(schemas, schemas.resolved(schema["additionalProperties"]), name, None, depth - 1):
            yield from ({key: value} for key in ("changed", "memory"))
    elif kind == "object":
        yield from _objects(schemas, schema, depth)
    else:
        yield from ({"changed": "yes"}, "changed", 7, True)


def _plain(kind: str, schema: Schema, name: str, current: Any) -> Iterator[Any]:
    if kind == "boolean":
        yield from (not current, True, False)
    elif kind == "quantity":
        yield from ("3", "2Gi", "2", "3Gi", "1", "500m")
    elif kind == "int-or-string":
        yield from (*_numbers(current if isinstance(current, int) else None), "50%", "changed")
    elif kind == "string":
        yield from _strings(schema, name, current)
    else:
        yield from _numbers(current)


def _numbers(current: Any) -> Iterator[int]:
    if not isinstance(current, int | float):
        yield from (1, 30, 2, 0, 8081, 600, 30001, 1000)
    else:
        yield from (current + 1, current - 1, current * 2, 1, 0)


def _strings(schema: Schema, name: str, current: Any) -> Iterator[str]:
    formatted = {
        "date-time": ("2031-02-03T04:05:06Z", "2031-02-03T04:05:06.000000Z"),
        "byte": ("Y2hhbmdlZA==",),
    }.get(schema.get("format", ""))
    if formatted:
        yield from formatted
        return
    yield from _BY_NAME.get(name, ())
    if isinstance(current, str) and current:
        yield from (f"{current}x", f"{current}/x", current.upper())
    yield from ("changed", "changed.example.com", "example.com/changed", "Changed", "/changed", "192.0.2.77")
    if current is not None:
        # Beside no text at all the empty one says nothing.
        yield ""


def _objects(schemas: Schemas, schema: Schema, depth: int) -> Iterator[dict[str, Any]]:
    """What is required; and the same with each one of the other fields, since often one of several must be there."""
    if depth <= 0:
        return
    properties, required = schema["properties"], schema.get("required", ())
    base: dict[str, Any] = {}
    for name in required:
        value = next(_candidates(schemas, schemas.resolved(properties[name]), name, None, depth - 1), None)
        if value is None:
            return
        base[name] = value
    yield base
    for name, below in properties.items():
        if name in base:
            continue
        for value in islice(_candidates(schemas, schemas.resolved(below), name, None, depth - 1), 1):
            yield {**base, name: value}
