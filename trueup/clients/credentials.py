"""Where an API server is and how Trueup proves who it is there.

A source reads that anew whenever it is asked: tokens of service accounts, exec plugins and OpenID
providers expire, and files are rotated.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import yaml

from trueup.clients import exec_plugin
from trueup.clients.kubernetes_light import (
    SERVICE_CERT_FILENAME,
    SERVICE_TOKEN_FILENAME,
    ConfigException,
    Configuration,
    InClusterConfigLoader,
    KubeConfigLoader,
    KubeConfigMerger,
)
from trueup.domain.errors import StalledError

exec_plugin.install()

#: What the loaders raise of a file, a plugin or a provider that is not as they expect it.
_UNUSABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    RuntimeError,
    yaml.YAMLError,
    aiohttp.ClientError,
    ConfigException,
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """One reading of a source: immutable, and never printed."""

    #: The library's Configuration, as its HTTP client wants it.
    configuration: Any
    #: Changes when the address, the certificates or the key did, and a new TLS context is needed.
    tls_fingerprint: str

    @property
    def server(self) -> str:
        return str(self.configuration.host).rstrip("/")

    @property
    def authorization(self) -> str | None:
        """The value of the header, or None where a client certificate does the work."""
        value = self.configuration.api_key.get("BearerToken")
        return str(value).strip() if value else None

    def __repr__(self) -> str:
        return f"Credentials({self.server})"


class CredentialsSource(Protocol):
    """Where credentials come from."""

    async def read(self, *, forced: bool) -> Credentials:
        """The credentials of now; `forced` distrusts everything kept, as after a 401.

        Raises StalledError where there is nothing to read or it cannot be understood.
        """


def _fingerprint(configuration: Any) -> str:
    digest = hashlib.sha256(repr((configuration.host, configuration.verify_ssl)).encode())
    for path in (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file):
        content = Path(path).read_bytes() if path else b""
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()


def _credentials(configuration: Any) -> Credentials:
    try:
        return Credentials(configuration, _fingerprint(configuration))
    except OSError as error:
        raise StalledError(f"A certificate file of the cluster cannot be read: {error.filename}") from error


class KubeconfigSource:
    """One or more kubeconfig files, joined by the path separator as kubectl does; their current context."""

    def __init__(self, paths: str) -> None:
        self._paths = paths
        self._loader: Any = None

    async def read(self, *, forced: bool) -> Credentials:
        try:
            if forced or self._loader is None:
                self._loader = self._open()
            configuration = Configuration()
            await self._loader.load_and_set(configuration)
        except _UNUSABLE as error:
            # The library's errors quote the entry at fault, token and all: neither shown nor chained.
            why = str(error) if isinstance(error, exec_plugin.PluginError) else type(error).__name__
            raise StalledError(
                f"The kubeconfig {self._paths} cannot be used ({why}): check it with `kubectl --kubeconfig … version`"
            ) from None
        return _credentials(configuration)

    def _open(self) -> Any:
        if not any(Path(path).expanduser().is_file() for path in self._paths.split(os.pathsep) if path):
            raise StalledError(f"There is no kubeconfig at {self._paths}: correct KUBECONFIG or unset it")
        merger = KubeConfigMerger(self._paths)
        # The library lets the last file's context win. kubectl takes the first, and that is the cluster meant.
        contexts = (content.get("current-context") for content in merger.config_files.values())
        context = next((name for name in contexts if name), None)
        return KubeConfigLoader(config_dict=merger.config, active_context=context, config_base_path=None)


class InClusterSource:
    """The service account of the pod that this runs in."""

    def __init__(
        self,
        *,
        token_file: str = SERVICE_TOKEN_FILENAME,
        ca_file: str = SERVICE_CERT_FILENAME,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._token_file = token_file
        self._ca_file = ca_file
        self._environ = environ

    async def read(self, *, forced: bool) -> Credentials:  # noqa: ARG002  nothing is kept here
        configuration = Configuration()
        try:
            InClusterConfigLoader(
                token_filename=self._token_file,
                cert_filename=self._ca_file,
                try_refresh_token=False,
                environ=self._environ,
            ).load_and_set(configuration)
        except (OSError, ConfigException) as error:
            raise StalledError(f"The pod's service account cannot be used: {error}") from error
        return _credentials(configuration)


@dataclass(frozen=True, slots=True, repr=False)
class ServerAccess:
    """What a cluster Secret says of another API server. It names no command and no file."""

    server: str
    bearer_token: str = ""
    username: str = ""
    password: str = ""
    #: PEM in base64, as cluster Secrets and kubeconfigs carry it.
    ca_data: str = ""
    certificate_data: str = ""
    key_data: str = ""
    tls_server_name: str = ""
    insecure: bool = False
    proxy_url: str = ""

    async def read(self, *, forced: bool) -> Credentials:  # noqa: ARG002  nothing is kept here
        cluster: dict[str, object] = {"server": self.server, "insecure-skip-tls-verify": self.insecure}
        user: dict[str, object] = {}
        for entry, name, value in (
            (cluster, "certificate-authority-data", self.ca_data),
            (cluster, "tls-server-name", self.tls_server_name),
            (cluster, "proxy-url", self.proxy_url),
            (user, "token", self.bearer_token),
            (user, "username", self.username),
            (user, "password", self.password),
            (user, "client-certificate-data", self.certificate_data),
            (user, "client-key-data", self.key_data),
        ):
            if value:
                entry[name] = value
        named = {
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": user}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "current-context": "it",
        }
        configuration = Configuration()
        try:
            await KubeConfigLoader(config_dict=named, config_base_path="").load_and_set(configuration)
        except _UNUSABLE as error:
            raise StalledError(
                f"The credentials for {self.server} cannot be used ({type(error).__name__}): correct its cluster Secret"
            ) from None
        return _credentials(configuration)


def home_source(environ: Mapping[str, str] = os.environ) -> CredentialsSource:
    """The home cluster: KUBECONFIG, else the pod's service account, else `~/.kube/config`.

    Raises StalledError where there is none of them.
    """
    if paths := environ.get("KUBECONFIG"):
        return KubeconfigSource(paths)
    if environ.get("KUBERNETES_SERVICE_HOST") and Path(SERVICE_TOKEN_FILENAME).is_file():
        return InClusterSource(environ=environ)
    default = Path(environ.get("HOME") or Path.home()) / ".kube" / "config"
    if default.is_file():
        return KubeconfigSource(str(default))
    raise StalledError("No cluster to talk to: set KUBECONFIG, run in a pod, or write ~/.kube/config")
