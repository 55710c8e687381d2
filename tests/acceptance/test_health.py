"""An application's health follows the worst of its objects, as controllers report them, without another push."""

from __future__ import annotations

import secrets
from typing import Any

from tests.support.product import AUTOMATED, Installation, Repo, config_map, is_synced
from trueup.domain.lenient import as_mapping

POD = "sandbox.trueup.dev/pod"


def deployment(name: str, behaviour: str = "", *, deadline_seconds: int = 600) -> str:
    annotations = f"      annotations: {{{POD}: {behaviour}}}\n" if behaviour else ""
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: 2
  progressDeadlineSeconds: {deadline_seconds}
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
{annotations}    spec:
      containers:
        - {{name: web, image: "example.invalid/web:1"}}
"""


def job(name: str, behaviour: str = "") -> str:
    annotations = f"      annotations: {{{POD}: {behaviour}}}\n" if behaviour else ""
    return f"""\
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
spec:
  backoffLimit: 0
  template:
    metadata:
      labels: {{app: {name}}}
{annotations}    spec:
      restartPolicy: Never
      containers:
        - {{name: work, image: "example.invalid/work:1"}}
"""


def health(raw: Any) -> str:
    return str(as_mapping(as_mapping(raw.get("status")).get("health")).get("status"))


def health_of(raw: Any, kind: str) -> dict[str, str]:
    (found,) = [entry for entry in raw["status"]["resources"] if entry["kind"] == kind]
    return dict(found["health"])


async def deliver(running: Installation, name: str, text: str) -> tuple[Repo, str]:
    repository = await running.repository()
    revision = await repository.push({"app/all.yaml": text, "app/beside.yaml": config_map(f"{name}-beside", a="b")})
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    return repository, revision


def fresh(word: str) -> str:
    return f"{word}-{secrets.token_hex(3)}"


async def test_a_deployment_progresses_until_its_pods_are_ready(running: Installation) -> None:
    name = fresh("web")
    repository, first = await deliver(running, name, deployment(name, "never-ready"))
    await running.until(name, is_synced(first), "synced")
    raw = await running.until(name, lambda raw: health(raw) == "Progressing", "progressing")
    assert health_of(raw, "Deployment")["status"] == "Progressing"
    assert health_of(raw, "Deployment")["message"]
    second = await repository.push({"app/all.yaml": deployment(name)})
    assert await running.webhook(repository.url) == 202
    raw = await running.until(name, lambda raw: is_synced(second)(raw) and health(raw) == "Healthy", "healthy")
    assert health_of(raw, "Deployment") == {"status": "Healthy"}
    live = await running.live("Deployment", name, group="apps")
    assert live is not None
    assert live["status"]["readyReplicas"] == 2


async def test_a_deployment_that_misses_its_deadline_is_degraded_and_recovers(running: Installation) -> None:
    name = fresh("web")
    repository, first = await deliver(running, name, deployment(name, "never-ready", deadline_seconds=2))
    raw = await running.until(name, lambda raw: health(raw) == "Degraded", "degraded")
    assert is_synced(first)(raw), "what is delivered is one thing, how it does another"
    assert health_of(raw, "Deployment")["status"] == "Degraded"
    assert "timed out progressing" in health_of(raw, "Deployment")["message"]
    assert raw["status"]["operationState"]["phase"] == "Succeeded"
    second = await repository.push({"app/all.yaml": deployment(name, deadline_seconds=2)})
    assert await running.webhook(repository.url) == 202
    await running.until(name, lambda raw: is_synced(second)(raw) and health(raw) == "Healthy", "healthy again")


async def test_a_job_is_healthy_once_it_completed_and_degraded_once_it_failed(running: Installation) -> None:
    good, bad = fresh("good"), fresh("bad")
    await deliver(running, good, job(good))
    await deliver(running, bad, job(bad, "fail"))
    raw = await running.until(good, lambda raw: health(raw) == "Healthy", "healthy")
    assert health_of(raw, "Job")["status"] == "Healthy"
    raw = await running.until(bad, lambda raw: health(raw) == "Degraded", "degraded")
    assert health_of(raw, "Job")["status"] == "Degraded"
    assert "backoff limit" in health_of(raw, "Job")["message"]


async def test_the_worst_of_all_counts(running: Installation) -> None:
    name = fresh("mixed")
    claim = f"""\
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {name}
spec:
  accessModes: [ReadWriteOnce]
  resources: {{requests: {{storage: 1Gi}}}}
"""
    repository, _ = await deliver(running, name, deployment(name) + claim)
    raw = await running.until(
        name,
        lambda raw: is_known(raw) and health_of(raw, "Deployment")["status"] == "Healthy",
        "the Deployment is healthy",
    )
    assert health_of(raw, "PersistentVolumeClaim")["status"] == "Progressing", "nobody provides a volume here"
    assert health(raw) == "Progressing"
    second = await repository.push({"app/all.yaml": deployment(name)})
    assert await running.webhook(repository.url) == 202
    await running.until(name, lambda raw: is_synced(second)(raw) and health(raw) == "Healthy", "healthy without it")


def is_known(raw: Any) -> bool:
    return bool(as_mapping(raw.get("status")).get("resources")) and all(
        entry.get("health") for entry in raw["status"]["resources"] if entry["kind"] == "Deployment"
    )
