"""`spec.destination`: what it says, and why it is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from trueup.clients.crds.sentences import quoted
from trueup.domain.application import HOME_SERVER
from trueup.domain.lenient import as_mapping, as_text

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def read_destination(spec: Mapping[str, Any]) -> tuple[str, str, str, list[str]]:
    """Server, cluster name and namespace of `spec.destination`, and what is wrong with them.

    Whether there is such a cluster is for the cluster Secrets to say, see `trueup.domain.clusters`.
    """
    destination = as_mapping(spec.get("destination"))
    server = as_text(destination.get("server")).rstrip("/")
    cluster, namespace = as_text(destination.get("name")), as_text(destination.get("namespace"))
    sentences = []
    if server and cluster:
        sentences.append("spec.destination has both server and name; keep one of them.")
    elif isinstance(spec.get("destination"), Mapping) and not server and not cluster:
        sentences.append(f"spec.destination has neither server nor name; set server: {HOME_SERVER}.")
    if namespace and not _DNS_LABEL.fullmatch(namespace):
        sentences.append(
            f"spec.destination.namespace {quoted(namespace)} is not a namespace's name; use at most 63 lower-case "
            "letters, digits and dashes."
        )
    return server, cluster, namespace, sentences
