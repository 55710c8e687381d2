"""A chart in Git, in a repository with an index or in a registry is delivered, and followed where it is."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from tests.support.charts import chart_host, index, packaged
from tests.support.charts import helm as run_helm
from tests.support.product import AUTOMATED, Installation, Predicate, conditions, is_synced
from tests.support.registry import PASSWORD, USERNAME, registry

CHART = "apiVersion: v2\nname: ship\nversion: {version}\n"
TEMPLATE = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  version: {{ .Chart.Version | quote }}
  greeting: {{ .Values.greeting | quote }}
  kube: {{ .Capabilities.KubeVersion.Major | quote }}
  deployments: {{ .Capabilities.APIVersions.Has "apps/v1/Deployment" | quote }}
  found: {{ lookup "v1" "Namespace" "" "default" | toJson | quote }}
"""
TEST_HOOK = """
apiVersion: v1
kind: Pod
metadata:
  name: never
  annotations: {helm.sh/hook: test}
spec: {containers: [{name: a, image: a}]}
"""


def chart(version: str = "1.0.0") -> dict[str, str]:
    return {
        "Chart.yaml": CHART.format(version=version),
        "values.yaml": "greeting: ahoy\n",
        "templates/config.yaml": TEMPLATE,
        "templates/tests/never.yaml": TEST_HOOK,
    }


async def archive(tools: Path, directory: Path, version: str) -> Path:
    for name, content in chart(version).items():
        path = directory / "ship" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return await packaged(tools, directory, "ship", version)


async def data(trueup: Installation, name: str = "harbour") -> dict[str, str]:
    live = await trueup.live("ConfigMap", name)
    assert live is not None
    found: dict[str, str] = live["data"]
    return found


def is_at(*revisions: str) -> Predicate:
    """Synced with a list of sources at these revisions, and at rest."""

    def holds(raw: dict[str, Any]) -> bool:
        sync = raw.get("status", {}).get("sync", {})
        state = raw.get("status", {}).get("operationState", {})
        return (
            sync.get("status") == "Synced"
            and sync.get("revisions") == list(revisions)
            and state.get("phase") == "Succeeded"
        )

    return holds


async def test_a_chart_in_git_is_told_of_its_cluster_and_reads_nothing_of_it(trueup: Installation) -> None:
    repository = await trueup.repository()
    first = await repository.push({f"app/{name}": content for name, content in chart().items()})
    await trueup.start_both()
    helm = {"parameters": [{"name": "greeting", "value": "$ARGOCD_APP_NAME, ahoy"}]}
    source = {"repoURL": repository.url, "path": "app", "targetRevision": "main", "helm": helm}
    await trueup.apply("harbour", repository.url, source=source, syncPolicy=AUTOMATED)
    raw = await trueup.until("harbour", is_synced(first), "synced at the first commit")
    assert raw["status"]["sourceType"] == "Helm"
    assert await data(trueup) == {
        "version": "1.0.0",
        "greeting": "harbour, ahoy",
        "kube": "1",
        "deployments": "true",
        "found": "{}",
    }
    assert [entry["kind"] for entry in raw["status"]["resources"]] == ["ConfigMap"]
    second = await repository.push({"app/Chart.yaml": CHART.format(version="1.1.0")})
    await trueup.webhook(repository.url)
    await trueup.until("harbour", is_synced(second), "synced at the second commit")
    assert (await data(trueup))["version"] == "1.1.0"


async def test_a_range_of_versions_and_values_from_git_are_both_followed(
    trueup: Installation, tools: Path, tmp_path: Path
) -> None:
    trueup.settings["TRUEUP_SWEEP_INTERVAL_SECONDS"] = "1"
    repository = await trueup.repository()
    first = await repository.push({"ships/harbour.yaml": "greeting: from git\n"})
    async with chart_host() as host:
        bodies = {version: (await archive(tools, tmp_path, version)).read_bytes() for version in ("1.0.0", "1.2.0")}

        def publish(*versions: str) -> None:
            host.files["/charts/index.yaml"] = index(*(("ship", version, bodies[version]) for version in versions))
            host.files |= {f"/charts/ship-{version}.tgz": bodies[version] for version in versions}

        publish("1.0.0")
        await trueup.start_both()
        sources = [
            {
                "repoURL": f"{host.url}/charts",
                "chart": "ship",
                "targetRevision": "1.*",
                "helm": {"valueFiles": ["$settings/ships/harbour.yaml"]},
            },
            {"repoURL": repository.url, "targetRevision": "main", "ref": "settings"},
        ]
        await trueup.apply("harbour", repository.url, source=None, sources=sources, syncPolicy=AUTOMATED)
        raw = await trueup.until("harbour", is_at("1.0.0", first), "synced with the first version")
        assert raw["status"]["sourceTypes"] == ["Helm"]
        assert (await data(trueup))["greeting"] == "from git"
        publish("1.0.0", "1.2.0")
        await trueup.until("harbour", is_at("1.2.0", first), "synced with the newer version")
        second = await repository.push({"ships/harbour.yaml": "greeting: from git again\n"})
        await trueup.webhook(repository.url)
        await trueup.until("harbour", is_at("1.2.0", second), "synced with the newer values")
        assert (await data(trueup))["greeting"] == "from git again"
        before = await trueup.metrics("worker")
        third = await repository.push({"ships/other.yaml": "greeting: nobody's\n"})
        await trueup.webhook(repository.url)
        await trueup.at_rest()
        assert (await trueup.metrics("worker")).since(before).total("trueup_renders_total") == 0
        raw = await trueup.application("harbour")
        assert raw is not None
        assert raw["status"]["sync"]["revisions"] == ["1.2.0", second], f"{third} does not concern it"


async def test_a_registry_wants_a_login_and_is_followed_once_there_is_one(
    trueup: Installation, tools: Path, tmp_path: Path
) -> None:
    async with registry(tools, tmp_path, auth="token") as shop:
        made = await archive(tools, tmp_path, "2.0.0")
        login = ("registry", "login", "--plain-http", "-u", USERNAME, "-p", PASSWORD, shop.host)
        await run_helm(tools, tmp_path, *login)
        await run_helm(tools, tmp_path, "push", "--plain-http", made, f"oci://{shop.host}/charts")
        await trueup.start_both()
        source = {"repoURL": f"{shop.host}/charts", "chart": "ship", "targetRevision": "2.0.0"}
        await trueup.apply("harbour", "", source=source, syncPolicy=AUTOMATED)
        raw = await trueup.until("harbour", lambda raw: conditions(raw, "ComparisonError"), "refused without a login")
        (said,) = conditions(raw, "ComparisonError")
        assert "Secret" in said
        assert shop.host in said
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "charts",
                "namespace": trueup.namespace,
                "labels": {"argocd.argoproj.io/secret-type": "repository"},
            },
            "data": {
                name: base64.b64encode(value.encode()).decode()
                for name, value in {
                    "type": "helm",
                    "enableOCI": "true",
                    "url": f"{shop.host}/charts",
                    "username": USERNAME,
                    "password": PASSWORD,
                }.items()
            },
        }
        await trueup.cluster.create(await trueup.cluster.resource("", "Secret"), trueup.namespace, secret)
        await trueup.until("harbour", is_synced("2.0.0"), "synced with the login")
        assert (await data(trueup))["version"] == "2.0.0"
