"""Whatever the API server makes of a manifest, it is no difference: every built-in kind, as full as it may be."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.api_server import started_anew
from tests.support.fixtures import in_own_task
from tests.support.full_samples import SAMPLES, samples_of
from tests.support.mutating.product import Product, content
from tests.support.mutating.ranges import Range, check, tried
from tests.support.mutating.schemas import read_schemas
from tests.support.mutating.trial import USER
from tests.support.mutating.witness import witness
from tests.support.sandbox import SandboxFacts, read_facts
from trueup.clients.cluster import Cluster
from trueup.clients.credentials import KubeconfigSource
from trueup.domain.listkeys import is_builtin
from trueup.domain.order import apply_order
from trueup.domain.resource import Manifest
from trueup.sandbox.sandbox import running

#: Kinds that are asked and answered, and never kept: nothing can be delivered of them.
NEVER_KEPT = {
    "Binding",
    "LocalSubjectAccessReview",
    "SelfSubjectAccessReview",
    "SelfSubjectReview",
    "SelfSubjectRulesReview",
    "SubjectAccessReview",
    "TokenReview",
    # What it says of the control plane is made up on reading.
    "ComponentStatus",
}
NAMESPACE = "full"
FOLDERS = ("full", "odd", "operators")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxFacts]:
    """A control plane of these tests' own: a Node and a priority level are everybody's."""
    directory = tmp_path_factory.mktemp("own")
    async with in_own_task(running(directory, progress=lambda _: None)):
        yield read_facts(directory)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def product(own: SandboxFacts) -> AsyncIterator[Product]:
    async with Cluster(KubeconfigSource(str(own.kubeconfig))) as cluster:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        await cluster.create(await cluster.resource("", "Namespace"), "", body)
        yield Product(cluster, NAMESPACE)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def everything(product: Product) -> list[Manifest]:
    """All samples, delivered."""
    scoped = frozenset(kind.kind for kind in await product.cluster.resources() if not kind.namespaced)
    found = [sample for folder in FOLDERS for sample in samples_of(folder, NAMESPACE, cluster_scoped=scoped)]
    found.sort(key=lambda manifest: apply_order(manifest.key))
    for manifest in found:
        await product.delivered(manifest)
    return found


async def differences(product: Product, manifests: Iterable[Manifest]) -> dict[str, list[str]]:
    """What a full comparison finds of each, after a fresh read."""
    found = {}
    for manifest in manifests:
        diff = await product.compared(manifest, await product.live(manifest))
        if diff.status != "Synced":
            found[str(manifest.key)] = [f"{each.kind} {each}: {each.desired} → {each.live}" for each in diff.changes]
    return found


async def test_every_builtin_kind_is_among_the_samples(product: Product, everything: list[Manifest]) -> None:
    have = {(manifest.key.group, manifest.key.kind) for manifest in everything}
    served = {
        (kind.group, kind.kind)
        for kind in await product.cluster.resources()
        if is_builtin(kind.group) and kind.kind not in NEVER_KEPT
    }
    assert served - have == set()


async def test_what_was_delivered_is_synced(product: Product, everything: list[Manifest]) -> None:
    assert await differences(product, everything) == {}


async def test_nobody_has_to_be_asked_before_something_is_taken_away(
    product: Product, everything: list[Manifest]
) -> None:
    """The API server's word settles what differs, and nothing of what is to go."""
    wrong = {}
    for manifest in everything:
        diff = product.looked_at(manifest, await product.live(manifest))
        if diff.removals:
            wrong[str(manifest.key)] = [f"{each.kind} {each}" for each in diff.changes]
    assert wrong == {}


async def test_with_every_default_spelled_out_it_is_synced(product: Product, everything: list[Manifest]) -> None:
    spelled = []
    for manifest in everything:
        live = await product.live(manifest)
        assert live is not None
        spelled.append(replace(manifest, body=content(live) | {"metadata": {**manifest.body["metadata"]}}))
    for manifest in spelled:
        await product.delivered(manifest)
    assert await differences(product, spelled) == {}
    for manifest in everything:
        await product.delivered(manifest)
    assert await differences(product, everything) == {}


async def test_after_a_restart_of_the_api_server_it_is_synced(
    own: SandboxFacts, everything: list[Manifest], tmp_path: Path
) -> None:
    async with started_anew(own, tmp_path) as cluster:
        assert await differences(Product(cluster, NAMESPACE), everything) == {}


@pytest.mark.parametrize("operator", sorted(path.stem for path in (SAMPLES / "operators").glob("*.yaml")))
async def test_every_edit_of_a_custom_resource_is_seen_blamed_and_undone(
    operator: str, own: SandboxFacts, product: Product, everything: list[Manifest], tmp_path: Path
) -> None:
    objects = [
        manifest
        for manifest in everything
        if manifest.origin.startswith(f"{operator}.yaml,") and not is_builtin(manifest.key.group)
    ]
    schemas = await read_schemas(product.cluster)
    alice = KubeconfigSource(str(own.kubeconfig_for(USER)))
    async with Cluster(alice) as person, witness(own, product.cluster) as heard:
        place = Range(product, person, schemas, heard)
        outcomes = [outcome for manifest in objects for outcome in await tried(manifest, place)]
    sys.stdout.write(f"{operator}: {check(outcomes, tmp_path / f'mutations-{operator}.txt')}\n")
