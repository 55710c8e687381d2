"""`trueup app diff`: what the worker would find, found here and now, Secrets masked."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from trueup.cli.difference import print_field, print_object
from trueup.cli.home import home
from trueup.clients.applications import parse_application
from trueup.clients.cluster import Cluster
from trueup.clients.cluster_pool import ClusterPool
from trueup.domain.cluster_secret import CLUSTER_SECRETS, parse_cluster_secret
from trueup.domain.clusters import Clusters
from trueup.domain.credentials import REPOSITORY_SECRETS, parse_secrets
from trueup.domain.errors import StalledError
from trueup.domain.redact import Redactor
from trueup.domain.shown import shown_field
from trueup.engine.bounds import cluster_bounds
from trueup.engine.checkout import MirrorPool
from trueup.engine.comparison import Comparison, hold_against
from trueup.engine.engine import Engine
from trueup.engine.render.cache import RenderCache
from trueup.engine.verdicts import Verdicts
from trueup.settings import Settings, read_settings


async def print_diff(name: str, *, namespace: str, revision: str | None) -> bool:
    """Print the differences; whether there are any. The remote is asked, the cluster is read, nothing is written.

    Raises StalledError where something could not be read, after printing what could.
    """
    async with home(namespace) as reached:
        raw = await reached.read(reached.named(name))
        console = Console(soft_wrap=True, highlight=False)
        return await write_diff(reached.cluster, raw, console, settings=reached.settings, revision=revision)


async def write_diff(
    cluster: Cluster,
    raw: Mapping[str, Any],
    console: Console,
    *,
    settings: Settings | None = None,
    revision: str | None = None,
) -> bool:
    """Compare one Application and print what differs; whether anything does."""
    settings = settings or read_settings()
    secrets = await cluster.list_all(
        await cluster.resource("", "Secret"), settings.namespace, label_selector=REPOSITORY_SECRETS
    )
    credentials, _ = parse_secrets(secrets.items)
    clusters = await _clusters(cluster, settings.namespace)
    application = clusters.placed(parse_application(raw))
    with tempfile.TemporaryDirectory(prefix="trueup-diff-") as folder:
        async with (
            MirrorPool(Path(folder), schemes=settings.schemes) as mirrors,
            ClusterPool(cluster, lambda: clusters, cluster_bounds=cluster_bounds(settings)) as pool,
        ):
            cache = RenderCache(render_cache_bytes_max=settings.render_cache_bytes_max)
            projects = await cluster.resource("argoproj.io", "AppProject")
            project_of = partial(cluster.get, projects, settings.namespace)
            engine = Engine(settings, pool, mirrors, cache, Verdicts(), lambda: credentials, project_of)
            await engine.refuse(application)
            async with pool.reached(application) as destination:
                checkout = await engine.checkout(application, revision=revision)
                observed = await engine.observe(destination, application, await engine.render(application, checkout))
                comparison = await hold_against(application, checkout.revision, observed)
                comparison = await engine.judged(destination, comparison)
    return show_comparison(comparison, console)


async def _clusters(home: Cluster, namespace: str) -> Clusters:
    found = await home.list_all(await home.resource("", "Secret"), namespace, label_selector=CLUSTER_SECRETS)
    return Clusters(parse_cluster_secret(raw) for raw in found.items)


def show_comparison(comparison: Comparison, console: Console) -> bool:
    """Print every difference of every object; whether there was one."""
    redactor = Redactor()
    comparison.teach(redactor)
    for key, reason in sorted(comparison.unreadable.items()):
        console.print(Text(f"===== {key} could not be read: {reason}", style="yellow"))
    differs = False
    for key, diff in sorted(comparison.diffs.items()):
        if diff.status == "Missing" or diff.changes:
            differs = True
            print_object(key, diff.status, console)
            for change in diff.changes:
                owners = dict.fromkeys(owner.manager for owner in change.owners)
                print_field(shown_field(change, key, redactor), ", ".join(owners), console)
    for key in comparison.leftovers:
        differs = True
        print_object(key, "Unwanted", console)
    if comparison.unreadable:
        raise StalledError("; ".join(f"{key}: {why}" for key, why in sorted(comparison.unreadable.items())))
    return differs
