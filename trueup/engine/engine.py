"""The reading half of a reconcile, step by step: checkout, render, observe."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from trueup.clients.cluster import Cluster
from trueup.clients.cluster_pool import ClusterPool
from trueup.clients.projects import project_refusals
from trueup.domain.application import Application
from trueup.domain.by_hand import Hands
from trueup.domain.compare_options import CompareSettings
from trueup.domain.credentials import RepositoryCredentials, select, select_for_source
from trueup.domain.errors import InvalidSpecError
from trueup.domain.resource import ResourceKey
from trueup.domain.source import Source
from trueup.engine.chart_shelf import ChartShelf
from trueup.engine.checkout import MirrorPool
from trueup.engine.comparison import Comparison
from trueup.engine.ignoring import Ignoring
from trueup.engine.observe import Observed, observe
from trueup.engine.remote_bases import RemoteBases
from trueup.engine.render.application import Rendered, Renderer
from trueup.engine.render.fetch import Fetch
from trueup.engine.render.helm_fetch import RepositoryCharts
from trueup.engine.sources import Sources, Where, recorded, resolve
from trueup.engine.verdicts import Verdicts
from trueup.settings import Settings


@dataclass(frozen=True, slots=True)
class Engine:
    """What the steps need at hand. Holds no state of an application."""

    settings: Settings
    #: Where Applications are delivered; the home cluster among them is where they live.
    clusters: ClusterPool
    mirrors: MirrorPool
    charts: ChartShelf
    renderer: Renderer
    verdicts: Verdicts
    #: The repository credentials of now.
    credentials: Callable[[], tuple[RepositoryCredentials, ...]]
    #: The AppProject of this name, None where there is none.
    projects: Callable[[str], Awaitable[Mapping[str, Any] | None]]
    ignoring: Ignoring

    @property
    def compare_settings(self) -> CompareSettings:
        """What the installation asks of every comparison."""
        return CompareSettings(Hands.of(self.settings.hand_managers))

    @property
    def home(self) -> Cluster:
        """Where Applications, their records and their Secrets live."""
        return self.clusters.home

    def placed(self, application: Application) -> Application:
        """The Application with its destination's server known, as far as it can be."""
        return self.clusters.clusters().placed(application)

    def credentials_of(self, url: str, project: str) -> RepositoryCredentials | None:
        """What opens the Git repository to an Application of this project; None where nothing is configured for it."""
        return select(url, self.credentials(), project=project)

    def opens(self, source: Source, project: str) -> RepositoryCredentials | None:
        """What opens the source's repository, of Git or of charts, to an Application of this project."""
        return select_for_source(source, self.credentials(), project=project)

    def secret_values_of(self, application: Application) -> tuple[str, ...]:
        """Every text that must not appear in what is said of the Application; objects' own come on top."""
        used = [self.opens(source, application.project) for source in application.sources]
        values = dict.fromkeys(value for credentials in used if credentials for value in credentials.secret_values)
        cluster = self.clusters.clusters().of_server(application.server)
        return (*values, *(cluster.login.secret_values if cluster else ()))

    async def refuse(self, application: Application) -> None:
        """Raise InvalidSpecError, naming every reason, for what must not be reconciled."""
        refusals = list(application.refusals)
        if not refusals:
            refusals.extend(project_refusals(await self.projects(application.project), application.project))
        if refusals:
            raise InvalidSpecError(" ".join(refusals))

    async def checkout(self, application: Application, *, tip: str = "", revisions: tuple[str, ...] = ()) -> Sources:
        """The sources at their target revisions, or at `revisions` where an operation names them."""
        return await resolve(application, self._where(application), tip=tip, revisions=revisions)

    async def checkout_recorded(self, application: Application) -> Sources | None:
        """The sources as they were last compared, where this machine has them: nobody is asked."""
        return await recorded(application, self._where(application))

    def _where(self, application: Application) -> Where:
        return Where(self.mirrors, self.charts, lambda source: self.opens(source, application.project))

    async def render(self, application: Application, sources: Sources, *, cluster: Cluster | None) -> Rendered:
        """The objects that the sources come to on this cluster, see `Renderer.render`."""
        charts = RepositoryCharts(self.charts.charts, self.credentials(), application.project)
        bases = RemoteBases(
            self.mirrors,
            self.settings.kustomize_remote_bases,
            lambda url: self.credentials_of(url, application.project),
            fresh=application.refresh == "hard",
        )
        return await self.renderer.render(application, sources, cluster=cluster, fetch=Fetch(charts, bases))

    async def observe(
        self,
        cluster: Cluster,
        application: Application,
        rendered: Rendered,
        *,
        only: Collection[ResourceKey] | None = None,
    ) -> Observed:
        """What the cluster has of them, and of what the application owned there; with `only` of no more than these."""
        observed = await observe(
            cluster,
            rendered.objects,
            application.inventory,
            namespace=application.namespace,
            objects_in_flight_max=self.settings.objects_in_flight_max,
            only=only,
            excludes=self.ignoring.excludes(application.server),
        )
        return replace(observed, held=await self.ignoring.prepared(application, observed))

    async def without_defaults(self, cluster: Cluster, comparison: Comparison) -> Comparison:
        """The comparison where what Git may have dropped from a whole value is told from what was filled in."""
        in_flight_max = self.settings.objects_in_flight_max
        return await self.verdicts.judged(cluster, comparison, presumed_only=True, in_flight_max=in_flight_max)

    async def judged(self, cluster: Cluster, comparison: Comparison) -> Comparison:
        """The comparison without what is only the API server's own rewriting of the manifests."""
        return await self.verdicts.judged(cluster, comparison, in_flight_max=self.settings.objects_in_flight_max)
