"""One repository with many applications: a Deployment, a Service and a ConfigMap each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.git import git

#: In which directory of the repository the applications lie, one directory each.
APPLICATIONS = "apps"

_MANIFESTS = {
    "deployment.yaml": """\
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
""",
    "service.yaml": """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
  labels: {{app.kubernetes.io/name: {name}}}
spec:
  selector: {{app.kubernetes.io/name: {name}}}
  ports:
    - {{name: http, port: 80, targetPort: http}}
""",
    "config.yaml": """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
data:
  greeting: {greeting}
  log-level: info
""",
}


def names(count: int, prefix: str = "app") -> list[str]:
    """The names of that many applications."""
    return [f"{prefix}-{number:05}" for number in range(count)]


@dataclass
class Monorepo:
    """The served repository, and a clone of it to commit in."""

    url: str
    bare: Path
    work: Path
    commits: int = 0

    async def found(self, applications: Sequence[str]) -> str:
        """Commit and push all of them; the SHA."""
        self.work.mkdir(parents=True)
        await git(self.work, "init", "-q", "-b", "main")
        await git(self.work, "remote", "add", "origin", str(self.bare))
        for name in applications:
            directory = self.work / APPLICATIONS / name
            directory.mkdir(parents=True)
            for file, text in _MANIFESTS.items():
                (directory / file).write_text(text.format(name=name, greeting="ahoy"))
        return await self._push(APPLICATIONS, "All applications")

    async def touch(self, name: str) -> str:
        """Change one application's ConfigMap, and push that; the SHA."""
        self.commits += 1
        path = f"{APPLICATIONS}/{name}/config.yaml"
        text = _MANIFESTS["config.yaml"].format(name=name, greeting=f"ahoy-{self.commits}")
        (self.work / path).write_text(text)
        return await self._push(path, f"Change {name}")

    async def _push(self, path: str, subject: str) -> str:
        await git(self.work, "add", path)
        await git(self.work, "commit", "-q", "-m", subject)
        await git(self.work, "push", "-q", "origin", "main")
        return await git(self.work, "rev-parse", "HEAD")
