"""Other clusters, from the Secrets that Argo CD users already have: where they are and how to present oneself."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trueup.domain.application import HOME_NAME, HOME_SERVER
from trueup.domain.credentials import SECRET_TYPE_LABEL
from trueup.domain.lenient import as_mapping, as_text

#: Finds them.
CLUSTER_SECRETS = f"{SECRET_TYPE_LABEL}=cluster"

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SERVER = re.compile(r"https?://[A-Za-z0-9_.\[\]:-]+(/[A-Za-z0-9_.~/%-]*)?")
_PROXY = re.compile(r"https?://\S+")
#: Each runs a command or asks a cloud for a token.
_FOREIGN_LOGINS = ("execProviderConfig", "awsAuthConfig")


class _FaultError(Exception):
    """What is wrong with a Secret, without a word of what it holds."""


@dataclass(frozen=True, slots=True, repr=False)
class ServerLogin:
    """How to present oneself to an API server, and whom to trust there. Certificates and keys are PEM in base64."""

    bearer_token: str = ""
    username: str = ""
    password: str = ""
    ca_data: str = ""
    certificate_data: str = ""
    key_data: str = ""
    tls_server_name: str = ""
    insecure: bool = False
    proxy_url: str = ""

    @property
    def secret_values(self) -> tuple[str, ...]:
        """Every text that must not appear in a message."""
        return tuple(value for value in (self.bearer_token, self.password, self.key_data) if value)


@dataclass(frozen=True, slots=True, repr=False)
class ClusterSecret:
    """One Secret. Two are equal where they say the same, so that a change of any byte is one."""

    #: `namespace/name`, for messages.
    secret: str
    #: The API server's URL without a slash at its end; empty where the Secret names none.
    server: str = ""
    #: What `spec.destination.name` calls it; empty where it has no name.
    name: str = ""
    #: The AppProject whose Applications alone may go there; empty for all.
    project: str = ""
    login: ServerLogin = ServerLogin()
    #: Why it cannot be used, as the end of a sentence; empty for a good one.
    fault: str = ""

    def __repr__(self) -> str:
        return f"ClusterSecret({self.secret})"

    @property
    def is_home(self) -> bool:
        """Whether it speaks of the home cluster, which is reached without it."""
        return self.server == HOME_SERVER

    @property
    def label(self) -> str:
        """What to call the cluster in a sentence."""
        return self.name or self.server


def parse_cluster_secret(secret: Mapping[str, Any]) -> ClusterSecret:
    """Read a Secret that is labelled as a cluster's. Never raises: what is wrong is in `fault`, which quotes nothing.

    Of one that speaks of the home cluster only the name counts, and nothing is wrong with it.
    """
    metadata, data = as_mapping(secret.get("metadata")), as_mapping(secret.get("data"))
    named = f"{as_text(metadata.get('namespace'))}/{as_text(metadata.get('name'))}"
    try:
        server = _text(data, "server").rstrip("/")
        name, project = _text(data, "name"), _text(data, "project")
    except _FaultError as fault:
        return ClusterSecret(named, fault=str(fault))
    if server == HOME_SERVER:
        return ClusterSecret(named, server, name)
    try:
        _check(server, name, data)
        return ClusterSecret(named, server, name, project, _login(_config(data)))
    except _FaultError as fault:
        return ClusterSecret(named, server, name, project, fault=str(fault))


def _check(server: str, name: str, data: Mapping[str, Any]) -> None:
    if not server:
        raise _FaultError("it has no server; give the URL of the cluster's API server")
    if not _SERVER.fullmatch(server):
        raise _FaultError("its server is not the URL of an API server, such as https://10.0.0.1:6443")
    if name == HOME_NAME:
        raise _FaultError(f"its name {HOME_NAME} is the home cluster's; give it another")
    if _text(data, "namespaces"):
        raise _FaultError(
            "it bounds the cluster to some namespaces, which is not supported in this version of Trueup; "
            "take namespaces out, and bound the rights of its account instead"
        )


def _config(data: Mapping[str, Any]) -> Mapping[str, Any]:
    text = _text(data, "config")
    try:
        config = json.loads(text or "{}")
    except (ValueError, RecursionError):
        raise _FaultError("its config is not JSON") from None
    if not isinstance(config, Mapping):
        raise _FaultError("its config is not a JSON object")
    for key in _FOREIGN_LOGINS:
        if config.get(key) is not None:
            raise _FaultError(
                f"its config asks for {key}, which is not supported in this version of Trueup; "
                "give the bearerToken of a service account or a client certificate"
            )
    return config


def _login(config: Mapping[str, Any]) -> ServerLogin:
    tls = config.get("tlsClientConfig")
    if tls is not None and not isinstance(tls, Mapping):
        raise _FaultError("tlsClientConfig in its config is not an object")
    tls = as_mapping(tls)
    login = ServerLogin(
        bearer_token=_member(config, "bearerToken"),
        username=_member(config, "username"),
        password=_member(config, "password"),
        ca_data=_encoded(tls, "caData"),
        certificate_data=_encoded(tls, "certData"),
        key_data=_encoded(tls, "keyData"),
        tls_server_name=_member(tls, "serverName"),
        insecure=_switch(tls, "insecure"),
        proxy_url=_member(config, "proxyUrl"),
    )
    _switch(config, "disableCompression")
    if login.insecure and login.ca_data:
        raise _FaultError("its tlsClientConfig has both insecure and caData; keep one of them")
    if bool(login.certificate_data) != bool(login.key_data):
        raise _FaultError("its tlsClientConfig has one of certData and keyData; give both, or none")
    if login.proxy_url and not _PROXY.fullmatch(login.proxy_url):
        raise _FaultError("proxyUrl in its config is not the URL of an HTTP proxy")
    return login


def _member(config: Mapping[str, Any], key: str) -> str:
    value = config.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _FaultError(f"{key} in its config is not text")
    value = value.strip()
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _FaultError(f"{key} in its config is not text") from None
    if _CONTROL.search(value):
        raise _FaultError(f"{key} in its config has a character that it cannot have")
    return value


def _encoded(config: Mapping[str, Any], key: str) -> str:
    value = config.get(key)
    if value is None:
        return ""
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise _FaultError(f"{key} in its config is not base64") from None
    return str(value)


def _switch(config: Mapping[str, Any], key: str) -> bool:
    value = config.get(key)
    if value is not None and not isinstance(value, bool):
        raise _FaultError(f"{key} in its config is neither true nor false")
    return value is True


def _text(data: Mapping[str, Any], key: str) -> str:
    try:
        value = base64.b64decode(data.get(key) or "", validate=True).decode().strip()
    except (binascii.Error, UnicodeDecodeError, TypeError, ValueError):
        raise _FaultError(f"its {key} is not base64 of UTF-8 text") from None
    if key != "config" and _CONTROL.search(value):
        raise _FaultError(f"its {key} has a character that it cannot have")
    return value
