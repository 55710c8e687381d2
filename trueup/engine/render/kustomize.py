"""A kustomization becomes manifests: the real `kustomize build`, on exactly the files that it reads.

Neither plugins nor Helm charts are built, nothing is fetched by the tool, and no file outside of a kustomization's own
directory is read but by another kustomization: kustomize's own defaults.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import structlog

from trueup.clients.process import Completed, ProcessError, ProcessNotStarted
from trueup.domain.errors import StalledError, TransientError
from trueup.domain.kustomization import secret_texts
from trueup.domain.kustomize_overrides import overridden, sets_anything, texts_expanded
from trueup.domain.read_set import EVERYTHING, bounded
from trueup.domain.source import Kustomize
from trueup.engine.render.directory import RenderBounds
from trueup.engine.render.environment import build_environment, expanded, names_the_revision
from trueup.engine.render.jsonnet import Confined
from trueup.engine.render.kustomize_components import components
from trueup.engine.render.kustomize_copy import copy_everything, copy_out
from trueup.engine.render.kustomize_elsewhere import BaseFetch
from trueup.engine.render.kustomize_graph import Graph, graph
from trueup.engine.render.kustomize_said import private_places, said, secret_values
from trueup.engine.render.request import OWN, Output, Request
from trueup.engine.render.tools import Tool
from trueup.engine.render.workdir import private_directory

_log = structlog.get_logger(__name__)


async def kustomize(
    request: Request, *, tool: Tool, runner: Confined, work: Path, bases: BaseFetch, bounds: RenderBounds
) -> Output:
    """What the kustomization at the source's path comes to, with the source's options set over it.

    `work` is where private directories are made, `bases` fetches kustomizations that lie elsewhere. Raises
    InvalidSpecError for what is not supported, and StalledError with what kustomize says of a kustomization that is no
    good, or the bound that it has crossed; TransientError where the tool could not be started.
    """
    options = request.source.kustomize or Kustomize()
    expand = partial(expanded, environment=build_environment(request))
    said_of = f"{request.said}.kustomize"
    named = await components(request.files.own, request.files.path, options, said_of)
    override = None
    if sets_anything(options):
        override = partial(overridden, options=options, components=named.found, expand=expand, said=said_of)
    found = await graph(
        request.files.own, request.files.path, override=override, bases=bases, said=request.said, bounds=bounds
    )
    manifests = await _built(request, found, tool, runner, work, bounds, whole=False)
    whole = found.is_partial or manifests is None
    if whole:
        _log.warning("the whole repository is given to kustomize", application=request.target.application)
        manifests = await _built(request, found, tool, runner, work, bounds, whole=True)
    names_revision = any(names_the_revision(text) for text in texts_expanded(options))
    reads = EVERYTHING if whole or names_revision else bounded(found.reads() | named.entries)
    return Output(manifests or b"", {OWN: reads})


async def _built(
    request: Request, found: Graph, tool: Tool, runner: Confined, work: Path, bounds: RenderBounds, *, whole: bool
) -> bytes | None:
    """The manifests; None where kustomize lacks a file that is there, as long as it does not have the whole."""
    async with private_directory(work) as directory:
        await (copy_everything if whole else copy_out)(found, directory, bounds=bounds)
        try:
            # The directory is no argument: one that is called like a host would be taken for one. Without an
            # environment there is nothing that a build could depend on.
            done = await runner.run(
                [str(tool.path), "build", "."],
                cwd=directory / found.root,
                env={},
                readable=[directory],
                writable=[],
            )
        except ProcessNotStarted as error:
            raise TransientError(_sentence(request, str(error))) from error
        except ProcessError as error:
            raise StalledError(_sentence(request, f"{error}; make it smaller, or split the Application")) from error
        if done.returncode == 0:
            return done.stdout
        if not whole and await _lacks_what_is_there(found, private_places(done.stderr, directory)):
            return None
        raise StalledError(_sentence(request, await _explained(found, done, directory, bounds)))


async def _explained(found: Graph, done: Completed, directory: Path, bounds: RenderBounds) -> str:
    if done.returncode < 0 and not done.stderr:
        return f"it was ended by signal {-done.returncode}"
    contents = await found.places.tree.read({file.id for file in found.files.values()})
    files = [(file.place, contents[file.id]) for file in found.files.values()]
    secrets = await asyncio.to_thread(secret_values, files, bounds.yaml)
    secrets += [text for content in found.contents.values() for text in secret_texts(content)]
    text = said(done.stderr, directory, missing=found.missing, secrets=secrets)
    for graft, address in found.elsewhere.tree.addresses.items():
        text = text.replace(graft, address)
    return f"{found.root_file}: {text}" if text.startswith("invalid Kustomization") else text


def _sentence(request: Request, what: str) -> str:
    return f"{request.said}.path {request.files.path or '.'}: kustomize cannot build it: {what}"


async def _lacks_what_is_there(found: Graph, places: set[str]) -> bool:
    known = found.files.keys() | found.directories | found.places.links.keys()
    for place in places - known:
        try:
            end = await found.places.tree.find(place)
        except StalledError:
            continue
        if end is not None and end.place not in known:
            return True
    return False
