"""What the API server rewrites without changing what was meant.

None of it is drift. Only built-in kinds are rewritten: a custom resource is kept as it was written.
Sources: the Go types of `k8s.io/api`, whose empty fields without a pointer are not written out, and
`k8s.io/apimachinery`'s Quantity.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from trueup.domain.fieldpath import Path, check_depth
from trueup.domain.listkeys import is_builtin
from trueup.domain.quantity import same_quantity
from trueup.domain.resource import TRACKING_ANNOTATION, Body, ResourceKey

LAST_APPLIED_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"

#: No place deeper than an annotation is always ignored.
IGNORED_DEPTH_MAX = 3
_NOT_WANTED = frozenset({"apiVersion", "kind", "status"})
#: A manifest's name and namespace are its key; the rest of these only the API server writes.
_METADATA_NOT_WANTED = frozenset(
    {
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "selfLink",
    }
)
_ANNOTATIONS_NOT_WANTED = frozenset({TRACKING_ANNOTATION, LAST_APPLIED_ANNOTATION})

_QUANTITY_PARENTS = frozenset({"limits", "requests", "hard", "capacity", "overhead"})
_QUANTITY_PARENTS_IN_RANGES = frozenset({"default", "defaultRequest", "max", "min", "maxLimitRequestRatio"})
_QUANTITIES = frozenset({"sizeLimit", "divisor"})
_QUANTITIES_IN_SCALERS = frozenset({"value", "averageValue"})

#: Objects without a field of their own say nothing here: plain maps, and structs that are always there.
_EMPTY_OBJECTS = frozenset(
    {
        "annotations",
        "binaryData",
        "data",
        "default",
        "defaultRequest",
        "hard",
        "labels",
        "limits",
        "matchLabels",
        "max",
        "metadata",
        "min",
        "nodeSelector",
        "options",
        "overhead",
        "parameters",
        "properties",
        "requests",
        "resources",
        "status",
        "strategy",
        "stringData",
        "updateStrategy",
        "volumeAttributes",
    }
)
#: Booleans and numbers whose zero is not written out, because it is what leaving them out means.
_ZEROS = frozenset(
    {
        "deprecated",
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "hostPort",
        "initialDelaySeconds",
        "insecureSkipTLSVerify",
        "minReadySeconds",
        "nodePort",
        "nullable",
        "paused",
        "preserveUnknownFields",
        "globalDefault",
        "publishNotReadyAddresses",
        "readOnly",
        "stdin",
        "stdinOnce",
        "tty",
        "unschedulable",
    }
)
#: What the API server fills into members of lists, and into maps, that are applied as a whole.
_DEFAULTS: Mapping[str, Any] = {
    "apiGroup": "rbac.authorization.k8s.io",
    "apiVersion": "v1",
    "divisor": "0",
    "expirationSeconds": 3600,
    "kind": "PersistentVolumeClaim",
    "phase": "Pending",
    "protocol": "TCP",
    "scope": "*",
    "status": {"phase": "Pending"},
    "volumeMode": "Filesystem",
}
#: Strings where the empty one says something else than none; not so in a volume that is there.
_EMPTY_STRINGS_MEANT = frozenset({"storageClassName"})
#: Of a definition: each one that is there is served, empty or not.
_SUBRESOURCES: Path = ("subresources",)
#: Maps of texts in which any name may stand, each kept as it is, the empty one too.
TEXT_MAPS = frozenset(
    {
        "annotations",
        "binaryData",
        "data",
        "labels",
        "matchLabels",
        "nodeSelector",
        "options",
        "parameters",
        "selector",
        "stringData",
        "volumeAttributes",
    }
)
_TEXTS = frozenset((name,) for name in TEXT_MAPS)


def wanted(desired: Body, key: ResourceKey) -> dict[str, Any]:
    """The part of a manifest that live state is held against, a Secret's `stringData` folded into `data`."""
    folded = fold_string_data(desired, key)
    body = {name: value for name, value in folded.items() if not is_ignored(key, (name,), desired)}
    metadata = desired.get("metadata")
    if isinstance(metadata, Mapping):
        body["metadata"] = {name: value for name, value in metadata.items() if name not in _METADATA_NOT_WANTED}
        annotations = metadata.get("annotations")
        if isinstance(annotations, Mapping):
            body["metadata"]["annotations"] = {
                name: value for name, value in annotations.items() if name not in _ANNOTATIONS_NOT_WANTED
            }
    return body


def fold_string_data(body: Body, key: ResourceKey) -> dict[str, Any]:
    """The same object with a Secret's `stringData` where the API server puts it; it wins over `data`.

    Where one of the two is no map, both stay as they are, for the API server to refuse.
    """
    folded = dict(body)
    if key.group != "" or key.kind != "Secret" or "stringData" not in folded:
        return folded
    strings, data = folded["stringData"], folded.get("data") or {}
    if strings is None:
        del folded["stringData"]
    elif isinstance(strings, Mapping) and isinstance(data, Mapping):
        del folded["stringData"]
        folded["data"] = {**data, **{name: _encoded(text) for name, text in strings.items() if text is not None}}
    return folded


def is_ignored(key: ResourceKey, path: Path, desired: Body) -> bool:
    """Whether this place is never a difference, whoever owns it."""
    if path[0] == "metadata":
        if len(path) == 2:
            return path[1] in _METADATA_NOT_WANTED
        return len(path) == 3 and path[1] == "annotations" and path[2] in _ANNOTATIONS_NOT_WANTED
    if len(path) > 1:
        return False
    # The controller manager writes the rules of an aggregated role.
    aggregated = path[0] == "rules" and key.kind == "ClusterRole" and desired.get("aggregationRule") is not None
    return path[0] in _NOT_WANTED or aggregated


