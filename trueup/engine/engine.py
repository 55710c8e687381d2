"""The reading half of a reconcile, step by step: checkout, render, observe."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from trueup.clients.cluster import Cluster
from trueup.clients.cluster_pool import ClusterPool
from trueup.clients.projects import project_refusals
from trueup.domain.application import Application
from trueup.domain.credentials import RepositoryCredentials, select
from trueup.domain.errors import InvalidSpecError
from trueup.domain.object_options import refused_features
from trueup.domain.resource import ResourceKey
from trueup.engine.checkout import Checkout, MirrorPool, recorded, resolve
from trueup.engine.comparison import Comparison
from trueup.engine.observe import Observed, observe
from trueup.engine.render.cache import RenderCache
from trueup.engine.render.directory import RenderBounds, Rendered, render
from trueup.engine.source_tree import CheckoutTree
from trueup.engine.verdicts import Verdicts
from trueup.settings import Settings


@dataclass(frozen=True, slots=True)
class Engine:
    """What the steps need at hand. Holds no state of an application."""

    settings: Settings
    #: Where Applications are delivered; the home cluster among them is where they live.
    clusters: ClusterPool
    mirrors: MirrorPool
    renders: RenderCache
    verdicts: Verdicts
    #: The repository credentials of now.
    credentials: Callable[[], tuple[RepositoryCredentials, ...]]
    #: The AppProject of this name, None where there is none.
    projects: Callable[[str], Awaitable[Mapping[str, Any] | None]]

    @property
    def home(self) -> Cluster:
        """Where Applications, their records and their Secrets live."""
        return self.clusters.home

    def placed(self, application: Application) -> Application:
        """The Application with its destination's server known, as far as it can be."""
        return self.clusters.clusters().placed(application)

    def credentials_of(self, application: Application) -> RepositoryCredentials | None:
        """What opens the Application's repository; None where nothing is configured for it."""
        return select(application.source.repo_url, self.credentials(), project=application.project)

    def secret_values_of(self, application: Application) -> tuple[str, ...]:
        """Every text that must not appear in what is said of the Application; objects' own come on top."""
        credentials = self.credentials_of(application)
        cluster = self.clusters.clusters().of_server(application.server)
        return (*(credentials.secret_values if credentials else ()), *(cluster.login.secret_values if cluster else ()))

    async def refuse(self, application: Application) -> None:
        """Raise InvalidSpecError, naming every reason, for what must not be reconciled."""
        refusals = list(application.refusals)
        if not refusals:
            refusals.extend(project_refusals(await self.projects(application.project), application.project))
        if refusals:
            raise InvalidSpecError(" ".join(refusals))

    async def checkout(self, application: Application, *, tip: str = "", revision: str | None = None) -> Checkout:
        """The source's tree at its target revision, or at `revision` where an operation names one."""
        if revision is not None:
            application = replace(application, source=replace(application.source, target_revision=revision))
        return await resolve(application, self.mirrors, credentials=self.credentials_of(application), tip=tip)

    async def checkout_recorded(self, application: Application) -> Checkout | None:
        """The source's tree as it was last compared, where this machine has it: nobody is asked."""
        return await recorded(application, self.mirrors)

    async def render(self, application: Application, checkout: Checkout) -> Rendered:
        """The objects that the source comes to. InvalidSpecError for one that asks for what is not supported yet."""
        settings = self.settings
        bounds = RenderBounds(settings.render_files_max, settings.render_bytes_max, settings.objects_max)
        source = (application.raw.get("spec") or {}).get("source") or {}
        rendered = await render(
            CheckoutTree(checkout),
            application.source,
            application=application.id.name,
            explicit=source.get("directory") is not None,
            cache=self.renders,
            bounds=bounds,
        )
        refused = [sentence for item in rendered.objects for sentence in refused_features(item)]
        if refused:
            raise InvalidSpecError(" ".join(refused))
        return rendered

    async def observe(
        self,
        cluster: Cluster,
        application: Application,
        rendered: Rendered,
        *,
        only: Collection[ResourceKey] | None = None,
    ) -> Observed:
        """What the cluster has of them, and of what the application owned there; with `only` of no more than these."""
        return await observe(
            cluster,
            rendered.objects,
            application.inventory,
            namespace=application.namespace,
            objects_in_flight_max=self.settings.objects_in_flight_max,
            only=only,
        )

    async def without_defaults(self, cluster: Cluster, comparison: Comparison) -> Comparison:
        """The comparison where what Git may have dropped from a whole value is told from what was filled in."""
        in_flight_max = self.settings.objects_in_flight_max
        return await self.verdicts.judged(cluster, comparison, presumed_only=True, in_flight_max=in_flight_max)

    async def judged(self, cluster: Cluster, comparison: Comparison) -> Comparison:
        """The comparison without what is only the API server's own rewriting of the manifests."""
        return await self.verdicts.judged(cluster, comparison, in_flight_max=self.settings.objects_in_flight_max)
