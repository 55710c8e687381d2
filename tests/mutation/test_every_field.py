"""Every edit of one field that the schema allows and the API server keeps is seen, blamed on its writer and undone.

The edits are made from the API server's own OpenAPI documents (`tests/support/mutating`). Every field of every kind
below is tried, one edit each; `TRUEUP_MUTATIONS=all` tries every edit, `TRUEUP_MUTATIONS_SEED` picks others. What
came of each edit, the API server's refusals among them, is written to `mutations-KIND.txt` in the test's folder.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.full_samples import full_samples
from tests.support.mutating.chosen import POD_OWNERS
from tests.support.mutating.product import Product
from tests.support.mutating.ranges import Range, check, tried
from tests.support.mutating.schemas import Schemas, read_schemas
from tests.support.mutating.trial import USER
from tests.support.mutating.witness import witness
from tests.support.sandbox import SandboxFacts
from trueup.clients.cluster import Cluster
from trueup.clients.credentials import KubeconfigSource

KINDS = (
    *POD_OWNERS,
    "Pod",
    "Job",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "ConfigMap",
    "Secret",
    "Service",
    "Ingress",
    "IngressClass",
    "NetworkPolicy",
    "EndpointSlice",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "StorageClass",
    "LimitRange",
    "ResourceQuota",
    "PriorityClass",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "CustomResourceDefinition",
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def schemas(cluster: Cluster) -> Schemas:
    return await read_schemas(cluster)


@pytest_asyncio.fixture(loop_scope="session")
async def place(cluster: Cluster, sandbox: SandboxFacts, schemas: Schemas, namespace: str) -> AsyncIterator[Range]:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "full"}}
    await cluster.create(await cluster.resource("", "ServiceAccount"), namespace, account)
    alice = KubeconfigSource(str(sandbox.kubeconfig_for(USER)))
    async with Cluster(alice) as person, witness(sandbox, cluster) as heard:
        yield Range(Product(cluster, namespace), person, schemas, heard)


@pytest.mark.parametrize("kind", KINDS)
async def test_every_edit_of_a_field_is_seen_blamed_and_undone(kind: str, place: Range, tmp_path: Path) -> None:
    product = place.product
    scoped = frozenset(each.kind for each in await product.cluster.resources() if not each.namespaced)
    every = full_samples(product.namespace, cluster_scoped=scoped)
    samples = [sample for sample in every if sample.key.kind == kind]
    outcomes = [outcome for sample in samples for outcome in await tried(sample, place)]
    sys.stdout.write(f"{kind}: {check(outcomes, tmp_path / f'mutations-{kind}.txt')}\n")
