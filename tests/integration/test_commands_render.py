"""`trueup render` makes of a directory what a worker would make of it: no cluster, no remote, no word too many."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.support.charts import chart_host, index, plain_chart
from tests.support.commands import OUTPUT_BYTES_MAX, refused, said
from tests.support.product import COMMAND_SECONDS, SCRIPT
from trueup.clients.process import Completed, base_environment, run
from trueup.sandbox import search_path

PASSWORD = "correct-horse-battery-staple"
SECRET = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: hush}}\nstringData: {{password: {PASSWORD}}}\n"
CONFIG_MAP = (
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {greeting: Ahoi ⚓, switch: 'y', size: '1e3'}\n"
)
CHART = {
    "shop/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
    "shop/values.yaml": "greeting: none\n",
    "shop/templates/one.yaml": """\
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}", namespace: "{{ .Release.Namespace }}"}
data:
  kube: "{{ .Capabilities.KubeVersion }}"
  served: "{{ .Capabilities.APIVersions.Has "example.org/v1" }}"
  greeting: {{ .Values.greeting | quote }}
""",
}
JSONNET = "{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: std.extVar('name') } }"


@dataclass(frozen=True)
class Desk:
    """A working tree, and somebody in it."""

    root: Path
    tools: Path

    def write(self, files: Mapping[str, str]) -> None:
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    async def render(self, *arguments: str, within: str = "", **more: str) -> Completed:
        return await run(
            [SCRIPT, "render", *arguments],
            cwd=self.root / within,
            env={**base_environment(), "HOME": str(self.root), "PATH": search_path(self.tools), **more},
            timeout_seconds=COMMAND_SECONDS,
            output_bytes_max=OUTPUT_BYTES_MAX,
        )


@pytest.fixture
def desk(tmp_path: Path, tools: Path) -> Desk:
    root = tmp_path / "work"
    (root / ".git").mkdir(parents=True)
    return Desk(root, tools)


def application(name: str = "harbour", **source: object) -> str:
    """An Application's file."""
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": "https://example.org/team/ships.git", **source},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "quay"},
        },
    }
    return json.dumps(body)


async def test_a_kustomization_may_reach_its_base_beside_it_and_a_secret_is_masked(desk: Desk) -> None:
    desk.write(
        {
            "base/kustomization.yaml": "resources: [one.yaml, hush.yaml]\n",
            "base/one.yaml": CONFIG_MAP
            + f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: two}}\ndata: {{a: x {PASSWORD}}}\n",
            "base/hush.yaml": SECRET,
            "sea/kustomization.yaml": "resources: [../base]\nnamePrefix: sea-\n",
        }
    )
    words = said(await desk.render("sea"))
    assert PASSWORD not in words
    first, _, hush = yaml.safe_load_all(words)
    assert first["data"] == {"greeting": "Ahoi ⚓", "switch": "y", "size": "1e3"}
    assert "'1e3'" in words
    assert "'y'" in words
    assert hush["metadata"]["name"] == "sea-hush"
    assert hush["stringData"] == {"password": f"•••• ({len(PASSWORD)} bytes)"}
    shown = json.loads(said(await desk.render("sea", "--show-secrets", "-o", "json")))
    assert shown["kind"] == "List"
    assert [item["metadata"]["name"] for item in shown["items"]] == ["sea-one", "sea-two", "sea-hush"]
    assert shown["items"][2]["stringData"] == {"password": PASSWORD}
    assert said(await desk.render(".", within="sea")) == words


async def test_a_directory_that_is_in_no_working_tree_is_its_own_root(desk: Desk) -> None:
    desk.write({"base/kustomization.yaml": "resources: []\n", "sea/kustomization.yaml": "resources: [../base]\n"})
    (desk.root / ".git").rmdir()
    assert "../base" in refused(await desk.render("sea"), code=2)
    assert said(await desk.render("sea", "--local-repo-root", ".")) == ""
    assert "is not below" in refused(await desk.render("sea", "--local-repo-root", "base"), code=2)


async def test_a_chart_is_told_what_the_flags_say_of_its_cluster(desk: Desk) -> None:
    desk.write(CHART)
    flags = ("--name", "harbour", "--namespace", "quay", "--kube-version", "1.30.1", "--api-versions", "example.org/v1")
    made = yaml.safe_load(said(await desk.render("shop", *flags)))
    assert made["metadata"] == {"name": "harbour", "namespace": "quay"}
    assert made["data"] == {"kube": "v1.30.1", "served": "true", "greeting": "none"}
    assert yaml.safe_load(said(await desk.render("shop")))["metadata"] == {"name": "shop", "namespace": "default"}


