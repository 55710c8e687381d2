"""The toolkit as the settings have it, opened for the life of a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from trueup.clients.charts import Charts
from trueup.clients.jail import Jail
from trueup.engine.bounds import chart_bounds, jail_bounds, render_bounds
from trueup.engine.render.cache import RenderCache
from trueup.engine.render.store import RenderStore
from trueup.engine.render.toolkit import Toolkit
from trueup.engine.render.tools import Tools
from trueup.engine.render.workdir import workplace
from trueup.settings import Settings


@asynccontextmanager
async def equipped(settings: Settings, data_dir: Path) -> AsyncIterator[Toolkit]:
    """What renders are made with. Charts and what was rendered are kept below `data_dir`, which several may share."""
    async with (
        Jail(jail_bounds(settings)) as jail,
        Charts(data_dir, schemes=settings.schemes, bounds=chart_bounds(settings)) as charts,
        workplace(data_dir / "work") as work,
    ):
        yield Toolkit(
            cache=RenderCache(render_cache_bytes_max=settings.render_cache_bytes_max),
            store=RenderStore(data_dir / "renders", render_store_bytes_max=settings.render_store_bytes_max),
            bounds=render_bounds(settings),
            tools=Tools(helm=settings.helm, kustomize=settings.kustomize, jsonnet=settings.jsonnet),
            jail=jail,
            charts=charts,
            work=work,
            running=asyncio.Semaphore(settings.renders_running_max),
        )
