"""A run that writes what it found never leaves standing what somebody else has said meanwhile."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytest_asyncio

from trueup.clients.applications import parse_application
from trueup.clients.cluster import Cluster
from trueup.domain.application import Application
from trueup.domain.errors import SupersededError, TransientError
from trueup.domain.job import Claim, Priority, Token, application_job
from trueup.workers import record
from trueup.workers.context import Run, Worker

FOUND = {"sync": {"status": "Synced", "revision": "c1"}, "conditions": []}


@pytest_asyncio.fixture(loop_scope="session")
async def application(cluster: Cluster, namespace: str) -> Application:
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "shop"},
        "spec": {
            "project": "default",
            "source": {"repoURL": "https://git.example.com/shop.git", "path": "a"},
            "destination": {"name": "in-cluster", "namespace": "shop"},
        },
    }
    resource = await cluster.resource("argoproj.io", "Application")
    await cluster.create(resource, namespace, body)
    status = {"sync": {"status": "Synced", "revision": "c1"}}
    return parse_application(await cluster.merge_patch(resource, namespace, "shop", {"status": status}))


@pytest_asyncio.fixture(loop_scope="session")
async def run(cluster: Cluster, application: Application) -> Run:
    """A run as far as the status asks."""
    engine = SimpleNamespace(home=cluster, placed=lambda found: found)
    resource = await cluster.resource("argoproj.io", "Application")
    settings = SimpleNamespace(objects_in_flight_max=4)
    worker = cast("Worker", SimpleNamespace(engine=engine, application_resource=resource, settings=settings))
    job = application_job(application.id, Priority.DRIFT)
    return Run(worker, Claim(job, Token(1, 1), 0, 0.0), cast("Any", None))


async def test_a_condition_that_came_meanwhile_makes_the_run_void_and_the_next_one_takes_it_away(
    run: Run, application: Application
) -> None:
    await record.not_reached(run.worker, [application], TransientError("the remote is away"))
    with pytest.raises(SupersededError, match="verdict"):
        await record.write(run, application, {**FOUND, "reconciledAt": "2026-01-01T00:00:00Z"})
    now = await record.read(run.worker, application.id)
    assert now is not None
    assert [each["type"] for each in now.status["conditions"]] == ["ComparisonError"]
    written = await record.write(run, now, FOUND)
    assert not written.status["conditions"]


async def test_what_is_nothing_to_the_run_keeps_it_from_nothing(run: Run, application: Application) -> None:
    worker, identity = run.worker, application.id
    label = {"metadata": {"labels": {"team": "sea"}}}
    await worker.engine.home.merge_patch(worker.application_resource, identity.namespace, identity.name, label)
    written = await record.write(run, application, {**FOUND, "reconciledAt": "2026-01-01T00:00:00Z"})
    assert written.status["reconciledAt"] == "2026-01-01T00:00:00Z"
