"""Who may talk to the API server of the sandbox, and the keys it works with."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from pathlib import Path

import yaml

from trueup.sandbox.files import write_private

MASTERS = "system:masters"
PEOPLE_GROUP = "sandbox:people"
# The users handed out, with the groups that give them their rights.
USERS: Mapping[str, tuple[str, ...]] = {
    "admin": (MASTERS,),
    "trueup": (MASTERS,),
    "alice": (PEOPLE_GROUP,),
    "bob": (PEOPLE_GROUP,),
}
# The parts of the control plane go by their own names, so that audit events
# tell their writes from a person's.
CONTROLLER_MANAGER = "system:kube-controller-manager"
SCHEDULER = "system:kube-scheduler"
KWOK = "system:kwok"
_SYSTEM: Mapping[str, tuple[str, ...]] = {CONTROLLER_MANAGER: (), SCHEDULER: (), KWOK: (MASTERS,)}

TOKEN_BYTES = 24

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P256_BYTES = 32


def make_tokens() -> dict[str, str]:
    """A random bearer token for each user and each part of the control plane."""
    return {name: secrets.token_urlsafe(TOKEN_BYTES) for name in [*USERS, *_SYSTEM]}


def write_token_file(path: Path, tokens: Mapping[str, str]) -> Path:
    """The table that `--token-auth-file` reads."""
    groups = {**USERS, **_SYSTEM}
    lines = [f'{token},{name},{name},"{",".join(groups[name])}"\n' for name, token in tokens.items()]
    return write_private(path, "".join(lines))


def write_kubeconfig(path: Path, *, server: str, user: str, token: str, ca: bytes) -> Path:
    """A kubeconfig with one cluster, one user and one context."""
    authority = base64.b64encode(ca).decode()
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "sandbox", "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": user}}],
        "current-context": "sandbox",
    }
    return write_private(path, yaml.safe_dump(content, sort_keys=False))


def write_audit_webhook(path: Path, url: str) -> Path:
    """The kubeconfig that `--audit-webhook-config-file` reads."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "relay", "cluster": {"server": url}}],
        "contexts": [{"name": "relay", "context": {"cluster": "relay", "user": ""}}],
        "current-context": "relay",
    }
    return write_private(path, yaml.safe_dump(content, sort_keys=False))


def write_signing_key(path: Path) -> Path:
    """A new P-256 private key in SEC 1 form, with which service account tokens are signed.

    Form and curve are those of RFC 5915, whose optional public key the reader
    works out for itself.
    """
    scalar = 1 + secrets.randbelow(_P256_ORDER - 1)
    version, curve = bytes.fromhex("020101"), bytes.fromhex("a00a06082a8648ce3d030107")
    octets = bytes([0x04, _P256_BYTES]) + scalar.to_bytes(_P256_BYTES, "big")
    body = version + octets + curve
    encoded = base64.encodebytes(bytes([0x30, len(body)]) + body).decode()
    return write_private(path, f"-----BEGIN EC PRIVATE KEY-----\n{encoded}-----END EC PRIVATE KEY-----\n")
