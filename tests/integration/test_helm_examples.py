"""Each chart of docs/examples/helm comes to the objects that the bare tool makes of it by hand."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.helming import FILE_BYTES_MAX, Renderer, bare, jailed, parsed
from trueup.clients.crds.read_source import read_sources
from trueup.domain.helm_hooks import is_never_delivered
from trueup.domain.read_set import Entry
from trueup.engine.local_tree import LocalTree
from trueup.engine.render.directory import RenderBounds
from trueup.engine.render.helm import helm
from trueup.engine.render.request import Files, Output, Request

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "helm"
#: The chart's directory, what is run in which directory before, and what `helm template .` is told.
BY_HAND: dict[str, tuple[str, list[tuple[str, list[str]]], list[str]]] = {
    "values": (
        "web",
        [],
        [
            "--name-template=shop",
            "--namespace=shop-tools",
            "--set=image.tag=values-1.27",
            "--set=hosts={a.example.org,b.example.org}",
            "--set=motto=plain\\, and simple",
            "--set-string=build=00042",
            "--set-file=motd=files/motd.txt",
            "--values=values-production.yaml",
            "--values=../shared/region.yaml",
            "--values=own.json",
        ],
    ),
    "value-patterns": (
        "web",
        [],
        [
            "--values=../environments/production/base.yaml",
            "--values=../environments/production/region/eu.yaml",
            "--values=../environments/production/last.yaml",
            "--values=values-local.yaml",
        ],
    ),
    "subchart-in-repository": (
        "apps/shop",
        [("charts/service", ["dependency", "update"]), ("apps/shop", ["dependency", "update"])],
        [],
    ),
    "vendored-archive": ("web", [], ["--values=own.json"]),
    "crds-and-hooks": (
        "queue",
        [],
        [
            "--include-crds",
            "--kube-version=v1.31.0",
            "--api-versions=monitoring.coreos.com/v1",
            "--api-versions=monitoring.coreos.com/v1/ServiceMonitor",
        ],
    ),
    "files-and-schema": ("web", [], ["--values=values-production.yaml", "--skip-tests"]),
}


@pytest.fixture
async def renderer(tools: Path, tmp_path: Path) -> AsyncIterator[Renderer]:
    async with jailed() as jail:
        yield await Renderer.make(tools, jail, tmp_path / "work")


async def rendered(name: str, renderer: Renderer) -> Output:
    application = yaml.safe_load((EXAMPLES / name / "application.yaml").read_text())
    (source,), sentences = read_sources(application["spec"])
    assert [one for one in sentences if "not supported" not in one] == []
    target = dataclasses.replace(
        renderer.target, application=name, namespace=application["spec"]["destination"]["namespace"]
    )
    tree = LocalTree(EXAMPLES / name, file_bytes_max=FILE_BYTES_MAX)
    request = Request(source, Files(tree, source.path), target, "1" * 40)
    return await helm(
        request, tool=renderer.tool, runner=renderer.runner, work=renderer.work, charts=None, bounds=RenderBounds()
    )


async def by_hand(name: str, program: Path, directory: Path) -> list[Any]:
    chart, before, arguments = BY_HAND[name]
    copy = directory / "by-hand"
    shutil.copytree(EXAMPLES / name, copy)
    application = yaml.safe_load((copy / "application.yaml").read_text())
    options = application["spec"]["source"].get("helm", {})
    (copy / chart / "own.json").write_text(json.dumps(options.get("valuesObject", {})))
    for where, said in before:
        await bare(program, copy / where, *said)
    given = [] if name == "values" else [f"--name-template={name}", f"--namespace={name}", "--kube-version=v1.36.3"]
    return parsed(await bare(program, copy / chart, "template", ".", *given, *arguments))


@pytest.mark.parametrize("name", sorted(BY_HAND))
async def test_an_example_comes_to_what_the_bare_tool_makes(
    name: str, renderer: Renderer, tools: Path, tmp_path: Path
) -> None:
    ours = parsed((await rendered(name, renderer)).manifests)
    assert ours == await by_hand(name, tools / "helm", tmp_path)
    assert ours


def test_every_example_is_tried() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == set(BY_HAND)


async def test_values_in_files_and_in_the_application_overrule_each_other_in_order(renderer: Renderer) -> None:
    (found,) = parsed((await rendered("values", renderer)).manifests)
    assert found["metadata"] == {
        "name": "shop",
        "namespace": "shop-tools",
        "labels": {"team": "on", "cost-centre": "0123"},
    }
    assert found["data"] == {
        "replicas": "3",
        "region": "eu-north",
        "image": "nginx-unprivileged:values-1.27",
        "build": "00042",
        "hosts": "a.example.org b.example.org",
        "motto": "plain, and simple",
        "motd": "Be kind,\nit is production.\n",
    }


async def test_a_file_that_is_named_in_full_stands_where_it_is_named(renderer: Renderer) -> None:
    (found,) = parsed((await rendered("value-patterns", renderer)).manifests)
    assert found["data"] == {"first": "region/eu", "last": "named in full", "local": "yes-please"}


async def test_what_was_read_is_the_charts_and_the_value_files(renderer: Renderer) -> None:
    assert (await rendered("values", renderer)).reads == {
        "": {
            Entry("listed", "web"),
            Entry("read", "web/values-production.yaml"),
            Entry("read", "shared/region.yaml"),
            Entry("missed", "web/values-of-one-customer.yaml"),
            Entry("read", "web/files/motd.txt"),
        }
    }
    assert (await rendered("subchart-in-repository", renderer)).reads == {
        "": {Entry("listed", "apps/shop"), Entry("listed", "charts/service"), Entry("listed", "charts/names")}
    }
    assert Entry("listed", "environments/production") in (await rendered("value-patterns", renderer)).reads[""]


async def test_only_a_chart_that_asks_for_apis_is_told_them(renderer: Renderer) -> None:
    assert (await rendered("crds-and-hooks", renderer)).asks_api_versions
    assert not (await rendered("vendored-archive", renderer)).asks_api_versions


async def test_a_test_of_helm_is_never_delivered(renderer: Renderer) -> None:
    found = parsed((await rendered("crds-and-hooks", renderer)).manifests)
    assert [one["kind"] for one in found if not is_never_delivered(one)] == ["ConfigMap", "CustomResourceDefinition"]
    assert [one["metadata"]["name"] for one in found if is_never_delivered(one)] == ["crds-and-hooks-reachable"]
