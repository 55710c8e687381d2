"""Whatever is missing or wrong, a command ends with one sentence that names it, and never with a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import refused, said, trueup
from tests.support.product import kubeconfig

VERBS = (
    ["app", "list"],
    ["app", "get", "x"],
    ["app", "diff", "x"],
    ["app", "sync", "x"],
    ["app", "wait", "x"],
    ["app", "history", "x"],
    ["drift", "list"],
    ["drift", "show", "x"],
    ["webhook", "setup", "https://github.com/acme/deploy", "--url", "https://trueup.example"],
    ["webhook", "test", "https://github.com/acme/deploy", "--url", "https://trueup.example"],
)
#: One settled at once, without anybody to ask.
CLOSED_PORT = "http://127.0.0.1:1"


def code_of(verb: list[str]) -> int:
    return 2 if "diff" in verb else 20


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
async def test_no_cluster(verb: list[str], tmp_path: Path) -> None:
    sentence = refused(await trueup(*verb, home=tmp_path), code=code_of(verb))
    assert sentence == "No cluster to talk to: set KUBECONFIG, run in a pod, or write ~/.kube/config"


async def test_a_kubeconfig_that_is_not_there_or_is_none(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    sentence = refused(await trueup("app", "list", home=tmp_path, env={"KUBECONFIG": missing}))
    assert sentence == f"There is no kubeconfig at {missing}: correct KUBECONFIG or unset it"
    for content in ("", "{", "clusters: 7\n"):
        file = tmp_path / "bad"
        file.write_text(content)
        sentence = refused(await trueup("app", "list", home=tmp_path, env={"KUBECONFIG": str(file)}))
        assert sentence.startswith(f"The kubeconfig {file} cannot be used")


@pytest.mark.parametrize("verb", VERBS[2:], ids=" ".join)
async def test_a_server_that_is_away(verb: list[str], tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "kubeconfig", CLOSED_PORT, "a-token")
    sentence = refused(await trueup(*verb, home=tmp_path, env={"KUBECONFIG": str(file)}), code=code_of(verb))
    assert f"cannot reach {CLOSED_PORT}" in sentence
    assert "a-token" not in sentence


async def test_settings_that_do_not_hold(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "kubeconfig", CLOSED_PORT, "a-token")
    env = {"KUBECONFIG": str(file), "TRUEUP_WORKERS": "many"}
    assert "TRUEUP_WORKERS" in refused(await trueup("app", "list", home=tmp_path, env=env))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["app", "get", "x", "-o", "xml"], "'xml' is not one of"),
        (["app", "wait", "x", "--timeout", "-1"], "--timeout"),
        (["app", "sync", "x", "--retry-limit", "-2"], "--retry-limit"),
        (["app", "sync", "x", "--prune=perhaps"], "--prune"),
        (["app", "history", "x", "-o", "json"], "'json' is not one of"),
        (["app", "pray", "x"], "pray"),
        (["drift", "list", "-o", "id"], "'id' is not one of"),
        (["drift", "show"], "NAME"),
        (["nonsense"], "nonsense"),
    ],
)
async def test_a_command_that_is_none_is_explained(arguments: list[str], named: str, tmp_path: Path) -> None:
    done = await trueup(*arguments, home=tmp_path)
    words = done.stderr.decode()
    assert done.returncode == 2
    assert named in words
    assert "Error" in words
    assert "Traceback" not in words


async def test_a_sandbox_needs_a_place(tmp_path: Path) -> None:
    assert refused(await trueup("sandbox", home=tmp_path), code=1) == "say where the sandbox may live: --dir DIR"
    file = tmp_path / "file"
    file.touch()
    assert "cannot be used" in refused(await trueup("sandbox", "--dir", str(file), home=tmp_path), code=1)


async def test_version_and_help_need_nothing(tmp_path: Path) -> None:
    from trueup import __version__

    assert said(await trueup("--version", home=tmp_path)) == f"{__version__}\n"
    words = said(await trueup("--help", home=tmp_path))
    for command in ("service", "worker", "standalone", "sandbox", "demo", "app", "drift"):
        assert command in words
    words = said(await trueup("app", "--help", home=tmp_path))
    for verb in ("list", "get", "diff", "sync", "wait", "history"):
        assert verb in words
