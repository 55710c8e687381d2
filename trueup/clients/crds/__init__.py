"""The objects of `argoproj.io/v1alpha1`, as models and as CustomResourceDefinitions."""

from __future__ import annotations

from trueup.clients.crds.schema import GROUP, VERSION, crd_manifests, is_ours

__all__ = ["GROUP", "VERSION", "crd_manifests", "is_ours"]
