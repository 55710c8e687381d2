"""A worker that may not do something names verb, kind and namespace; the others go on, and nothing is pruned.

It runs under an account of its own, with the rights that `deploy/base` gives a worker where its
Applications live, and just those on ConfigMaps and Services where it delivers.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
import yaml

from tests.support.api_proxy import proxy_to
from tests.support.bad_input import fresh, gone, healed, owned, results, told
from tests.support.fixtures import in_own_task
from tests.support.product import Installation, config_map, installation, kubeconfig, sync_status
from tests.support.sandbox import SandboxFacts
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster
from trueup.sandbox.valkey import valkey_server

ACCOUNT = "worker"
RBAC = "rbac.authorization.k8s.io"
BASE = Path(__file__).parents[2] / "deploy" / "base" / "rbac.yaml"
EVERYTHING = ["get", "list", "watch", "create", "update", "patch", "delete"]
RETRYING = {"automated": {"prune": True}, "retry": {"limit": 60, "backoff": {"duration": "1s", "factor": 1}}}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def restricted(
    sandbox: SandboxFacts, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    directory = tmp_path_factory.mktemp("restricted")
    async with (
        in_own_task(proxy_to(sandbox)) as proxy,
        in_own_task(valkey_server(directory / "valkey")) as valkey,
        in_own_task(installation(sandbox, cluster, directory, valkey)) as place,
    ):
        base = [part for part in yaml.safe_load_all(BASE.read_text()) if part]
        own = next(r for r in base if r["kind"] == "Role" and r["metadata"]["name"] == "trueup-worker")
        await _create(place, "", "ServiceAccount", place.namespace, ACCOUNT)
        await _grant(place, place.namespace, "own", own["rules"])
        rules = [
            {"apiGroups": [""], "resources": ["configmaps", "services"], "verbs": EVERYTHING},
            {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get"]},
        ]
        await _grant(place, place.delivered_to, "deliver", rules)
        read = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
        everywhere = f"{place.namespace}-read"
        await _grant(place, "", everywhere, read)
        token = await _token(place)
        await place.start("service")
        await place.start("worker", KUBECONFIG=str(kubeconfig(directory / "restricted", proxy.url, token)))
        yield place
        for kind in ("ClusterRoleBinding", "ClusterRole"):
            resource = await cluster.resource(RBAC, kind)
            live = await cluster.get(resource, "", everywhere)
            assert live is not None
            await cluster.delete(resource, "", everywhere, uid=live["metadata"]["uid"])


async def test_what_may_not_be_read_is_named_and_the_others_are_applied(restricted: Installation) -> None:
    repository, name, here, hidden = await restricted.repository(), fresh("reader"), fresh("here"), fresh("hidden")
    revision = await repository.push({"app/here.yaml": config_map(here), "app/hidden.yaml": _secret(hidden)})
    await restricted.apply(name, repository.url, syncPolicy=RETRYING)
    where = f"{restricted.delivered_to}/{hidden}"
    raw = await told(restricted, name, "ComparisonError", f"GET secrets {where}", "403", "grant it")
    raw = await told(restricted, name, "SyncError", f"Secret {where}")
    assert results(raw)[hidden][0] == "SyncFailed"
    assert await restricted.live("ConfigMap", here) is not None
    assert sync_status(raw) != "Synced"
    rules = [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": [hidden], "verbs": ["get", "patch"]}]
    # Server-side apply of an object that is not there yet counts as a patch and a create.
    rules += [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]
    await _grant(restricted, restricted.delivered_to, "more", rules)
    await healed(restricted, name, revision)
    assert await restricted.live("Secret", hidden) is not None


async def test_what_may_not_be_written_is_named_and_the_others_are_applied(restricted: Installation) -> None:
    repository, name, here, account = await restricted.repository(), fresh("writer"), fresh("here"), fresh("account")
    leaves = fresh("leaves")
    first = await repository.push({"app/here.yaml": config_map(here), "app/leaves.yaml": config_map(leaves)})
    await restricted.apply(name, repository.url, syncPolicy=RETRYING)
    await healed(restricted, name, first)
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}
    await repository.push(
        {
            "app/here.yaml": config_map(here, at="second"),
            "app/account.yaml": orjson.dumps(body).decode(),
            "app/leaves.yaml": None,
        }
    )
    assert await restricted.webhook(repository.url) == 202
    raw = await told(
        restricted, name, "SyncError", 'cannot patch resource "serviceaccounts"', restricted.delivered_to, "grant it"
    )
    assert owned(raw) == {here, account, leaves}
    live = await restricted.live("ConfigMap", here)
    assert live is not None
    assert live["data"] == {"at": "second"}
    assert await restricted.live("ConfigMap", leaves) is not None, "nothing is pruned beside a failure"
    third = await repository.push({"app/account.yaml": None})
    assert await restricted.webhook(repository.url) == 202
    await healed(restricted, name, third)
    await gone(restricted, "ConfigMap", leaves)


async def test_a_namespace_that_may_not_be_made_is_named(restricted: Installation) -> None:
    repository, name, nowhere = await restricted.repository(), fresh("maker"), fresh("nowhere")
    one = fresh("one")
    await repository.push({"app/one.yaml": config_map(one)})
    destination = {"server": "https://kubernetes.default.svc", "namespace": nowhere}
    policy = {"automated": {}, "retry": {"limit": 0}, "syncOptions": ["CreateNamespace=true"]}
    await restricted.apply(name, repository.url, destination=destination, syncPolicy=policy)
    raw = await told(
        restricted, name, "SyncError", f"Namespace {nowhere}", 'cannot get resource "namespaces"', "grant it"
    )
    assert raw["status"]["operationState"]["phase"] == "Failed"
    assert results(raw)[nowhere][0] == "SyncFailed"
    assert await restricted.live("Namespace", nowhere) is None


async def _grant(trueup: Installation, namespace: str, name: str, rules: list[dict[str, Any]]) -> None:
    """These rights for the account in a namespace or, where that is empty, in all."""
    kind = "Role" if namespace else "ClusterRole"
    await _create(trueup, RBAC, kind, namespace, name, rules=rules)
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": trueup.namespace}
    role = {"apiGroup": RBAC, "kind": kind, "name": name}
    await _create(trueup, RBAC, f"{kind}Binding", namespace, name, subjects=[subject], roleRef=role)


async def _token(trueup: Installation) -> str:
    """A token of the account, from the Secret that a controller fills for it."""
    annotations = {"kubernetes.io/service-account.name": ACCOUNT}
    kind = "kubernetes.io/service-account-token"
    await _create(trueup, "", "Secret", trueup.namespace, "token", type=kind, annotations=annotations)
    secrets = await trueup.cluster.resource("", "Secret")

    async def issued() -> str | None:
        found = await trueup.cluster.get(secrets, trueup.namespace, "token")
        encoded = ((found or {}).get("data") or {}).get("token")
        return base64.b64decode(encoded).decode() if encoded else None

    token = await wait_until(issued, 30, "the token is issued")
    assert token is not None
    return token


async def _create(
    trueup: Installation,
    group: str,
    kind: str,
    namespace: str,
    name: str,
    *,
    annotations: dict[str, str] | None = None,
    **more: Any,
) -> None:
    version = f"{group}/v1" if group else "v1"
    metadata = {"name": name, "namespace": namespace, "annotations": annotations or {}}
    body = {"apiVersion": version, "kind": kind, "metadata": metadata, **more}
    await trueup.cluster.create(await trueup.cluster.resource(group, kind), namespace, body)


def _secret(name: str) -> str:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"key": "value"}}
    return orjson.dumps(body).decode()