async def test_the_options_of_an_application_count(desk: Desk) -> None:
    helm = {"valuesObject": {"greeting": "Moin"}, "releaseName": "dock"}
    desk.write({**CHART, "apps/shop.json": application(path="shop", helm=helm), "other/readme.md": ""})
    words = said(await desk.render("-f", "apps/shop.json"))
    made = yaml.safe_load(words)
    assert made["metadata"] == {"name": "dock", "namespace": "quay"}
    assert made["data"]["greeting"] == "Moin"
    assert said(await desk.render("-f", "../apps/shop.json", within="other")) == words
    assert said(await desk.render("shop", "-f", "apps/shop.json")) == words
    desk.write({"apps/shop.json": application(path="gone")})
    assert refused(await desk.render("-f", "apps/shop.json"), code=2).startswith("spec.source.path 'gone' is not")


async def test_of_several_applications_one_is_chosen_by_its_name(desk: Desk) -> None:
    variables = {"extVars": [{"name": "name", "value": "$ARGOCD_APP_NAME"}]}
    files = [application(name, path="js", directory={"jsonnet": variables}) for name in ("one", "two")]
    desk.write({"js/a.jsonnet": JSONNET, "apps.yaml": "\n---\n".join([*files, CONFIG_MAP])})
    assert yaml.safe_load(said(await desk.render("-f", "apps.yaml", "--name", "two")))["metadata"]["name"] == "two"
    assert refused(await desk.render("-f", "apps.yaml"), code=2) == "apps.yaml has 2 Applications; choose one by --name"
    assert "has no Application six" in refused(await desk.render("-f", "apps.yaml", "--name", "six"), code=2)


async def test_a_list_takes_its_values_from_the_files_that_are_here(desk: Desk) -> None:
    ships = "https://example.org/team/ships.git"

    def listed(second: str) -> str:
        body = json.loads(application())
        del body["spec"]["source"]
        body["spec"]["sources"] = [
            {"repoURL": ships, "path": "shop", "helm": {"valueFiles": ["$here/values/sea.yaml"]}},
            {"repoURL": second, "ref": "here"},
        ]
        return json.dumps(body)

    desk.write({**CHART, "values/sea.yaml": "greeting: Ahoi\n", "app.json": listed(ships.removesuffix(".git"))})
    assert yaml.safe_load(said(await desk.render("-f", "app.json")))["data"]["greeting"] == "Ahoi"
    assert "PATH is for one source" in refused(await desk.render("shop", "-f", "app.json"), code=2)
    desk.write({"app.json": listed("https://example.org/team/docks.git")})
    assert "several repositories" in refused(await desk.render("-f", "app.json"), code=2)


async def test_a_chart_is_fetched_where_a_file_names_one_that_is_published(desk: Desk) -> None:
    template = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\ndata: {a: '{{ .Values.a }}'}\n"
    )
    async with chart_host() as host:
        packed = plain_chart(**{"templates/it.yaml": template})
        host.files |= {"/charts/index.yaml": index(("shop", "1.0.0", packed)), "/charts/shop-1.0.0.tgz": packed}
        body = json.loads(application())
        del body["spec"]["source"]
        body["spec"]["sources"] = [
            {
                "repoURL": f"{host.url}/charts",
                "chart": "shop",
                "targetRevision": "^1",
                "helm": {"valueFiles": ["$here/values/sea.yaml"]},
            },
            {"repoURL": "https://example.org/team/ships.git", "ref": "here"},
        ]
        desk.write({"values/sea.yaml": "a: Ahoi\n", "app.json": json.dumps(body)})
        made = yaml.safe_load(said(await desk.render("-f", "app.json", TRUEUP_GIT_SCHEMES="http")))
        assert (made["metadata"]["name"], made["data"]) == ("harbour", {"a": "Ahoi"})
        body["spec"]["sources"][0]["targetRevision"] = "^2"
        desk.write({"app.json": json.dumps(body)})
        assert "1.0.0" in refused(await desk.render("-f", "app.json", TRUEUP_GIT_SCHEMES="http"), code=2)


async def test_files_that_a_worker_passes_over_are_passed_over_here_too(desk: Desk) -> None:
    """Links that are no manifests, directories behind links, and whatever lies deeper or is called otherwise."""
    desk.write({"app/one.yaml": CONFIG_MAP, "elsewhere/two.yaml": SECRET, "app/deep/three.yaml": "kind: [\n"})
    desk.write({"app/notes.txt": "much " * 1_000, "app/deep/notes.txt": "more " * 1_000})
    (desk.root / "app/outside").symlink_to("/")
    (desk.root / "app/ring").symlink_to("ring")
    (desk.root / "app/more").symlink_to("../elsewhere")
    few = {"TRUEUP_BLOB_BYTES_MAX": "1000"}
    assert [body["metadata"]["name"] for body in yaml.safe_load_all(said(await desk.render("app", **few)))] == ["one"]
    desk.write({"app/deep/three.yaml": CONFIG_MAP, "app.json": application(path="app", directory={"recurse": True})})
    both = list(yaml.safe_load_all(said(await desk.render("-f", "app.json", **few))))
    assert [body["kind"] for body in both] == ["ConfigMap", "ConfigMap"]


