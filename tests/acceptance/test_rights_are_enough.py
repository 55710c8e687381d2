"""The accounts of deploy/base, with just the rights that are granted there, do the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import yaml

from tests.support.kubectl import kubectl
from tests.support.product import AUTOMATED, Installation, config_map, is_synced
from tests.support.sandbox import SandboxFacts

BASE = Path(__file__).parents[2] / "deploy" / "base"
RIGHTS = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")


async def test_a_push_becomes_synced_under_the_rights_of_the_deployment(
    trueup: Installation, sandbox: SandboxFacts, tmp_path: Path
) -> None:
    admin = sandbox.kubeconfig
    made = yaml.safe_load_all(await kubectl(admin, "kustomize", str(BASE)))
    rights = [_placed(body, trueup.namespace) for body in made if body["kind"] in RIGHTS]
    await kubectl(admin, "apply", "-f", "-", stdin=yaml.safe_dump_all(rights))
    accounts = {}
    for half in ("service", "worker"):
        token = await kubectl(admin, "create", "token", f"trueup-{half}", "-n", trueup.namespace)
        accounts[half] = _kubeconfig(tmp_path / f"kubeconfig-{half}", sandbox, token.strip())
    repository = await trueup.repository()
    first = await repository.push({"app/one.yaml": config_map("one", at="first"), "app/two.yaml": config_map("two")})
    for half in ("service", "worker"):
        await trueup.start(half, KUBECONFIG=str(accounts[half]))
    namespace = f"{trueup.delivered_to}-made"
    await trueup.apply(
        "harbour",
        repository.url,
        destination={"server": "https://kubernetes.default.svc", "namespace": namespace},
        syncPolicy={**AUTOMATED, "syncOptions": ["CreateNamespace=true"]},
    )
    await trueup.until("harbour", is_synced(first), "synced")
    second = await repository.push({"app/one.yaml": config_map("one", at="second"), "app/two.yaml": None})
    assert await trueup.webhook(repository.url) == 202
    raw = await trueup.until("harbour", is_synced(second), "synced, one object changed and one pruned")
    results = {r["name"]: r["status"] for r in raw["status"]["operationState"]["syncResult"]["resources"]}
    assert results == {"one": "Synced", "two": "Pruned"}
    for half in ("service", "worker"):
        assert "cannot" not in trueup.log(half).read_text(), "nothing was forbidden on the way"
    await kubectl(admin, "delete", "namespace", namespace, "--wait=false")
    await kubectl(admin, "delete", "clusterrole,clusterrolebinding", f"trueup-deliver-{trueup.namespace}")


def _placed(body: dict[str, Any], namespace: str) -> dict[str, Any]:
    """The object in this installation's namespace; what is cluster-scoped gets a name of its own."""
    text = orjson.dumps(body).decode().replace('"namespace":"argocd"', f'"namespace":"{namespace}"')
    return dict(orjson.loads(text.replace('"trueup-deliver"', f'"trueup-deliver-{namespace}"')))


def _kubeconfig(path: Path, sandbox: SandboxFacts, token: str) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "it", "cluster": {"server": sandbox.server, "certificate-authority-data": sandbox.ca_data}}
        ],
        "users": [{"name": "it", "user": {"token": token}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    }
    path.write_bytes(orjson.dumps(content))
    return path
