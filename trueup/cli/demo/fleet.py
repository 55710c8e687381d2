"""The sample repository that the demo follows: a small fleet of harbour services."""

from __future__ import annotations

import os
from pathlib import Path

from trueup.clients.process import base_environment, run
from trueup.domain.errors import StalledError

GIT_SECONDS_MAX = 30.0
OUTPUT_BYTES_MAX = 1024 * 1024
SERVICES = ("harbour", "lighthouse", "tides")
#: The one that Helm renders, and the one that Kustomize does; the others are plain YAML.
CHART, KUSTOMIZATION = "harbour", "lighthouse"


def deployment(name: str, *, replicas: int, version: str) -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
        - name: web
          image: example.invalid/{name}:{version}
          ports:
            - {{name: http, containerPort: 8080}}
          envFrom:
            - configMapRef: {{name: {name}}}
"""


def service(name: str) -> str:
    return f"""\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector: {{app: {name}}}
  ports:
    - {{name: http, port: 80, targetPort: http}}
"""


def config_map(name: str, greeting: str) -> str:
    return f"""\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
data:
  greeting: {greeting}
"""


class Fleet:
    """A clone whose commits are pushed to the sandbox's Git server."""

    def __init__(self, clone: Path, url: str) -> None:
        self.clone = clone
        self.url = url

    async def found(self) -> str:
        """Make the repository with every service in its own directory, push it, and return the commit."""
        self.clone.mkdir(parents=True)
        await self._git("init", "--quiet", "--initial-branch=main")
        await self._git("remote", "add", "origin", self.url)
        for name in SERVICES:
            directory = f"{name}/templates" if name == CHART else name
            self.write(f"{directory}/deployment.yaml", deployment(name, replicas=2, version="1.0"))
            self.write(f"{directory}/service.yaml", service(name))
            self.write(f"{directory}/config.yaml", config_map(name, "ahoy"))
        self.write(f"{CHART}/Chart.yaml", f"apiVersion: v2\nname: {CHART}\nversion: 1.0.0\n")
        self.write(f"{CHART}/templates/config.yaml", config_map(CHART, "{{ .Values.greeting }}"))
        self.write(f"{CHART}/values.yaml", "greeting: ahoy\n")
        self.write(f"{KUSTOMIZATION}/kustomization.yaml", "resources: [deployment.yaml, service.yaml, config.yaml]\n")
        return await self.push("The fleet puts to sea")

    def write(self, path: str, text: str) -> None:
        """Put a file into the work tree."""
        file = self.clone / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    async def push(self, subject: str) -> str:
        """Commit all there is, push it, and return the commit's SHA."""
        await self._git("add", "--all")
        await self._git("commit", "--quiet", "--message", subject)
        await self._git("push", "--quiet", "origin", "HEAD:main")
        return (await self._git("rev-parse", "HEAD")).strip()

    async def _git(self, *arguments: str) -> str:
        env = base_environment() | self._identity() | {"HOME": os.devnull, "GIT_CONFIG_GLOBAL": os.devnull}
        done = await run(
            ["git", *arguments],
            cwd=self.clone,
            env=env,
            timeout_seconds=GIT_SECONDS_MAX,
            output_bytes_max=OUTPUT_BYTES_MAX,
        )
        if done.returncode:
            raise StalledError(
                f"git {arguments[0]} failed in {self.clone}: {done.stderr.decode(errors='replace').strip()}"
            )
        return done.stdout.decode()

    @staticmethod
    def _identity() -> dict[str, str]:
        who = {"NAME": "Captain", "EMAIL": "captain@example.invalid"}
        return {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
