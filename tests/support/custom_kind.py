"""Kinds that a test defines for itself."""

from __future__ import annotations

import orjson

from tests.support.bad_input import fresh
from tests.support.product import Installation


def new_kind() -> tuple[str, str]:
    """Kind and group."""
    suffix = fresh("x").partition("-")[2]
    return f"Buoy{suffix}", f"{suffix}.example.org"


def custom_object(kind: str, group: str, name: str, *, version: str = "v1") -> str:
    body = {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": {"name": name}, "spec": {"colour": "red"}}
    return orjson.dumps(body).decode()


def definition(kind: str, group: str, *served: str) -> str:
    """The definition of a kind in `v1`, and in `v2` where that is among the versions `served`.

    What an object says is kept as it is; the last version served is the one stored.
    """
    served = served or ("v1",)
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    spec = {
        "group": group,
        "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": name,
                "served": name in served,
                "storage": name == served[-1],
                "schema": {"openAPIV3Schema": schema},
            }
            for name in sorted({"v1", *served})
        ],
    }
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": spec,
    }
    return orjson.dumps(body).decode()


async def remove(trueup: Installation, group: str, kind: str, name: str) -> None:
    """Delete a cluster-scoped object."""
    resource = await trueup.cluster.resource(group, kind)
    live = await trueup.cluster.get(resource, "", name)
    assert live is not None
    await trueup.cluster.delete(resource, "", name, uid=live["metadata"]["uid"], propagation="Background")
