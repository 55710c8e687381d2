"""How Trueup reaches a cluster: light imports, and credentials from wherever they are kept."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.support.api_proxy import proxy_to
from tests.support.sandbox import SandboxFacts
from tests.support.tcp_proxy import Seen
from trueup.clients.api_errors import UnauthorizedError
from trueup.clients.cluster import Cluster, ClusterBounds
from trueup.clients.credentials import CredentialsSource, InClusterSource, KubeconfigSource, ServerAccess, home_source
from trueup.clients.transport import TransportBounds
from trueup.domain.errors import StalledError

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
        "print(kubernetes_asyncio.client.CoreV1Api.__name__, Configuration(host='http://localhost').get_host_from_settings(None))\n"
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
    host, port = sandbox.server.removeprefix("https://").split(":")
    (tmp_path / "ca.crt").write_bytes(base64.b64decode(sandbox.ca_data))
    token = tmp_path / "token"
    token.write_text("no longer good")
    source = InClusterSource(
        token_file=str(token),
        ca_file=str(tmp_path / "ca.crt"),
        environ={"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port},
    )
    async with Cluster(source, bounds=EAGER) as cluster:
        with pytest.raises(UnauthorizedError):
            await cluster.version()
        token.write_text(sandbox.users["alice"] + "\n")
        assert await whoami_of(cluster) == "alice"


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


def bearer(token: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.headers.get("authorization") == f"Bearer {token}"
