"""`python -m benchmarks.renders`: what rendering costs over the bare tool, and what a worker finds again."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY

from benchmarks import machine, report
from benchmarks.figures import Again, Beside, Renders
from benchmarks.render_fleet import BASES, HELM, JSONNET, KUSTOMIZE, TOOLS, URL, Member, committed, members, shared
from benchmarks.targets import RENDERS
from tests.support.git import git
from trueup.clients.process import Argument, base_environment, run
from trueup.engine.checkout import MirrorPool
from trueup.engine.concurrency import each
from trueup.engine.render.application import Rendered, Renderer
from trueup.engine.render.equip import equipped
from trueup.engine.render.fetch import Fetch
from trueup.engine.render.helm_fetch import RepositoryCharts
from trueup.engine.sources import at_commits
from trueup.sandbox import ensure_tools
from trueup.settings import Settings

APPLICATIONS = 1_000
SAMPLES = 200
CHECKOUT = Path(__file__).parent.parent
VERIFY_SECONDS_MAX = 300.0
OUTPUT_BYTES_MAX = 1024 * 1024


@dataclass
class Place:
    """A data directory as a worker has it, the commits of its one mirror, and what renders."""

    directory: Path
    settings: Settings
    pool: MirrorPool
    renderer: Renderer

    async def commit(self, files: Mapping[str, str], subject: str, *, is_first: bool = False) -> str:
        """Commit to the mirror itself, as a fetch would leave it; the SHA."""
        bare = (await self.pool.mirror(URL)).directory
        if is_first:
            bare.mkdir(parents=True)
            await git(bare, "init", "-q", "--bare", "-b", "main")
        await git(bare, "fast-import", "--quiet", "--done", stdin=committed(files, subject, is_first=is_first))
        return await self.tip()

    async def tip(self) -> str:
        return await git((await self.pool.mirror(URL)).directory, "rev-parse", "refs/heads/main")

    async def clone(self, target: Path) -> Path:
        """All files, for the bare tools."""
        await git(self.directory, "clone", "-q", str((await self.pool.mirror(URL)).directory), str(target))
        return target

    async def render(self, member: Member, revision: str) -> Rendered:
        """As a worker does, from the commit to objects."""
        application = member.application()
        sources = await at_commits(application, [(await self.pool.mirror(URL), revision)])
        charts = RepositoryCharts(self.renderer.toolkit.charts, (), application.project)
        return await self.renderer.render(application, sources, cluster=None, fetch=Fetch(charts))

    async def render_all(self, wanted: Sequence[Member], revision: str) -> Again:
        """As many at a time as a worker has jobs."""
        before, began = rendered(), time.monotonic()

        async def one(member: Member) -> None:
            await self.render(member, revision)

        await each(wanted, one, in_flight_max=self.settings.jobs_running_max)
        return Again(time.monotonic() - began, rendered() - before)


def rendered() -> int:
    """Renders of this process so far."""
    counts = (REGISTRY.get_sample_value("trueup_renders_total", {"outcome": name}) for name in ("ok", "failed"))
    return int(sum(count or 0 for count in counts))


@asynccontextmanager
async def opened(directory: Path, tools: Path) -> AsyncIterator[Place]:
    helm, kustomize, jsonnet = (str(tools / name) for name in ("helm", "kustomize", "jsonnet"))
    settings = Settings(data_dir=directory, helm=helm, kustomize=kustomize, jsonnet=jsonnet)
    async with MirrorPool(directory) as pool, equipped(settings, directory) as toolkit:
        yield Place(directory, settings, pool, Renderer(toolkit))


async def beside(place: Place, clone: Path, tool: str, program: str, samples: int, revision: str) -> Beside:
    """Renders of applications that were never rendered, each beside its bare tool, in turn."""
    found = Beside(tool)
    for member in members(tool, samples + 1):

        async def bare(member: Member = member) -> float:
            began = time.monotonic()
            done = await run(
                member.command(program),
                cwd=clone,
                env={"HOME": str(clone.parent)},
                timeout_seconds=place.settings.render_seconds_max,
                output_bytes_max=OUTPUT_BYTES_MAX,
            )
            if done.returncode != 0:
                raise RuntimeError(done.stderr.decode(errors="replace"))
            return time.monotonic() - began

        async def ours(member: Member = member) -> float:
            began = time.monotonic()
            await place.render(member, revision)
            return time.monotonic() - began

        if member.number % 2:
            of_bare, of_ours = await bare(), await ours()
        else:
            of_ours, of_bare = await ours(), await bare()
        # The first of each tool starts what stays: the jailer, and git's reader.
        if member.number:
            found.add(of_ours, of_bare)
    return found


async def measured(directory: Path, tools: Path, applications: int, samples: int) -> Renders:
    """Everything, on a data directory of its own."""
    fleet = members(KUSTOMIZE, applications)
    files = shared()
    for member in [*fleet, *(m for tool in TOOLS for m in members(tool, samples + 1))]:
        files |= member.files()
    async with opened(directory / "data", tools) as place:
        first = await place.commit(files, "All applications", is_first=True)
        clone = await place.clone(directory / "clone")
        programs = {KUSTOMIZE: "kustomize", HELM: "helm", JSONNET: "jsonnet"}
        tried = [
            await beside(place, clone, tool, str(tools / program), samples, first) for tool, program in programs.items()
        ]
        cold = await place.render_all(fleet[samples + 1 :], first)
    again = await verified(directory, tools, applications)
    async with opened(directory / "data", tools) as place:
        second = await place.commit(fleet[7 % applications].files(replicas=3), "Change one overlay")
        of_overlay = await place.render_all(fleet, second)
        third = await place.commit(shared(greeting="aye", of=[3 % BASES]), "Change a base")
        of_base = await place.render_all(fleet, third)
    overlays = sum(member.base == f"base-{3 % BASES}" for member in fleet)
    return Renders(tried, cold, again, of_overlay, of_base, overlays)


async def verified(directory: Path, tools: Path, applications: int) -> Again:
    """All applications once more, by a process that has just started."""
    where: tuple[Argument, ...] = ("--verify", directory / "data", "--tools", tools)
    command: tuple[Argument, ...] = (sys.executable, "-m", "benchmarks.renders", *where)
    done = await run(
        [*command, "--applications", str(applications)],
        cwd=CHECKOUT,
        env=base_environment(),
        timeout_seconds=VERIFY_SECONDS_MAX,
        output_bytes_max=OUTPUT_BYTES_MAX,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode(errors="replace")[-4000:])
    return Again(**json.loads(done.stdout))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.renders", description=__doc__)
    add = parser.add_argument
    add("--applications", type=int, default=APPLICATIONS, help="kustomizations in the repository")
    add("--samples", type=int, default=SAMPLES, help="renders of each tool beside the bare one")
    add("--json", type=Path, help="write the figures to this file as well")
    add("--verify", type=Path, metavar="DIR", help="only find again what is in this data directory, and say how long")
    add("--tools", type=Path, help="where the tools are; those of the sandbox where nothing is said")
    return parser.parse_args()


async def main(asked: argparse.Namespace) -> None:
    tools = asked.tools or await ensure_tools()
    if asked.verify:
        async with opened(asked.verify, tools) as place:
            again = await place.render_all(members(KUSTOMIZE, asked.applications), await place.tip())
        print(json.dumps(again.described()))
        return
    with tempfile.TemporaryDirectory(prefix="trueup-bench-") as directory:
        found = await measured(Path(directory), tools, asked.applications, asked.samples)
    described = await machine.of_this(CHECKOUT)
    result: dict[str, Any] = {
        "applications": asked.applications,
        "shape": RENDERS,
        "machine": described,
        **found.described(),
    }
    for lines in (report.machine(described), report.renders(found), report.targets([result], shapes=[RENDERS])):
        for line in lines:
            print(line, flush=True)
    if asked.json:
        asked.json.write_text(json.dumps([result], indent=2) + "\n")


if __name__ == "__main__":
    try:
        asyncio.run(main(arguments()))
    except KeyboardInterrupt:
        sys.exit(130)
