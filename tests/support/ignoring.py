"""Rules of ignored differences as tests write them, and Applications held by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.bad_input import fresh
from tests.support.drift import HEALING
from tests.support.product import Installation, Repo, is_synced
from trueup.domain.ignore_settings import CONFIG_MAP

REPLICAS = {"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]}
#: Never ends, and leads nowhere.
ENDLESS = "def f: f; f"


async def kept(
    running: Installation, files: Mapping[str, str], *rules: Mapping[str, Any], **spec: Any
) -> tuple[str, str, Repo]:
    """A Synced application of these files that heals itself, with these rules; its name, revision and repository."""
    repository, name = await running.repository(), fresh("app")
    revision = await repository.push({f"app/{file}": text for file, text in files.items()})
    await running.apply(name, repository.url, **{"syncPolicy": HEALING, "ignoreDifferences": list(rules), **spec})
    await running.until(name, is_synced(revision), "synced")
    await running.at_rest()
    return name, revision, repository


async def looked_at(running: Installation, name: str) -> dict[str, Any]:
    """The Application once somebody has looked at all of it."""
    asked = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
    await running.patch(name, asked)

    def is_done(raw: Mapping[str, Any]) -> bool:
        return "argocd.argoproj.io/refresh" not in (raw["metadata"].get("annotations") or {})

    await running.until(name, is_done, "looked at")
    await running.at_rest()
    raw = await running.application(name)
    assert raw is not None
    return raw


async def settings(running: Installation, data: Mapping[str, str | None]) -> None:
    """Set these keys of `argocd-cm`, or take them out; it is made where it is not there."""
    resource = await running.cluster.resource("", "ConfigMap")
    if await running.cluster.get(resource, running.namespace, CONFIG_MAP) is None:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CONFIG_MAP}}
        await running.cluster.create(resource, running.namespace, body)
    await running.cluster.merge_patch(resource, running.namespace, CONFIG_MAP, {"data": dict(data)})
