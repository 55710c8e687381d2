"""Sources that a tool renders: found again where nothing that went in has changed, else run and kept."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import re
from collections.abc import Mapping

import orjson

from trueup.domain.errors import StalledError
from trueup.domain.helm_hooks import is_never_delivered
from trueup.domain.manifest import Parsed, parse_manifests
from trueup.domain.read_set import ReadSet
from trueup.engine.render.directory import PARSE_BYTES_INLINE_MAX
from trueup.engine.render.environment import names_the_revision
from trueup.engine.render.fetch import Fetch
from trueup.engine.render.helm import helm
from trueup.engine.render.in_turn import InTurn
from trueup.engine.render.kind import Kind
from trueup.engine.render.kustomize import kustomize
from trueup.engine.render.repeatable import is_as_then, states, trees_of
from trueup.engine.render.request import Output, Request
from trueup.engine.render.store import States
from trueup.engine.render.toolkit import Toolkit
from trueup.engine.render.tools import Tool
from trueup.telemetry import RENDERS

#: Part of every recipe: raise it whenever the same input would come to something else.
RENDERER_VERSION = "tools-2"
#: The place, of no repository, whose state is what the cluster serves: it counts for what has asked for it.
_API_VERSIONS = ("", "\0api-versions")

_SOURCE_COMMENT = re.compile(rb"(?m)^---\r?\n# Source: (.+)\r?\n")


async def tooled(
    toolkit: Toolkit, kind: Kind, request: Request, *, fetch: Fetch, chart: str, fresh: bool
) -> tuple[Parsed, Mapping[str, ReadSet]]:
    """The objects of the source, and what they were made from.

    `fetch` is for what the source depends on elsewhere. `chart` is the digest of a chart that comes from a
    repository, empty for a source in Git. With `fresh` nothing that was made before counts. Raises StalledError
    for what is no good, and what the tool's own module raises.
    """
    tool = await (toolkit.tools.helm() if kind == "Helm" else toolkit.tools.kustomize())
    recipe = _recipe(kind, tool, request, chart)
    trees = trees_of(request.files)
    for known in () if fresh else await toolkit.store.known(recipe):
        then = dict(known.states)
        if then.pop(_API_VERSIONS, served := _served(request)) == served and await is_as_then(then, trees):
            parsed = await toolkit.store.output(known.output)
            if parsed is not None:
                return parsed, known.reads
    outcome = "failed"
    try:
        output = await _run(toolkit, kind, tool, request, fetch)
        parsed = await _parsed(toolkit, kind, request, output)
        outcome = "ok"
    finally:
        RENDERS.labels(outcome).inc()
    if not output.is_unrepeatable:
        now: States = await states(output.reads, trees)
        if output.asks_api_versions:
            now = {**now, _API_VERSIONS: _served(request)}
        await toolkit.store.keep(recipe, output.reads, now, parsed)
    return parsed, output.reads


async def _run(toolkit: Toolkit, kind: Kind, tool: Tool, request: Request, fetch: Fetch) -> Output:
    runner, work, bounds = InTurn(toolkit.jail, toolkit.running), toolkit.work, toolkit.bounds
    if kind == "Helm":
        return await helm(request, tool=tool, runner=runner, work=work, charts=fetch.charts, bounds=bounds)
    return await kustomize(request, tool=tool, runner=runner, work=work, bases=fetch.bases, bounds=bounds)


def _recipe(kind: Kind, tool: Tool, request: Request, chart: str) -> str:
    """Names all that goes into a render besides files, and what the cluster serves."""
    source, target = dataclasses.asdict(request.source), request.target
    options = orjson.dumps([source["helm"], source["kustomize"], source["directory"]], option=orjson.OPT_SORT_KEYS)
    revision = request.revision if names_the_revision(options.decode()) else ""
    made = [
        [RENDERER_VERSION, kind, tool.name, tool.version, chart, revision],
        [target.application, target.project, target.namespace, target.kube_version],
        # Where the path leads is not what it says, where it goes through a link.
        [source["repo_url"], source["path"], request.files.path, source["chart"], source["target_revision"]],
        sorted(request.files.refs),
        options.decode(),
    ]
    return hashlib.sha256(orjson.dumps(made)).hexdigest()


def _served(request: Request) -> str:
    return hashlib.sha256("\0".join(request.target.api_versions).encode()).hexdigest()


async def _parsed(toolkit: Toolkit, kind: Kind, request: Request, output: Output) -> Parsed:
    if len(output.manifests) > toolkit.bounds.render_bytes_max:
        raise StalledError(f"{request.said} comes to more than {toolkit.bounds.render_bytes_max} bytes; split it")
    if len(output.manifests) > PARSE_BYTES_INLINE_MAX:
        return await asyncio.to_thread(_parse, toolkit, kind, request, output.manifests)
    return _parse(toolkit, kind, request, output.manifests)


def _parse(toolkit: Toolkit, kind: Kind, request: Request, manifests: bytes) -> Parsed:
    bounds = toolkit.bounds
    files = _templates(manifests) if kind == "Helm" else [(f"kustomize build {request.files.path or '.'}", manifests)]
    parsed = parse_manifests(files, bounds=bounds.yaml, objects_max=bounds.objects_max)
    if kind != "Helm":
        return parsed
    return dataclasses.replace(parsed, objects=tuple(o for o in parsed.objects if not is_never_delivered(o.body)))


def _templates(manifests: bytes) -> list[tuple[str, bytes]]:
    """What helm printed, by the template that each part came from. What stands before the first has no name."""
    parts = _SOURCE_COMMENT.split(manifests)
    named = [("helm template", parts[0])] if parts[0].strip() else []
    names, texts = parts[1::2], parts[2::2]
    return named + [(name.decode("utf-8", "replace"), text) for name, text in zip(names, texts, strict=True)]
