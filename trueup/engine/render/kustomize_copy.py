"""The files of a kustomization in a private directory, as kustomize would find them in a clone.

Links stand there as links, made anew and relative, to a place inside: kustomize's own rules about what a kustomization
may read go by where a link leads.
"""

from __future__ import annotations

import asyncio
import json
import os
import posixpath
from collections.abc import Iterable
from pathlib import Path

from trueup.engine.render.directory import RenderBounds
from trueup.engine.render.kustomize_graph import Graph
from trueup.engine.render.workdir import write_out

#: Directories and links that are made without a thread of their own, which costs more than they do.
INLINE_MAX = 100


async def copy_out(graph: Graph, target: Path, *, bounds: RenderBounds) -> None:
    """Write the graph's files, directories and links below `target`, and kustomizations as they were set."""
    await write_out(graph.places.tree, graph.files.values(), target, bytes_max=bounds.render_bytes_max)
    holding = {posixpath.dirname(place) for place in graph.files}
    empty = [place for place in graph.directories if place not in holding]
    if len(empty) + len(graph.places.links) > INLINE_MAX:
        await asyncio.to_thread(_finish, graph, empty, target)
    else:
        _finish(graph, empty, target)


async def copy_everything(graph: Graph, target: Path, *, bounds: RenderBounds) -> None:
    """Write the whole repository, with copies in place of links."""
    files = await graph.places.tree.files("")
    await write_out(graph.places.tree, files, target, bytes_max=bounds.render_bytes_max)
    _set(graph, target)


def _finish(graph: Graph, empty: Iterable[str], target: Path) -> None:
    for directory in empty:
        os.makedirs(os.path.join(target, directory), exist_ok=True)  # noqa: PTH103, PTH118 -- names may be no UTF-8
    for place, end in graph.places.links.items():
        link = os.path.join(target, place)  # noqa: PTH118
        os.makedirs(os.path.dirname(link), exist_ok=True)  # noqa: PTH103, PTH120
        os.symlink(posixpath.relpath(end or ".", posixpath.dirname(place) or "."), link)  # noqa: PTH211
    _set(graph, target)


def _set(graph: Graph, target: Path) -> None:
    for file, content in graph.contents.items():
        # JSON is YAML.
        (target / file).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
