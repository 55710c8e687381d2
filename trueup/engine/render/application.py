"""All sources of an Application rendered, each as its kind asks for, and put together in their order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from trueup.clients.cluster import Cluster
from trueup.clients.crds.read_source import raw_sources
from trueup.domain.application import Application
from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.followers import Followed
from trueup.domain.lenient import as_mapping
from trueup.domain.manifest import RawObject
from trueup.domain.object_options import refused_features
from trueup.domain.read_set import Entry, ReadSet, bounded
from trueup.engine.concurrency import each
from trueup.engine.facts import ClusterFacts
from trueup.engine.render.fetch import Fetch
from trueup.engine.render.kind import kind_of, overridden
from trueup.engine.render.plain import directory
from trueup.engine.render.request import OWN, Files, Request, Target
from trueup.engine.render.tooled import tooled
from trueup.engine.render.toolkit import Toolkit
from trueup.engine.sources import SourceAt, Sources

#: Sources of one Application that are rendered side by side.
SOURCES_RENDERED_MAX = 4


@dataclass(frozen=True, slots=True)
class Rendered:
    """What an Application's sources come to."""

    objects: tuple[RawObject, ...]
    #: Without a change of any of this, other commits render the same.
    reads: Mapping[Followed, ReadSet]
    #: Of each source that makes objects: `Directory`, `Kustomize` or `Helm`.
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """What one source comes to."""

    objects: tuple[RawObject, ...]
    #: By `OWN` or the `ref` of another source.
    reads: Mapping[str, ReadSet]
    kind: str


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders with one toolkit."""

    toolkit: Toolkit

    async def render(
        self, application: Application, sources: Sources, *, cluster: Cluster | None, fetch: Fetch
    ) -> Rendered:
        """The objects of all sources; what the cluster is and serves may go into them.

        `fetch` is for what they depend on elsewhere.

        Nothing in between: no object without all the others. InvalidSpecError for what is not supported,
        StalledError for what is no good, TransientError where something that is needed is away.
        """
        parts: dict[int, Part] = {}

        async def one(index: int) -> None:
            parts[index] = await self._part(application, sources, index, cluster, fetch)

        makers = [index for index, each_of in enumerate(sources.each) if not each_of.source.is_reference_only]
        await each(makers, one, in_flight_max=SOURCES_RENDERED_MAX)
        objects = tuple(
            item if index == 0 else replace(item, source=index) for index in makers for item in parts[index].objects
        )
        most = self.toolkit.bounds.objects_max
        if len(objects) > most:
            raise StalledError(f"the sources hold more than {most} objects; split the Application")
        refused = [sentence for item in objects for sentence in refused_features(item)]
        if refused:
            raise InvalidSpecError(" ".join(refused))
        return Rendered(objects, _reads(sources, parts), tuple(parts[index].kind for index in makers))

    async def _part(
        self, application: Application, sources: Sources, index: int, cluster: Cluster | None, fetch: Fetch
    ) -> Part:
        at = sources.each[index]
        raw = raw_sources(as_mapping(application.raw.get("spec")))[index]
        source, looked = at.source, frozenset[Entry]()
        if not source.is_chart:
            name = application.id.name
            source, looked = await overridden(source, raw, at.tree, at.path, application=name, said=at.said)
        kind, told = await kind_of(source, at.tree, at.path)
        # Nothing but a chart is told of its cluster.
        facts = await self.toolkit.facts.of(cluster) if kind == "Helm" else ClusterFacts()
        target = Target(
            application.id.name, application.project, application.namespace, facts.version, facts.api_versions
        )
        request = Request(source, _files(sources, at), target, at.revision, at.said)
        fresh = application.refresh == "hard"
        if kind == "Directory":
            parsed, reads = await directory(self.toolkit, request, at, fresh=fresh)
        else:
            parsed, reads = await tooled(self.toolkit, kind, request, fetch=fetch, chart=at.chart_digest, fresh=fresh)
        linked = frozenset(Entry("linked", place) for place in (at.checkout.linked if at.checkout else ()))
        return Part(parsed.objects, {**reads, OWN: reads[OWN] | looked | told | linked}, kind)


def _files(sources: Sources, at: SourceAt) -> Files:
    return Files(at.tree, at.path, {other.source.ref: other.tree for other in sources.each if other.source.ref})


def _reads(sources: Sources, parts: Mapping[int, Part]) -> dict[Followed, ReadSet]:
    """What was read, by what is followed: sources that follow the same have one read-set."""
    of_ref = {at.source.ref: at.followed for at in sources.each if at.source.ref}
    found: dict[Followed, set[Entry]] = defaultdict(set)
    for index, part in parts.items():
        for name, entries in part.reads.items():
            followed = of_ref[name] if name else sources.each[index].followed
            if followed is not None:
                found[followed].update(entries)
    return {followed: bounded(found[followed]) for followed in sources.followed}
