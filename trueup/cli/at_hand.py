"""The engine as a command has it at hand: what the worker would find, found here and now, nothing written."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from trueup.cli.tools_at_hand import with_tools_at_hand
from trueup.clients.applications import parse_application
from trueup.clients.argocd_cm import read_argocd_cm
from trueup.clients.cluster import Cluster
from trueup.clients.cluster_pool import ClusterPool
from trueup.clients.jq import Jq
from trueup.domain.application import Application
from trueup.domain.cluster_secret import CLUSTER_SECRETS, parse_cluster_secret
from trueup.domain.clusters import Clusters
from trueup.domain.credentials import REPOSITORY_SECRETS, parse_secrets
from trueup.domain.errors import StalledError
from trueup.engine.bounds import cluster_bounds, jq_bounds
from trueup.engine.chart_shelf import ChartShelf
from trueup.engine.checkout import MirrorPool
from trueup.engine.engine import Engine
from trueup.engine.ignoring import Ignoring
from trueup.engine.render.application import Renderer
from trueup.engine.render.equip import equipped
from trueup.engine.verdicts import Verdicts
from trueup.settings import Settings


@asynccontextmanager
async def engine_at_hand(
    cluster: Cluster, raw: Mapping[str, Any], settings: Settings
) -> AsyncIterator[tuple[Engine, Application]]:
    """An engine on a directory of its own that goes in the end, and the Application, which is not refused.

    Raises InvalidSpecError for one that must not be reconciled.
    """
    secrets = await cluster.list_all(
        await cluster.resource("", "Secret"), settings.namespace, label_selector=REPOSITORY_SECRETS
    )
    credentials, _ = parse_secrets(secrets.items)
    clusters = await _clusters(cluster, settings.namespace)
    application = clusters.placed(parse_application(raw))
    with tempfile.TemporaryDirectory(prefix="trueup-") as folder:
        async with (
            MirrorPool(Path(folder), schemes=settings.schemes) as mirrors,
            ClusterPool(cluster, lambda: clusters, cluster_bounds=cluster_bounds(settings)) as pool,
            equipped(with_tools_at_hand(settings), Path(folder)) as toolkit,
            Jq(jq_bounds(settings)) as jq,
        ):
            projects = await cluster.resource("argoproj.io", "AppProject")
            project_of = partial(cluster.get, projects, settings.namespace)
            charts = ChartShelf(toolkit.charts, Path(folder) / "chart-versions")
            renderer = Renderer(toolkit)
            resources = await read_argocd_cm(cluster, settings.namespace)
            ignoring = Ignoring(lambda: resources, jq)
            engine = Engine(
                settings, pool, mirrors, charts, renderer, Verdicts(ignoring), lambda: credentials, project_of, ignoring
            )
            await engine.refuse(application)
            yield engine, application


def revisions_asked(application: Application, revision: str | None) -> tuple[str, ...]:
    """The revision as the engine takes it; StalledError where the Application has a list of sources."""
    if revision is None:
        return ()
    if application.has_many_sources:
        raise StalledError("--revision is for one source, and the Application has a list of them; leave it out")
    return (revision,)


async def _clusters(home: Cluster, namespace: str) -> Clusters:
    found = await home.list_all(await home.resource("", "Secret"), namespace, label_selector=CLUSTER_SECRETS)
    return Clusters(parse_cluster_secret(raw) for raw in found.items)
