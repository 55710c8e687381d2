"""What Git says and somebody delivered compares Synced, whoever delivered it and whatever the server filled in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from tests.support.ownership import SAMPLES, Hands, manifest_of, sample_text, shown
from tests.support.sandbox import SandboxFacts
from trueup.clients.cluster import Cluster
from trueup.domain.resource import Manifest

FILES = sorted(path.name for path in SAMPLES.glob("*.yaml"))


@pytest_asyncio.fixture(loop_scope="session", params=FILES)
async def sample(request: pytest.FixtureRequest, hands: Hands, tmp_path: Path) -> AsyncIterator[Path]:
    """The sample file, written for this namespace; its objects are deleted afterwards."""
    path = tmp_path / request.param
    path.write_text(sample_text(request.param, hands.namespace))
    yield path
    try:
        await hands.kubectl("delete", "--wait=false", "--ignore-not-found", "-f", str(path))
    except AssertionError as error:
        # A definition that is deleted first may take its kind along before the object is asked for.
        assert "no matches for kind" in str(error)  # noqa: PT017


@pytest.fixture
def hands(cluster: Cluster, sandbox: SandboxFacts, namespace: str) -> Hands:
    return Hands(cluster, sandbox, namespace)


def manifests(path: Path, hands: Hands) -> list[Manifest]:
    return [manifest_of(body, hands.namespace) for body in yaml.safe_load_all(path.read_text())]


async def deliver(verb: str, path: Path, hands: Hands) -> None:
    """A custom resource can only be delivered once its kind is served."""
    bodies = [dict(manifest.body) for manifest in manifests(path, hands)]
    crds = [body for body in bodies if body["kind"] == "CustomResourceDefinition"]
    for crd in crds:
        await hands.kubectl(verb, "-f", "-", stdin=yaml.safe_dump(crd))
        await hands.kubectl("wait", "--for=condition=Established", f"crd/{crd['metadata']['name']}")
    rest = [body for body in bodies if body not in crds]
    await hands.kubectl(verb, "-f", "-", stdin=yaml.safe_dump_all(rest))


async def differences(path: Path, hands: Hands) -> dict[str, list[str]]:
    found = {}
    for manifest in manifests(path, hands):
        diff = await hands.compare(manifest)
        if diff.status != "Synced":
            found[str(manifest.key)] = shown(diff)
    return found


@pytest.mark.parametrize("verb", ["apply", "create"])
async def test_what_kubectl_delivered_is_synced_untouched(verb: str, sample: Path, hands: Hands) -> None:
    await deliver(verb, sample, hands)
    assert await differences(sample, hands) == {}


async def test_what_kubectl_delivered_is_synced_after_trueup_applied_it(sample: Path, hands: Hands) -> None:
    await deliver("apply", sample, hands)
    for manifest in manifests(sample, hands):
        await hands.apply(manifest)
    assert await differences(sample, hands) == {}


async def test_what_trueup_delivered_is_synced(sample: Path, hands: Hands) -> None:
    for manifest in manifests(sample, hands):
        await hands.apply(manifest)
        if manifest.key.kind == "CustomResourceDefinition":
            await hands.kubectl("wait", "--for=condition=Established", f"crd/{manifest.key.name}")
    assert await differences(sample, hands) == {}
