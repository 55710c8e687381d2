"""A chart made into manifests by the real `helm template`, confined, in a directory of its own.

The directory holds the chart, the value files under numbers, and a home that nobody has used before. Helm has
no plugins, no repositories and no cluster there: `lookup` finds nothing, and nothing is fetched.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueup.clients.process import Completed, ProcessError
from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.read_set import EVERYTHING, Entry, ReadSet, bounded
from trueup.domain.source import Helm
from trueup.engine.render.directory import RenderBounds
from trueup.engine.render.environment import build_environment, names_the_revision
from trueup.engine.render.helm_archive import UNPACKED_BYTES_MAX, first_document, unpacked
from trueup.engine.render.helm_arguments import template_arguments
from trueup.engine.render.helm_dependencies import Brought, ChartFetch, Dependencies, below
from trueup.engine.render.helm_errors import failure, named, secrets_of
from trueup.engine.render.helm_values import FoundValues, ValueFile, find_values
from trueup.engine.render.jsonnet import Confined
from trueup.engine.render.kind import CHART_FILE
from trueup.engine.render.request import OWN, Output, Request
from trueup.engine.render.tools import Tool
from trueup.engine.render.workdir import private_directory, write_out
from trueup.engine.tree import TreeFile

#: A chart that never writes one of these cannot tell which APIs a cluster has.
_ASKS = re.compile(rb"APIVersions|\.Capabilities\b(?!\.(?:KubeVersion|HelmVersion)\b)")
#: What YAML does not take as it is, though JSON does.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Room:
    """The private directory."""

    path: Path

    @property
    def chart(self) -> Path:
        return self.path / "chart"

    @property
    def charts(self) -> Path:
        """Of charts in the repository that the chart depends on."""
        return self.path / "dependencies"

    @property
    def values(self) -> Path:
        return self.path / "values"

    @property
    def parameters(self) -> Path:
        return self.path / "parameters"

    @property
    def home(self) -> Path:
        return self.path / "home"

    @property
    def environment(self) -> dict[str, str]:
        home = str(self.home)
        return {
            "HOME": home,
            "LANG": "C.UTF-8",
            "TMPDIR": home,
            "HELM_CACHE_HOME": f"{home}/cache",
            "HELM_CONFIG_HOME": f"{home}/config",
            "HELM_DATA_HOME": f"{home}/data",
            "HELM_PLUGINS": f"{home}/plugins",
            "HELM_NO_PLUGINS": "1",
        }


@dataclass(frozen=True, slots=True)
class _Run:
    """Helm, run in the room of one render."""

    request: Request
    options: Helm
    values: FoundValues
    tool: Tool
    runner: Confined
    room: _Room

    async def __call__(self, *arguments: str, writable: Sequence[Path] = ()) -> Completed:
        """What it wrote; StalledError where it failed or had to be ended."""
        try:
            done = await self.runner.run(
                [str(self.tool.path), *arguments],
                cwd=self.room.path,
                env=self.room.environment,
                readable=[self.room.path],
                writable=[self.room.home, *writable],
            )
        except ProcessError as error:
            raise StalledError(f"{named(self.request)} was not rendered: {error}; make the chart do less") from error
        if done.returncode != 0:
            documents = await asyncio.to_thread(_documents, self.room)
            secrets = secrets_of(documents, self.options.parameters)
            raise failure(self.request, done, private=self.room.path, names=self._names(), secrets=secrets)
        return done

    def _names(self) -> dict[str, str]:
        """How the files in the room are called outside of it."""
        files = [file.said for file in self.values.files]
        parameters = [file.said for _, file in self.values.parameters]
        return {
            "values/own": f"{self.request.said}.helm.values",
            **{f"values/{number}": said for number, said in enumerate(files)},
            **{f"parameters/{number}": said for number, said in enumerate(parameters)},
        }


async def helm(
    request: Request, *, tool: Tool, runner: Confined, work: Path, charts: ChartFetch | None, bounds: RenderBounds
) -> Output:
    """The manifests of the chart at the source's path, or of the whole tree for a chart of a repository.

    The files are written below `work` for as long as it takes. InvalidSpecError for options that
    are refused, StalledError for a chart that does not render, TransientError from `charts` alone.
    """
    options = request.source.helm or Helm()
    environment = build_environment(request)
    values = await find_values(request, options, environment)
    files, own = await _chart_files(request)
    async with private_directory(work) as path:
        room = _Room(path)
        await asyncio.to_thread(_furnish, room)
        await write_out(
            request.files.own, below(files, request.files.path), room.chart, bytes_max=bounds.render_bytes_max
        )
        paths = await _write_values(request, values.files, room.values, bounds)
        paths += await asyncio.to_thread(_write_own, options, request, room)
        parameters = await _write_values(request, [file for _, file in values.parameters], room.parameters, bounds)
        run = _Run(request, options, values, tool, runner, room)
        brought = await _bring(request, options, run, charts, bounds)
        asks = await asyncio.to_thread(_asks, room, options)
        arguments = template_arguments(
            request,
            options,
            environment,
            values=paths,
            parameter_files=[(name, file) for (name, _), file in zip(values.parameters, parameters, strict=True)],
            with_api_versions=asks,
        )
        done = await run("template", "./chart", *arguments)
    return Output(
        done.stdout,
        _reads(options, values, own | brought.reads),
        is_unrepeatable=brought.is_unrepeatable,
        inputs=tuple(sorted(brought.inputs)),
        asks_api_versions=asks,
    )


async def _chart_files(request: Request) -> tuple[list[TreeFile], set[Entry]]:
    """The files of the chart, and what was looked at for them."""
    tree, place = request.files.own, request.files.path
    found = await tree.find(place)
    files = await tree.files(place)
    if found is None or found.kind != "directory":
        what = "there is no such directory" if found is None else "which is a file"
        raise StalledError(f"{named(request)}: {what}; correct the path")
    chart = f"{place}/{CHART_FILE}" if place else CHART_FILE
    if all(file.place != chart for file in files):
        raise StalledError(
            f"{named(request)}: there is no {CHART_FILE}, so it is no chart; commit one, or correct the path"
        )
    links = found.linked.union(*(file.linked for file in files))
    return files, {Entry("listed", place), *(Entry("linked", link) for link in links)}


async def _bring(
    request: Request, options: Helm, run: _Run, charts: ChartFetch | None, bounds: RenderBounds
) -> Brought:
    async def packing(directory: Path, target: Path) -> None:
        await run("package", str(directory), "--destination", str(target), writable=[target])

    dependencies = Dependencies(
        request.files.own,
        charts,
        options.pass_credentials,
        request.said,
        bounds.render_bytes_max,
        run.room.charts,
        packing,
    )
    await dependencies.complete(run.room.chart, request.files.path)
    return dependencies.brought


async def _write_values(request: Request, files: Sequence[ValueFile], target: Path, bounds: RenderBounds) -> list[str]:
    """Each under its number, so that no name of one can be taken for anything else; the paths from the room."""
    by_source: dict[str, list[TreeFile]] = {}
    for number, file in enumerate(files):
        by_source.setdefault(file.source, []).append(TreeFile(str(number), file.file.id))
    for source, numbered in by_source.items():
        tree = request.files.refs[source] if source else request.files.own
        await write_out(tree, numbered, target, bytes_max=bounds.render_bytes_max)
    return [f"{target.name}/{number}" for number in range(len(files))]


def _write_own(options: Helm, request: Request, room: _Room) -> list[str]:
    """The values that stand in the Application itself."""
    if options.values_object is not None:
        text = _as_yaml(options.values_object)
    elif options.values:
        text = options.values
    else:
        return []
    try:
        (room.values / "own").write_bytes(text.encode())
    except UnicodeEncodeError:
        raise InvalidSpecError(f"{request.said}.helm.values is no text; it holds half of a character") from None
    return ["values/own"]


def _as_yaml(values: Mapping[str, Any]) -> str:
    """JSON that is YAML: in quotes, a text can be taken for nothing else."""
    text = json.dumps(values, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _furnish(room: _Room) -> None:
    for directory in (room.chart, room.charts, room.home, room.values, room.parameters):
        directory.mkdir()


def _asks(room: _Room, options: Helm) -> bool:
    """Whether anything that Helm reads may ask which APIs the cluster has."""
    if any(_ASKS.search(parameter.value.encode(errors="replace")) for parameter in options.parameters):
        return True
    for top in (room.chart, room.values, room.parameters):
        for path in top.rglob("*"):
            if not path.is_file():
                continue
            content = path.read_bytes()
            if path.suffix == ".tgz":
                content = unpacked(content)
                # What was not looked at may ask.
                if len(content) >= UNPACKED_BYTES_MAX:
                    return True
            if _ASKS.search(content):
                return True
    return False


def _reads(options: Helm, values: FoundValues, own: set[Entry]) -> dict[str, ReadSet]:
    written = [*options.value_files, *(one.value for one in options.parameters)]
    written += [one.path for one in options.file_parameters]
    reads = {source: bounded(entries) for source, entries in values.reads.items()}
    reads[OWN] = bounded(own | values.reads.get(OWN, set()))
    if any(names_the_revision(text) for text in written):
        reads[OWN] = EVERYTHING
    return reads


def _documents(room: _Room) -> list[Any]:
    """All values that Helm was given, as far as they can be read."""
    paths = [room.chart / "values.yaml", *room.values.iterdir()]
    return [first_document(path.read_bytes()) for path in paths if path.is_file()]
