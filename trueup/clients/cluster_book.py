"""The clusters that the Secrets of one namespace name, parsed once per change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from trueup.clients.cluster import Cluster
from trueup.clients.discovery import ApiResource
from trueup.clients.informer import Informer
from trueup.domain.cluster_secret import CLUSTER_SECRETS, ClusterSecret, parse_cluster_secret
from trueup.domain.clusters import Clusters

_log = structlog.get_logger(__name__)


class ClusterBook:
    """Fed by an informer; called, it gives the clusters of now."""

    def __init__(self) -> None:
        self._secrets: dict[str, ClusterSecret] = {}
        self._clusters: Clusters | None = None

    def __call__(self) -> Clusters:
        if self._clusters is None:
            self._clusters = Clusters(self._secrets.values())
        return self._clusters

    def observe(self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        """The informer's callback. A Secret that cannot be used is told of once for each change."""
        for raw in (old, new):
            if raw is not None:
                secret = parse_cluster_secret(raw)
                if raw is new:
                    self._secrets[secret.secret] = secret
                    if secret.fault:
                        _log.warning("a cluster Secret is not used", secret=secret.secret, reason=secret.fault)
                else:
                    self._secrets.pop(secret.secret, None)
        self._clusters = None


def cluster_secrets(cluster: Cluster, resource: ApiResource, *, namespace: str) -> Informer:
    """What feeds a book: the cluster Secrets of the namespace."""
    return Informer(cluster, resource, namespace=namespace, label_selector=CLUSTER_SECRETS)