def _link_out(desk: Desk) -> None:
    outside = desk.root.parent / "outside.yaml"
    outside.write_text(SECRET)
    desk.write({"bad/a.yaml": CONFIG_MAP})
    (desk.root / "bad/b.yaml").symlink_to(outside)


def _ring(desk: Desk) -> None:
    desk.write({"bad/b.yaml": CONFIG_MAP})
    (desk.root / "bad/a.yaml").symlink_to("a.yaml")


def _link_to_directory(desk: Desk) -> None:
    desk.write({"bad/b.yaml": CONFIG_MAP})
    (desk.root / "bad/a.yaml").symlink_to(".")


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (lambda _: None, "there is no directory bad; correct the path"),
        (lambda desk: desk.write({"bad": ""}), "bad is not a directory"),
        (_link_out, "leads out of work"),
        (_ring, "the link bad/a.yaml leads in a ring"),
        (_link_to_directory, "the link bad/a.yaml leads to a directory"),
        (lambda desk: desk.write({"bad/kustomization.yaml": "resources: [gone.yaml]\n"}), "gone.yaml"),
        (lambda desk: desk.write({"bad/kustomization.yaml": "resources: [\n"}), "kustomization.yaml"),
        (lambda desk: desk.write({"bad/a.jsonnet": "{ a: }"}), "bad/a.jsonnet, line 1"),
        (lambda desk: desk.write({"bad/a.jsonnet": JSONNET}), "Undefined external variable"),
        (lambda desk: desk.write({"bad/a.yaml": 'kind: "x\n'}), "a.yaml"),
        (lambda desk: desk.write({**CHART, "bad/Chart.yaml": "name: [\n"}), "Chart.yaml"),
    ],
    ids=[
        "missing",
        "file",
        "link",
        "ring",
        "directory",
        "resource",
        "kustomization",
        "jsonnet",
        "variable",
        "yaml",
        "chart",
    ],
)
async def test_what_is_no_good_is_one_sentence_and_2(
    desk: Desk, prepare: Callable[[Desk], None], sentence: str
) -> None:
    prepare(desk)
    done = await desk.render("bad")
    assert done.stdout == b""
    words = refused(done, code=2)
    assert sentence in words
    assert PASSWORD not in words
    assert "trueup-render" not in words, "where it was rendered is nobody's business"


async def test_nothing_named_is_nothing_rendered(desk: Desk) -> None:
    assert "name the directory" in refused(await desk.render(), code=2)
    assert "cannot be read" in refused(await desk.render("-f", "gone.yaml"), code=2)
    desk.write({"one.yaml": CONFIG_MAP, "app.json": application(path="x", plugin={"name": "p"})})
    assert "has no Application" in refused(await desk.render("-f", "one.yaml"), code=2)
    assert "plugin" in refused(await desk.render("-f", "app.json"), code=2)


async def test_its_flags_are_told(desk: Desk) -> None:
    words = said(await desk.render("--help"))
    for flag in ("--file", "--kube-version", "--api-versions", "--local-repo-root", "--show-secrets"):
        assert flag in words


async def test_the_tools_that_the_sandbox_has_built_will_do(desk: Desk, tools: Path, tmp_path: Path) -> None:
    desk.write({"site/kustomization.yaml": "resources: [one.yaml]\n", "site/one.yaml": CONFIG_MAP})
    cached = await desk.render("site", PATH=os.defpath, TRUEUP_CACHE_DIR=str(tools.parent))
    assert "name: one" in said(cached)
    given = await desk.render("site", PATH=os.defpath, TRUEUP_TOOLS_DIR=str(tools))
    assert "name: one" in said(given)
    none = await desk.render("site", PATH=os.defpath, TRUEUP_CACHE_DIR=str(tmp_path / "none"))
    assert "there is no kustomize to be run on PATH" in refused(none, code=2)
    named = await desk.render("site", PATH=os.defpath, TRUEUP_CACHE_DIR=str(tools.parent), TRUEUP_KUSTOMIZE="/no/such")
    assert "there is no /no/such" in refused(named, code=2), "what somebody names is taken at their word"
