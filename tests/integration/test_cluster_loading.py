"""How Trueup reaches a cluster: light imports, and credentials from wherever they are kept."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import certifi
import pytest
import yaml

from tests.support.api_proxy import proxy_to
from tests.support.sandbox import SandboxFacts
from tests.support.tcp_proxy import Seen
from trueup.clients.api_errors import ServerError, UnauthorizedError
from trueup.clients.cluster import Cluster
from trueup.clients.cluster_bounds import ClusterBounds
from trueup.clients.credentials import CredentialsSource, InClusterSource, KubeconfigSource, ServerAccess, home_source
from trueup.clients.transport import TransportBounds
from trueup.domain.errors import StalledError

#: Reads its credentials before every request.
FORGETFUL = ClusterBounds(transport=TransportBounds(credentials_seconds_max=0.0))
EAGER = ClusterBounds(transport=TransportBounds(credentials_seconds_min=0.0))


def python(program: str) -> str:
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)  # noqa: S603
    return answer.stdout.strip()


def test_the_generated_models_are_never_imported() -> None:
    imported = python(
        "import sys\n"
        "class Spy:\n"
        "    seen = []\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        self.seen.append(name)\n"
        "sys.meta_path.insert(0, Spy())\n"
        "import trueup.clients.cluster, trueup.clients.informer\n"
        "names = [*Spy.seen, *sys.modules]\n"
        "print([name for name in names if name.startswith('kubernetes_asyncio.client.models')],\n"
        "      'kubernetes_asyncio.client.rest' in names)"
    )
    assert imported == "[] True"


@pytest.mark.parametrize(
    "order",
    [
        "import kubernetes_asyncio, trueup.clients.cluster",
        "import trueup.clients.cluster, kubernetes_asyncio",
    ],
    ids=["library-first", "ours-first"],
)
def test_the_whole_library_works_beside_ours(order: str) -> None:
    answer = python(
        f"{order}\n"
        "from trueup.clients.kubernetes_light import Configuration\n"
        "assert kubernetes_asyncio.client.V1Pod().to_dict()\n"
        "import kubernetes_asyncio.config.kube_config as kube, trueup.clients.exec_plugin as ours\n"
        "assert not issubclass(kube.ExecProvider, ours._BoundedExecProvider)\n"
        "print(kubernetes_asyncio.client.CoreV1Api.__name__, Configuration(host='http://localhost').get_host_from_settings(None))\n"
        "import sys\n"
        "assert sys.modules['kubernetes_asyncio'] is kubernetes_asyncio\n"
        "assert callable(kubernetes_asyncio.config.load_config)"
    )
    assert answer == "CoreV1Api http://localhost"


def kubeconfig(path: Path, sandbox: SandboxFacts, user: dict[str, object], server: str = "") -> str:
    cluster = {"server": server or sandbox.server}
    if not server:
        cluster["certificate-authority-data"] = sandbox.ca_data
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(content))
    return str(path)


async def whoami(source: CredentialsSource) -> str:
    async with Cluster(source, bounds=EAGER) as cluster:
        return await whoami_of(cluster)


async def whoami_of(cluster: Cluster) -> str:
    review = await cluster.resource("authentication.k8s.io", "SelfSubjectReview")
    answer = await cluster.create(review, "", {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    return str(answer["status"]["userInfo"]["username"])


async def test_a_kubeconfig_with_a_token_is_understood(sandbox: SandboxFacts) -> None:
    assert await whoami(KubeconfigSource(str(sandbox.kubeconfig_for("alice")))) == "alice"


async def test_of_many_kubeconfigs_the_first_context_counts(tmp_path: Path, sandbox: SandboxFacts) -> None:
    first = kubeconfig(tmp_path / "first", sandbox, {"token": sandbox.users["bob"]})
    paths = os.pathsep.join([str(tmp_path / "missing"), first, str(sandbox.kubeconfig_for("alice"))])
    assert await whoami(KubeconfigSource(paths)) == "bob"


async def test_an_exec_plugin_is_run_and_run_again_when_its_token_is_refused(
    tmp_path: Path, sandbox: SandboxFacts
) -> None:
    token = tmp_path / "token"
    token.write_text(sandbox.users["alice"])
    plugin = tmp_path / "plugin"
    plugin.write_text(
        "#!/bin/sh\n"
        'printf \'{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
        '"status":{"token":"%s","expirationTimestamp":"2999-01-01T00:00:00Z"}}\' "$(cat %s)"\n'.replace(
            "$(cat %s)", f"$(cat {token})"
        )
    )
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    user: dict[str, object] = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(plugin),
            "interactiveMode": "Never",
        }
    }
    source = KubeconfigSource(kubeconfig(tmp_path / "kubeconfig", sandbox, user))
    async with proxy_to(sandbox) as proxy:
        through = KubeconfigSource(kubeconfig(tmp_path / "through", sandbox, user, proxy.url))
        async with Cluster(through, bounds=EAGER) as cluster:
            assert await whoami_of(cluster) == "alice"
            proxy.answer(bearer(sandbox.users["alice"]), 401)
            token.write_text(sandbox.users["bob"])
            assert await whoami_of(cluster) == "bob"
    assert await whoami(source) == "bob"


async def test_a_service_account_s_rotated_token_is_read_again(tmp_path: Path, sandbox: SandboxFacts) -> None:
    source = service_account(tmp_path, sandbox, ca=base64.b64decode(sandbox.ca_data))
    token = tmp_path / "token"
    token.write_text("no longer good")
    async with Cluster(source, bounds=EAGER) as cluster:
        with pytest.raises(UnauthorizedError):
            await cluster.version()
        token.write_text(sandbox.users["alice"] + "\n")
        assert await whoami_of(cluster) == "alice"


def service_account(directory: Path, sandbox: SandboxFacts, *, ca: bytes) -> InClusterSource:
    (directory / "ca.crt").write_bytes(ca)
    (directory / "token").write_text(sandbox.users["alice"])
    host, port = sandbox.server.removeprefix("https://").split(":")
    return InClusterSource(
        token_file=str(directory / "token"),
        ca_file=str(directory / "ca.crt"),
        environ={"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port},
    )


async def test_a_rotated_authority_is_trusted_without_a_restart(tmp_path: Path, sandbox: SandboxFacts) -> None:
    source = service_account(tmp_path, sandbox, ca=certifi.contents().encode())
    async with Cluster(source, bounds=FORGETFUL) as cluster:
        with pytest.raises(ServerError, match="Certificate"):
            await cluster.version()
        (tmp_path / "ca.crt").write_bytes(base64.b64decode(sandbox.ca_data))
        assert await whoami_of(cluster) == "alice"


async def test_old_credentials_serve_while_new_ones_cannot_be_read(tmp_path: Path, sandbox: SandboxFacts) -> None:
    source = service_account(tmp_path, sandbox, ca=base64.b64decode(sandbox.ca_data))
    async with Cluster(source, bounds=FORGETFUL) as cluster:
        (tmp_path / "token").unlink()
        assert await whoami_of(cluster) == "alice"
    with pytest.raises(StalledError, match="service account cannot be used"):
        await source.read(forced=False)


def with_plugin(directory: Path, sandbox: SandboxFacts, script: str) -> KubeconfigSource:
    plugin = directory / "plugin"
    plugin.write_text(f"#!/bin/sh\n{script}\n")
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    stanza = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}
    return KubeconfigSource(kubeconfig(directory / "kubeconfig", sandbox, {"exec": stanza}))


async def test_a_plugin_that_hangs_is_given_up_and_ended(tmp_path: Path, sandbox: SandboxFacts) -> None:
    source = with_plugin(tmp_path, sandbox, f'echo $$ > "{tmp_path}/pid"; exec sleep 1000')
    bounds = ClusterBounds(transport=TransportBounds(credentials_read_seconds_max=1.0))
    with pytest.raises(StalledError, match="gives no answer"):
        async with Cluster(source, bounds=bounds):
            pass
    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo canary >&2; exit 3", "exit status 3"),
        ("echo canary", "no ExecCredential"),
        ("echo '[]'", "no ExecCredential"),
        ('echo \'{"apiVersion":"client.authentication.k8s.io/v1"}\'', "no ExecCredential"),
        ('echo \'{"apiVersion":"client.authentication.k8s.io/v0"}\'', "does not speak"),
    ],
)
async def test_a_plugin_that_fails_is_named_and_not_quoted(
    tmp_path: Path, sandbox: SandboxFacts, script: str, why: str
) -> None:
    with pytest.raises(StalledError, match=why) as refused:
        await with_plugin(tmp_path, sandbox, script).read(forced=False)
    assert "canary" not in str(refused.value)


async def test_a_cluster_secret_reaches_its_server(sandbox: SandboxFacts) -> None:
    access = ServerAccess(sandbox.server, bearer_token=sandbox.users["bob"], ca_data=sandbox.ca_data)
    assert await whoami(access) == "bob"
    assert sandbox.users["bob"] not in repr(access)


async def test_a_home_cluster_is_looked_for_in_order(tmp_path: Path, sandbox: SandboxFacts) -> None:
    home = tmp_path / ".kube"
    home.mkdir()
    with pytest.raises(StalledError, match="set KUBECONFIG"):
        home_source({"HOME": str(tmp_path)})
    (home / "config").write_bytes(sandbox.kubeconfig_for("alice").read_bytes())
    assert await whoami(home_source({"HOME": str(tmp_path)})) == "alice"
    named = {"HOME": str(tmp_path), "KUBECONFIG": str(sandbox.kubeconfig_for("bob"))}
    assert await whoami(home_source(named)) == "bob"


@pytest.mark.parametrize("content", ["", "[]", "kind: Config", "a: [", "clusters: 1\ncontexts: 2\ncurrent-context: x"])
async def test_a_broken_kubeconfig_is_named_and_not_quoted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    with pytest.raises(StalledError, match=str(path)):
        await KubeconfigSource(str(path)).read(forced=False)
    with pytest.raises(StalledError, match="no kubeconfig"):
        await KubeconfigSource(str(tmp_path / "missing")).read(forced=False)


async def test_a_kubeconfig_s_token_is_not_quoted(tmp_path: Path, sandbox: SandboxFacts) -> None:
    path = tmp_path / "kubeconfig"
    kubeconfig(path, sandbox, {"token": "canary"})
    path.write_text(path.read_text().replace("  user:\n    token:", "  token:"))
    with pytest.raises(StalledError) as refused:
        await KubeconfigSource(str(path)).read(forced=False)
    assert "canary" not in "".join(traceback.format_exception(refused.value))


def bearer(token: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.headers.get("authorization") == f"Bearer {token}"
