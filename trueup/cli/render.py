"""`trueup render`: what the files of a directory come to, without a cluster and without a remote of Git."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trueup.cli.local_source import Local, enclosing, local, placed
from trueup.cli.manifests import masked
from trueup.cli.printing import documents
from trueup.cli.tools_at_hand import with_tools_at_hand
from trueup.clients.applications import parse_application
from trueup.domain.application import HOME_SERVER, Application
from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.kubeyaml import YamlBounds, read_documents
from trueup.domain.lenient import as_mapping, as_text
from trueup.domain.redact import Redactor
from trueup.domain.repository import normalize_url
from trueup.engine.chart_shelf import ChartShelf
from trueup.engine.checkout import MirrorPool
from trueup.engine.facts import ClusterFacts, FactsOfClusters
from trueup.engine.local_tree import LocalTree
from trueup.engine.remote_bases import RemoteBases
from trueup.engine.render.application import Renderer
from trueup.engine.render.equip import equipped
from trueup.engine.render.fetch import Fetch
from trueup.engine.render.helm_fetch import RepositoryCharts
from trueup.engine.render.toolkit import Toolkit
from trueup.engine.sources import CHART_FILE_BYTES_MAX, SourceAt, Sources, said
from trueup.settings import Settings, read_settings
from trueup.telemetry import configure_logging

#: What `ARGOCD_APP_SOURCE_REPO_URL` says of a directory that no Application names.
NOWHERE = "https://repository.invalid/local"
DEFAULT_NAME = "app"
DEFAULT_NAMESPACE = "default"
APPLICATION_BYTES_MAX = 4 * 1024 * 1024
#: What a release of Helm may be called.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be rendered; an empty text leaves it to the file, or to what is usual."""

    directory: Path | None
    #: A file with the Application whose sources are rendered.
    application: Path | None = None
    root: Path | None = None
    name: str = ""
    namespace: str = ""
    project: str = ""
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()


async def print_rendered(asked: Asked, output: str, *, show_secrets: bool) -> None:
    """Print the objects in the order in which they are rendered, all of them or none.

    Raises what `Renderer.render` raises, and StalledError for a path that is no good.
    """
    if asked.directory is None and asked.application is None:
        raise StalledError("name the directory to render, or an Application's file by --file")
    # What is printed on stdout is for programs; whatever goes wrong on the way is said on stderr.
    configure_logging(level="warning")
    settings = with_tools_at_hand(read_settings())
    here = local(asked.directory, asked.root) if asked.directory is not None else None
    raw = _from_file(asked, asked.application) if asked.application is not None else _made_up(asked, here)
    application = parse_application(raw)
    if application.refusals:
        raise InvalidSpecError(" ".join(application.refusals))
    with tempfile.TemporaryDirectory(prefix="trueup-render-") as folder:
        async with (
            equipped(settings, Path(folder)) as opened,
            MirrorPool(Path(folder), schemes=settings.schemes) as mirrors,
        ):
            told = ClusterFacts(asked.kube_version, asked.api_versions)
            toolkit = replace(opened, facts=FactsOfClusters(told))
            sources = await _sources(application, asked, here, toolkit, settings)
            charts = RepositoryCharts(toolkit.charts, (), application.project)
            bases = RemoteBases(mirrors, settings.kustomize_remote_bases, lambda _: None)
            fetch = Fetch(charts, bases)
            rendered = await Renderer(toolkit).render(application, sources, cluster=None, fetch=fetch)
    bodies = [item.body for item in rendered.objects]
    print(documents(bodies if show_secrets else masked(bodies, Redactor()), output), end="")


def _made_up(asked: Asked, here: Local | None) -> dict[str, Any]:
    """The Application that has just this directory for its source."""
    assert here is not None  # noqa: S101 -- for the type checker: a directory or a file was named
    last = (here.root / here.path).name
    return {
        "metadata": {"name": asked.name or (last if _NAME.fullmatch(last) else DEFAULT_NAME), "namespace": "argocd"},
        "spec": {
            "project": asked.project or "default",
            "source": {"repoURL": NOWHERE, "path": here.path or "."},
            "destination": {"server": HOME_SERVER, "namespace": asked.namespace or DEFAULT_NAMESPACE},
        },
    }


def _from_file(asked: Asked, file: Path) -> dict[str, Any]:
    """The Application of the file, under the names that were asked for."""
    try:
        with file.open("rb") as opened:
            content = opened.read(APPLICATION_BYTES_MAX + 1)
    except OSError as error:
        raise StalledError(f"{file} cannot be read: {error.strerror}; name a file with an Application") from error
    if len(content) > APPLICATION_BYTES_MAX:
        raise StalledError(f"{file} has more than {APPLICATION_BYTES_MAX} bytes; name a file with one Application")
    values = [as_mapping(document.value) for document in read_documents(str(file), content, YamlBounds())]
    found = [value for value in values if value.get("kind") == "Application"]
    if len(found) > 1 and asked.name:
        found = [value for value in found if as_text(as_mapping(value.get("metadata")).get("name")) == asked.name]
    if not found:
        raise StalledError(f"{file} has no Application{f' {asked.name}' if asked.name else ''}; name a file with one")
    if len(found) > 1:
        raise StalledError(f"{file} has {len(found)} Applications; choose one by --name")
    return _renamed(found[0], asked)


def _renamed(raw: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    metadata, spec = {**as_mapping(raw.get("metadata"))}, raw.get("spec")
    if asked.name:
        metadata["name"] = asked.name
    if not isinstance(spec, Mapping):
        return {**raw, "metadata": metadata}
    changed = {**spec}
    if asked.project:
        changed["project"] = asked.project
    if asked.namespace:
        changed["destination"] = {**as_mapping(spec.get("destination")), "namespace": asked.namespace}
    return {**raw, "metadata": metadata, "spec": changed}


async def _sources(
    application: Application, asked: Asked, here: Local | None, toolkit: Toolkit, settings: Settings
) -> Sources:
    """Sources in Git as they are here, charts from where they are published."""
    in_git = [source for source in application.sources if not source.is_chart]
    if len({normalize_url(source.repo_url) for source in in_git}) > 1:
        raise StalledError(
            "the Application names several repositories of Git, and only one is here; "
            "render its sources one at a time, by their directories"
        )
    if here is not None and (application.has_many_sources or not in_git):
        raise StalledError("PATH is for one source in Git; leave it out, the Application says what is rendered")
    current = Path.cwd()
    root = here.root if here else local(asked.root, asked.root).root if asked.root else enclosing(current)
    shelf = ChartShelf(toolkit.charts, toolkit.work / "chart-versions")
    found = []
    for index, source in enumerate(application.sources):
        name = said(application, index)
        if source.is_chart:
            ref = await shelf.resolve(source, source.target_revision, None)
            chart = await shelf.fetch(source, ref, None)
            tree = LocalTree(chart.directory, file_bytes_max=CHART_FILE_BYTES_MAX)
            found.append(SourceAt(source, name, ref.version, tree, "", chart_digest=chart.digest))
        else:
            at = placed(source, name, here or Local(root, source.path), file_bytes_max=settings.blob_bytes_max)
            lies_there = await at.tree.find(at.path)
            if lies_there is None or lies_there.kind != "directory":
                raise StalledError(f"{name}.path {at.path!r} is not a directory in {root}; correct it, or name PATH")
            found.append(at)
    return Sources(tuple(found))
