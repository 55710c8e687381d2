"""What renders is there, at the versions that the module names; and the registry keeps out whom it should."""

from __future__ import annotations

import re
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Literal

import aiohttp
import pytest

from tests.support.registry import PASSWORD, USERNAME, Registry, registry
from trueup.clients.process import Completed, base_environment, run
from trueup.sandbox import SandboxError, assets, ensure_tools
from trueup.sandbox.assets import TOOLS, TOOLS_SOURCE, search_path
from trueup.sandbox.files import make_directory
from trueup.sandbox.gobuild import required_version

TOOL_SECONDS_MAX = 60.0
CHART = "apiVersion: v2\nname: pier\nversion: 0.1.0\n"
TEMPLATE = "kind: {{ .Capabilities.KubeVersion.Version }}\n"


def silent(line: str) -> None:
    """What is said is not asked for here."""


async def ask(tool: Path, *arguments: str, home: Path) -> Completed:
    env = base_environment() | {"HOME": str(home)}
    return await run([tool, *arguments], env=env, timeout_seconds=TOOL_SECONDS_MAX, output_bytes_max=1024 * 1024)


def chart(directory: Path) -> Path:
    make_directory(directory / "pier" / "templates")
    (directory / "pier" / "Chart.yaml").write_text(CHART)
    (directory / "pier" / "templates" / "one.yaml").write_text(TEMPLATE)
    return directory / "pier"


def put_executables(directory: Path, *names: str) -> None:
    make_directory(directory)
    for name in names:
        (directory / name).write_text("#!/bin/sh\n")
        (directory / name).chmod(0o755)


# The programs


async def test_the_folder_that_is_named_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEUP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TRUEUP_TOOLS_DIR", str(tmp_path / "named"))
    put_executables(tmp_path / "named", *TOOLS)
    assert await ensure_tools(silent) == tmp_path / "named"
    assert not (tmp_path / "cache").exists()


async def test_a_named_folder_that_lacks_a_tool_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_executables(tmp_path / "named", "helm", "registry")
    (tmp_path / "named" / "kustomize").mkdir()
    monkeypatch.setenv("TRUEUP_TOOLS_DIR", str(tmp_path / "named"))
    with pytest.raises(SandboxError, match=r"TRUEUP_TOOLS_DIR is .*, but kustomize, jsonnet cannot be run from there"):
        await ensure_tools(silent)


async def test_a_go_mod_without_a_tool_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "go.mod").write_text("module example.com/none\n\ngo 1.22\n")
    monkeypatch.delenv("TRUEUP_TOOLS_DIR", raising=False)
    monkeypatch.setattr(assets, "TOOLS_SOURCE", tmp_path)
    with pytest.raises(SandboxError, match=r"go\.mod does not require helm\.sh/helm/v3"):
        await ensure_tools(silent)


async def test_the_versions_are_those_of_the_module(tools: Path, tmp_path: Path) -> None:
    go_mod = TOOLS_SOURCE / "go.mod"
    helm = await ask(tools / "helm", "version", "--template", "{{.Version}}", home=tmp_path)
    assert helm.stdout.decode() == required_version(go_mod, "helm.sh/helm/v3")
    kustomize = await ask(tools / "kustomize", "version", home=tmp_path)
    assert kustomize.stdout.decode().strip() == required_version(go_mod, "sigs.k8s.io/kustomize/kustomize/v5")
    jsonnet = await ask(tools / "jsonnet", "--version", home=tmp_path)
    assert jsonnet.stdout.decode().split()[-1] == required_version(go_mod, "github.com/google/go-jsonnet")


async def test_helm_renders_for_the_kubernetes_that_it_was_made_for(tools: Path, tmp_path: Path) -> None:
    minor = required_version(TOOLS_SOURCE / "go.mod", "k8s.io/client-go").split(".")[1]
    done = await ask(tools / "helm", "template", str(chart(tmp_path)), home=tmp_path)
    assert f"kind: v1.{minor}.0" in done.stdout.decode(), done.stderr


