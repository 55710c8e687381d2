"""The control plane, Git server and queue that tests share, whoever started them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True, slots=True)
class SandboxFacts:
    """What `sandbox.json` says."""

    directory: Path
    #: For the user `trueup`.
    kubeconfig: Path
    redis_url: str
    git_url: str
    git_root: Path
    #: Token of each user.
    users: Mapping[str, str]
    #: Audit events go to the URL in this file.
    audit_target: Path
    #: The folder with helm, kustomize, jsonnet and a registry.
    tools: Path
    pids: Mapping[str, int]

    def kubeconfig_for(self, user: str) -> Path:
        return self.directory / f"kubeconfig-{user}"

    @property
    def server(self) -> str:
        """URL of the API server."""
        return str(self._cluster()["server"])

    @property
    def ca_data(self) -> str:
        """What to trust it by: PEM in base64."""
        return str(self._cluster()["certificate-authority-data"])

    def _cluster(self) -> Mapping[str, object]:
        cluster: Mapping[str, object] = yaml.safe_load(self.kubeconfig.read_text())["clusters"][0]["cluster"]
        return cluster


def read_facts(directory: Path) -> SandboxFacts:
    """What the sandbox in `directory` wrote about itself."""
    facts = json.loads((directory / "sandbox.json").read_text())
    return SandboxFacts(
        directory=directory,
        kubeconfig=Path(facts["kubeconfig"]),
        redis_url=facts["redis_url"],
        git_url=facts["git_url"],
        git_root=Path(facts["git_root"]),
        users=facts["users"],
        audit_target=Path(facts["audit_target"]),
        tools=Path(facts["tools"]),
        pids=facts["pids"],
    )
