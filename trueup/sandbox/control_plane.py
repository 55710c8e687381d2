"""Kubernetes: etcd, the API server, the controllers, and kwok in the place of kubelets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueup.clients.process import Argument
from trueup.sandbox import credentials
from trueup.sandbox.assets import SOURCE
from trueup.sandbox.component import Component, Watch, started
from trueup.sandbox.files import make_directory, make_empty_directory, read_if_there
from trueup.sandbox.kube import Kube, kube
from trueup.sandbox.ports import ADDRESS, shared_port

# A part that ends is noticed at once; this bounds one that hangs, on a machine however busy.
START_SECONDS_MAX = 180.0
AUDIT_BATCH_WAIT_SECONDS = 0.01
NODE_LEASE_SECONDS = 40
# The default has people, and tests, wait 15 s for an autoscaler's first word.
AUTOSCALER_PERIOD_SECONDS = 1
SERVICE_CIDR = "10.96.0.0/16"
POD_CIDR = "10.128.0.0/9"
NODES = ("sandbox-node-1", "sandbox-node-2")


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running API server: `server` is its URL, `ca` what to trust, `tokens` those of `credentials.USERS`."""

    server: str
    ca: bytes
    tokens: Mapping[str, str]
    kube: Kube
    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class _Folders:
    binaries: Path
    settings: Path
    data: Path
    logs: Path


@asynccontextmanager
async def control_plane(
    binaries: Path, directory: Path, *, audit_url: str, watch: Watch, manifests: Sequence[Mapping[str, Any]] = ()
) -> AsyncIterator[ControlPlane]:
    """Run an empty cluster until the block ends; `binaries` is what `assets.ensure_binaries` found.

    Audit events go to `audit_url`; `watch` guards the parts from their start.
    `manifests` are cluster-scoped objects to apply on the way.
    Raises SandboxError when a part does not start.
    """
    folders = _Folders(
        binaries,
        settings=make_empty_directory(directory / "settings"),
        data=make_empty_directory(directory / "etcd"),
        logs=make_directory(directory / "logs"),
    )
    tokens = credentials.make_tokens()
    async with AsyncExitStack() as stack:
        etcd_port, etcd_peer_port, api_port = (stack.enter_context(shared_port()) for _ in range(3))

        async def start(part: AbstractAsyncContextManager[Component]) -> Component:
            return watch.over(await stack.enter_async_context(part))

        etcd = await start(_etcd(folders, etcd_port, etcd_peer_port))
        api_server = await start(_api_server(folders, api_port, etcd_port, tokens, audit_url))
        certificate = folders.settings / "apiserver.crt"
        await api_server.until_ready(lambda: _written(certificate), seconds_max=START_SECONDS_MAX)
        ca = certificate.read_bytes()
        server = f"https://{ADDRESS}:{api_port}"
        client = await stack.enter_async_context(kube(server, token=tokens["admin"], ca=ca))
        await api_server.until_ready(client.ready, seconds_max=START_SECONDS_MAX)
        await asyncio.gather(*(client.apply(manifest) for manifest in (*_first_objects(), *manifests)))

        def config(user: str) -> Path:
            path = folders.settings / f"{user.rpartition(':')[2]}.kubeconfig"
            return credentials.write_kubeconfig(path, server=server, user=user, token=tokens[user], ca=ca)

        controllers = await start(_controller_manager(folders, config(credentials.CONTROLLER_MANAGER)))
        scheduler = await start(_scheduler(folders, config(credentials.SCHEDULER)))
        kwok = await start(_kwok(folders, config(credentials.KWOK)))
        await kwok.until_ready(lambda: _works(client), seconds_max=START_SECONDS_MAX)
        handed_out = {user: tokens[user] for user in credentials.USERS}
        yield ControlPlane(server, ca, handed_out, client, (etcd, api_server, controllers, scheduler, kwok))


async def _written(certificate: Path) -> bool:
    return (read_if_there(certificate) or "").endswith("-----END CERTIFICATE-----")


def _etcd(folders: _Folders, port: int, peer_port: int) -> AbstractAsyncContextManager[Component]:
    client, peer = f"http://{ADDRESS}:{port}", f"http://{ADDRESS}:{peer_port}"
    argv: list[Argument] = [
        folders.binaries / "etcd",
        f"--data-dir={folders.data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--socket-reuse-port=true",
        "--unsafe-no-fsync=true",
        "--log-level=warn",
    ]
    return started("etcd", argv, logs=folders.logs)


