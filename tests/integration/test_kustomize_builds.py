"""What Trueup makes of a kustomization is byte for byte what the tool makes of it in a clone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.jails import jail
from tests.support.kustomizations import Kustomizations, Written, config_map, from_directory, kustomizations, link
from trueup.clients.crds.read_source import read_source
from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.read_set import EVERYTHING
from trueup.domain.source import Kustomize, KustomizePatch, KustomizeReplica, Source
from trueup.engine.local_tree import LocalTree
from trueup.engine.render.kustomize import kustomize
from trueup.engine.render.request import OWN, Files, Request, Target

EXAMPLES = Path(__file__).parent.parent.parent / "docs/examples/kustomize"
PLAIN = {
    "overlays": "overlays/production",
    "components": "site",
    "generators": "",
    "patches": "",
    "replacements": "",
    "schemas": "site",
    "transformers": "site",
    "overrides": "site",
}
#: Something for each option to be set over.
SITE: Written = {
    **{f"site/{name}": text for name, text in from_directory(EXAMPLES / "overrides/site").items()},
    "site/kustomization.yaml": """\
resources: [deployment.yaml, service.yaml, pod.yaml]
NamePrefix: old-
images:
  - {name: registry.k8s.io/pause, newName: mirror.example.org/pause, newTag: "3.9"}
  - {name: other, digest: "sha256:1"}
imageTags:
  - {name: third, newTag: v1}
replicas: [{name: web, count: 5}]
commonLabels: {known: "1"}
labels:
  - pairs: {plain: "1"}
  - pairs: {deep: "1"}
    includeTemplates: true
  - pairs: {chosen: "1"}
    includeSelectors: true
