"""What outlives Redis: the epoch of its tokens, and the key that seals what passes through it.

The epoch is a decimal number in an annotation of Lease `trueup-epoch`. It is not
`spec.leaseTransitions`, whose 32 bits are too few: a new epoch is the one before plus one, or the
time in Unix milliseconds where that is more, so that tokens do not go back even when the Lease is
deleted or restored from an old backup.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from typing import Any

from trueup.clients.api_errors import AlreadyExistsError, ConflictError, NotFoundError
from trueup.clients.cluster import Cluster
from trueup.domain.errors import StalledError, TransientError

EPOCH_LEASE = "trueup-epoch"
EPOCH_ANNOTATION = "trueup.dev/epoch"
KEYS_SECRET = "trueup-keys"  # noqa: S105  the name of an object
SEAL_KEY = "seal"
SEAL_KEY_BYTES = 32
BUMP_ATTEMPTS_MAX = 20
#: Lua in Redis counts exactly up to 2**53.
EPOCH_DIGITS_MAX = 15


async def read_epoch(cluster: Cluster, namespace: str) -> int | None:
    """The epoch of now, None before the first. Raises StalledError where the Lease holds none."""
    lease = await cluster.get(await cluster.resource("coordination.k8s.io", "Lease"), namespace, EPOCH_LEASE)
    return None if lease is None else _epoch_of(lease, namespace)


async def bump_epoch(cluster: Cluster, namespace: str) -> int:
    """Begin a new epoch and return it: higher than every earlier one, and given to this caller alone.

    Raises TransientError where `BUMP_ATTEMPTS_MAX` others were faster.
    """
    resource = await cluster.resource("coordination.k8s.io", "Lease")
    for _ in range(BUMP_ATTEMPTS_MAX):
        lease = await cluster.get(resource, namespace, EPOCH_LEASE)
        now = time.time_ns() // 1_000_000
        if lease is None:
            try:
                await cluster.create(resource, namespace, _lease(now))
            except AlreadyExistsError:
                continue
            return now
        epoch = max(_epoch_of(lease, namespace) + 1, now)
        guard = {"resourceVersion": lease["metadata"]["resourceVersion"]}
        patch = {"metadata": {**guard, "annotations": {EPOCH_ANNOTATION: str(epoch)}}}
        try:
            await cluster.merge_patch(resource, namespace, EPOCH_LEASE, patch)
        except (ConflictError, NotFoundError):
            continue
        return epoch
    raise TransientError(f"Lease {namespace}/{EPOCH_LEASE} is contended")


async def ensure_keys_secret(cluster: Cluster, namespace: str) -> bytes:
    """The sealing key of this installation, made where there is none.

    Raises StalledError where the Secret is there and holds no such key.
    """
    resource = await cluster.resource("", "Secret")
    secret = await cluster.get(resource, namespace, KEYS_SECRET)
    if secret is None:
        key = secrets.token_bytes(SEAL_KEY_BYTES)
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": KEYS_SECRET, "namespace": namespace},
            "type": "Opaque",
            "data": {SEAL_KEY: base64.b64encode(key).decode()},
        }
        try:
            secret = await cluster.create(resource, namespace, body)
        except AlreadyExistsError:
            secret = await cluster.get(resource, namespace, KEYS_SECRET)
    return _seal_key_of(secret or {}, namespace)


async def read_keys_secret(cluster: Cluster, namespace: str) -> bytes | None:
    """The sealing key of this installation, None where it has none yet; StalledError as in `ensure_keys_secret`."""
    secret = await cluster.get(await cluster.resource("", "Secret"), namespace, KEYS_SECRET)
    return None if secret is None else _seal_key_of(secret, namespace)


def _lease(epoch: int) -> dict[str, Any]:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": EPOCH_LEASE, "annotations": {EPOCH_ANNOTATION: str(epoch)}},
        "spec": {},
    }


def _epoch_of(lease: dict[str, Any], namespace: str) -> int:
    said = (lease["metadata"].get("annotations") or {}).get(EPOCH_ANNOTATION)
    if not isinstance(said, str) or not said.isdecimal() or len(said) > EPOCH_DIGITS_MAX:
        raise StalledError(
            f"Lease {namespace}/{EPOCH_LEASE} has no number in annotation {EPOCH_ANNOTATION}: delete the Lease, "
            "and a new epoch begins"
        )
    return int(said)


def _seal_key_of(secret: dict[str, Any], namespace: str) -> bytes:
    try:
        key = base64.b64decode((secret.get("data") or {}).get(SEAL_KEY) or "", validate=True)
    except binascii.Error:
        key = b""
    if len(key) != SEAL_KEY_BYTES:
        raise StalledError(
            f"Secret {namespace}/{KEYS_SECRET} has no key of {SEAL_KEY_BYTES} bytes under `{SEAL_KEY}`: delete the "
            "Secret and restart; a new one is made, and what the old one sealed is worked out anew"
        )
    return key
