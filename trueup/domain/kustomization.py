"""What a kustomization names: its files, other kustomizations, and what lies elsewhere.

Fields as in https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/. Kustomize decodes them as Go
does JSON, which takes a field's name in any case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

#: A directory is a kustomization by one of these; by two of them it is an error.
KUSTOMIZATION_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
#: Kustomize inflates charts for those alone who let it run helm.
CHART_FIELDS = ("helmCharts", "helmChartInflationGenerator")
#: Longer texts are contents, not names.
NAME_CHARS_MAX = 1_000

_WEB = re.compile(r"(?i)https?:")


class Holds(Enum):
    """What may lie at a place that a kustomization names."""

    FILE = "file"
    #: The directory of another kustomization.
    KUSTOMIZATION = "kustomization"
    EITHER = "either"
    #: A file or a kustomization that sets up a plugin, and by that may name files of its own.
    PLUGIN = "plugin"


@dataclass(frozen=True, slots=True)
class Reference:
    #: Such as `configMapGenerator[].files`.
    field: str
    #: As it is written; what goes before `=` in a generator's file is left out.
    text: str
    holds: Holds


@dataclass(frozen=True, slots=True)
class InlinePlugin:
    """A plugin that is set up in the kustomization itself, as a text of YAML."""

    text: str


def members(value: object, name: str) -> Iterator[Any]:
    """Each value that the mapping has for a field, in whatever case its name is written."""
    if isinstance(value, Mapping):
        wanted = name.casefold()
        yield from (found for key, found in value.items() if key.casefold() == wanted and found is not None)


def references(kustomization: object) -> Iterator[Reference | InlinePlugin]:
    """Everything that the kustomization names; what has the wrong type is passed over, as kustomize refuses it."""
    yield from _plain(kustomization)
    for name in ("configMapGenerator", "secretGenerator"):
        for generator in _items(kustomization, name):
            for text in _texts(generator, "files"):
                yield Reference(f"{name}[].files", text.partition("=")[2] or text, Holds.FILE)
            for field in ("envs", "env"):
                yield from (Reference(f"{name}[].{field}", text, Holds.FILE) for text in _texts(generator, field))
    for name in ("generators", "transformers", "validators"):
        for text in _texts(kustomization, name):
            if is_content(text):
                yield InlinePlugin(text)
            else:
                yield Reference(name, text, Holds.PLUGIN)


def _plain(kustomization: object) -> Iterator[Reference]:
    for name, holds in (
        ("resources", Holds.EITHER),
        ("bases", Holds.EITHER),
        ("components", Holds.KUSTOMIZATION),
        ("crds", Holds.FILE),
        ("configurations", Holds.FILE),
    ):
        yield from (Reference(name, text, holds) for text in _texts(kustomization, name))
    for text in _texts(kustomization, "patchesStrategicMerge"):
        if not is_content(text):
            yield Reference("patchesStrategicMerge", text, Holds.FILE)
    for name in ("patches", "patchesJson6902", "replacements"):
        for item in _items(kustomization, name):
            yield from (Reference(f"{name}[].path", text, Holds.FILE) for text in _texts(item, "path"))
    for schema in members(kustomization, "openapi"):
        # The one mapping of texts here: its keys are matched as they are.
        if isinstance(schema, Mapping) and isinstance(path := schema.get("path"), str) and path:
            yield Reference("openapi.path", path, Holds.FILE)


def is_content(text: str) -> bool:
    """Whether a text that may be a name or YAML is YAML: of more than one line, or a flow mapping."""
    return "\n" in text or text.lstrip().startswith(("{", "[")) or ": " in text or len(text) > NAME_CHARS_MAX


def charts(kustomization: object) -> str:
    """The field that asks for Helm charts; empty for none."""
    return next((name for name in CHART_FIELDS if any(True for _ in _items(kustomization, name))), "")


def secret_texts(kustomization: object) -> Iterator[str]:
    """What may be secret in it: literals of secret generators, and patches and plugins that are written in place."""
    for generator in _items(kustomization, "secretGenerator"):
        for literal in _texts(generator, "literals"):
            yield literal
            yield literal.partition("=")[2]
    for name in ("patches", "patchesJson6902"):
        for item in _items(kustomization, name):
            yield from _texts(item, "patch")
    for name in ("patchesStrategicMerge", "generators", "transformers", "validators"):
        yield from filter(is_content, _texts(kustomization, name))


def leaves(value: object) -> Iterator[str]:
    """Each text in a value that may be the name of a file, and of `key=name` the name."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, Mapping):
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, str) and 0 < len(item) <= NAME_CHARS_MAX and "\n" not in item:
            yield item
            if name := item.partition("=")[2]:
                yield name


def is_web_address(text: str) -> bool:
    """Whether kustomize asks a web server for what it takes for a file."""
    return _WEB.match(text) is not None


def _items(value: object, name: str) -> Iterator[Any]:
    for found in members(value, name):
        if isinstance(found, list):
            yield from found


def _texts(value: object, name: str) -> Iterator[str]:
    """The texts of a list, or the one text."""
    for found in members(value, name):
        for text in found if isinstance(found, list) else (found,):
            if isinstance(text, str) and text:
                yield text
