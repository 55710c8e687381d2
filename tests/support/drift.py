"""Drift as tests cause it and look at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.support.product import STEP_SECONDS, Installation, Raw
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster
from trueup.clients.credentials import KubeconfigSource
from trueup.clients.incident_records import read_record
from trueup.domain.incident import Incident

HEALING = {"automated": {"prune": True, "selfHeal": True}}

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
        - {{name: web, image: "example.invalid/web:{tag}"}}
"""

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector: {{app: {name}}}
  ports:
    - {{name: http, port: 80}}
"""


@asynccontextmanager
async def person(trueup: Installation, name: str) -> AsyncIterator[Cluster]:
    """The cluster as one of the sandbox's users reaches it."""
    async with Cluster(KubeconfigSource(str(trueup.sandbox.kubeconfig_for(name)))) as cluster:
        yield cluster


async def edit(
    trueup: Installation, kind: str, name: str, body: Raw, *, group: str = "", manager: str = "kubectl-edit"
) -> dict[str, Any]:
    """A merge patch of an object where the installation delivers to."""
    resource = await trueup.cluster.resource(group, kind)
    return await trueup.cluster.merge_patch(resource, trueup.delivered_to, name, body, field_manager=manager)


async def incidents(trueup: Installation, application: str) -> list[Incident]:
    """The incidents on record, oldest first."""
    resource = await trueup.cluster.resource("trueup.dev", "Incident")
    page = await trueup.cluster.list_all(resource, trueup.namespace)
    found = (read_record(raw) for raw in page.items)
    return sorted((one for one in found if one.application.name == application), key=lambda one: one.opened_at)


async def incident(
    trueup: Installation, application: str, holds: Callable[[Incident], bool], what: str, seconds: float = STEP_SECONDS
) -> Incident:
    """The application's latest incident once it holds."""

    async def look() -> Incident | None:
        found = await incidents(trueup, application)
        return found[-1] if found and holds(found[-1]) else None

    seen = await wait_until(look, seconds, f"incident of {application}: {what}")
    assert seen is not None
    return seen


def is_healed(revision: str, heals: int = 1) -> Callable[[Raw], bool]:
    """Synced at the revision after so many heals in a row."""

    def holds(raw: Raw) -> bool:
        status = raw.get("status") or {}
        state, sync = status.get("operationState") or {}, status.get("sync") or {}
        counted = ((state.get("operation") or {}).get("sync") or {}).get("autoHealAttemptsCount")
        is_true = sync.get("status") == "Synced" and sync.get("revision") == revision
        return is_true and state.get("phase") == "Succeeded" and counted == heals

    return holds