def _api_server(
    folders: _Folders, port: int, etcd_port: int, tokens: Mapping[str, str], audit_url: str
) -> AbstractAsyncContextManager[Component]:
    settings = folders.settings
    key = credentials.write_signing_key(settings / "service-account.key")
    token_file = credentials.write_token_file(settings / "tokens.csv", tokens)
    webhook = credentials.write_audit_webhook(settings / "audit-webhook.kubeconfig", audit_url)
    argv: list[Argument] = [
        folders.binaries / "kube-apiserver",
        f"--etcd-servers=http://{ADDRESS}:{etcd_port}",
        f"--bind-address={ADDRESS}",
        f"--advertise-address={ADDRESS}",
        f"--secure-port={port}",
        "--permit-port-sharing=true",
        f"--cert-dir={settings}",
        # No machine stands behind the address, so nothing should be routed to it.
        "--endpoint-reconciler-type=none",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        "--authorization-mode=RBAC",
        f"--token-auth-file={token_file}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--allow-privileged=true",
        "--profiling=false",
        f"--audit-policy-file={SOURCE / 'audit-policy.yaml'}",
        f"--audit-webhook-config-file={webhook}",
        f"--audit-webhook-batch-max-wait={AUDIT_BATCH_WAIT_SECONDS}s",
        "--audit-webhook-batch-throttle-enable=false",
        "--audit-webhook-initial-backoff=1s",
    ]
    return started("kube-apiserver", argv, logs=folders.logs)


def _controller_manager(folders: _Folders, config: Path) -> AbstractAsyncContextManager[Component]:
    argv: list[Argument] = [
        folders.binaries / "kube-controller-manager",
        f"--kubeconfig={config}",
        "--secure-port=0",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={folders.settings / 'service-account.key'}",
        f"--root-ca-file={folders.settings / 'apiserver.crt'}",
        f"--cluster-cidr={POD_CIDR}",
        "--allocate-node-cidrs=false",
        f"--horizontal-pod-autoscaler-sync-period={AUTOSCALER_PERIOD_SECONDS}s",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--profiling=false",
    ]
    return started("kube-controller-manager", argv, logs=folders.logs)


def _scheduler(folders: _Folders, config: Path) -> AbstractAsyncContextManager[Component]:
    argv: list[Argument] = [
        folders.binaries / "kube-scheduler",
        f"--kubeconfig={config}",
        "--secure-port=0",
        "--leader-elect=false",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--profiling=false",
    ]
    return started("kube-scheduler", argv, logs=folders.logs)


def _kwok(folders: _Folders, config: Path) -> AbstractAsyncContextManager[Component]:
    argv: list[Argument] = [
        folders.binaries / "kwok",
        f"--kubeconfig={config}",
        f"--config={SOURCE / 'kwok.yaml'}",
        "--manage-all-nodes=true",
        f"--node-lease-duration-seconds={NODE_LEASE_SECONDS}",
        f"--node-ip={ADDRESS}",
        f"--cidr={POD_CIDR}",
    ]
    # A home of its own, because it also reads what stands in the user's.
    return started("kwok", argv, logs=folders.logs, env={"HOME": str(folders.settings)})


def _first_objects() -> list[dict[str, Any]]:
    """What is missing for people to have rights and for pods to have a place."""
    rbac = "rbac.authorization.k8s.io"
    people = {
        "apiVersion": f"{rbac}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": credentials.PEOPLE_GROUP},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": rbac, "kind": "Group", "name": credentials.PEOPLE_GROUP}],
    }
    nodes = []
    for name in NODES:
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        nodes.append({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
    return [people, *nodes]


async def _works(client: Kube) -> bool:
    """Whether pods can be made, placed and run: what the controllers and kwok set up first is there."""
    if await client.read("/api/v1/namespaces/default/serviceaccounts/default") is None:
        return False
    for name in NODES:
        node = await client.read(f"/api/v1/nodes/{name}") or {}
        conditions = {item["type"]: item["status"] for item in node.get("status", {}).get("conditions", [])}
        if conditions.get("Ready") != "True" or node.get("spec", {}).get("taints"):
            return False
    return True
