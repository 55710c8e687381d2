"""Objects of every kind to deliver and to compare."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from trueup.domain.resource import Manifest, ResourceKey, split_api_version

SAMPLES = Path(__file__).parent.parent / "samples"
#: The spec of every pod.
POD = "pod-spec.yaml"


def full_samples(namespace: str, *, cluster_scoped: frozenset[str]) -> Iterator[Manifest]:
    """Built-in objects with as many fields set as are valid together; what has no namespace is called after it."""
    return samples_of("full", namespace, cluster_scoped=cluster_scoped)


def samples_of(folder: str, namespace: str, *, cluster_scoped: frozenset[str]) -> Iterator[Manifest]:
    """Every object of a folder of samples."""
    spec = yaml.safe_load((SAMPLES / "full" / POD).read_text())
    pods = {"$POD": spec, "$POD-ALWAYS": _always(spec), "$POD-NEVER": {**spec, "restartPolicy": "Never"}}
    for path in sorted((SAMPLES / folder).glob("*.yaml")):
        if path.name == POD:
            continue
        for number, raw in enumerate(yaml.safe_load_all(path.read_text()), 1):
            body = _filled(raw, pods, {"$NAMESPACE": namespace, "$NAME": namespace})
            group, version = split_api_version(body["apiVersion"])
            where = "" if body["kind"] in cluster_scoped else namespace
            key = ResourceKey(group, body["kind"], where, body["metadata"]["name"])
            yield Manifest(key, version, body, f"{path.name}, document {number}")


def _always(spec: dict[str, Any]) -> dict[str, Any]:
    """As a pod that is kept running must have it."""
    return {name: value for name, value in spec.items() if name != "activeDeadlineSeconds"} | {
        "restartPolicy": "Always"
    }


def _filled(value: Any, pods: dict[str, Any], words: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(below, pods, words) for name, below in value.items()}
    if isinstance(value, list):
        return [_filled(below, pods, words) for below in value]
    if isinstance(value, str):
        if value in pods:
            return copy.deepcopy(pods[value])
        for word, meant in words.items():
            value = value.replace(word, meant)
    return value
