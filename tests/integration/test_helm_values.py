"""What an Application says of a chart reaches it as Argo CD hands it over; what it may not say is refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.helming import CHART, FILE_BYTES_MAX, Renderer, config_map, jailed, write
from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.read_set import EVERYTHING, Entry
from trueup.domain.source import Helm, HelmFileParameter, HelmParameter
from trueup.engine.local_tree import LocalTree

SHOWN = {"web/Chart.yaml": CHART, "web/templates/a.yaml": config_map("{{ toJson .Values | quote }}")}


@pytest.fixture
async def renderer(tools: Path, tmp_path: Path) -> AsyncIterator[Renderer]:
    async with jailed() as jail:
        yield await Renderer.make(tools, jail, tmp_path / "work")


def shown(tmp_path: Path, **files: str | bytes) -> Path:
    return write(tmp_path / "tree", {**SHOWN, **files})


async def values(renderer: Renderer, tree: Path, options: Helm, **more: Any) -> Any:
    return json.loads((await renderer.data(tree, options=options, **more))["it"])


def parameters(**given: str) -> Helm:
    return Helm(parameters=tuple(HelmParameter(name, value) for name, value in given.items()))


async def test_values_of_the_application_overrule_files_and_the_object_the_text(
    renderer: Renderer, tmp_path: Path
) -> None:
    tree = shown(tmp_path, **{"web/v.yaml": "a: file\nb: file\n"})
    text = Helm(value_files=("v.yaml",), values="b: text\n")
    assert await values(renderer, tree, text) == {"a": "file", "b": "text"}
    both = dataclasses.replace(text, values_object={"b": "object"})
    assert await values(renderer, tree, both) == {"a": "file", "b": "object"}


async def test_parameters_overrule_values_and_the_last_of_a_name_wins(renderer: Renderer, tmp_path: Path) -> None:
    options = Helm(
        values="a: 1\n",
        parameters=(
            HelmParameter("a", "2"),
            HelmParameter("a", "3"),
            HelmParameter("s", "3", force_string=True),
            HelmParameter("list[1].x", "true"),
        ),
    )
    found = await values(renderer, shown(tmp_path), options)
    assert found == {"a": 3, "s": "3", "list": [None, {"x": True}]}


@pytest.mark.parametrize(
    ("value", "comes_as"),
    [
        ("a,b=c", "a,b=c"),
        ("a\\,b", "a,b"),
        ("{a,b}", ["a", "b"]),
        ("{a,b", "failed parsing"),
        ("$ARGOCD_APP_NAME ${ARGOCD_APP_NAMESPACE} $$X", "web shop $X"),
        ("--post-renderer=/bin/sh", "--post-renderer=/bin/sh"),
        ("null", None),
        ("", ""),
        ("ä\n\tb", "ä\n\tb"),
    ],
)
async def test_a_parameter_is_one_value_as_argo_cd_escapes_it(
    value: str, comes_as: Any, renderer: Renderer, tmp_path: Path
) -> None:
    if comes_as == "failed parsing":
        with pytest.raises(StalledError, match=r"failed parsing --set data.*correct helm.parameters"):
            await values(renderer, shown(tmp_path), parameters(it=value))
    else:
        found = await values(renderer, shown(tmp_path), parameters(it=value))
        assert found == {"it": comes_as}


YAML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "on", "1", "~"]), st.lists(YAML_VALUES, max_size=4), max_size=3))
async def test_a_values_object_comes_as_it_is(renderer: Renderer, tmp_path: Path, given_: dict[str, Any]) -> None:
    assert await values(renderer, shown(tmp_path), Helm(values_object=given_)) == given_


async def test_the_release_is_called_by_the_application_unless_it_says_otherwise(
    renderer: Renderer, tmp_path: Path
) -> None:
    template = config_map("{{ .Release.Name }} {{ .Release.Namespace }} {{ .Capabilities.KubeVersion }}")
    tree = write(tmp_path, {"web/Chart.yaml": CHART, "web/templates/a.yaml": template})
    assert await renderer.data(tree) == {"it": "web shop v1.36.3"}
    options = Helm(release_name="front", namespace="other", kube_version="1.30+")
    assert await renderer.data(tree, options=options) == {"it": "front other v1.30"}


async def test_skipping_is_told_to_helm(renderer: Renderer, tmp_path: Path) -> None:
    hook = config_map("x", "hook").replace("name: hook", "name: hook\n  annotations: {helm.sh/hook: test}")
    files = {"web/crds/c.yaml": config_map("x", "crd"), "web/templates/hook.yaml": hook}
    schema = '{"required": ["needed"]}'
    tree = shown(tmp_path, **files, **{"web/values.schema.json": schema, "web/templates/NOTES.txt": "thanks"})
    with pytest.raises(StalledError, match=r"missing property 'needed'; correct the values, or set helm.skipSchema"):
        await renderer.objects(tree)
    found = await renderer.objects(tree, options=Helm(skip_schema_validation=True))
    assert [one["metadata"]["name"] for one in found] == ["crd", "hook", "web"]
    found = await renderer.objects(tree, options=Helm(skip_schema_validation=True, skip_crds=True, skip_tests=True))
    assert [one["metadata"]["name"] for one in found] == ["web"]


async def test_api_versions_are_those_of_the_cluster_or_of_the_application(renderer: Renderer, tmp_path: Path) -> None:
    asks = "{{ .Capabilities.APIVersions.Has .Values.it | quote }}"
    tree = write(tmp_path, {"web/Chart.yaml": CHART, "web/templates/a.yaml": config_map(asks)})
    many = tuple(f"group{n}.example.org/v1/Kind{n}" for n in range(1_500))
    renderer.target = dataclasses.replace(renderer.target, api_versions=many)
    assert await renderer.data(tree, options=parameters(it=many[-1])) == {"it": "true"}
    options = dataclasses.replace(parameters(it=many[-1]), api_versions=("x/v1",))
    assert await renderer.data(tree, options=options) == {"it": "false"}
    with pytest.raises(InvalidSpecError, match=r"helm.apiVersions has 'a,b'"):
        await renderer.output(tree, options=Helm(api_versions=("a,b",)))


async def test_a_template_in_a_value_may_ask_for_apis(renderer: Renderer, tmp_path: Path) -> None:
    tree = write(tmp_path, {"web/Chart.yaml": CHART, "web/templates/a.yaml": config_map("{{ tpl .Values.it . }}")})
    asks = '{{ .Capabilities.APIVersions.Has "v9" | quote }}'
    renderer.target = dataclasses.replace(renderer.target, api_versions=("v9",))
    assert await renderer.data(tree, options=Helm(values_object={"it": asks})) == {"it": "true"}
    assert await renderer.data(tree, options=parameters(it=f"is {asks}")) == {"it": 'is "true"'}
    output = await renderer.output(tree, options=Helm(values_object={"it": "{{ .Capabilities.KubeVersion }}"}))
    assert not output.asks_api_versions


async def test_value_files_come_from_the_chart_the_repository_and_other_sources(
    renderer: Renderer, tmp_path: Path
) -> None:
    tree = shown(tmp_path, **{"web/v.yaml": "a: 1\n", "common.yaml": "b: 2\n", "apps/web/x.yaml": "d: 4\n"})
    other = write(tmp_path / "other", {"web/shop/v.yaml": "c: 3\n", "web/shop/t.txt": "text, with a comma"})
    refs = {"values": LocalTree(other, file_bytes_max=FILE_BYTES_MAX)}
    options = Helm(
        value_files=(
            "v.yaml",
            "../common.yaml",
            "$values/$ARGOCD_APP_NAME/shop/v.yaml",
            "/apps/$ARGOCD_APP_NAME/x.yaml",
        ),
        file_parameters=(HelmFileParameter("t", "$values/web/shop/t.txt"), HelmFileParameter("u", "/common.yaml")),
    )
    found = await values(renderer, tree, options, refs=refs)
    assert found == {"a": 1, "b": 2, "c": 3, "d": 4, "t": "text, with a comma", "u": "b: 2\n"}
    output = await renderer.output(tree, options=options, refs=refs)
    assert output.reads["values"] == {Entry("read", "web/shop/v.yaml"), Entry("read", "web/shop/t.txt")}
    assert {Entry("read", "common.yaml"), Entry("read", "apps/web/x.yaml")} < output.reads[""]


async def test_patterns_look_into_other_sources_too(renderer: Renderer, tmp_path: Path) -> None:
    other = write(
        tmp_path / "other", {"a/1.yaml": "a: 1\nlast: 1\n", "a/2.yaml": "b: 2\nlast: 2\n", "b/3.yaml": "c: 3\n"}
    )
    refs = {"values": LocalTree(other, file_bytes_max=FILE_BYTES_MAX)}
    options = Helm(value_files=("$values/a/*.yaml",))
    assert await values(renderer, shown(tmp_path), options, refs=refs) == {"a": 1, "b": 2, "last": 2}
    output = await renderer.output(tmp_path / "tree", options=options, refs=refs)
    assert output.reads["values"] == {Entry("listed", "a", recurse=False)}


async def test_a_pattern_with_too_much_to_compare_is_refused(renderer: Renderer, tmp_path: Path) -> None:
    tree = shown(tmp_path, **{f"many/{n}.yaml": "" for n in range(1_100)})
    braces = "{" + ",".join("abcdefghij") + "}"
    with pytest.raises(StalledError, match="with too many files to look at; narrow it"):
        await renderer.output(tree, options=Helm(value_files=(f"/many/{braces}{braces}{braces}*",)))


async def test_a_file_counts_once_where_it_is_named_first(renderer: Renderer, tmp_path: Path) -> None:
    tree = shown(tmp_path, **{"web/a.yaml": "it: a\n", "web/b.yaml": "it: b\n"})
    assert await values(renderer, tree, Helm(value_files=("a.yaml", "b.yaml", "./a.yaml"))) == {"it": "b"}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("nope.yaml", "there is no file web/nope.yaml; commit it.*ignoreMissingValueFiles"),
        ("*.nope", "which no file matches; commit one.*ignoreMissingValueFiles"),
        ("$nope/v.yaml", "no source of the Application has ref: nope"),
        ("https://example.org/v.yaml", "begins with https:.*commit the file"),
        ("file:///etc/passwd", "begins with file:"),
        ("secrets://x", "begins with secrets:"),
        ("../../../../etc/passwd", "leads out of the source"),
        ("/../etc/passwd", "leads out of the source"),
        ("$values/../../x", "leads out of the source"),
        ("", "names no file"),
        ("a\0b", "names no file"),
        ("templates", "is a directory"),
        ("..", "leads out of the source|is a directory"),
        ("[", "is not a pattern"),
        ("-", "there is no file web/-"),
        ("/etc/passwd", "there is no file etc/passwd"),
    ],
)
async def test_a_value_file_that_may_not_be_or_is_not_there_is_named(
    written: str, said: str, renderer: Renderer, tmp_path: Path
) -> None:
    refs = {"values": LocalTree(write(tmp_path / "other", {"x": ""}), file_bytes_max=FILE_BYTES_MAX)}
    with pytest.raises(StalledError, match=said) as caught:
        await renderer.output(shown(tmp_path), options=Helm(value_files=(written,)), refs=refs)
    assert str(caught.value).startswith("spec.source.helm.valueFiles ")
    if "*" not in written and "?" not in written:
        options = Helm(file_parameters=(HelmFileParameter("x", written if written != "[" else "nope"),))
        with pytest.raises(StalledError, match=r"^spec.source.helm.fileParameters "):
            await renderer.output(tmp_path / "tree", options=options, refs=refs)


async def test_a_value_file_that_may_be_missing_is_looked_for(renderer: Renderer, tmp_path: Path) -> None:
    options = Helm(value_files=("/nope.yaml", "/no/*.yaml"), ignore_missing_value_files=True)
    reads = (await renderer.output(shown(tmp_path), options=options)).reads[""]
    assert reads == {Entry("listed", "web"), Entry("missed", "nope.yaml"), Entry("listed", "no", recurse=False)}


async def test_the_commit_in_a_parameter_makes_every_commit_count(renderer: Renderer, tmp_path: Path) -> None:
    output = await renderer.output(shown(tmp_path), options=parameters(it="$ARGOCD_APP_REVISION_SHORT"))
    assert output.reads[""] == EVERYTHING


@pytest.mark.parametrize("name", ["Web", "a_b", "a" * 54, "--post-renderer=x", '{{ env "HOME" }}', "a b", "-a", "a\n"])
async def test_a_release_name_that_helm_would_not_take_is_refused(
    name: str, renderer: Renderer, tmp_path: Path
) -> None:
    with pytest.raises(InvalidSpecError, match=r"set spec.source.helm.releaseName to lowercase letters"):
        await renderer.output(shown(tmp_path), options=Helm(release_name=name))


@pytest.mark.parametrize("name", ["a=/etc/passwd,b", "a=b", "", "a,b", "a\\\\=x", "a\\"])
async def test_a_file_parameter_brings_no_file_of_its_own(name: str, renderer: Renderer, tmp_path: Path) -> None:
    options = Helm(file_parameters=(HelmFileParameter(name, "Chart.yaml"),))
    with pytest.raises(InvalidSpecError, match=r"name one parameter, without = or comma"):
        await renderer.output(shown(tmp_path), options=options)


@pytest.mark.parametrize(
    ("value", "said"),
    [("a\0b", "zero byte"), ("\ud800", "half of a character"), ("a" * 200_000, "too long.*valuesObject")],
)
async def test_a_parameter_that_no_argument_can_carry_is_named(
    value: str, said: str, renderer: Renderer, tmp_path: Path
) -> None:
    with pytest.raises(InvalidSpecError, match=rf"^spec.source.helm: set 'it' .*{said}"):
        await renderer.output(shown(tmp_path), options=parameters(it=value))


async def test_many_long_parameters_are_refused_before_the_system_does(renderer: Renderer, tmp_path: Path) -> None:
    with pytest.raises(InvalidSpecError, match=r"too long"):
        await renderer.output(shown(tmp_path), options=parameters(**{f"a{n}": "x" * 100_000 for n in range(20)}))
