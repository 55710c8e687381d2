"""Charts that other charts depend on, from the repositories that they name, with the login that is meant for those."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trueup.clients.charts import Chart, Charts
from trueup.domain.credentials import RepositoryCredentials, select_for_charts


@dataclass(frozen=True, slots=True)
class RepositoryCharts:
    """The `ChartFetch` of an Application: a Secret of another project is never shown for it."""

    charts: Charts
    credentials: Iterable[RepositoryCredentials]
    #: The Application's.
    project: str

    async def fetch(self, repo_url: str, name: str, version: str, *, pass_credentials: bool) -> Chart:
        """As `ChartFetch` has it. Raises as `Charts.resolve` and `Charts.fetch` do."""
        credentials = select_for_charts(repo_url, self.credentials, project=self.project)
        ref = await self.charts.resolve(repo_url, name, version, credentials=credentials)
        return await self.charts.fetch(ref, credentials=credentials, pass_credentials=pass_credentials)
