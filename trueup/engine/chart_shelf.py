"""Charts from repositories, and what a version of them was when it was last looked at."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
import structlog

from trueup.clients.charts.charts import Charts
from trueup.clients.charts.model import Chart, ChartRef
from trueup.clients.whole_file import write_whole
from trueup.domain.credentials import RepositoryCredentials
from trueup.domain.source import Source

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ChartShelf:
    """The repositories, and on this machine's disk what they said of each version that was asked for.

    So what was compared last is found again without asking anybody. Lost, it costs one question each.
    """

    charts: Charts
    #: Several processes may share it.
    directory: Path

    async def resolve(self, source: Source, target: str, credentials: RepositoryCredentials | None) -> ChartRef:
        """What the target revision stands for now; the repository is asked."""
        return await self.charts.resolve(source.repo_url, source.chart, target, credentials=credentials)

    async def remembered(self, source: Source, version: str) -> ChartRef | None:
        """What this very version was when it was last looked at."""
        return await asyncio.to_thread(self._read, source, version)

    async def remember(self, source: Source, ref: ChartRef) -> None:
        """Where the disk takes nothing more it is left: the repository is asked again then."""
        try:
            await asyncio.to_thread(self._write, source, ref)
        except OSError as error:
            _log.warning("chart_version_not_kept", why=str(error)[:300])

    async def fetch(self, source: Source, ref: ChartRef, credentials: RepositoryCredentials | None) -> Chart:
        """The chart, unpacked: from the disk where it is there."""
        passes = source.helm is not None and source.helm.pass_credentials
        return await self.charts.fetch(ref, credentials=credentials, pass_credentials=passes)

    def _read(self, source: Source, version: str) -> ChartRef | None:
        try:
            return ChartRef(**orjson.loads(self._path(source, version).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def _write(self, source: Source, ref: ChartRef) -> None:
        write_whole(self._path(source, ref.version), orjson.dumps(asdict(ref)))

    def _path(self, source: Source, version: str) -> Path:
        name = hashlib.sha256(orjson.dumps([source.repo_url, source.chart, version])).hexdigest()
        return self.directory / name[:40]
