"""Sources that are at hand, rendered and held against a cluster, with the API server's word on what differs."""

from __future__ import annotations

from trueup.clients.cluster import Cluster
from trueup.domain.application import Application
from trueup.engine.comparison import Comparison, hold_against
from trueup.engine.engine import Engine
from trueup.engine.render.application import Rendered
from trueup.engine.sources import Sources


async def compared(
    engine: Engine, cluster: Cluster, application: Application, sources: Sources
) -> tuple[Rendered, Comparison]:
    """What the sources come to, and how live stands to it. Nothing is written."""
    rendered = await engine.render(application, sources, cluster=cluster)
    observed = await engine.observe(cluster, application, rendered)
    comparison = await hold_against(application, sources.revision, observed, settings=engine.compare_settings)
    return rendered, await engine.judged(cluster, comparison)
