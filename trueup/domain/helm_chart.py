"""What `Chart.yaml` and `Chart.lock` say, as far as the charts that a chart depends on are concerned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.domain.lenient import as_list, as_mapping, as_text

#: The chart format in which dependencies stand in a file of their own.
_FORMAT_WITH_REQUIREMENTS = "v1"
#: The members of a dependency in the order in which Helm writes them, and whether an empty one is left out.
_MEMBERS = (
    ("name", False),
    ("version", True),
    ("repository", False),
    ("condition", True),
    ("tags", True),
    ("enabled", True),
    ("import-values", True),
    ("alias", True),
)
#: What Go's encoder of JSON writes as an escape, for the sake of HTML.
_ESCAPED = {"&": "\\u0026", "<": "\\u003c", ">": "\\u003e", "\u2028": "\\u2028", "\u2029": "\\u2029"}


@dataclass(frozen=True, slots=True)
class Dependency:
    name: str
    #: A version or a range.
    version: str
    #: Empty where the chart has to be in `charts/`.
    repository: str


@dataclass(frozen=True, slots=True)
class Lock:
    """`Chart.lock`: which versions were taken when somebody last looked."""

    dependencies: tuple[Dependency, ...]
    #: Whether it was made from what the chart asks for now.
    is_current: bool


@dataclass(frozen=True, slots=True)
class ChartMetadata:
    name: str
    version: str
    dependencies: tuple[Dependency, ...]
    #: None where there is none.
    lock: Lock | None


def has_requirements(chart: Any) -> bool:
    """Whether the dependencies of the chart stand in `requirements.yaml` and `requirements.lock`."""
    return as_mapping(chart).get("apiVersion") in (None, "", _FORMAT_WITH_REQUIREMENTS)


def parse_chart(chart: Any, requirements: Any, lock: Any) -> ChartMetadata:
    """What documents of `Chart.yaml`, `requirements.yaml` and the lock say; None for one that is not there.

    Lenient: what makes no sense is passed over, so that Helm says what is wrong with it.
    """
    said = as_mapping(chart)
    asked = _items(as_mapping(requirements).get("dependencies")) or _items(said.get("dependencies"))
    parsed = None
    if isinstance(lock, Mapping):
        locked = _items(lock.get("dependencies"))
        digests = {_digest([asked, locked])}
        if has_requirements(chart):
            # Helm 2 hashed what is asked for alone.
            digests.add(_digest({"dependencies": asked}))
        parsed = Lock(_dependencies(locked), as_text(lock.get("digest")) in digests)
    return ChartMetadata(as_text(said.get("name")), as_text(said.get("version")), _dependencies(asked), parsed)


def _digest(value: Any) -> str:
    return "sha256:" + hashlib.sha256(_as_go_writes(value).encode("utf-8", "surrogatepass")).hexdigest()


def _as_go_writes(value: Any) -> str:
    """JSON as Go encodes Helm's structures: the lists of dependencies within it hold nothing else."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_plain(key)}:{_as_go_writes(item)}" for key, item in value.items()) + "}"
    return "[" + ",".join(_as_go_writes(item) if isinstance(item, list) else _member(item) for item in value) + "]"


def _member(item: Mapping[str, Any]) -> str:
    written = []
    for name, is_optional in _MEMBERS:
        value = item.get(name)
        if value or not is_optional:
            written.append(f"{_plain(name)}:{_plain(value or '')}")
    return "{" + ",".join(written) + "}"


def _plain(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return "".join(_ESCAPED.get(character, character) for character in text)


def _items(value: Any) -> list[dict[str, Any]]:
    return [item for item in as_list(value) if isinstance(item, dict)]


def _dependencies(items: Sequence[Mapping[str, Any]]) -> tuple[Dependency, ...]:
    names = ("name", "version", "repository")
    return tuple(Dependency(*(as_text(item.get(name)) for name in names)) for item in items)