commonAnnotations: {known: "1"}
components: [../components/a]
""",
    "site/pod.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
    "spec: {containers: [{name: a, image: other}, {name: b, image: third}]}\n",
    "components/a/kustomization.yaml": "kind: Component\nlabels: [{pairs: {a: a}}]\n",
    "components/b/kustomization.yaml": "kind: Component\nlabels: [{pairs: {b: b}}]\n",
    "components/c/readme.md": "nothing",
}
DIGEST = "sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3"


@pytest.fixture(scope="module")
async def repository(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kustomizations]:
    root = tmp_path_factory.mktemp("builds")
    async with jail() as within, kustomizations(tools, root, within) as opened:
        yield opened


@pytest.mark.parametrize("name", PLAIN)
async def test_the_examples_come_out_as_the_tool_makes_them(repository: Kustomizations, name: str) -> None:
    files = from_directory(EXAMPLES / name)
    made = await repository.render(files, PLAIN[name])
    assert made.manifests == await repository.bare(files, PLAIN[name])
    assert made.reads[OWN] != EVERYTHING


async def test_the_options_of_the_example_come_out_as_kustomize_edit_sets_them(repository: Kustomizations) -> None:
    files = from_directory(EXAMPLES / "overrides")
    source = read_source(yaml.safe_load(str(files["application.yaml"]))["spec"]["source"])
    patch = "- op: replace\n  path: /spec/ports/0/port\n  value: 8080\n"
    edits = [
        ["set", "nameprefix", "--", "shop-"],
        ["set", "namesuffix", "--", "-blue"],
        ["set", "image", "registry.k8s.io/pause:3.10"],
        ["set", "replicas", "web=2"],
        ["add", "label", "--without-selector", "--include-templates", "team:shop"],
        ["add", "annotation", "--force", "application:web"],
        ["set", "namespace", "--", "kustomize-overrides"],
        ["add", "patch", "--patch", patch, "--kind", "Service"],
        ["add", "patch", "--path", "more-memory.yaml"],
        ["add", "component", "../components/labelled"],
    ]
    made = await repository.render(files, "site", source.kustomize)
    assert made.manifests == await repository.bare(files, "site", *edits)


LABELS = {"team": "shop", "two": '"quoted"', "empty": ""}
OPTIONS = {
    "name prefix": (Kustomize(name_prefix="new-"), [["set", "nameprefix", "--", "new-"]]),
    "name suffix": (Kustomize(name_suffix="-new"), [["set", "namesuffix", "--", "-new"]]),
    "namespace": (Kustomize(namespace="elsewhere"), [["set", "namespace", "--", "elsewhere"]]),
    "an image's tag": (Kustomize(images=("other:v2",)), [["set", "image", "other:v2"]]),
    "an image by another": (
        Kustomize(images=(f"registry.k8s.io/pause=localhost:5000/p:v1@{DIGEST}", "new:1", f"third@{DIGEST}")),
        [["set", "image", f"registry.k8s.io/pause=localhost:5000/p:v1@{DIGEST}", "new:1", f"third@{DIGEST}"]],
    ),
    "an image of which something stays": (
        Kustomize(images=("registry.k8s.io/pause=*:v9", "unknown=*:*@*", "other:*")),
        [["set", "image", "registry.k8s.io/pause=*:v9", "unknown=*:*@*", "other:*"]],
    ),
    "replicas": (
        Kustomize(replicas=(KustomizeReplica("web", 2), KustomizeReplica("web", 7))),
        [["set", "replicas", "web=2", "web=7"]],
    ),
    "labels": (Kustomize(common_labels=LABELS), [["add", "label", "team:shop", 'two:"quoted"', "empty:"]]),
    "labels that are known": (
        Kustomize(common_labels={"known": "2"}, force_common_labels=True),
        [["add", "label", "--force", "known:2"]],
    ),
    "labels without selectors": (
        Kustomize(common_labels={"known": "2", "b": "2"}, label_without_selector=True),
        [["add", "label", "--without-selector", "known:2", "b:2"]],
    ),
    "labels in templates": (
        Kustomize(
            common_labels={"deep": "2"},
            label_without_selector=True,
            label_include_templates=True,
            force_common_labels=True,
        ),
        [["add", "label", "--force", "--without-selector", "--include-templates", "deep:2"]],
    ),
    "annotations": (
        Kustomize(common_annotations={"a": "${ARGOCD_APP_NAME}", "b": "x:y"}),
        [["add", "annotation", "a:${ARGOCD_APP_NAME}", "b:x:y"]],
    ),
    "annotations with the build environment": (
        Kustomize(common_annotations={"a": "${ARGOCD_APP_NAME}"}, common_annotations_envsubst=True),
        [["add", "annotation", "a:web"]],
    ),
    "annotations that are known": (
        Kustomize(common_annotations={"known": "2"}, force_common_annotations=True),
        [["add", "annotation", "--force", "known:2"]],
    ),
    "components": (
        Kustomize(components=("../components/b", "../components/a")),
        [["add", "component", "../components/b", "../components/a"]],
    ),
    "components by a pattern": (
        Kustomize(components=("../components/[ab]",)),
        [["add", "component", "../components/[ab]"]],
    ),
    "components that are not there": (
        Kustomize(components=("../components/b", "../components/z", "../none"), ignore_missing_components=True),
        [["add", "component", "../components/b"]],
    ),
    "no component that is there": (Kustomize(components=("../none",), ignore_missing_components=True), []),
}


@pytest.mark.parametrize("name", OPTIONS)
async def test_each_option_is_set_as_kustomize_edit_sets_it(repository: Kustomizations, name: str) -> None:
    options, edits = OPTIONS[name]
    made = await repository.render(SITE, "site", options)
    expected = await repository.bare(SITE, "site", *edits)
    assert made.manifests == expected
    if edits:
        assert made.manifests != await repository.bare(SITE, "site"), "the option changes nothing that the test can see"


async def test_patches_go_behind_those_of_the_kustomization(repository: Kustomizations) -> None:
    rename = {"patch": "kind: x\nmetadata: {name: renamed}\napiVersion: v1", "options": {"allowNameChange": True}}
    own = {"target": {"kind": "Service"}, "patch": "- {op: replace, path: /spec/ports/0/port, value: 81}"}
    set_over: list[dict[str, Any]] = [
        {"target": {"kind": "Service"}, "patch": "- {op: replace, path: /spec/ports/0/port, value: 82}"},
        {"path": "more-memory.yaml"},
        {"target": {"kind": "Service", "name": "web"}, **rename},
    ]

    def site(*patches: Mapping[str, Any]) -> Written:
        kustomization = {"resources": ["service.yaml", "deployment.yaml"], "patches": patches}
        return {**SITE, "site/kustomization.yaml": json.dumps(kustomization)}

    options = Kustomize(patches=tuple(KustomizePatch(**patch) for patch in set_over))
    made = await repository.render(site(own), "site", options)
    assert made.manifests == await repository.bare(site(own, *set_over), "site")
    assert b"port: 82" in made.manifests
    assert b"128Mi" in made.manifests
    assert b"name: renamed" in made.manifests


async def test_all_options_together_in_the_order_of_argo_cd(repository: Kustomizations) -> None:
    options = Kustomize(
        name_prefix="p-",
        name_suffix="-s",
        namespace="n",
        images=("registry.k8s.io/pause:v9",),
        replicas=(KustomizeReplica("web", 2),),
        common_labels={"team": "${ARGOCD_APP_NAMESPACE}"},
        common_annotations={"a": "b"},
        components=("../components/b",),
    )
    edits = [
        ["set", "nameprefix", "--", "p-"],
        ["set", "namesuffix", "--", "-s"],
        ["set", "image", "registry.k8s.io/pause:v9"],
        ["set", "replicas", "web=2"],
        ["add", "label", "team:shop"],
        ["add", "annotation", "a:b"],
        ["set", "namespace", "--", "n"],
        ["add", "component", "../components/b"],
    ]
    assert (await repository.render(SITE, "site", options)).manifests == await repository.bare(SITE, "site", *edits)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Kustomize(common_labels={"known": "2"}), "has known in its commonLabels already; .*forceCommonLabels"),
        (Kustomize(common_labels={"plain": "2"}, label_without_selector=True), "has plain in its labels already"),
        (Kustomize(common_annotations={"known": "2"}), "commonAnnotations already; .*forceCommonAnnotations"),
        (Kustomize(components=("../none",)), r"components names \.\./none, which is not there; .*ignoreMissing"),
    ],
)
async def test_an_option_that_clashes_says_so(repository: Kustomizations, options: Kustomize, words: str) -> None:
    with pytest.raises(StalledError, match=words):
        await repository.render(SITE, "site", options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Kustomize(images=("nginx",)), r"spec\.source\.kustomize\.images: 'nginx' sets nothing"),
        (Kustomize(replicas=(KustomizeReplica("a=b", 1),)), "'a=b' is no name"),
        (Kustomize(common_labels={"a": "b"}, label_include_templates=True), "needs .*labelWithoutSelector"),
        (Kustomize(common_labels={"": "b"}), "'' is no key"),
        (Kustomize(components=("https://github.com/a/b//c",)), "components names https://.* lies elsewhere"),
    ],
)
async def test_an_option_that_makes_no_sense_is_refused(
    repository: Kustomizations, options: Kustomize, words: str
) -> None:
    with pytest.raises(InvalidSpecError, match=words):
        await repository.render(SITE, "site", options)


async def test_the_revision_in_an_option_makes_every_commit_count(repository: Kustomizations) -> None:
    options = Kustomize(common_annotations={"a": "$ARGOCD_APP_REVISION"}, common_annotations_envsubst=True)
    made = await repository.render(SITE, "site", options)
    assert made.reads[OWN] == EVERYTHING
    assert await repository.revision(SITE) in made.manifests.decode()
    as_written = Kustomize(common_annotations={"a": "$ARGOCD_APP_REVISION"})
    assert (await repository.render(SITE, "site", as_written)).reads[OWN] != EVERYTHING


async def test_links_lead_where_they_lead_in_a_clone(repository: Kustomizations) -> None:
    files: Written = {
        "overlay/kustomization.yaml": "resources: [base, here.yaml]\n",
        "overlay/base": link("../real/base"),
        "overlay/here.yaml": link("sub/there.yaml"),
        "overlay/sub/there.yaml": config_map("there"),
        "real/base/kustomization.yaml": "resources: [../beside]\n",
        "real/beside/kustomization.yaml": "resources: [cm.yaml]\n",
        "real/beside/cm.yaml": config_map("beside"),
        "overlay/beside/kustomization.yaml": "resources: [cm.yaml]\n",
        "overlay/beside/cm.yaml": config_map("wrong"),
        "path": link("overlay"),
    }
    for path in ("overlay", "path"):
        made = await repository.render(files, path)
        assert made.manifests == await repository.bare(files, path)
        assert b"name: beside" in made.manifests


async def test_a_directory_on_this_machine_comes_out_as_its_commit_does(
    repository: Kustomizations, tmp_path: Path
) -> None:
    files: Written = {**SITE, "site/linked.yaml": link("pod.yaml"), "components/l": link("b"), "other": link("site")}
    options = Kustomize(name_suffix="-x", components=("../components/l",))
    here = LocalTree(repository.clone(files), file_bytes_max=1_000_000)
    for path in ("site", "other"):
        request = Request(Source("", path, "", kustomize=options), Files(here, path), Target("web", "p", "n"), "")
        made = await kustomize(
            request,
            tool=repository.tool,
            runner=repository.runner,
            work=tmp_path,
            bases=repository.bases,
            bounds=repository.bounds,
        )
        assert made == await repository.render(files, path, options)


async def test_a_directory_called_like_a_host_is_built_as_a_directory(repository: Kustomizations) -> None:
    files = {
        "github.com/a/b/kustomization.yaml": "resources: [cm.yaml]\n",
        "github.com/a/b/cm.yaml": config_map("a"),
    }
    assert b"name: a" in (await repository.render(files, "github.com/a/b")).manifests


async def test_where_a_file_came_from_is_said_without_a_private_directory(repository: Kustomizations) -> None:
    files = {
        "site/kustomization.yaml": "resources: [cm.yaml, ../base]\nnamePrefix: a-\n"
        "buildMetadata: [originAnnotations, transformerAnnotations]\n",
        "site/cm.yaml": config_map("a"),
        "base/kustomization.yaml": "configMapGenerator: [{name: g, literals: [a=b]}]\n",
    }
    made = await repository.render(files, "site")
    assert made.manifests == await repository.bare(files, "site")
    assert b"config.kubernetes.io/origin" in made.manifests
    assert b"private" not in made.manifests


async def test_an_environment_file_takes_nothing_from_the_worker(
    repository: Kustomizations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "of the worker")
    files = {
        "kustomization.yaml": "configMapGenerator: [{name: a, envs: [.env]}]\n",
        ".env": "CANARY\nHOME\nPATH\nTMPDIR\n",
    }
    made = (await repository.render(files, "")).manifests.decode()
    assert '  CANARY: ""\n  HOME: ""\n  PATH: ""\n  TMPDIR: ""\n' in made


async def test_odd_characters_stay_what_they_are(repository: Kustomizations) -> None:
    text = "a\x85b\u2028c\u2029d\xa0e\N{GRINNING FACE}f"
    files = {"kustomization.yaml": "resources: [cm.yaml]\n", "cm.yaml": config_map("a")}
    made = await repository.render(files, "", Kustomize(common_annotations={"key": text}))
    assert made.manifests == await repository.bare(files, "", ["add", "annotation", f"key:{text}"])


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8)
IMAGE_TEXTS = st.builds(
    lambda *parts: "".join(parts),
    st.sampled_from(["", "a=", "b=", "localhost:5000/a="]),
    st.sampled_from(["a", "b", "*", "localhost:5000/a", "r.example.org/a/b"]),
    st.sampled_from([":1", ":*", "", ":v1.2-x"]),
    st.sampled_from(["", f"@{DIGEST}", "@*"]),
).filter(lambda text: any(sign in text.rpartition("/")[2] for sign in "=:@") or "=" in text)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    images=st.lists(IMAGE_TEXTS, min_size=1, max_size=4),
    known=st.lists(
        st.fixed_dictionaries({"name": st.sampled_from(["a", "b", "c"]), "newTag": st.sampled_from(["1", "x"])}),
        unique_by=lambda item: item["name"],
        max_size=3,
    ),
    annotation=TEXTS.filter(lambda text: not text.startswith("-")),
)
async def test_any_images_and_annotations_are_set_as_kustomize_edit_sets_them(
    repository: Kustomizations, images: list[str], known: list[dict[str, str]], annotation: str
) -> None:
    pods = "\n---\n".join(
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p{n}}}\nspec: {{containers: [{{name: c, image: '{image}'}}]}}"
        for n, image in enumerate(["a", "b:1", "c", "localhost:5000/a:0", "r.example.org/a/b"])
    )
    files = {
        "kustomization.yaml": f"resources: [pods.yaml]\nimages: {known}\n",
        "pods.yaml": pods,
    }
    options = Kustomize(images=tuple(images), common_annotations={"key": annotation})
    made = await repository.render(files, "", options)
    edits = [["set", "image", *images], ["add", "annotation", f"key:{annotation}"]]
    assert made.manifests == await repository.bare(files, "", *edits)
