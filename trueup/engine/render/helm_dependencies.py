"""The charts that a chart depends on, brought into its `charts/` where they are not there already.

Nothing is ever resolved or fetched by Helm: what lies in the repository is taken from its tree and packed by
`helm package`, and what lies elsewhere is fetched by `ChartFetch`, by the version that `Chart.lock` names.
"""

from __future__ import annotations

import asyncio
import posixpath
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from trueup.domain.chart_version import chart_range
from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.helm_chart import ChartMetadata, Dependency, has_requirements, parse_chart
from trueup.domain.read_set import Entry
from trueup.domain.repository import redact_url
from trueup.domain.version_range import parse_version
from trueup.engine.render.helm_archive import chart_name, first_document, pack, packed_name
from trueup.engine.render.workdir import write_out
from trueup.engine.tree import Tree, TreeFile

#: Charts in the repository that depend on each other, one within the other.
CHAIN_MAX = 20
DEPENDENCIES_MAX = 200
CHARTS = "charts"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")
_EXACT = re.compile(r"=?\s*v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
_LOCAL = "file://"
_FETCHED = ("http://", "https://", "oci://")


class FetchedChart(Protocol):
    """A chart of a repository, unpacked."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def directory(self) -> Path:
        """The one with `Chart.yaml` in it."""
        ...


class ChartFetch(Protocol):
    """Where charts come from that are in no repository of Git."""

    async def fetch(self, repo_url: str, name: str, version: str, *, pass_credentials: bool) -> FetchedChart:
        """The chart of that version, or the newest that the range admits.

        `pass_credentials` lets the repository's credentials go along to another host.
        StalledError or TransientError where there is none to be had.
        """
        ...


#: Makes one file of the chart in a directory, the first path, in another, the second.
Packing = Callable[[Path, Path], Awaitable[None]]


@dataclass(slots=True)
class Brought:
    """What bringing them came to."""

    #: Of the source's own repository.
    reads: set[Entry] = field(default_factory=set)
    #: Each chart from elsewhere: name, version and digest.
    inputs: list[str] = field(default_factory=list)
    #: Whether the newest of a range was taken.
    is_unrepeatable: bool = False


@dataclass(slots=True)
class Dependencies:
    """Brings the dependencies of one chart, and of those in the repository that it depends on."""

    tree: Tree
    charts: ChartFetch | None
    pass_credentials: bool
    #: Where the source is in the Application.
    said: str
    bytes_max: int
    #: Where charts of the repository are written before they are packed.
    room: Path
    packing: Packing
    brought: Brought = field(default_factory=Brought)

    async def complete(self, directory: Path, place: str, chain: Sequence[str] = ()) -> None:
        """Add to the chart that was written to the directory what it lacks; `place` is where it is in the tree.

        StalledError names the chart and the dependency that is not to be had.
        """
        if place in chain or len(chain) >= CHAIN_MAX:
            ring = " → ".join(one or "." for one in (*chain, place))
            raise StalledError(f"{self.said}: the charts depend on each other in a ring, {ring}; take one out")
        metadata, present = await asyncio.to_thread(_read, directory)
        missing = [one for one in metadata.dependencies if one.name not in present]
        if len(missing) > DEPENDENCIES_MAX:
            raise StalledError(
                f"{self.said}: {place or '.'} depends on more than {DEPENDENCIES_MAX} charts; take some out"
            )
        if not missing:
            return
        chart = posixpath.join(place, "Chart.yaml")
        if metadata.lock is not None and not metadata.lock.is_current:
            way_out = "run `helm dependency update` and commit the lock"
            raise StalledError(f"{self.said}: the lock beside {chart} was made from other dependencies; {way_out}")
        target = directory / CHARTS
        target.mkdir(exist_ok=True)
        for dependency in dict.fromkeys(missing):
            await self._bring(dependency, _locked(metadata, dependency), target, chart, (*chain, place))

    async def _bring(
        self, dependency: Dependency, locked: Dependency | None, target: Path, chart: str, chain: Sequence[str]
    ) -> None:
        where = f"{self.said}: {chart} depends on {dependency.name!r}"
        repository = dependency.repository
        if not _NAME.fullmatch(dependency.name):
            raise StalledError(f"{where}, which is no name of a chart; correct it")
        if not repository:
            raise StalledError(f"{where}, which is not in charts/, and names no repository; commit the chart there")
        if repository.startswith(_LOCAL):
            await self._pack(dependency, target, where, chain)
        elif repository.startswith(_FETCHED):
            await self._fetch(dependency, locked, target, where)
        elif repository.startswith(("@", "alias:")):
            way_out = "write the repository's address there, or commit the chart to charts/"
            raise InvalidSpecError(f"{where} from {repository!r}, a name that is known on one machine only; {way_out}")
        else:
            way_out = "Trueup takes charts from https://, oci:// and file://; commit this one to charts/"
            raise InvalidSpecError(f"{where} from {redact_url(repository)!r}; {way_out}")

    async def _pack(self, dependency: Dependency, target: Path, where: str, chain: Sequence[str]) -> None:
        path = dependency.repository.removeprefix(_LOCAL)
        place = posixpath.normpath(posixpath.join(chain[-1], path))
        if path.startswith("/") or place == ".." or place.startswith("../"):
            raise InvalidSpecError(
                f"{where} from {dependency.repository!r}, outside of the repository; name a chart inside"
            )
        place = "" if place == "." else place
        found = await self.tree.find(place)
        files = await self.tree.files(place)
        if found is None or not any(file.place == posixpath.join(place, "Chart.yaml") for file in files):
            raise StalledError(f"{where}, and there is no chart at {place or '.'}; commit it, or correct the path")
        links = found.linked.union(*(file.linked for file in files))
        self.brought.reads |= {Entry("listed", place), *(Entry("linked", link) for link in links)}
        directory = self.room / str(len(list(self.room.iterdir())))
        await write_out(self.tree, below(files, place), directory, bytes_max=self.bytes_max)
        await self.complete(directory, place, chain)
        metadata, _ = await asyncio.to_thread(_read, directory)
        self._check_version(dependency, metadata.version, where)
        await self.packing(directory, target)

    def _check_version(self, dependency: Dependency, found: str, where: str) -> None:
        version, wanted = parse_version(found), chart_range(dependency.version)
        if version is not None and wanted is not None and not wanted.admits(version):
            raise StalledError(
                f"{where} in the version {dependency.version}, and {dependency.repository} has {found}; "
                "correct one of them"
            )

    async def _fetch(self, dependency: Dependency, locked: Dependency | None, target: Path, where: str) -> None:
        if self.charts is None:
            raise StalledError(f"{where}, which is not in charts/, and nothing is fetched here; commit the chart there")
        version = locked.version if locked else dependency.version
        chart = await self.charts.fetch(
            dependency.repository, dependency.name, version, pass_credentials=self.pass_credentials
        )
        self.brought.inputs.append(f"{chart.name} {chart.version} {chart.digest}")
        self.brought.is_unrepeatable |= locked is None and not _EXACT.fullmatch(version)
        name = f"{dependency.name}-{len(self.brought.inputs)}.tgz"
        await asyncio.to_thread(pack, chart.directory, dependency.name, target / name)


def below(files: Sequence[TreeFile], place: str) -> Iterator[TreeFile]:
    """The same files, at their places from that directory."""
    start = len(place) + 1 if place else 0
    return (TreeFile(file.place[start:], file.id, file.executable, file.linked) for file in files)


def _locked(metadata: ChartMetadata, dependency: Dependency) -> Dependency | None:
    """What the lock says of it. The two lists go together; one chart may be asked for twice, in two versions."""
    if metadata.lock is None:
        return None
    pairs = zip(metadata.dependencies, metadata.lock.dependencies, strict=False)
    return next((locked for asked, locked in pairs if asked == dependency and locked.name == dependency.name), None)


def _read(directory: Path) -> tuple[ChartMetadata, frozenset[str]]:
    """What the chart in the directory says of itself, and the names of the charts in its `charts/`."""
    chart = _document(directory / "Chart.yaml")
    apart = has_requirements(chart)
    requirements = _document(directory / "requirements.yaml") if apart else None
    lock = _document(directory / ("requirements.lock" if apart else "Chart.lock")) or _document(
        directory / "Chart.lock"
    )
    present = set()
    charts = directory / CHARTS
    for path in sorted(charts.iterdir()) if charts.is_dir() else ():
        # What begins so Helm passes over.
        if path.name.startswith(("_", ".")):
            continue
        if path.is_dir() and (path / "Chart.yaml").is_file():
            present.add(chart_name((path / "Chart.yaml").read_bytes()))
        elif path.suffix == ".tgz" and path.is_file():
            present.add(packed_name(path.name, path.read_bytes()))
    return parse_chart(chart, requirements, lock), frozenset(present)


def _document(path: Path) -> Any:
    return first_document(path.read_bytes()) if path.is_file() else None
