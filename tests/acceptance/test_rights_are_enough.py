"""The accounts of deploy/base, with just the rights that are granted there, do all that is to be done, and use each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import yaml
from redis.asyncio import Redis

from tests.support.api_proxy import proxy_to
from tests.support.drift import incident, incidents
from tests.support.kubectl import kubectl
from tests.support.product import AUTOMATED, SECRET, Installation, conditions, config_map, is_synced, kubeconfig
from tests.support.sandbox import SandboxFacts
from tests.support.tcp_proxy import FaultyProxy, Seen
from tests.support.wait import wait_until
from trueup.clients.election import HOME_WATCH_LEASE
from trueup.domain.incident import Incident

BASE = Path(__file__).parents[2] / "deploy" / "base"
RIGHTS = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
HALVES = ("service", "worker")


@dataclass(frozen=True)
class Right:
    group: str
    resource: str
    verb: str
    #: Empty for a right on every name.
    name: str = ""


def granted(role: dict[str, Any]) -> Iterator[Right]:
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    for name in rule.get("resourceNames", [""]):
                        yield Right(group, resource, verb, name)


def used(seen: Seen) -> tuple[str, tuple[Right, ...]]:
    """The namespace of a request for objects, and the rights it took."""
    url = urlsplit(seen.target)
    parts = url.path.strip("/").split("/")
    parts, group = (parts[2:], "") if parts[0] == "api" else (parts[3:], parts[1] if len(parts) > 1 else "")
    namespace = ""
    if len(parts) > 2 and parts[0] == "namespaces":
        namespace, parts = parts[1], parts[2:]
    if not parts:
        return namespace, ()
    query = parse_qs(url.query)
    name = parts[1] if len(parts) > 1 else ""
    verbs = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}
    verb = verbs.get(seen.method) or ("watch" if "watch" in query else "get" if name else "list")
    if not name:
        name = query.get("fieldSelector", [""])[0].removeprefix("metadata.name=")
    # A list that is streamed needs the right to list as well: a server that does not stream is asked for a list.
    verbs_used = ("list", verb) if "sendInitialEvents" in query else (verb,)
    return namespace, tuple(Right(group, parts[0], verb, name) for verb in verbs_used)


def is_used(right: Right, all_used: set[Right]) -> bool:
    return any(
        (right.group in ("*", one.group))
        and right.resource in ("*", one.resource)
        and right.verb == one.verb
        and right.name in ("", one.name)
        for one in all_used
    )


async def test_a_push_becomes_synced_under_exactly_the_rights_of_the_deployment(
    trueup: Installation, sandbox: SandboxFacts, tmp_path: Path
) -> None:
    admin = sandbox.kubeconfig
    made = list(yaml.safe_load_all(await kubectl(admin, "kustomize", str(BASE))))
    rights = [_placed(body, trueup.namespace) for body in made if body["kind"] in RIGHTS]
    await kubectl(admin, "apply", "-f", "-", stdin=yaml.safe_dump_all(rights))
    await _another_watches(trueup)
    proxies: dict[str, FaultyProxy] = {}
    async with AsyncExitStack() as stack:
        for half in HALVES:
            proxies[half] = await stack.enter_async_context(proxy_to(sandbox))
            token = await kubectl(admin, "create", "token", f"trueup-{half}", "-n", trueup.namespace)
            path = kubeconfig(tmp_path / f"kubeconfig-{half}", proxies[half].url, token.strip())
            await trueup.start(half, KUBECONFIG=str(path), TRUEUP_INCIDENTS_PER_APPLICATION_MAX="1")
        await _live_a_life(trueup, admin)
        for half in HALVES:
            assert " 403" not in trueup.log(half).read_text(), "nothing was forbidden on the way"
            metrics = await trueup.metrics(half)
            assert metrics.total("trueup_kubernetes_requests_total", code="403") == 0
        await trueup.stop()
    names = [f"{name}-{trueup.namespace}" for name in ("trueup-deliver", "trueup-watch")]
    await kubectl(admin, "delete", "clusterrole,clusterrolebinding", *names)

    roles = {body["metadata"]["name"]: body for body in made if body["kind"] in ("Role", "ClusterRole")}
    unused = {
        (half, right.group, right.resource, right.verb)
        for half in HALVES
        for right in granted(roles[f"trueup-{half}"])
        if not is_used(right, _rights(proxies[half], trueup.namespace))
    }
    assert not unused
    delivering = _rights(proxies["worker"], *(f"{trueup.delivered_to}-made", ""))
    assert all(is_used(right, delivering) for right in granted(roles["trueup-deliver"]))
    assert all(is_used(right, _rights(proxies["service"], "")) for right in granted(roles["trueup-watch"]))


async def _another_watches(trueup: Installation) -> None:
    """A replica that has gone without a word: the one that starts now waits for the end of its Lease."""
    spec = {"holderIdentity": "gone", "leaseDurationSeconds": 1, "leaseTransitions": 0}
    named = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": HOME_WATCH_LEASE}}
    leases = await trueup.cluster.resource("coordination.k8s.io", "Lease")
    await trueup.cluster.create(leases, trueup.namespace, {**named, "spec": spec})


async def _live_a_life(trueup: Installation, admin: Path) -> None:
    """All that the two halves do: keys and epoch, a first sync, a push with a prune, live edits, a deletion."""
    repository = await trueup.repository()
    names = ("one", "two", "three")
    first = await repository.push({f"app/{name}.yaml": config_map(name, at="first") for name in names})
    namespace = f"{trueup.delivered_to}-made"
    await trueup.apply(
        "harbour",
        repository.url,
        destination={"server": "https://kubernetes.default.svc", "namespace": namespace},
        syncPolicy={**AUTOMATED, "syncOptions": ["CreateNamespace=true"]},
    )
    await trueup.patch("harbour", {"metadata": {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}})
    await trueup.until("harbour", is_synced(first), "synced")
    # A project that the watch does not know is asked for.
    await trueup.apply("stray", repository.url, project="nobodys")
    await trueup.until("stray", lambda raw: bool(conditions(raw, "InvalidSpecError")), "refused")
    second = await repository.push({"app/one.yaml": config_map("one", at="second"), "app/two.yaml": None})
    assert await trueup.webhook(repository.url) == 202
    raw = await trueup.until("harbour", is_synced(second), "synced, one object changed and one pruned")
    results = {r["name"]: r["status"] for r in raw["status"]["operationState"]["syncResult"]["resources"]}
    assert results == {"one": "Synced", "two": "Pruned"}
    for name in ("one", "three"):
        patch = orjson.dumps({"data": {"at": "sea"}}).decode()
        await kubectl(admin, "patch", "configmap", name, "-n", namespace, "--type=merge", "-p", patch)
        await incident(trueup, "harbour", partial(_is_open_about, name), "opened")
        await trueup.patch("harbour", {"operation": {"sync": {}}})
        await incident(trueup, "harbour", lambda one: not one.is_open, "closed")

    async def only_the_latest() -> bool:
        return len(await incidents(trueup, "harbour")) == 1

    await wait_until(only_the_latest, 30, "the older incident goes")
    # Redis is lost: the epoch of the Lease is raised.
    async with Redis.from_url(trueup.redis_url) as redis:
        assert await redis.flushall()
    third = await repository.push({"app/one.yaml": config_map("one", at="third")})
    await trueup.until("harbour", is_synced(third), "synced in a new epoch")
    # The webhook's secret changes: the watch sees it.
    secret = orjson.dumps({"stringData": {"webhook.github.secret": "another"}}).decode()
    await kubectl(admin, "patch", "secret", "argocd-secret", "-n", trueup.namespace, "-p", secret)

    async def answers_to(key: bytes) -> bool:
        return await trueup.webhook(repository.url, secret=key) == 202

    await wait_until(lambda: answers_to(b"another"), 30, "the new secret counts")
    assert not await answers_to(SECRET)
    uid = raw["metadata"]["uid"]
    applications = await trueup.cluster.resource("argoproj.io", "Application")
    await trueup.cluster.delete(applications, trueup.namespace, "harbour", uid=uid)

    async def gone() -> bool:
        return await trueup.application("harbour") is None

    await wait_until(gone, 60, "the application and what it owned are gone")
    await kubectl(admin, "delete", "namespace", namespace, "--wait=false")


def _is_open_about(name: str, one: Incident) -> bool:
    return one.is_open and one.objects[0].key.name == name


def _rights(proxy: FaultyProxy, *namespaces: str) -> set[Right]:
    found = (used(seen) for seen in proxy.requests)
    return {right for namespace, rights in found if namespace in namespaces for right in rights}


def _placed(body: dict[str, Any], namespace: str) -> dict[str, Any]:
    """The object in this installation's namespace; what is cluster-scoped gets a name of its own."""
    text = orjson.dumps(body).decode().replace('"namespace":"argocd"', f'"namespace":"{namespace}"')
    for name in ("trueup-deliver", "trueup-watch"):
        text = text.replace(f'"{name}"', f'"{name}-{namespace}"')
    return dict(orjson.loads(text))
