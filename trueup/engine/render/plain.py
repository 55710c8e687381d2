"""Sources that are directories: plain files, and the Jsonnet files among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trueup.domain.manifest import Parsed
from trueup.domain.read_set import ReadSet, bounded
from trueup.domain.source import Directory
from trueup.engine.local_tree import LocalTree
from trueup.engine.render.directory import SourceTree, is_jsonnet, render
from trueup.engine.render.environment import build_environment
from trueup.engine.render.jsonnet import evaluate
from trueup.engine.render.jsonnet_program import Program, load
from trueup.engine.render.request import OWN, Request
from trueup.engine.render.toolkit import Toolkit
from trueup.engine.render.tools import Tool
from trueup.engine.source_tree import CheckoutTree, LocalFiles
from trueup.engine.sources import SourceAt
from trueup.telemetry import RENDERS


async def directory(
    toolkit: Toolkit, request: Request, at: SourceAt, *, fresh: bool
) -> tuple[Parsed, Mapping[str, ReadSet]]:
    """The objects of the directory's files, those of plain ones first, and what was read for them."""
    # Where the files lie counts, and not by which links they were named.
    source = replace(request.source, path=request.files.path)
    rendered = await render(_files(at), source, cache=toolkit.cache, bounds=toolkit.bounds)
    mains = [place for place in rendered.files if is_jsonnet(place)]
    if not mains:
        return Parsed(rendered.objects, rendered.skipped), {OWN: rendered.reads}
    options = request.source.directory or Directory()
    program = await load(
        request.files.own,
        mains,
        path=request.files.path,
        options=options.jsonnet,
        environment=build_environment(request),
        bytes_max=toolkit.bounds.render_bytes_max,
        said=request.said,
    )
    tool = await toolkit.tools.jsonnet()
    # The key names every file by its content, so there is nothing else to hold against what was kept.
    recipe = program.key(tool)
    kept = () if fresh else await toolkit.store.known(recipe)
    parsed = await toolkit.store.output(kept[0].output) if kept else None
    if parsed is None:
        parsed = await _evaluated(toolkit, program, request, tool)
        await toolkit.store.keep(recipe, {}, {}, parsed)
    reads = bounded(rendered.reads | program.reads)
    return Parsed((*rendered.objects, *parsed.objects), rendered.skipped), {OWN: reads}


def _files(at: SourceAt) -> SourceTree:
    if isinstance(at.tree, LocalTree):
        return LocalFiles(at.tree, at.path)
    assert at.checkout is not None  # noqa: S101 -- for the type checker: what is not here comes from Git
    return CheckoutTree(at.checkout)


async def _evaluated(toolkit: Toolkit, program: Program, request: Request, tool: Tool) -> Parsed:
    bounds, outcome = toolkit.bounds, "failed"
    try:
        async with toolkit.running:
            made = await evaluate(
                program,
                request.files.own,
                tool=tool,
                jail=toolkit.jail,
                directory=toolkit.work,
                bytes_max=bounds.render_bytes_max,
                objects_max=bounds.objects_max,
                yaml=bounds.yaml,
            )
        outcome = "ok"
    finally:
        RENDERS.labels(outcome).inc()
    return Parsed(tuple(item for file in made.values() for item in file.parsed.objects), ())