def says_nothing(value: Any, name: object, key: ResourceKey, above: Path = ()) -> bool:
    """Whether a desired value asks for nothing more than a live object that lacks it; `above` is where it stands."""
    if value is None or not is_builtin(key.group):
        # A custom resource is kept as it was written, but for its metadata.
        return value is None or (above[:1] == ("metadata",) and isinstance(value, Mapping | list) and not value)
    if _is_kept(name, key, above):
        return False
    if isinstance(value, Mapping):
        return name in _EMPTY_OBJECTS and above[-1:] != _SUBRESOURCES and all(below is None for below in value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return not value
    if value == "":
        return above[-1:] not in _TEXTS and (name not in _EMPTY_STRINGS_MEANT or key.kind == "PersistentVolume")
    return not value and name in _ZEROS


def _is_kept(name: object, key: ResourceKey, above: Path) -> bool:
    """Whether this is a part of a JSON value that the API server keeps for somebody, unread."""
    if key.kind == "CustomResourceDefinition":
        # A property may be called `default`, so that it counts where it is a word of the schema.
        places = (*above, name)
        return any(word in ("default", "example") and before != "properties" for before, word in pairwise(places))
    return key.kind == "ControllerRevision" and above[:1] == ("data",)


def is_default(live: Any, name: object, key: ResourceKey, above: Path = ()) -> bool:
    """Whether a live value that nobody asked for is surely the API server's own."""
    return says_nothing(live, name, key, above) or (
        is_builtin(key.group) and isinstance(name, str) and name in _DEFAULTS and same_json(live, _DEFAULTS[name])
    )


def same_scalar(desired: Any, live: Any, path: Path, key: ResourceKey) -> bool:
    """Whether two plain values mean the same at this place."""
    if isinstance(desired, bool) or isinstance(live, bool):
        return desired is live
    if desired == live:
        return True
    if not is_builtin(key.group):
        return False
    if _is_quantity(path, key):
        return same_quantity(desired, live)
    return _is_base64(path, key) and _same_bytes(desired, live)


def same_json(one: Any, other: Any) -> bool:
    """Deep equality of JSON values: 1 is 1.0, and neither is true."""
    left = [(one, other)]
    while left:
        a, b = left.pop()
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            if a.keys() != b.keys():
                return False
            left.extend((value, b[name]) for name, value in a.items())
        elif isinstance(a, list) and isinstance(b, list):
            if len(a) != len(b):
                return False
            left.extend(zip(a, b, strict=True))
        elif isinstance(a, bool) or isinstance(b, bool):
            if a is not b:
                return False
        elif a != b:
            return False
    return True


def holds(live: Any, desired: Any) -> bool:
    """Whether live says, word for word, all that is desired; lists are held against each other by position."""
    left = [(desired, live)]
    while left:
        a, b = left.pop()
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            left.extend((value, b.get(name)) for name, value in a.items())
        elif isinstance(a, list) and isinstance(b, list):
            if len(a) != len(b):
                return False
            left.extend(zip(a, b, strict=True))
        elif a is not None and not same_json(a, b):
            return False
    return True


def means(key: ResourceKey, path: Path, desired: Any, live: Any) -> bool:
    """Whether live says all that is desired at this place, however it is written; lists go by position.

    Raises StalledError where it stands deeper than OBJECT_DEPTH_MAX.
    """
    check_depth(path, key)
    if isinstance(desired, Mapping) and isinstance(live, Mapping):
        return all(value is None or means(key, (*path, name), value, live.get(name)) for name, value in desired.items())
    if isinstance(desired, list) and isinstance(live, list):
        both = zip(desired, live, strict=False)
        return len(desired) == len(live) and all(means(key, (*path, n), *pair) for n, pair in enumerate(both))
    if live is None:
        return says_nothing(desired, path[-1], key, path[:-1])
    return not isinstance(desired, Mapping | list) and same_scalar(desired, live, path, key)


def _is_quantity(path: Path, key: ResourceKey) -> bool:
    name = path[-1]
    parent = path[-2] if len(path) > 1 else None
    if parent in TEXT_MAPS:
        return False
    if parent in _QUANTITY_PARENTS or name in _QUANTITIES:
        return True
    if key.kind == "LimitRange":
        return parent in _QUANTITY_PARENTS_IN_RANGES
    return key.kind == "HorizontalPodAutoscaler" and name in _QUANTITIES_IN_SCALERS


def _is_base64(path: Path, key: ResourceKey) -> bool:
    if path[-1] == "caBundle" and path[-2:-1] not in _TEXTS:
        return True
    in_core = key.group == "" and len(path) == 2
    return in_core and (key.kind, path[0]) in (("Secret", "data"), ("ConfigMap", "binaryData"))


def _same_bytes(one: Any, other: Any) -> bool:
    """Whether two base64 texts hold the same bytes; line breaks in them are skipped, as Go does."""
    if not (isinstance(one, str) and isinstance(other, str)):
        return False
    try:
        return base64.b64decode("".join(one.splitlines()), validate=True) == base64.b64decode(other, validate=True)
    except (binascii.Error, ValueError):
        return False


def _encoded(text: Any) -> Any:
    return base64.b64encode(text.encode()).decode() if isinstance(text, str) else text
