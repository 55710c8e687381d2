"""A live object in the hands of kubectl, of other managers and of Trueup, on a real API server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.kubectl import kubectl
from tests.support.sandbox import SandboxFacts
from trueup.clients.api_errors import ConflictError
from trueup.clients.cluster import Cluster
from trueup.domain.clientside import client_side_patch
from trueup.domain.diff import ObjectDiff, compare, settle_with
from trueup.domain.managedfields import transfer_ownership
from trueup.domain.plan import tracked
from trueup.domain.resource import Manifest, ResourceKey, split_api_version

SAMPLES = Path(__file__).parent.parent / "samples" / "diff"
APPLICATION = "shop"

_CLUSTER_SCOPED = frozenset(
    {
        "ClusterRole",
        "CustomResourceDefinition",
        "IngressClass",
        "PersistentVolume",
        "PriorityClass",
        "StorageClass",
        "ValidatingWebhookConfiguration",
    }
)


def manifest_of(body: dict[str, Any], namespace: str) -> Manifest:
    group, version = split_api_version(body["apiVersion"])
    where = "" if body["kind"] in _CLUSTER_SCOPED else namespace
    return Manifest(ResourceKey(group, body["kind"], where, body["metadata"]["name"]), version, body, "test")


def sample_text(name: str, namespace: str) -> str:
    return (SAMPLES / name).read_text().replace("$NAMESPACE", namespace)


@dataclass(frozen=True, slots=True)
class Hands:
    """Everybody who may write to one namespace."""

    cluster: Cluster
    facts: SandboxFacts
    namespace: str

    def manifest(self, text: str) -> Manifest:
        return manifest_of(yaml.safe_load(text), self.namespace)

    async def kubectl(self, *arguments: str, stdin: str = "", editor: str = "") -> str:
        kubeconfig = self.facts.kubeconfig_for("admin")
        env = {"KUBE_EDITOR": editor} if editor else None
        return await kubectl(kubeconfig, "-n", self.namespace, *arguments, stdin=stdin or None, env=env)

    async def live(self, manifest: Manifest) -> dict[str, Any]:
        resource = await self.cluster.resource(manifest.key.group, manifest.key.kind, manifest.version)
        live = await self.cluster.get(resource, manifest.key.namespace, manifest.key.name)
        assert live is not None, manifest.key
        return live

    async def compare(self, manifest: Manifest) -> ObjectDiff:
        """As a refresh does: of what may be a default the API server has the last word."""
        diff = compare(manifest, await self.live(manifest))
        return settle_with(diff, await self.apply(manifest, dry_run=True)) if diff.is_presumed else diff

    async def apply(self, manifest: Manifest, *, manager: str = "trueup", dry_run: bool = False) -> dict[str, Any]:
        """A forced server-side apply, tracking included where Trueup does it."""
        resource = await self.cluster.resource(manifest.key.group, manifest.key.kind, manifest.version)
        body = tracked(manifest, APPLICATION) if manager == "trueup" else manifest.body
        where, name = manifest.key.namespace, manifest.key.name
        return await self.cluster.apply(resource, where, name, body, field_manager=manager, dry_run=dry_run)

    async def patch(self, manifest: Manifest, patch: dict[str, Any], *, manager: str) -> dict[str, Any]:
        """A plain update by some other manager."""
        resource = await self.cluster.resource(manifest.key.group, manifest.key.kind, manifest.version)
        where, name = manifest.key.namespace, manifest.key.name
        return await self.cluster.merge_patch(resource, where, name, patch, field_manager=manager)

    async def sync(self, manifest: Manifest) -> ObjectDiff:
        """Bring live back to the manifest as a sync does; the difference that is left."""
        while not await self._try_to_sync(manifest):
            pass
        return await self.compare(manifest)

    async def _try_to_sync(self, manifest: Manifest) -> bool:
        """False where a controller wrote in between: then everything is read anew."""
        live = await self.live(manifest)
        diff = compare(manifest, live)
        removals = [change.removes for change in diff.changes if change.removes is not None]
        if removals and (fields := transfer_ownership(live, removals)) is not None:
            version = live["metadata"]["resourceVersion"]
            patch = {"metadata": {"managedFields": fields, "resourceVersion": version}}
            try:
                await self.patch(manifest, patch, manager="trueup")
            except ConflictError:
                return False
        await self.apply(manifest)
        return True

    async def apply_client_side(self, manifest: Manifest) -> None:
        """Apply without the server's help, anew where a controller wrote in between."""
        while True:
            live = await self.live(manifest)
            try:
                await self.patch(
                    manifest,
                    client_side_patch(manifest, tracked(manifest, APPLICATION), live, ()),
                    manager="trueup",
                )
            except ConflictError:
                continue
            return


def shown(diff: ObjectDiff) -> list[str]:
    """What a difference says, one line a change."""
    return [f"{change.kind} {change}" for change in diff.changes]
