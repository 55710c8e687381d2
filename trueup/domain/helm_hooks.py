"""What the annotation `helm.sh/hook` makes of an object.

As in Argo CD (https://argo-cd.readthedocs.io/en/stable/user-guide/helm/#helm-hooks): tests and what belongs
to a rollback are never delivered, and `crd-install`, of Helm 2, says nothing. An object that also has the
annotation of Argo CD goes by that one.
"""

from __future__ import annotations

from trueup.domain.resource import Body

HELM_HOOK_ANNOTATION = "helm.sh/hook"
_ARGO_HOOK_ANNOTATION = "argocd.argoproj.io/hook"
_NEVER = frozenset({"test", "test-success", "test-failure", "pre-rollback", "post-rollback"})
_ORDINARY = frozenset({"crd-install"})


def is_never_delivered(body: Body) -> bool:
    """Whether the object is a hook for nothing but what a delivery never does."""
    kinds = _kinds(body)
    return bool(kinds) and kinds <= _NEVER


def is_ordinary(body: Body) -> bool:
    """Whether the object says of itself that it is a hook, and is delivered as any other."""
    kinds = _kinds(body)
    return bool(kinds) and kinds <= _ORDINARY


def _kinds(body: Body) -> frozenset[str]:
    """None of them for an object that is no hook of Helm."""
    annotations = (body.get("metadata") or {}).get("annotations")
    if not isinstance(annotations, dict) or _ARGO_HOOK_ANNOTATION in annotations:
        return frozenset()
    value = annotations.get(HELM_HOOK_ANNOTATION)
    parts = value.split(",") if isinstance(value, str) else ()
    return frozenset(part.strip() for part in parts if part.strip())
