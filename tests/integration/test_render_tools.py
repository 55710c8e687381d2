"""Each program is found, asked once for its version, and refused in a sentence where it is no good."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from trueup.domain.errors import StalledError, TransientError
from trueup.engine.render import tools as module
from trueup.engine.render.tools import Tool, Tools
from trueup.sandbox.assets import TOOLS_SOURCE
from trueup.sandbox.gobuild import required_version

Ask = Callable[[Tools], Awaitable[Tool]]


def script(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


def counting(path: Path, version: str) -> Path:
    """A program that writes a line each time it is asked."""
    return script(path, f"echo asked >>{path}.log", f"echo {version}")


def asked(path: Path) -> int:
    return len(Path(f"{path}.log").read_text().splitlines())


async def test_the_real_ones_are_found_on_the_path(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tools))
    found = Tools()
    go_mod = TOOLS_SOURCE / "go.mod"
    wanted = {
        "helm": required_version(go_mod, "helm.sh/helm/v3"),
        "kustomize": required_version(go_mod, "sigs.k8s.io/kustomize/kustomize/v5"),
        "jsonnet": required_version(go_mod, "github.com/google/go-jsonnet"),
    }
    for tool in await asyncio.gather(found.helm(), found.kustomize(), found.jsonnet()):
        assert tool == Tool(tool.name, (tools / tool.name).resolve(), wanted[tool.name])


async def test_a_path_of_its_own_comes_before_the_path(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.chdir(tmp_path)
    mine = script(tmp_path / "mine" / "kustomize", "echo v5.0.1")
    for named in (str(mine), "./mine/kustomize", "mine/kustomize"):
        assert await Tools(kustomize=named).kustomize() == Tool("kustomize", mine, "v5.0.1")


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (Tools.helm, r"no helm to be run on PATH; install helm 3\.8 or newer.*or set TRUEUP_HELM"),
        (Tools.kustomize, r"no kustomize to be run on PATH; install kustomize 5\.0 or newer.*or set TRUEUP_KUSTOMIZE"),
        (Tools.jsonnet, r"no jsonnet to be run on PATH; install jsonnet 0\.19 or newer.*or set TRUEUP_JSONNET"),
    ],
)
async def test_a_missing_one_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask, sentence: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StalledError, match=sentence):
        await ask(Tools())


async def test_a_path_that_leads_to_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StalledError, match=r"there is no .*/none to be run at that path"):
        await Tools(helm=str(tmp_path / "none")).helm()
    (tmp_path / "not-executable").write_text("#!/bin/sh\n")
    with pytest.raises(StalledError, match=r"there is no .*/not-executable to be run at that path"):
        await Tools(helm=str(tmp_path / "not-executable")).helm()


async def test_it_is_asked_once_however_many_want_to_know(tmp_path: Path) -> None:
    helm = counting(tmp_path / "helm", "v3.12.0")
    found = Tools(helm=str(helm))
    first = await asyncio.gather(*(found.helm() for _ in range(10)))
    assert set(first) == {await found.helm()}
    assert asked(helm) == 1


async def test_another_program_in_its_place_is_asked_anew(tmp_path: Path) -> None:
    helm = counting(tmp_path / "helm", "v3.12.0")
    found = Tools(helm=str(helm))
    assert (await found.helm()).version == "v3.12.0"
    counting(helm, "v3.13.0")
    os.utime(helm, ns=(1, 1))
    assert (await found.helm()).version == "v3.13.0"
    # The same size at another time, and another size at the same time.
    counting(helm, "v3.14.0")
    os.utime(helm, ns=(2, 2))
    assert (await found.helm()).version == "v3.14.0"
    counting(helm, "v3.15.0-rc.1")
    os.utime(helm, ns=(2, 2))
    assert (await found.helm()).version == "v3.15.0-rc.1"


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (Tools.helm, "v2.17.0"),
        (Tools.helm, "v3.7.2"),
        (Tools.helm, "v4.0.0"),
        (Tools.kustomize, "{Version:kustomize/v4.5.7 GitCommit:56d82a8 BuildDate:2022-08-02 GoOs:linux GoArch:amd64}"),
        (Tools.kustomize, "v6.0.0"),
        (Tools.jsonnet, "Jsonnet commandline interpreter (Go implementation) v0.18.0"),
    ],
)
async def test_a_version_that_will_not_do_is_refused(tmp_path: Path, ask: Ask, answer: str) -> None:
    path = str(script(tmp_path / "tool", f"echo '{answer}'"))
    with pytest.raises(StalledError, match=r"/tool is \w+ v\d+\.\d+\.\d+, which is not supported; install \w+ \d"):
        await ask(Tools(helm=path, kustomize=path, jsonnet=path))


@pytest.mark.parametrize(
    ("ask", "answer", "version"),
    [
        (Tools.helm, "v3.8.0", "v3.8.0"),
        (Tools.helm, "v3.16.2+g13654a5", "v3.16.2+g13654a5"),
        (Tools.kustomize, "5.0.0", "5.0.0"),
        (Tools.jsonnet, "Jsonnet commandline interpreter (Go implementation) v0.20.0", "v0.20.0"),
    ],
)
async def test_what_other_builds_say_is_understood(tmp_path: Path, ask: Ask, answer: str, version: str) -> None:
    path = str(script(tmp_path / "tool", f"echo '{answer}'"))
    assert (await ask(Tools(helm=path, kustomize=path, jsonnet=path))).version == version


@pytest.mark.parametrize(
    "lines",
    [
        ("echo good morning",),
        ("head -c 5000 /dev/urandom",),
        (":",),
        ("echo v3.22.0", "exit 1"),
        ("echo 'v3.22.0 and then some'",),
        # The other implementation.
        ("echo 'Jsonnet commandline interpreter v0.20.0'",),
    ],
)
async def test_one_that_does_not_say_its_version_is_refused(tmp_path: Path, lines: tuple[str, ...]) -> None:
    path = script(tmp_path / "tool", *lines)
    for ask in (Tools.helm, Tools.jsonnet):
        with pytest.raises(StalledError, match=r"/tool did not say its version as \w+ does; install .*or set TRUEUP_"):
            await ask(Tools(helm=str(path), jsonnet=str(path)))


async def test_one_that_says_too_much_is_refused(tmp_path: Path) -> None:
    path = script(tmp_path / "tool", "yes")
    with pytest.raises(StalledError, match=r"did not say its version \(tool: ended after 65536 bytes.*; install helm"):
        await Tools(helm=str(path)).helm()


async def test_one_that_is_no_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tool"
    path.write_bytes(b"\x7fELF and nothing else")
    path.chmod(0o755)
    with pytest.raises(StalledError, match=r"/tool did not say its version.*; install helm"):
        await Tools(helm=str(path)).helm()


async def test_one_that_hangs_is_tried_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "VERSION_SECONDS_MAX", 0.2)
    path = script(tmp_path / "tool", "exec sleep 1000")
    found = Tools(helm=str(path))
    with pytest.raises(TransientError, match=r"/tool gave no version within 0\.2 s; install helm"):
        await found.helm()
    monkeypatch.undo()
    script(path, "echo v3.22.0")
    assert (await found.helm()).version == "v3.22.0"


async def test_nothing_of_the_workers_environment_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEUP_REDIS_URL", "redis://:secret@127.0.0.1/0")
    path = script(tmp_path / "tool", "env >" + str(tmp_path / "env"), "echo v3.22.0")
    await Tools(helm=str(path)).helm()
    names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    # What the shell itself sets.
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {"HOME", "LANG"}
