"""The order in which kinds are written, so that what others stand on is there first."""

from __future__ import annotations

from trueup.domain.resource import ResourceKey

_KINDS = (
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
)
_RANK = {kind: rank for rank, kind in enumerate(_KINDS)}


def apply_order(key: ResourceKey) -> tuple[int, str, str, str, str]:
    """A sort key: rank of the kind, unknown kinds last, then namespace and name. Prune in reverse."""
    return (_RANK.get(key.kind, len(_KINDS)), key.namespace, key.name, key.kind, key.group)
