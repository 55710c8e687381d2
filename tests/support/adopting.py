"""Drift that is to be accepted: how it comes about, and what is done with a patch."""

from __future__ import annotations

import orjson

from tests.support.bad_input import fresh
from tests.support.commands import said
from tests.support.git import git
from tests.support.product import Installation, Repo, is_synced
from trueup.clients.process import Completed

WEB = """\
# The shop's front, kept by the web team.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels: {{app: {name}}}   # the selector below says the same
spec:
  replicas: 2  # two are enough at night
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
        # The only one.
        - name: web
          image: "example.invalid/web:1"   # pinned
          env:
            # How much it says.
            - name: LEVEL
              value: 'info'
            - name: MODE
              value: "on"
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}}}
data:
  # Read at start.
  motd: |
    Hello,
    world.
  colour: blue
"""


def plain(name: str, **data: str) -> str:
    """A ConfigMap as a person would write it."""
    lines = "".join(f'  {key}: "{value}"\n' for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n{lines}"


async def delivered(running: Installation, files: dict[str, str]) -> tuple[str, Repo]:
    """An application with these files, Synced; its name and its repository."""
    repository, name = await running.repository(), fresh("shop")
    revision = await repository.push({f"app/{path}": text for path, text in files.items()})
    await running.apply(name, repository.url)
    said(await running.trueup("app", "sync", name))
    await running.until(name, is_synced(revision), "synced")
    await running.at_rest()
    return name, repository


async def by_hand(running: Installation, kind: str, name: str, patch: object, way: str = "strategic") -> None:
    text = orjson.dumps(patch).decode()
    await running.kubectl("patch", kind, name, "-n", running.delivered_to, "--type", way, "-p", text)


def lines_of(patch: str) -> list[str]:
    return [line for line in patch.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]


async def applied(repository: Repo, patch: str) -> str:
    """The commit after `git apply` of the patch."""
    await git(repository.work, "apply", "--index", "-", stdin=patch.encode())
    await git(repository.work, "commit", "-q", "-m", "Accept")
    await git(repository.work, "push", "-q", "origin", "HEAD:refs/heads/main")
    return await git(repository.work, "rev-parse", "HEAD")


def in_part(done: Completed) -> tuple[str, str]:
    """What it printed, and what it said of the rest, which it could not have."""
    assert done.returncode == 1, (done.returncode, done.stdout.decode(), done.stderr.decode())
    return done.stdout.decode(), done.stderr.decode()
