"""The demo's stage: the sandbox, the two halves of Trueup beside it, and a way to play each part."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from trueup.cli.demo.fleet import Fleet
from trueup.cli.demo.watch import Applications, watching
from trueup.cli.halves import ready, running
from trueup.clients.cluster import Cluster
from trueup.clients.credentials import KubeconfigSource
from trueup.clients.process import base_environment
from trueup.domain.application import HOME_SERVER
from trueup.domain.errors import StalledError
from trueup.sandbox import Sandbox, SlackServer, create_repository, search_path, slack_server
from trueup.sandbox import running as sandbox_running
from trueup.sandbox.files import write_private

NAMESPACE = "argocd"
DELIVERED_TO = "harbour"
REPOSITORY = "fleet"
WEBHOOK_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Stage:
    cluster: Cluster
    #: The same cluster as another person reaches it.
    bob: Cluster
    applications: Applications
    #: What Slack is told; the one part that is a stand-in.
    slack: SlackServer
    fleet: Fleet
    kubeconfig: Path
    service_url: str
    webhook_secret: bytes
    session: aiohttp.ClientSession

    async def create_application(self, name: str, *, self_heal: bool) -> None:
        """Follow a directory of the fleet, automated."""
        resource = await self.cluster.resource("argoproj.io", "Application")
        await self.cluster.create(
            resource,
            NAMESPACE,
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Application",
                "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": {
                    "project": "default",
                    "source": {"repoURL": self.fleet.url, "path": name, "targetRevision": "main"},
                    "destination": {"server": HOME_SERVER, "namespace": DELIVERED_TO},
                    "syncPolicy": {
                        "automated": {"prune": True, "selfHeal": self_heal},
                        "syncOptions": ["CreateNamespace=true"],
                    },
                },
            },
        )

    async def send_webhook(self, revision: str) -> None:
        """What a Git host sends after a push, signed. StalledError where it is not accepted."""
        body = orjson.dumps(
            {
                "ref": "refs/heads/main",
                "before": "0" * 40,
                "after": revision,
                "repository": {"clone_url": self.fleet.url, "html_url": self.fleet.url.removesuffix(".git")},
            }
        )
        signature = hmac.new(self.webhook_secret, body, hashlib.sha256).hexdigest()
        headers = {
            "X-GitHub-Event": "push",
            "X-GitHub-Delivery": secrets.token_hex(16),
            "X-Hub-Signature-256": f"sha256={signature}",
            "Content-Type": "application/json",
        }
        async with self.session.post(f"{self.service_url}/api/webhook", data=body, headers=headers) as answer:
            if answer.status != 202:
                raise StalledError(f"the webhook was answered {answer.status}: {await answer.text()}")


@asynccontextmanager
async def stage(directory: Path, say: Any) -> AsyncIterator[Stage]:
    """Everything running and ready in `directory`, until the block ends."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(sandbox_running(directory / "sandbox", progress=say))
        await create_repository(sandbox.git_root, REPOSITORY)
        cluster = await stack.enter_async_context(Cluster(KubeconfigSource(str(sandbox.kubeconfig))))
        bob = await stack.enter_async_context(Cluster(KubeconfigSource(str(sandbox.kubeconfig_for("bob")))))
        webhook_secret = secrets.token_urlsafe(24)
        await _keep_secret(cluster, "argocd-secret", {"webhook.github.secret": webhook_secret})
        audit_token = secrets.token_urlsafe(24)
        await _keep_secret(cluster, "trueup-audit", {"token": audit_token})
        say("Starting the service and a worker")
        slack = await stack.enter_async_context(slack_server())
        data_dir = directory / "data"
        env = _environment(data_dir, sandbox, slack)
        data_dir.mkdir(parents=True, exist_ok=True)
        halves = []
        for name in ("service", "worker"):
            half = running(name, env=env, log=directory / f"{name}.log")
            halves.append(await stack.enter_async_context(half))
        service, _ = [await ready(half, data_dir) for half in halves]
        write_private(sandbox.audit_target, f"http://audit:{audit_token}@{service['listen']}/api/audit")
        resource = await cluster.resource("argoproj.io", "Application")
        applications = await stack.enter_async_context(watching(cluster, resource, NAMESPACE))
        timeout = aiohttp.ClientTimeout(total=WEBHOOK_SECONDS_MAX)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        yield Stage(
            cluster=cluster,
            bob=bob,
            applications=applications,
            slack=slack,
            fleet=Fleet(directory / "clone", f"{sandbox.git_url}/{REPOSITORY}.git"),
            kubeconfig=sandbox.kubeconfig,
            service_url=f"http://{service['listen']}",
            webhook_secret=webhook_secret.encode(),
            session=session,
        )


def _environment(data_dir: Path, sandbox: Sandbox, slack: SlackServer) -> Mapping[str, str]:
    return base_environment() | {
        "PATH": search_path(sandbox.tools),
        "HOME": str(data_dir),
        "KUBECONFIG": str(sandbox.kubeconfig),
        "TRUEUP_DATA_DIR": str(data_dir),
        "TRUEUP_REDIS_URL": sandbox.redis_url,
        "TRUEUP_NAMESPACE": NAMESPACE,
        "TRUEUP_GIT_SCHEMES": "http",
        "TRUEUP_LISTEN": "127.0.0.1:0",
        "TRUEUP_OPS_LISTEN": "127.0.0.1:0",
        "TRUEUP_WORKER_OPS_LISTEN": "127.0.0.1:0",
        "TRUEUP_SLACK_TOKEN": slack.token,
        "TRUEUP_SLACK_CHANNEL": slack.channel,
        "TRUEUP_SLACK_API_URL": slack.url,
    }


async def _keep_secret(cluster: Cluster, name: str, values: Mapping[str, str]) -> None:
    resource = await cluster.resource("", "Secret")
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "stringData": dict(values),
    }
    await cluster.apply(resource, NAMESPACE, name, body)
