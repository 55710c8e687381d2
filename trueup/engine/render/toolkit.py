"""What renders are made with, for the life of a process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from trueup.clients.charts.charts import Charts
from trueup.engine.facts import FactsOfClusters
from trueup.engine.render.cache import RenderCache
from trueup.engine.render.directory import RenderBounds
from trueup.engine.render.jsonnet import Confined
from trueup.engine.render.store import RenderStore
from trueup.engine.render.tools import Tools


@dataclass(frozen=True, slots=True)
class Toolkit:
    #: Files that were parsed, and what tools made.
    cache: RenderCache
    store: RenderStore
    bounds: RenderBounds
    tools: Tools
    #: Where tools run.
    jail: Confined
    charts: Charts
    #: Holds a private directory for each render that runs.
    work: Path
    #: Tools that run at a time.
    running: asyncio.Semaphore
    facts: FactsOfClusters = field(default_factory=FactsOfClusters)
