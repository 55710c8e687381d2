"""A repository whose applications tools render, and those applications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.shapes import WEB
from trueup.clients.applications import parse_application
from trueup.domain.application import HOME_SERVER, Application

URL = "https://example.org/harbour.git"
REVISION = "main"
#: Kustomizations that the overlays share, each the base of every tenth.
BASES = 10

KUSTOMIZE, HELM, JSONNET = "kustomize build", "helm template", "jsonnet"
TOOLS = (KUSTOMIZE, HELM, JSONNET)

_DIRECTORIES = {KUSTOMIZE: "overlays", HELM: "charts", JSONNET: "programs"}

_BASE = """\
resources:
  - deployment.yaml
  - service.yaml
  - config.yaml
"""
_OVERLAY = """\
resources:
  - ../../bases/{base}
namePrefix: {name}-
patches:
  - path: replicas.yaml
"""
_REPLICAS = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {base}
spec:
  replicas: {replicas}
"""
_CHART = """\
apiVersion: v2
name: {name}
version: 1.0.{replicas}
"""
_VALUES = """\
replicas: {replicas}
greeting: ahoy
"""
_TEMPLATES = {
    "_labels.tpl": """\
{{- define "labels" -}}
app.kubernetes.io/name: {{ .Release.Name }}
app.kubernetes.io/part-of: harbour
{{- end }}
""",
    "deployment.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  labels: {{- include "labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: {{- include "labels" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "labels" . | nindent 8 }}
    spec:
      containers:
        - name: web
          image: example.invalid/web:{{ .Chart.Version }}
""",
    "config.yaml": """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  greeting: {{ .Values.greeting | quote }}
""",
}
_PROGRAM = """\
local named = import '../../library/named.libsonnet';
named('{name}', {replicas})
"""
_LIBRARY = """\
function(name, replicas) [
  {apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: name}, data: {replicas: std.toString(replicas)}},
  {apiVersion: 'v1', kind: 'Service', metadata: {name: name}, spec: {ports: [{port: 80}]}},
]
"""


@dataclass(frozen=True, slots=True)
class Member:
    """One application, and its directory in the repository."""

    tool: str
    number: int

    @property
    def name(self) -> str:
        return f"app-{self.number:05}"

    @property
    def path(self) -> str:
        return f"{_DIRECTORIES[self.tool]}/{self.name}"

    @property
    def base(self) -> str:
        """The directory that it shares; of an overlay."""
        return f"base-{self.number % BASES}"

    def command(self, program: str) -> list[str]:
        """What a person would run in a clone."""
        return {
            KUSTOMIZE: [program, "build", self.path],
            HELM: [program, "template", self.name, self.path, "--namespace", "harbour", "--include-crds"],
            JSONNET: [program, f"{self.path}/main.jsonnet"],
        }[self.tool]

    def files(self, *, replicas: int = 1) -> dict[str, str]:
        """What lies in its directory."""
        written = {"name": self.name, "base": self.base, "replicas": replicas}
        if self.tool == KUSTOMIZE:
            found = {"kustomization.yaml": _OVERLAY.format(**written), "replicas.yaml": _REPLICAS.format(**written)}
        elif self.tool == HELM:
            found = {"Chart.yaml": _CHART.format(**written), "values.yaml": _VALUES.format(**written)}
            found |= {f"templates/{name}": text for name, text in _TEMPLATES.items()}
        else:
            found = {"main.jsonnet": _PROGRAM.format(**written)}
        return {f"{self.path}/{name}": text for name, text in found.items()}

    def application(self) -> Application:
        """As a worker has it."""
        spec: dict[str, Any] = {
            "project": "default",
            "source": {"repoURL": URL, "path": self.path, "targetRevision": REVISION},
            "destination": {"server": HOME_SERVER, "namespace": "harbour"},
        }
        metadata = {"namespace": "argocd", "name": self.name, "uid": f"{self.tool} {self.name}", "resourceVersion": "1"}
        return parse_application({"metadata": metadata, "spec": spec})


def members(tool: str, count: int) -> list[Member]:
    """That many applications of one tool."""
    return [Member(tool, number) for number in range(count)]


def shared(*, greeting: str = "ahoy", of: Sequence[int] = range(BASES)) -> dict[str, str]:
    """What overlays and programs share; `of` says which bases."""
    files = {"library/named.libsonnet": _LIBRARY}
    for number in of:
        base = f"base-{number}"
        files[f"bases/{base}/kustomization.yaml"] = _BASE
        files |= {f"bases/{base}/{file}": WEB.written(file, base, greeting) for file in WEB.files}
    return files


def committed(files: Mapping[str, str], subject: str, *, is_first: bool) -> bytes:
    """A stream for git-fast-import(1): one commit of these files, on top of what there is."""
    message = subject.encode()
    lines = [b"commit refs/heads/%s" % REVISION.encode()]
    lines.append(b"committer Ada Example <ada@example.org> 0 +0000\ndata %d\n%s" % (len(message), message))
    if not is_first:
        lines.append(b"from refs/heads/%s^0" % REVISION.encode())
    for path, text in files.items():
        data = text.encode()
        lines.append(b"M 100644 inline %s\ndata %d\n%s" % (path.encode(), len(data), data))
    return b"\n".join([*lines, b"done\n"])
