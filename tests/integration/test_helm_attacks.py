"""A chart is foreign code: it reads nothing that is not its own, reaches nobody, and ends within its bounds."""

from __future__ import annotations

import asyncio
import gzip
import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.git import Repository, open_mirror
from tests.support.helming import CHART, Renderer, config_map, jailed, write
from trueup.domain.errors import StalledError
from trueup.domain.source import Helm, HelmFileParameter, HelmParameter
from trueup.engine.render.helm_archive import UNPACKED_BYTES_MAX, packed_name, unpacked
from trueup.engine.tree import GitTree
from trueup.sandbox import git_server

SECRET = "a secret of the worker"


@pytest.fixture
async def renderer(tools: Path, tmp_path: Path) -> AsyncIterator[Renderer]:
    write(tmp_path, {"secret": SECRET, "work/secret": SECRET})
    async with jailed() as jail:
        yield await Renderer.make(tools, jail, tmp_path / "work")


def chart(tmp_path: Path, template: str, **files: str | bytes) -> Path:
    return write(tmp_path / "tree", {"web/Chart.yaml": CHART, "web/templates/a.yaml": template, **files})


def tgz(*members: tuple[str, bytes], link: tuple[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        if link:
            member = tarfile.TarInfo(link[0])
            member.type, member.linkname = tarfile.SYMTYPE, link[1]
            archive.addfile(member)
    return out.getvalue()


@pytest.mark.parametrize("path", ["../../secret", "../../../secret", "/etc/passwd", "templates/../../../secret"])
async def test_a_chart_has_no_file_but_its_own(path: str, renderer: Renderer, tmp_path: Path) -> None:
    template = config_map(f'{{{{ .Files.Get "{path}" | quote }}}}')
    assert await renderer.data(chart(tmp_path, template)) == {"it": ""}


async def test_a_chart_finds_no_cluster_and_no_name(renderer: Renderer, tmp_path: Path) -> None:
    template = config_map(
        '{{ lookup "v1" "Secret" "" "" | toJson | quote }}\n  host: {{ getHostByName "localhost" | quote }}'
    )
    assert await renderer.data(chart(tmp_path, template)) == {"it": "{}", "host": ""}


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../secret", "../../../../../../etc/passwd"])
@pytest.mark.parametrize("place", ["web/files/link", "web/templates/link.yaml", "web/charts/link", "lib/link"])
async def test_a_link_out_of_the_repository_is_refused(
    target: str, place: str, renderer: Renderer, tmp_path: Path
) -> None:
    async with git_server(tmp_path / "served") as server:
        repository = await Repository.make(tmp_path, "r")
        dependency = "dependencies: [{name: lib, version: 0.1.0, repository: 'file://../lib'}]\n"
        library = {"lib/Chart.yaml": CHART.replace("web", "lib"), "web/Chart.yaml": CHART + dependency}
        await asyncio.to_thread(write, repository.work, library)
        await asyncio.to_thread(link, repository.work / place, target)
        commit = await repository.commit({})
        mirror = open_mirror(tmp_path, server.repository_url("r"))
        await mirror.fetch(["main"], credentials=None)
        root = await mirror.tree_id(commit, "")
        assert root is not None
        with pytest.raises(StalledError, match=r"link .*(absolute|leads out of the repository)"):
            await renderer.output(GitTree(mirror, root, said="c"))
        await mirror.close()


def link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


BOMBS = {
    "endless": "{{ range until 100000 }}{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}{{ end }}",
    "memory at once": '{{ $x := repeat 2000000000 "aaaaaaaa" }}',
    "memory bit by bit": '{{ $x := "a" }}{{ range until 64 }}{{ $x = printf "%s%s" $x $x }}{{ end }}',
    "numbers": "{{ $x := until 2000000000 }}",
    "output": config_map('{{ range until 100 }}{{ repeat 1000000 "a" }}{{ end }}'),
    "many objects": "{{ range until 2000000 }}\n---\na: b\n{{ end }}",
}


@pytest.mark.parametrize("name", sorted(BOMBS))
async def test_a_bomb_ends_within_the_bounds_with_a_sentence(name: str, tools: Path, tmp_path: Path) -> None:
    bounds = {
        "render_seconds_max": 10.0,
        "render_cpu_seconds_max": 5,
        "render_memory_bytes_max": 400 * 1024 * 1024,
        "render_output_bytes_max": 10 * 1024 * 1024,
    }
    async with jailed(**bounds) as jail:
        renderer = await Renderer.make(tools, jail, tmp_path / "work")
        with pytest.raises(StalledError, match=r"^spec.source \(web\).*make the chart do less") as caught:
            await renderer.output(chart(tmp_path, BOMBS[name]))
        assert str(tmp_path) not in str(caught.value)
        # And the next is not the worse for it.
        assert await renderer.data(chart(tmp_path, config_map("fine"))) == {"it": "fine"}
    assert not any((tmp_path / "work").iterdir())


async def test_values_that_unfold_without_end_are_refused(renderer: Renderer, tmp_path: Path) -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(StalledError, match=r"spec.source \(web\)"):
        await renderer.output(chart(tmp_path, "", **{"web/values.yaml": bomb + "password: x\n"}))


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (
            tgz(("sub/Chart.yaml", b"apiVersion: v2\nname: sub\nversion: 0.1.0\n"), ("sub/big", b"\0" * 6_000_000)),
            "larger than",
        ),
        (tgz(*[(f"sub/{n}", b"\0" * 5_000_000) for n in range(30)]), "larger than|make the chart do less"),
        (tgz(("sub/../../x", b"x")), "illegally|parent directory"),
        (tgz(("/etc/x", b"x")), "Chart.yaml file is missing|absolute"),
        (gzip.compress(b"\0" * 300_000_000), "x.tgz in web"),
        (tgz(link=("sub/Chart.yaml", "/etc/passwd")), "x.tgz in web"),
    ],
    ids=["a big file", "many big files", "out of it", "absolute", "no tar", "a link"],
)
async def test_a_packed_chart_that_is_no_good_is_refused(
    archive: bytes, said: str, renderer: Renderer, tmp_path: Path
) -> None:
    dependency = "dependencies: [{name: sub, version: 0.1.0, repository: ''}]\n"
    tree = chart(tmp_path, "", **{"web/charts/x.tgz": archive, "web/Chart.yaml": CHART})
    with pytest.raises(StalledError, match=said):
        await renderer.output(tree)
    # Where its name is asked for, it is looked at by us too.
    write(tree, {"web/Chart.yaml": CHART + dependency})
    with pytest.raises(StalledError, match=r"spec.source"):
        await renderer.output(tree)


