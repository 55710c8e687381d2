"""Fixtures: a Git server, and a mirror of the repository `r` that the test's own fixture `repository` makes there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.git import Repository, open_mirror
from trueup.clients.git_mirror import Mirror
from trueup.sandbox import GitServer, git_server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitServer]:
    async with git_server(tmp_path / "served") as running:
        yield running


@pytest.fixture
async def mirror(tmp_path: Path, server: GitServer, repository: Repository) -> AsyncIterator[Mirror]:
    opened = open_mirror(tmp_path, server.repository_url("r"))
    yield opened
    await opened.close()
