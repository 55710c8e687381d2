"""How a source is rendered: as its Application says, else as its files tell. As in Argo CD."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

from trueup.clients.crds.read_source import read_source, source_sentences
from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.kubeyaml import YamlBounds, read_documents
from trueup.domain.kustomization import KUSTOMIZATION_NAMES
from trueup.domain.lenient import as_mapping
from trueup.domain.merge_patch import patched
from trueup.domain.read_set import Entry
from trueup.domain.source import Source
from trueup.engine.tree import Tree

Kind = Literal["Directory", "Helm", "Kustomize"]

CHART_FILE = "Chart.yaml"
#: What a file of overrides may change; where the source is, it may not.
_OVERRIDDEN = ("directory", "helm", "kustomize", "plugin")


async def kind_of(source: Source, tree: Tree, path: str) -> tuple[Kind, frozenset[Entry]]:
    """The kind, and the places that tell it."""
    if source.is_chart or source.helm is not None:
        return "Helm", frozenset()
    if source.kustomize is not None:
        return "Kustomize", frozenset()
    if source.directory is not None:
        return "Directory", frozenset()
    # A directory may hold both: then the kustomization counts, whose resources the chart's files may be.
    marked: tuple[tuple[Kind, tuple[str, ...]], ...] = (("Kustomize", KUSTOMIZATION_NAMES), ("Helm", (CHART_FILE,)))
    for kind, names in marked:
        for name in names:
            place = posixpath.join(path, name)
            if await tree.find(place) is not None:
                others = () if kind == "Kustomize" else KUSTOMIZATION_NAMES
                return kind, frozenset({Entry("read", place), *_missed(path, others)})
    return "Directory", _missed(path, (*KUSTOMIZATION_NAMES, CHART_FILE))


def _missed(path: str, names: Iterable[str]) -> frozenset[Entry]:
    return frozenset(Entry("missed", posixpath.join(path, name)) for name in names)


async def overridden(
    source: Source, raw: Any, tree: Tree, path: str, *, application: str, said: str
) -> tuple[Source, frozenset[Entry]]:
    """The source with what its own repository says over it, and the places where that is looked for.

    `.argocd-source.yaml`, then `.argocd-source-NAME.yaml`, in the source's directory: merge patches of the
    source, of which only the options of the renderers count. StalledError or InvalidSpecError for a bad one.
    """
    entries = set()
    merged = {**as_mapping(raw)}
    files = []
    for name in (".argocd-source.yaml", f".argocd-source-{application}.yaml"):
        place = posixpath.join(path, name)
        found = await tree.find(place)
        if found is None or found.kind != "file":
            entries.add(Entry("missed", place))
            continue
        entries |= {Entry("read", place), *(Entry("linked", each) for each in found.linked)}
        documents = read_documents(place, (await tree.read([found.id]))[found.id], YamlBounds())
        patch = documents[0].value if len(documents) == 1 else None
        if not isinstance(patch, dict):
            raise StalledError(f"{place}: it is not one object with overrides of the source; correct it")
        merged |= {field: patched(merged.get(field), patch[field]) for field in _OVERRIDDEN if field in patch}
        files.append(place)
    if not files:
        return source, frozenset(entries)
    if sentences := source_sentences(merged, said):
        raise InvalidSpecError(f"with the overrides of {' and '.join(files)}: {' '.join(sentences)}")
    read = read_source(merged)
    changed = replace(source, directory=read.directory, helm=read.helm, kustomize=read.kustomize)
    return changed, frozenset(entries)
