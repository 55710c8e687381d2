"""The definitions as files for `kubectl apply`."""

from __future__ import annotations

import yaml

from trueup.clients.crds.schema import crd_manifests

HEADER = "# Generated from trueup/clients/crds by `python -m trueup.clients.crds DIR`; do not edit.\n"


def crd_files() -> dict[str, str]:
    """File names and their contents."""
    return {
        f"{crd['metadata']['name'].partition('.')[0]}.{crd['spec']['group']}.yaml": HEADER
        + yaml.safe_dump(crd, sort_keys=False, width=110)
        for crd in crd_manifests()
    }
