"""What an application of the benchmark consists of, and what a person edits of it by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: The file that a push changes, in every shape.
CONFIG_FILE = "config.yaml"

_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels: {{app.kubernetes.io/name: {name}, app.kubernetes.io/part-of: harbour}}
spec:
  replicas: 1
  selector:
    matchLabels: {{app.kubernetes.io/name: {name}}}
  template:
    metadata:
      labels: {{app.kubernetes.io/name: {name}}}
    spec:
      containers:
        - name: web
          image: example.invalid/{name}:1.0
          ports:
            - {{name: http, containerPort: 8080}}
          envFrom:
            - configMapRef: {{name: {name}}}
          resources:
            requests: {{cpu: 10m, memory: 32Mi}}
            limits: {{memory: 64Mi}}
"""

_SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
  labels: {{app.kubernetes.io/name: {name}}}
spec:
  selector: {{app.kubernetes.io/name: {name}}}
  ports:
    - {{name: http, port: 80, targetPort: http}}
"""

_CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
data:
  greeting: {greeting}
  log-level: info
"""


@dataclass(frozen=True)
class Edit:
    """What a person changes by hand in one of an application's objects."""

    group: str
    kind: str
    change: Mapping[str, Any]
    back: Mapping[str, Any]
    #: Whether a plain server-side apply undoes it. A list keyed by port needs the ownership of its items moved first.
    is_plain: bool = True


_EDIT_CONFIG = Edit("", "ConfigMap", {"data": {"log-level": "debug"}}, {"data": {"log-level": "info"}})
_EDIT_DEPLOYMENT = Edit("apps", "Deployment", {"spec": {"replicas": 2}}, {"spec": {"replicas": 1}})
_EDIT_SERVICE = Edit(
    "",
    "Service",
    {"spec": {"ports": [{"name": "http", "port": 81, "targetPort": "http"}]}},
    {"spec": {"ports": [{"name": "http", "port": 80, "targetPort": "http"}]}},
    is_plain=False,
)


@dataclass(frozen=True)
class Shape:
    """The files of one application, an object each, and the edits of it in turn, one of each kind of object."""

    name: str
    files: Mapping[str, str]
    edits: Sequence[Edit]

    @property
    def kinds(self) -> list[str]:
        return [edit.kind for edit in self.edits]

    @property
    def healed_edits(self) -> list[Edit]:
        return [edit for edit in self.edits if edit.is_plain]

    def written(self, file: str, name: str, greeting: str = "ahoy") -> str:
        """What that file of the application of that name holds."""
        return self.files[file].format(name=name, greeting=greeting)


WEB = Shape(
    "web",
    {"deployment.yaml": _DEPLOYMENT, "service.yaml": _SERVICE, CONFIG_FILE: _CONFIG},
    (_EDIT_CONFIG, _EDIT_DEPLOYMENT, _EDIT_SERVICE),
)
CONFIG_MAP = Shape("configmap", {CONFIG_FILE: _CONFIG}, (_EDIT_CONFIG,))
SHAPES = {shape.name: shape for shape in (WEB, CONFIG_MAP)}
