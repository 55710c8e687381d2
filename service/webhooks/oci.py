"""The names of what lies in an OCI registry."""

from __future__ import annotations

SCHEME = "oci://"


def addresses(host: str, path: str) -> tuple[str, ...]:
    """What Applications may name a chart at `host/path` by: itself, or what it lies in beside `chart`."""
    whole = f"{SCHEME}{host}/{path}"
    parent, slash, _ = path.rpartition("/")
    return (whole, f"{SCHEME}{host}/{parent}") if slash else (whole,)


def split_reference(reference: str) -> tuple[str, str]:
    """`host/path:tag` or `host/path@digest`, with or without a scheme, as (host, path)."""
    place = reference.partition("://")[2] or reference
    host, _, path = place.partition("/")
    path = path.partition("@")[0]
    head, slash, last = path.rpartition("/")
    return host, f"{head}{slash}{last.partition(':')[0]}"
