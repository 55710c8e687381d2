"""What is wrong with a chart is said in a sentence: where, what, the way out; nothing private and no secret."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.confined import Unconfined
from tests.support.helming import CHART, FILE_BYTES_MAX, NO_OPTIONS, Renderer, jailed, write
from trueup.domain.errors import MESSAGE_CHARS_MAX, StalledError
from trueup.domain.redact import Redactor
from trueup.domain.source import Helm, HelmParameter
from trueup.engine.local_tree import LocalTree
from trueup.engine.render.helm_errors import readable, secrets_of

SECRET = "hunter2-and-more"


@pytest.fixture
async def renderer(tools: Path, tmp_path: Path) -> AsyncIterator[Renderer]:
    async with jailed() as jail:
        yield await Renderer.make(tools, jail, tmp_path / "work")


async def sentence(renderer: Renderer, tree: Path, options: Helm = NO_OPTIONS, **more: Any) -> str:
    with pytest.raises(StalledError) as caught:
        await renderer.output(tree, options=options, **more)
    said = str(caught.value)
    assert str(tree.parent) not in said
    assert "render-" not in said
    assert "\n" not in said
    assert not said.startswith("Error")
    assert SECRET not in said
    return said


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"web/templates/a.yaml": "a: {{ .Values.a.b }}"},
            'web/templates/a.yaml:1:13: executing "web/templates/a.yaml" at <.Values.a.b>: nil.*; give the value',
        ),
        (
            {"web/templates/a.yaml": '{{ required "say which host" .Values.host }}'},
            "spec.source (web): (web/templates/a.yaml:1:3): say which host",
        ),
        (
            {"web/templates/a.yaml": "a:\n  b: c: d\n"},
            "YAML parse error on web/templates/a.yaml: .*yaml: line 2: mapping",
        ),
        ({"web/templates/a.yaml": "a: {{ .Values"}, "parse error at (web/templates/a.yaml:1): unclosed action"),
        ({"web/values.yaml": "a: ["}, "cannot load values.yaml: .*yaml: line 1"),
        ({"web/values.yaml": "- a"}, "cannot load values.yaml"),
        (
            {"web/Chart.yaml": CHART + "kubeVersion: '>=1.99'\n"},
            "chart requires kubeVersion: >=1.99 .*helm.kubeVersion",
        ),
        (
            {"web/Chart.yaml": CHART + "type: library\n"},
            "library charts are not installable; point the source to a chart",
        ),
        ({"web/Chart.yaml": "name: web\n"}, "chart.metadata.version is required"),
        ({"web/Chart.yaml": "a: ["}, "cannot load Chart.yaml: .*helm lint"),
        (
            {"web/templates/a.yaml": '{{ env "HOME" }}'},
            'function "env" not defined; Helm has no access to the environment',
        ),
        ({"web/templates/a.yaml": '{{ expandenv "$HOME" }}'}, 'function "expandenv" not defined'),
        ({"web/charts/x.tgz": b"no archive"}, "error unpacking subchart x.tgz in web"),
        (
            {"web/templates/a.yaml": '{{ define "r" }}{{ include "r" . }}{{ end }}{{ include "r" . }}'},
            "nested reference name: r: unable to execute template; the template includes itself",
        ),
    ],
)
async def test_a_chart_that_does_not_render_says_where_and_why(
    files: dict[str, Any], said: str, renderer: Renderer, tmp_path: Path
) -> None:
    tree = await asyncio.to_thread(write, tmp_path / "tree", {"web/Chart.yaml": CHART, **files})
    found = await sentence(renderer, tree)
    first, *rest = said.split(".*")
    assert first in found
    assert all(part in found for part in rest), found
    assert found.startswith("spec.source (web): ")


@pytest.mark.parametrize(
    ("path", "said"),
    [("web", "there is no Chart.yaml, so it is no chart"), ("nope", "there is no such directory"), ("a", "is a file")],
)
async def test_a_path_without_a_chart_is_named(path: str, said: str, renderer: Renderer, tmp_path: Path) -> None:
    tree = write(tmp_path / "tree", {"web/values.yaml": "", "a": ""})
    with pytest.raises(StalledError, match=said):
        await renderer.output(tree, path)


async def test_a_value_file_goes_by_the_name_that_the_application_has_for_it(
    renderer: Renderer, tmp_path: Path
) -> None:
    tree = write(
        tmp_path / "tree", {"web/Chart.yaml": CHART, "web/v.yaml": "a: 1\n", "bad.yaml": f"password: [{SECRET}"}
    )
    options = Helm(value_files=("v.yaml", "/bad.yaml"))
    assert "failed to parse bad.yaml: " in await sentence(renderer, tree, options)
    other = {"values": LocalTree(write(tmp_path / "other", {"x/bad.yaml": "- a"}), file_bytes_max=FILE_BYTES_MAX)}
    options = Helm(value_files=("$values/x/bad.yaml",))
    assert "failed to parse $values/x/bad.yaml: " in await sentence(renderer, tree, options, refs=other)
    assert "failed to parse spec.source.helm.values: " in await sentence(renderer, tree, Helm(values="a: ["))


SCHEMA = (
    '{"properties": {"password": {"pattern": "^x"}, "port": {"enum": [1, 2]}, "host": {"pattern": "^y"},'
    ' "ip": {"format": "ipv4"}}}'
)


async def test_a_schema_says_what_is_wrong_without_what_is_there(renderer: Renderer, tmp_path: Path) -> None:
    tree = write(tmp_path / "tree", {"web/Chart.yaml": CHART, "web/values.schema.json": SCHEMA})
    options = Helm(values_object={"password": SECRET, "port": 3, "host": f"no {SECRET}"})
    found = await sentence(renderer, tree, options)
    assert "at '/password': a value does not match pattern '^x'" in found
    assert "at '/port': value must be one of 1, 2" in found


@pytest.mark.parametrize(
    "template",
    [
        "{{ int64 (atoi .Values.password) }}{{ fail .Values.password }}",
        '{{ fail (printf "no %s" (b64enc .Values.password)) }}',
        "a: {{ .Values.password }}: {{ .Values.password }}: x",
        "{{ .Values.password.x }}",
        '{{ index .Values.password "x" }}',
        '{{ toDate "2006-01-02" .Values.password | date "x" }}{{ fail .Values.password }}',
        "{{ semver .Values.password }}",
        '{{ mustToDate "2006-01-02" .Values.password }}',
        "{{ template .Values.password }}",
        "{{ include .Values.password . }}",
        '{{ tpl .Values.password . }}{{ tpl (printf "{{ %s" .Values.password) . }}',
    ],
)
async def test_a_secret_value_is_in_no_message(template: str, renderer: Renderer, tmp_path: Path) -> None:
    tree = write(tmp_path / "tree", {"web/Chart.yaml": CHART, "web/templates/a.yaml": template})
    for options in (
        Helm(values_object={"password": SECRET}),
        Helm(values=f"password: {SECRET}\n"),
        Helm(parameters=(HelmParameter("password", SECRET),)),
    ):
        await sentence(renderer, tree, options)
    write(tree, {"web/values.yaml": f"password: {SECRET}\n"})
    await sentence(renderer, tree)


async def test_a_long_message_keeps_its_way_out(renderer: Renderer, tmp_path: Path) -> None:
    schema = '{"required": [' + ", ".join(f'"needed{n}"' for n in range(500)) + "]}"
    tree = write(tmp_path / "tree", {"web/Chart.yaml": CHART, "web/values.schema.json": schema})
    found = await sentence(renderer, tree)
    assert len(found) <= MESSAGE_CHARS_MAX
    assert found.endswith("…; correct the values, or set helm.skipSchemaValidation")


async def test_a_helm_that_is_not_there_is_named(tools: Path, tmp_path: Path) -> None:
    renderer = await Renderer.make(tools, Unconfined(), tmp_path / "work")
    renderer.tool = renderer.tool.__class__("helm", tmp_path / "nope" / "helm", "v3")
    tree = write(tmp_path / "tree", {"web/Chart.yaml": CHART})
    assert "spec.source (web) was not rendered: helm: No such file" in await sentence(renderer, tree)


PRIVATE = Path("/var/lib/trueup/work/render-abc_123")


@given(st.lists(st.one_of(st.text(max_size=10), st.sampled_from([str(PRIVATE), "/chart", "values/0", " ", "\n"]))))
def test_the_private_directory_is_in_no_message(parts: list[str]) -> None:
    said = readable("".join(parts), private=PRIVATE, names={"values/0": "v.yaml"}, secrets=Redactor(), place="apps/web")
    assert str(PRIVATE) not in said
    assert "\n" not in said


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10))
def test_any_values_are_gone_through(document: Any) -> None:
    secrets_of([document, {"a": {"token": SECRET}}], ()).text("x")
    assert SECRET not in secrets_of([document, {"a": {"token": [SECRET]}}], ()).text(f"it is {SECRET}")