async def test_they_come_first_on_the_path_made_for_them(tools: Path) -> None:
    env = base_environment() | {"PATH": search_path(tools)}
    done = await run(["/bin/sh", "-c", "command -v helm"], env=env, timeout_seconds=10, output_bytes_max=4096)
    assert done.stdout.decode().strip() == str(tools / "helm")


# The registry


async def push(tools: Path, directory: Path, to: Registry, *more: str) -> Completed:
    """A chart, pushed by the real helm."""
    packed = await ask(tools / "helm", "package", str(chart(directory)), "-d", str(directory), home=directory)
    assert packed.returncode == 0, packed.stderr
    archive = str(directory / "pier-0.1.0.tgz")
    where = f"oci://{to.host}/charts"
    return await ask(tools / "helm", "push", archive, where, "--plain-http", *more, home=directory)


async def pull(tools: Path, directory: Path, source: Registry, *more: str) -> Completed:
    arguments = (f"oci://{source.host}/charts/pier", "--version", "0.1.0", "--plain-http", "-d", str(directory))
    return await ask(tools / "helm", "pull", *arguments, *more, home=directory)


async def test_an_open_registry_gives_back_what_was_pushed(tools: Path, tmp_path: Path) -> None:
    async with registry(tools, tmp_path) as place:
        pushed = await push(tools, tmp_path, place)
        assert pushed.returncode == 0, pushed.stderr
        pulled = await pull(tools, make_directory(tmp_path / "pulled"), place)
        assert pulled.returncode == 0, pulled.stderr
        content = BytesIO((tmp_path / "pulled" / "pier-0.1.0.tgz").read_bytes())
        with tarfile.open(fileobj=content) as archive:
            assert "pier/Chart.yaml" in archive.getnames()
        assert "PUT /v2/charts/pier/manifests/0.1.0 201" in place.requests()


@pytest.mark.parametrize("auth", ["basic", "token"])
async def test_a_closed_registry_lets_its_user_in_and_nobody_else(
    tools: Path, tmp_path: Path, auth: Literal["basic", "token"]
) -> None:
    async with registry(tools, tmp_path, auth=auth) as place:
        nobody = await push(tools, tmp_path, place)
        assert nobody.returncode != 0
        wrong = await push(tools, tmp_path, place, "--username", USERNAME, "--password", "another")
        assert wrong.returncode != 0
        assert not [line for line in place.requests() if not line.endswith(" 401")]
        user = ("--username", USERNAME, "--password", PASSWORD)
        pushed = await push(tools, tmp_path, place, *user)
        assert pushed.returncode == 0, pushed.stderr
        assert (await pull(tools, tmp_path, place)).returncode != 0
        pulled = await pull(tools, make_directory(tmp_path / "pulled"), place, *user)
        assert pulled.returncode == 0, pulled.stderr


async def test_a_token_is_good_for_its_repository_and_its_action_alone(tools: Path, tmp_path: Path) -> None:
    async with registry(tools, tmp_path, auth="token", username="") as place, aiohttp.ClientSession() as session:
        async with session.get(f"{place.url}/v2/charts/pier/manifests/0.1.0") as answer:
            challenge = answer.headers["WWW-Authenticate"]
            assert answer.status == 401
        for nobody in ({}, {"Authorization": "Bearer made-up"}):
            async with session.get(f"{place.url}/v2/", headers=nobody) as answer:
                assert answer.status == 401
        realm, service, scope = re.findall(r'="([^"]*)"', challenge)
        assert scope == "repository:charts/pier:pull"
        async with session.get(realm, params={"service": service, "scope": scope}) as answer:
            bearer = {"Authorization": f"Bearer {(await answer.json())['token']}"}

        async def status(method: str, path: str) -> int:
            async with session.request(method, f"{place.url}{path}", headers=bearer) as answer:
                return answer.status

        assert await status("GET", "/v2/") == 200
        assert await status("GET", "/v2/charts/pier/manifests/0.1.0") == 404
        assert await status("GET", "/v2/charts/another/manifests/0.1.0") == 401
        assert await status("POST", "/v2/charts/pier/blobs/uploads/") == 401
