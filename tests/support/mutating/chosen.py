"""Which mutations a run tries: every field once, or all of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from random import Random
from zlib import crc32

from tests.support.mutating.mutations import Mutation

#: `all` tries every mutation; else every field is tried once, by an edit that the seed picks.
ALL = os.environ.get("TRUEUP_MUTATIONS") == "all"
SEED = int(os.environ.get("TRUEUP_MUTATIONS_SEED", "1"))

#: The spec of a pod is the same in each of these, so that each is tried in a part of it.
POD_OWNERS = (
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ReplicationController",
    "PodTemplate",
    "CronJob",
)
#: The API server takes hardly an edit of these specs; so many of their fields, and more than those it takes, are tried.
PODS_THAT_STAY = ("Pod", "Job")
_FIELDS_ONE_IN = 12
_POD_FIELDS_THAT_MAY_CHANGE = (
    "activeDeadlineSeconds",
    "containers[].image",
    "initContainers[].image",
    "tolerations[]",
    "tolerations",
    "schedulingGates[]",
    "schedulingGates",
    "nodeSelector{}",
)


def chosen(kind: str, mutations: Iterable[Mutation]) -> list[Mutation]:
    """Of this kind's mutations those that this run tries."""
    mine = [mutation for mutation in mutations if _is_tried_in(kind, mutation.field)]
    if ALL:
        return mine
    by_field: dict[str, list[Mutation]] = {}
    for mutation in mine:
        by_field.setdefault(mutation.field, []).append(mutation)
    random = Random(f"{SEED} {kind}")  # noqa: S311 - a sample, no secret
    return [random.choice(of_field) for of_field in by_field.values()]


def _is_tried_in(kind: str, field: str) -> bool:
    field_of_pod = _of_pod(kind, field)
    if field_of_pod is None:
        return True
    place = crc32(field_of_pod.encode())
    if kind in PODS_THAT_STAY:
        return place % _FIELDS_ONE_IN == 0 or field_of_pod in _POD_FIELDS_THAT_MAY_CHANGE
    return POD_OWNERS[place % len(POD_OWNERS)] == kind


def _of_pod(kind: str, field: str) -> str | None:
    """The field within the spec of a pod; None for a field of something else."""
    if kind == "Pod":
        return field.removeprefix("spec.") if field.startswith("spec.") else None
    _, inside, rest = field.partition("template.spec.")
    return rest if inside and (kind in POD_OWNERS or kind in PODS_THAT_STAY) else None
