"""A repository that means harm, built by the real tool: nothing outside is read, run or asked, and it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.confined import Unconfined
from tests.support.jails import jail
from tests.support.kustomizations import Kustomizations, Written, config_map, kustomizations, link
from trueup.clients.process import run
from trueup.domain.errors import InvalidSpecError, StalledError, TransientError
from trueup.domain.kustomize_remote import is_remote_repository
from trueup.domain.read_set import EVERYTHING
from trueup.engine.render.directory import RenderBounds
from trueup.engine.render.kustomize_graph import LEAVES_MAX
from trueup.engine.render.request import OWN

CANARY = "canary-of-the-machine"


@pytest.fixture(scope="module")
async def repository(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kustomizations]:
    root = tmp_path_factory.mktemp("attacks")
    async with jail() as within, kustomizations(tools, root, within) as opened:
        yield opened


async def refused(repository: Kustomizations, files: Written, path: str = "site") -> str:
    with pytest.raises(StalledError) as caught:
        await repository.render(files, path)
    message = str(caught.value)
    assert CANARY not in message
    assert "root:" not in message
    assert str(repository.root) not in message
    return message


@asynccontextmanager
async def listener() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A port on loopback, and what has come in there."""
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1_000))
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


UP = "../" * 12
NAMES = ["/etc/passwd", f"{UP}etc/passwd", "x/../../../etc/passwd"]
FIELDS = {
    "resources": "resources: [{name}]\n",
    "bases": "bases: [{name}]\n",
    "components": "components: [{name}]\n",
    "crds": "crds: [{name}]\n",
    "configurations": "configurations: [{name}]\n",
    "openapi.path": "openapi: {{path: {name}}}\n",
    "patches[].path": "patches: [{{path: {name}}}]\n",
    "patchesStrategicMerge": "patchesStrategicMerge: [{name}]\n",
    "patchesJson6902[].path": "patchesJson6902: [{{path: {name}, target: {{kind: A, name: a}}}}]\n",
    "configMapGenerator[].files": "configMapGenerator: [{{name: a, files: ['k={name}']}}]\n",
    "configMapGenerator[].envs": "configMapGenerator: [{{name: a, envs: [{name}]}}]\n",
    "configMapGenerator[].env": "configMapGenerator: [{{name: a, env: {name}}}]\n",
    "secretGenerator[].files": "secretGenerator: [{{name: a, files: [{name}]}}]\n",
    "secretGenerator[].envs": "secretGenerator: [{{name: a, envs: [{name}]}}]\n",
    "secretGenerator[].env": "SECRETGENERATOR: [{{name: a, ENV: {name}}}]\n",
    "replacements[].path": "replacements: [{{path: {name}}}]\n",
    "generators": "generators: [{name}]\n",
    "transformers": "transformers: [{name}]\n",
    "validators": "validators: [{name}]\n",
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("name", NAMES)
async def test_no_field_leads_out_of_the_repository(repository: Kustomizations, field: str, name: str) -> None:
    message = await refused(repository, {"site/kustomization.yaml": FIELDS[field].format(name=name)})
    assert f"site/kustomization.yaml: {field} names {name}, which is not in the repository" in message


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("target", ["/etc/passwd", f"{UP}etc/passwd", "/etc"])
async def test_no_link_leads_out_of_the_repository(repository: Kustomizations, field: str, target: str) -> None:
    name = "astray/passwd" if target == "/etc" else "astray"
    files = {"site/kustomization.yaml": FIELDS[field].format(name=name), "site/astray": link(target)}
    assert "the link site/astray" in await refused(repository, files)


async def test_a_file_of_the_machine_is_not_there_for_a_plugin(repository: Kustomizations, tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text(f"kind: {CANARY}\n")
    for name in (str(outside), f"{UP}{str(outside)[1:]}", f"../../../{outside.name}"):
        for plugin in (
            f"kind: PatchTransformer\npath: {name}\ntarget: {{kind: ConfigMap}}",
            f"kind: PatchStrategicMergeTransformer\npaths: [{name}]",
            f"kind: ReplacementTransformer\nreplacements: [{{path: {name}}}]",
        ):
            files = {
                "site/kustomization.yaml": "resources: [cm.yaml]\ntransformers: [t.yaml]\n",
                "site/cm.yaml": config_map("a"),
                "site/t.yaml": f"apiVersion: builtin\nmetadata: {{name: t}}\n{plugin}\n",
            }
            await refused(repository, files)


FUNCTIONS = ["exec: {path: ./x.sh}", "container: {image: example.org/x}", "starlark: {path: x}"]
FUNCTION = """\
apiVersion: example.org/v1
kind: Run
metadata:
  name: run
  annotations:
    config.kubernetes.io/function: |
      {function}
"""


@pytest.mark.parametrize("field", ["generators", "transformers", "validators"])
@pytest.mark.parametrize(
    "function", ["exec: {path: ./x.sh}", "container: {image: example.org/x}", "starlark: {path: x}"]
)
async def test_no_program_of_the_repository_runs(
    repository: Kustomizations, tmp_path: Path, field: str, function: str
) -> None:
    marker = tmp_path / "ran"
    script = ("100755", f"#!/bin/sh\ntouch {marker}\n")
    plugin = FUNCTION.format(function=function)
    for entry, files in (
        ("plugin.yaml", {"site/plugin.yaml": plugin}),
        ("../plugin", {"plugin/kustomization.yaml": "resources: [plugin.yaml]\n", "plugin/plugin.yaml": plugin}),
    ):
        more: Written = {**files, "site/x.sh": script, "x.sh": script, "plugin/x.sh": script}
        kustomization = f"resources: [cm.yaml]\n{field}: [{entry}]\n"
        site = {"site/kustomization.yaml": kustomization, "site/cm.yaml": config_map("a"), **more}
        assert "built in; others are programs" in await refused(repository, site)
    assert not marker.exists()


async def test_no_plugin_is_found_in_a_home_of_the_repository(repository: Kustomizations, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    script = ("100755", f"#!/bin/sh\ntouch {marker}\n")
    files: Written = {
        "site/kustomization.yaml": "generators: [g.yaml]\n",
        "site/g.yaml": "apiVersion: example.org/v1\nkind: Run\nmetadata: {name: a}\n",
        "site/kustomize/plugin/example.org/v1/run/Run": script,
        "site/.config/kustomize/plugin/example.org/v1/run/Run": script,
    }
    await refused(repository, files)
    assert not marker.exists()


CHARTS = {
    "charts": "helmCharts: [{name: c, releaseName: r}]\nhelmGlobals: {chartHome: charts, configHome: ../x}\n",
    "charts in another case": "HELMCHARTS: [{name: c}]\n",
    "charts of old": "helmChartInflationGenerator: [{chartName: c, helmBin: ./helm, chartHome: charts}]\n",
}


@pytest.mark.parametrize("name", CHARTS)
async def test_no_chart_is_inflated(repository: Kustomizations, tmp_path: Path, name: str) -> None:
    marker = tmp_path / "ran"
    files: Written = {
        "base/kustomization.yaml": CHARTS[name],
        "base/helm": ("100755", f"#!/bin/sh\ntouch {marker}\n"),
        "base/charts/c/Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n",
        "site/kustomization.yaml": "resources: [../base]\n",
    }
    with pytest.raises(InvalidSpecError, match=r"base/kustomization\.yaml: helmChart.* is not supported"):
        await repository.render(files, "site")
    assert not marker.exists()


async def test_no_chart_is_inflated_by_a_plugin_either(repository: Kustomizations, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    generator = (
        "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: g}\nname: c\nhelmCommand: ./helm\n"
    )
    files: Written = {
        "site/kustomization.yaml": "generators: [g.yaml]\n",
        "site/g.yaml": generator,
        "site/helm": ("100755", f"#!/bin/sh\ntouch {marker}\n"),
    }
    assert "make the chart a source of its own" in await refused(repository, files)
    assert not marker.exists()


@pytest.mark.parametrize("field", FIELDS)
async def test_nothing_that_a_kustomization_names_is_fetched(repository: Kustomizations, field: str) -> None:
    async with listener() as (port, heard):
        names = [f"http://127.0.0.1:{port}/x.yaml", f"HTTPS://127.0.0.1:{port}/a/b//c"]
        if field in {"resources", "bases", "components", "generators", "transformers", "validators"}:
            names = [
                f"http://127.0.0.1:{port}/a/b",
                f"git::http://127.0.0.1:{port}/a/b.git",
                f"ssh://git@127.0.0.1:{port}/a/b",
                f"git@127.0.0.1:{port}/a/b",
                "github.com/a/b//c?ref=main",
                "file:///etc",
            ]
        for name in names:
            kustomization = FIELDS[field].format(name=f'"{name}"' if "=" not in FIELDS[field] else name)
            with pytest.raises(InvalidSpecError, match="lies elsewhere") as caught:
                await repository.render({"site/kustomization.yaml": kustomization}, "site")
            assert f"site/kustomization.yaml: {field} names {name}" in str(caught.value)
        assert not heard


async def test_nothing_that_a_plugin_names_is_fetched(repository: Kustomizations) -> None:
    async with listener() as (port, heard):
        for path in (f"http://127.0.0.1:{port}/x.yaml", "https://kubernetes.default.svc/api"):
            files = {
                "site/kustomization.yaml": "resources: [cm.yaml]\ntransformers: [t.yaml]\n",
                "site/cm.yaml": config_map("a"),
                "site/t.yaml": "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: t}\n"
                f"path: {path}\ntarget: {{kind: ConfigMap}}\n",
            }
            assert "lies elsewhere" in await refused(repository, files)
        assert not heard


BOMB = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'x'}]\n" for n in range(12))


async def test_a_bomb_of_aliases_ends_in_an_error(repository: Kustomizations) -> None:
    for files in (
        {"site/kustomization.yaml": f"{BOMB}resources: *a11\n"},
        {
            "site/kustomization.yaml": "resources: [a.yaml]\n",
            "site/a.yaml": f"{BOMB}apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\n",
        },
        {"site/kustomization.yaml": "transformers: [a.yaml]\n", "site/a.yaml": BOMB},
    ):
        await refused(repository, files)


async def test_more_output_than_a_render_may_write_ends_in_an_error(repository: Kustomizations) -> None:
    async with jail(output_bytes_max=50_000) as within:
        files = {"site/kustomization.yaml": "resources: [a.yaml]\n", "site/a.yaml": config_map("a", x="x" * 100_000)}
        assert "of output, the most it may write" in await refused(replace(repository, runner=within), files)


def doubling(levels: int) -> Written:
    """Few files, and twice as many objects with each level."""
    files: dict[str, str] = {}
    for level in range(levels):
        for side in "ab":
            below = f"resources: [../a{level + 1}, ../b{level + 1}]" if level < levels - 1 else "resources: [cm.yaml]"
            files[f"{side}{level}/kustomization.yaml"] = f"{below}\nnamePrefix: {side}-\n"
            files[f"{side}{levels - 1}/cm.yaml"] = config_map("x")
    return files


async def test_few_files_that_would_never_end_are_ended(repository: Kustomizations) -> None:
    assert (await repository.render(doubling(4), "a0")).manifests.count(b"kind: ConfigMap") == 8
    async with jail(seconds_max=1.0) as hasty:
        assert "ended after 1 s" in await refused(replace(repository, runner=hasty), doubling(40), "a0")


async def test_more_files_than_the_bounds_are_refused(repository: Kustomizations) -> None:
    files: Written = {f"site/{n}.yaml": config_map(f"c{n}") for n in range(60)}
    names = ", ".join(f"{n}.yaml" for n in range(60))
    files = {**files, "site/kustomization.yaml": f"resources: [{names}]\n"}
    large = replace(repository, bounds=RenderBounds(render_bytes_max=1_000))
    assert "larger than 1000 bytes" in await refused(large, files)
    many = replace(repository, bounds=RenderBounds(render_files_max=59))
    assert "names more than 59 files" in await refused(many, files)
    assert (await repository.render(files, "site")).manifests.count(b"kind:") == 60


async def test_settings_that_may_name_more_files_than_are_tried_count_as_everything(
    repository: Kustomizations,
) -> None:
    literals = "".join(f"- k{n}=v{n}\n" for n in range(LEAVES_MAX))
    files: Written = {
        "site/kustomization.yaml": "generators: [g.yaml]\n",
        "site/g.yaml": f"apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {{name: g}}\nliterals:\n{literals}",
    }
    made = await repository.render(files, "site")
    assert b"k7: v7" in made.manifests
    assert made.reads[OWN] == EVERYTHING


async def test_the_tool_gets_no_environment_and_no_directory_but_its_own(
    repository: Kustomizations, tmp_path: Path
) -> None:
    script = tmp_path / "tool"
    script.write_text('#!/bin/sh\nexport -p\necho "$@"\n')
    script.chmod(0o755)
    told = replace(repository, tool=replace(repository.tool, path=script), runner=Unconfined())
    files = {"site/kustomization.yaml": "resources: [cm.yaml]\n", "site/cm.yaml": config_map("a")}
    lines = (await told.render(files, "site")).manifests.decode().splitlines()
    own = ("export PWD=", "export OLDPWD", "export SHLVL=", "export _=")
    assert [line for line in lines if not line.startswith(own)] == ["build ."]


async def test_a_tool_that_cannot_be_started_is_waited_for(repository: Kustomizations, tmp_path: Path) -> None:
    gone = replace(repository, tool=replace(repository.tool, path=tmp_path / "gone"))
    with pytest.raises(TransientError, match=r"spec\.source\.path site: kustomize cannot build it: gone: "):
        await gone.render({"site/kustomization.yaml": "namePrefix: a\n"}, "site")


SPOKEN = [
    *("https://", "ssh://", "file://", "HTTP://", "git::", "git@", "1x@", "u-1@", "github.com", "GitHub.com", "a.org"),
    *("/", "/", "//", ":", "_git/", ".git", "a", "b", "..", ".", "?ref=x", " ", "@"),
]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.lists(st.sampled_from(SPOKEN), min_size=1, max_size=7).map("".join))
async def test_what_kustomize_would_clone_is_known_before(
    repository: Kustomizations, tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """Without git at hand the tool says that it wanted it, and nothing is asked."""
    directory = tmp_path_factory.mktemp("spoken")
    (directory / "kustomization.yaml").write_text(json.dumps({"components": [text]}))
    done = await run(
        [str(repository.tool.path), "build", "."], cwd=directory, env={}, timeout_seconds=60, output_bytes_max=100_000
    )
    assert is_remote_repository(text) == (b"no 'git' program on path" in done.stderr), done.stderr
