"""From the files of a source to manifests: one object each, named, cleaned, its namespace settled."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.kubeyaml import Document, YamlBounds, read_documents, read_json
from trueup.domain.resource import Body, Manifest, ResourceKey, split_api_version

OBJECTS_MAX = 10_000
#: A file that holds these words anywhere is passed over.
SKIP_MARKER = b"+argocd:skip-file-rendering"
LAST_APPLIED_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
DEFAULT_BOUNDS = YamlBounds()

#: What only the API server writes. Present in what `kubectl get -o yaml` prints, meaningless in Git.
SERVER_METADATA = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)

_API_VERSION = re.compile(r"(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?/)?[a-z0-9]+")
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
# A name is a segment of a URL path; each kind's own rule is the API server's to check.
_NAME = re.compile(r"(?!\.{1,2}\Z)[^/%\x00-\x20\x7f]{1,253}")


@dataclass(frozen=True, slots=True)
class RawObject:
    """One object as a file states it. Its namespace may still be missing, or be one too many."""

    body: Body
    #: `path/to/file.yaml, document 2`.
    origin: str
    #: Which of the Application's sources describes it.
    source: int = 0

    @property
    def group(self) -> str:
        return split_api_version(self.body["apiVersion"])[0]

    @property
    def version(self) -> str:
        return split_api_version(self.body["apiVersion"])[1]

    @property
    def kind(self) -> str:
        return str(self.body["kind"])

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """As the file states it; empty where it says nothing."""
        return str(self.body["metadata"].get("namespace", ""))


@dataclass(frozen=True, slots=True)
class Settled:
    manifests: tuple[Manifest, ...]
    #: What a later source describes too: the object, and the place that no longer counts.
    repeated: tuple[tuple[ResourceKey, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Parsed:
    objects: tuple[RawObject, ...]
    #: Files that are YAML but no manifests, such as values for a chart: passed over, as in Argo CD.
    unrelated: tuple[str, ...]


def parse_manifests(
    files: Iterable[tuple[str, bytes]], *, bounds: YamlBounds = DEFAULT_BOUNDS, objects_max: int = OBJECTS_MAX
) -> Parsed:
    """Every object that the files hold, in the files' order, lists taken apart.

    StalledError names the file, the place and the way out, and repeats no value. A file is passed
    over only if it is YAML, and none of its documents has an `apiVersion` or a `kind`.
    """
    objects: list[RawObject] = []
    unrelated: list[str] = []
    for path, content in files:
        read = read_json if path.endswith(".json") else read_documents
        documents = read(path, content, bounds)
        if documents and all(_is_unrelated(d.value) for d in documents):
            unrelated.append(path)
            continue
        for document in documents:
            for body, origin in _flatten(path, document):
                if len(objects) == objects_max:
                    raise StalledError(f"the source holds more than {objects_max} objects; split the Application")
                objects.append(RawObject(_cleaned(_checked(body, origin)), origin))
    return Parsed(tuple(objects), tuple(unrelated))


def parse_array(
    path: str, content: bytes, *, bounds: YamlBounds = DEFAULT_BOUNDS, objects_max: int = OBJECTS_MAX
) -> tuple[RawObject, ...]:
    """The objects of one JSON value that a program made: one object, or an array of them; null stands for none.

    StalledError as of `parse_manifests`, but nothing is passed over: whoever makes a value means it.
    """
    values = [document.value for document in read_json(path, content, bounds)]
    if values and isinstance(values[0], list):
        values = values[0]
    numbered = (Document(number, value) for number, value in enumerate(values, start=1) if value is not None)
    flat = [found for document in numbered for found in _flatten(path, document)]
    if len(flat) > objects_max:
        raise StalledError(f"the source holds more than {objects_max} objects; split the Application")
    return tuple(RawObject(_cleaned(_checked(body, origin)), origin) for body, origin in flat)


def settle_namespaces(
    objects: Iterable[RawObject], *, namespaced: Mapping[tuple[str, str], bool], default_namespace: str
) -> Settled:
    """Each object under its final name. Of two sources that describe the same one the later one's counts.

    `namespaced` tells by (group, kind) whether objects of a kind live in a namespace; one that it
    does not know counts as namespaced. StalledError if one source describes an object twice, or if
    an object needs a namespace and there is none.
    """
    manifests: dict[ResourceKey, Manifest] = {}
    sources: dict[ResourceKey, int] = {}
    repeated: list[tuple[ResourceKey, str]] = []
    for item in objects:
        namespace = ""
        if namespaced.get((item.group, item.kind), True):
            namespace = item.namespace or default_namespace
            if not namespace:
                what = "names no namespace; give it one, or set spec.destination.namespace"
                raise StalledError(f"{item.origin}: {item.kind} {item.name} {what}")
        key = ResourceKey(item.group, item.kind, namespace, item.name)
        first = manifests.get(key)
        if first is not None and sources[key] != item.source:
            repeated.append((key, first.origin))
        elif first is not None:
            raise StalledError(f"{key} is described twice: in {first.origin} and in {item.origin}; remove one of them")
        manifests[key] = Manifest(key, item.version, _in_namespace(item.body, namespace), item.origin)
        sources[key] = item.source
    return Settled(tuple(manifests.values()), tuple(repeated))


def desired_hash(manifest: Manifest) -> str:
    """A digest of what Git wants of the object, the same however its keys are ordered."""
    return content_hash(manifest.body)


def content_hash(value: Any) -> str:
    """A digest of a JSON value, the same however its keys are ordered."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _is_unrelated(value: Any) -> bool:
    return isinstance(value, dict) and "apiVersion" not in value and "kind" not in value