def test_of_a_packed_chart_no_more_is_unpacked_than_the_bound() -> None:
    assert len(unpacked(gzip.compress(b"\0" * (UNPACKED_BYTES_MAX + 1_000_000)))) == UNPACKED_BYTES_MAX
    assert packed_name("sub-1.0.0.tgz", gzip.compress(b"\0" * (UNPACKED_BYTES_MAX * 2))) == "sub"


OPTIONS = "--post-renderer=/bin/sh"


@pytest.mark.parametrize(
    "given",
    [
        Helm(namespace=OPTIONS),
        Helm(parameters=(HelmParameter(OPTIONS, "x"), HelmParameter("x", OPTIONS, force_string=True))),
        Helm(values=f"x: {OPTIONS}\n"),
    ],
)
async def test_nothing_that_is_given_becomes_an_option(given: Helm, renderer: Renderer, tmp_path: Path) -> None:
    assert await renderer.data(chart(tmp_path, config_map("rendered")), options=given) == {"it": "rendered"}


async def test_a_chart_cannot_bring_options_or_plugins(renderer: Renderer, tmp_path: Path) -> None:
    plugin = "name: x\nversion: 0.1.0\nhooks: {install: 'touch /tmp/x'}\ncommand: /bin/false\ndownloaders: []\n"
    files: dict[str, str | bytes] = {
        "web/Chart.yaml": CHART.replace("name: web", "name: '--post-renderer=sh'"),
        "web/plugins/x/plugin.yaml": plugin,
        "web/.helm/plugins/x/plugin.yaml": plugin,
        "home/data/plugins/x/plugin.yaml": plugin,
    }
    assert await renderer.data(chart(tmp_path, config_map("rendered"), **files)) == {"it": "rendered"}


async def test_a_file_parameter_and_a_value_file_read_nothing_outside(renderer: Renderer, tmp_path: Path) -> None:
    tree = chart(tmp_path, config_map("{{ .Values | toJson | quote }}"))
    for path in ("../../secret", "/../secret", "../../../../../../etc/passwd", "$x/../secret"):
        for given in (Helm(value_files=(path,)), Helm(file_parameters=(HelmFileParameter("x", path),))):
            with pytest.raises(StalledError, match=r"leads out of the source|no source of the Application") as caught:
                await renderer.output(tree, options=given)
            assert SECRET not in str(caught.value)


async def test_the_real_file_behind_a_name_of_helms_own_making_cannot_be_read(tools: Path, tmp_path: Path) -> None:
    """Even an argument that names a file of the worker gets nothing: what is outside cannot be read."""
    secret = write(tmp_path, {"secret": SECRET}) / "secret"
    room = write(tmp_path / "room", {"c/Chart.yaml": CHART, "c/templates/a.yaml": config_map("{{ .Values.x }}")})
    async with jailed() as jail:
        done: Any = await jail.run(
            [str(tools / "helm"), "template", "./c", f"--set-file=x={secret}"],
            cwd=room,
            env={"HOME": str(room)},
            readable=[room],
            writable=[],
        )
    assert done.returncode != 0
    assert SECRET.encode() not in done.stdout + done.stderr
