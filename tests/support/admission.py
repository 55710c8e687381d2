"""A mutating admission webhook, and a conversion webhook that is not there, as an API server meets them."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from tests.support.certificates import local_identity
from trueup.clients.cluster import Cluster

#: What it makes of an object: a JSON patch.
Mutation = Callable[[dict[str, Any]], list[dict[str, Any]]]


@dataclass(slots=True)
class Mutator:
    """The webhook at work."""

    mutation: Mutation
    url: str = ""
    #: The certificate that it is trusted by, PEM in base64.
    authority: str = ""
    #: Whether each request that it was asked about was a dry run.
    asked: list[bool] = field(default_factory=list)
    fails: bool = False

    async def answer(self, request: web.Request) -> web.Response:
        review = orjson.loads(await request.read())
        asked = review["request"]
        self.asked.append(bool(asked.get("dryRun")))
        if self.fails:
            return web.Response(status=500)
        patch = self.mutation(asked["object"])
        said: dict[str, Any] = {"uid": asked["uid"], "allowed": True}
        if patch:
            said |= {"patchType": "JSONPatch", "patch": base64.b64encode(orjson.dumps(patch)).decode()}
        body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": said}
        return web.Response(body=orjson.dumps(body), content_type="application/json")


@asynccontextmanager
async def mutating(
    cluster: Cluster, namespace: str, directory: Path, mutation: Mutation, *, group: str, plural: str
) -> AsyncIterator[Mutator]:
    """Every write of these objects in the namespace goes through it, dry runs included."""
    mutator = Mutator(mutation)
    certificate, context = _identity(directory)
    mutator.authority = base64.b64encode(certificate).decode()
    application = web.Application()
    application.router.add_post("/", mutator.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    resource = await cluster.resource("admissionregistration.k8s.io", "MutatingWebhookConfiguration")
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        mutator.url = f"https://127.0.0.1:{runner.addresses[0][1]}/"
        made = await cluster.create(resource, "", _configuration(mutator, namespace, group, plural))
        try:
            yield mutator
        finally:
            await cluster.delete(resource, "", made["metadata"]["name"], uid=made["metadata"]["uid"])
    finally:
        await runner.cleanup()


def _configuration(mutator: Mutator, namespace: str, group: str, plural: str) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": namespace},
        "webhooks": [
            {
                "name": "mutator.example.com",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": {"url": mutator.url, "caBundle": mutator.authority},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "rules": [
                    {
                        "apiGroups": [group],
                        "apiVersions": ["*"],
                        "resources": [plural],
                        "operations": ["CREATE", "UPDATE"],
                    }
                ],
            }
        ],
    }


def _identity(directory: Path) -> tuple[bytes, ssl.SSLContext]:
    authority = directory / "mutator.pem"
    context = local_identity("mutator", authority)
    return authority.read_bytes(), context