def _flatten(path: str, document: Document) -> Iterator[tuple[Any, str]]:
    """The document's object, or the items of the list that it is, in order."""
    pending = [(document.value, f"{path}, document {document.number}")]
    while pending:
        value, origin = pending.pop()
        items = _items(value, origin)
        if items is None:
            yield value, origin
            continue
        numbered = [(_typed_item(value, item), f"{origin}, item {n}") for n, item in enumerate(items, start=1)]
        pending.extend(reversed(numbered))


def _items(value: Any, origin: str) -> Sequence[Any] | None:
    """What a list holds; None for what is no list.

    As in Argo CD a list is told by its `items`, not by its kind, which may end in `List` for other reasons.
    """
    if not isinstance(value, dict):
        return None
    items = value.get("items")
    if isinstance(items, list):
        return items
    if "items" in value and items is None and "spec" not in value and "status" not in value:
        return ()
    if value.get("kind") == "List" and value.get("apiVersion") == "v1":
        raise StalledError(f"{origin}: a List needs `items`, a sequence of objects")
    return None


def _typed_item(value: dict[str, Any], item: Any) -> Any:
    """The items of a `ConfigMapList` need not repeat what they are."""
    kind = value.get("kind")
    if not isinstance(item, dict) or not isinstance(kind, str) or kind == "List" or not kind.endswith("List"):
        return item
    return {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix("List"), **item}


def _checked(body: Any, origin: str) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise StalledError(f"{origin}: it is not an object with apiVersion and kind; exclude the file, or mend it")
    _text(body, "apiVersion", _API_VERSION, origin)
    kind = _text(body, "kind", _KIND, origin)
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        raise StalledError(f"{origin}: {kind} has no metadata; give it metadata.name")
    if metadata.get("name") is None and metadata.get("generateName") is not None:
        what = "would make another object at every sync and is not supported; give it metadata.name"
        raise InvalidSpecError(f"{origin}: {kind} has metadata.generateName, which {what}")
    _text(metadata, "name", _NAME, origin, within=f"{kind} metadata.")
    if metadata.get("namespace") not in (None, ""):
        _text(metadata, "namespace", _NAMESPACE, origin, within=f"{kind} metadata.")
    for field in ("labels", "annotations"):
        _check_texts(metadata.get(field), f"{origin}: {kind} metadata.{field}")
    return body


def _text(body: Mapping[str, Any], field: str, pattern: re.Pattern[str], origin: str, *, within: str = "") -> str:
    value = body.get(field)
    if value is None or value == "":
        raise StalledError(f"{origin}: {within}{field} is missing; a manifest needs apiVersion, kind and metadata.name")
    if not isinstance(value, str):
        raise StalledError(f"{origin}: {within}{field} is not a string; quote it")
    if not pattern.fullmatch(value):
        raise StalledError(f"{origin}: {within}{field} is not one that Kubernetes could know; correct it")
    return value


def _check_texts(value: Any, where: str) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        raise StalledError(f"{where} is not a mapping of strings")
    for key, text in value.items():
        if text is not None and not isinstance(text, str):
            raise StalledError(f"{where}: the value of {key!r} is not a string; quote it")


def _cleaned(body: dict[str, Any]) -> Body:
    """The object without what the API server alone may say, so that what was exported can be committed."""
    metadata = {k: v for k, v in body["metadata"].items() if v is not None and k not in SERVER_METADATA}
    for field in ("labels", "annotations"):
        if field in metadata:
            # An empty value is null in YAML, and the API server stores it as an empty string.
            metadata[field] = {k: v or "" for k, v in metadata[field].items() if k != LAST_APPLIED_ANNOTATION}
    return {**{k: v for k, v in body.items() if k != "status"}, "metadata": metadata}


def _in_namespace(body: Body, namespace: str) -> Body:
    metadata = {k: v for k, v in body["metadata"].items() if k != "namespace"}
    if namespace:
        metadata["namespace"] = namespace
    return {**body, "metadata": metadata}
