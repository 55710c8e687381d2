"""One repository with many applications of one shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.shapes import CONFIG_FILE, Shape
from tests.support.git import git

#: In which directory of the repository the applications lie, one directory each.
APPLICATIONS = "apps"


def names(count: int, prefix: str = "app") -> list[str]:
    """The names of that many applications."""
    return [f"{prefix}-{number:05}" for number in range(count)]


@dataclass
class Monorepo:
    """The served repository, and a clone of it to commit in."""

    url: str
    bare: Path
    work: Path
    shape: Shape
    commits: int = 0

    async def found(self, applications: Sequence[str]) -> str:
        """Commit and push all of them; the SHA."""
        self.work.mkdir(parents=True)
        await git(self.work, "init", "-q", "-b", "main")
        await git(self.work, "remote", "add", "origin", str(self.bare))
        for name in applications:
            directory = self.work / APPLICATIONS / name
            directory.mkdir(parents=True)
            for file in self.shape.files:
                (directory / file).write_text(self.shape.written(file, name))
        return await self._push(APPLICATIONS, "All applications")

    async def touch(self, name: str) -> str:
        """Change one application's ConfigMap, and push that; the SHA."""
        self.commits += 1
        path = f"{APPLICATIONS}/{name}/{CONFIG_FILE}"
        (self.work / path).write_text(self.shape.written(CONFIG_FILE, name, f"ahoy-{self.commits}"))
        return await self._push(path, f"Change {name}")

    async def _push(self, path: str, subject: str) -> str:
        await git(self.work, "add", path)
        await git(self.work, "commit", "-q", "-m", subject)
        await git(self.work, "push", "-q", "origin", "main")
        return await git(self.work, "rev-parse", "HEAD")
