"""Every example of the documentation is delivered, as the very objects that the bare tools make of it by hand."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.charts import SCHEMES, ChartHost, chart_host, helm, index
from tests.support.examples import BY_HAND, application_of, examples
from tests.support.fixtures import in_own_task
from tests.support.git import git
from tests.support.product import COMMAND_SECONDS, STEP_SECONDS, Installation, Repo
from tests.support.registry import Registry, registry
from tests.support.rendering import toolkit
from tests.support.wait import wait_until
from trueup.clients.applications import parse_application
from trueup.clients.cluster import Cluster
from trueup.clients.process import base_environment, run
from trueup.domain.manifest import RawObject, parse_manifests
from trueup.domain.resource import ResourceKey
from trueup.engine.chart_shelf import ChartShelf
from trueup.engine.checkout import MirrorPool
from trueup.engine.observe import Observed, observe
from trueup.engine.render.application import Renderer
from trueup.engine.render.fetch import Fetch
from trueup.engine.render.helm_fetch import RepositoryCharts
from trueup.engine.sources import Where, resolve
from trueup.sandbox import search_path

EXAMPLES = examples()
OUTPUT_BYTES_MAX = 16 * 1024 * 1024
#: A namespace that an example names without creating it.
BEFORE = "shop-tools"
NAMESPACES = {BEFORE} | {application_of(path)["spec"]["destination"]["namespace"] for path in EXAMPLES.values()}
#: What the examples deliver outside of all namespaces.
DEFINITIONS = ("queues.example.org", "widgets.example.org")


@dataclass(frozen=True, slots=True)
class Delivered:
    """All examples in one installation: what they were applied as, and where their repositories are."""

    trueup: Installation
    tools: Path
    renderer: Renderer
    where: Where
    #: What the lines by hand find in their environment.
    environment: Mapping[str, str]
    applied: Mapping[str, dict[str, Any]]
    repositories: Mapping[str, Repo]

    async def by_hand(self, name: str, directory: Path) -> Sequence[RawObject]:
        """The objects that the lines in the example make, in a clone."""
        clone = directory / "clone"
        await asyncio.to_thread(shutil.copytree, self.repositories[name].work, clone)
        await git(clone, "remote", "set-url", "origin", self.repositories[name].url)
        done = await run(
            ["sh", "-eu", BY_HAND],
            cwd=clone,
            env=base_environment() | self.environment | {"PATH": search_path(self.tools), "HOME": str(directory)},
            timeout_seconds=COMMAND_SECONDS,
            output_bytes_max=OUTPUT_BYTES_MAX,
        )
        assert done.returncode == 0, done.stderr.decode()
        parsed = parse_manifests([(BY_HAND, done.stdout)])
        assert parsed.objects
        # Of those that several sources describe, the last.
        return list({(o.group, o.kind, o.namespace, o.name): o for o in parsed.objects}.values())

    async def rendered(self, name: str) -> Sequence[RawObject]:
        application = parse_application(self.applied[name])
        sources = await resolve(application, self.where)
        charts = RepositoryCharts(self.where.charts.charts, (), application.project)
        return (
            await self.renderer.render(application, sources, cluster=self.trueup.cluster, fetch=Fetch(charts))
        ).objects

    async def observed(self, name: str, objects: Sequence[RawObject]) -> Observed:
        namespace = self.applied[name]["spec"]["destination"]["namespace"]
        return await observe(self.trueup.cluster, objects, (), namespace=namespace, objects_in_flight_max=4)


async def published(tools: Path, directory: Path, host: ChartHost, shop: Registry) -> None:
    """The charts of the examples, where those look for them."""
    (directory / "packed").mkdir()
    for name in ("index", "registry"):
        chart = EXAMPLES[f"sources/chart-from-{name}"] / "published" / "web"
        target = directory / "packed" / name
        said = await helm(tools, directory, "package", chart, "--destination", target)
        archive = Path(said.strip().rpartition(": ")[2])
        if name == "index":
            content = await asyncio.to_thread(archive.read_bytes)
            host.files["/stable/index.yaml"] = index(("web", "1.4.2", content))
            host.files[f"/stable/{archive.name}"] = content
        else:
            await helm(tools, directory, "push", "--plain-http", archive, f"oci://{shop.host}/charts")


async def pushed(trueup: Installation, example: Path) -> Repo:
    repository = await trueup.repository()
    await asyncio.to_thread(shutil.copytree, example, repository.work, dirs_exist_ok=True)
    await repository.push({})
    return repository


def installed(raw: dict[str, Any], namespace: str, addresses: Mapping[str, str]) -> dict[str, Any]:
    """The Application as it is applied here: all that is another one is where it lives and its hosts."""
    spec = raw["spec"]
    for source in spec.get("sources") or [spec["source"]]:
        host = next(host for host in addresses if source["repoURL"].startswith(host))
        source["repoURL"] = addresses[host]
    raw["metadata"]["namespace"] = namespace
    return raw


@asynccontextmanager
async def all_applied(running: Installation, tools: Path, directory: Path) -> AsyncIterator[Delivered]:
    made: dict[str, Repo] = {}
    # Those of the run before, where the sandbox outlives a run.
    await wait_until(lambda: are_gone(running.cluster, NAMESPACES), STEP_SECONDS, "no namespace of an example")
    async with chart_host() as host, registry(tools, directory) as shop:
        await published(tools, directory, host, shop)
        applied = {}
        for name, example in EXAMPLES.items():
            made[name] = await pushed(running, example)
            addresses = {
                "https://git.example.org/": made[name].url,
                "https://charts.example.org/": f"{host.url}/stable",
                "registry.example.org/": f"{shop.host}/charts",
            }
            applied[name] = installed(application_of(example), running.namespace, addresses)
        await create_namespace(running.cluster, BEFORE)
        resource = await running.cluster.resource("argoproj.io", "Application")
        for raw in applied.values():
            await running.cluster.create(resource, running.namespace, raw)
        environment = {
            "CHARTS": f"{host.url}/stable",
            "REGISTRY": shop.host,
            "KUBE_VERSION": await running.cluster.version(),
        }
        async with (
            toolkit(directory, tools, git_schemes="http") as kit,
            MirrorPool(directory, schemes=SCHEMES) as mirrors,
        ):
            where = Where(mirrors, ChartShelf(kit.charts, directory / "versions"), lambda _: None)
            yield Delivered(running, tools, Renderer(kit), where, environment, applied, made)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def delivered(
    running: Installation, tools: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Delivered]:
    try:
        async with in_own_task(all_applied(running, tools, tmp_path_factory.mktemp("examples"))) as found:
            yield found
    finally:
        await delete(running.cluster, "", "Namespace", NAMESPACES)
        await delete(running.cluster, "apiextensions.k8s.io", "CustomResourceDefinition", DEFINITIONS)


async def delete(cluster: Cluster, group: str, kind: str, names: Iterable[str]) -> None:
    resource = await cluster.resource(group, kind)
    for name in names:
        if found := await cluster.get(resource, "", name):
            await cluster.delete(resource, "", name, uid=found["metadata"]["uid"])


async def are_gone(cluster: Cluster, namespaces: Iterable[str]) -> bool:
    found = await cluster.list_all(await cluster.resource("", "Namespace"), "")
    return not {body["metadata"]["name"] for body in found.items} & set(namespaces)


async def create_namespace(cluster: Cluster, name: str) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await cluster.create(await cluster.resource("", "Namespace"), "", body)


def is_delivered(raw: Mapping[str, Any]) -> bool:
    status = raw.get("status") or {}
    return (status.get("sync") or {}).get("status") == "Synced" and (status.get("operationState") or {}).get(
        "phase"
    ) == "Succeeded"


def holds(live: Any, wanted: Any) -> bool:
    """Whether all that is wanted is there; what the cluster fills in may be too."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(name in live and holds(live[name], wanted[name]) for name in wanted)
    if isinstance(wanted, list):
        return isinstance(live, list) and len(live) == len(wanted) and all(map(holds, live, wanted))
    return bool(live == wanted)


def keys_of(raw: Mapping[str, Any]) -> set[ResourceKey]:
    entries = raw["status"]["resources"]
    return {ResourceKey(e.get("group", ""), e["kind"], e.get("namespace", ""), e["name"]) for e in entries}


@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_example_is_delivered_as_the_bare_tools_make_it(
    name: str, delivered: Delivered, tmp_path: Path
) -> None:
    raw = await delivered.trueup.until(delivered.applied[name]["metadata"]["name"], is_delivered, "delivered")
    expected = await delivered.observed(name, await delivered.by_hand(name, tmp_path))
    wanted = {manifest.key: manifest.body for manifest in expected.manifests}
    ours = await delivered.observed(name, await delivered.rendered(name))
    assert {manifest.key: manifest.body for manifest in ours.manifests} == wanted
    assert keys_of(raw) == set(wanted)
    assert {key: body for key, body in wanted.items() if not holds(expected.live[key], body)} == {}
