"""`trueup app manifests`: the objects of an Application, from Git or from the cluster, Secrets masked."""

from __future__ import annotations

from collections.abc import Iterable

from trueup.cli.at_hand import engine_at_hand, revisions_asked
from trueup.cli.home import home
from trueup.cli.printing import documents
from trueup.domain.application import Application
from trueup.domain.errors import StalledError
from trueup.domain.redact import Redactor
from trueup.domain.resource import Body
from trueup.engine.engine import Engine
from trueup.engine.render.application import Rendered

GIT = "git"
LIVE = "live"


async def print_manifests(name: str, source: str, output: str, *, namespace: str, revision: str | None) -> None:
    """Print what Git wants, or what the cluster has of what the Application owns. Nothing is written.

    Raises StalledError where something could not be read, after printing what could.
    """
    if source == LIVE and revision is not None:
        raise StalledError("--revision is of Git, and --source live of the cluster; leave one of them out")
    async with home(namespace) as reached:
        raw = await reached.read(reached.named(name))
        async with engine_at_hand(reached.cluster, raw, reached.settings) as (engine, application):
            if source == LIVE:
                await _print_live(engine, application, output)
            else:
                await _print_desired(engine, application, revision, output)


async def _print_desired(engine: Engine, application: Application, revision: str | None, output: str) -> None:
    """In the order of the sources and their files, each object in its namespace."""
    async with engine.clusters.reached(application) as destination:
        sources = await engine.checkout(application, revisions=revisions_asked(application, revision))
        rendered = await engine.render(application, sources, cluster=destination)
        observed = await engine.observe(destination, application, rendered, only=())
    _print((manifest.body for manifest in observed.manifests), engine.secret_values_of(application), output)


async def _print_live(engine: Engine, application: Application, output: str) -> None:
    """What is there of what `status.resources` names; Git is not asked."""
    nothing = Rendered((), {}, ())
    async with engine.clusters.reached(application) as destination:
        observed = await engine.observe(destination, application, nothing)
    bodies = [body for _, body in sorted(observed.live.items()) if body is not None]
    _print(bodies, engine.secret_values_of(application), output)
    if observed.unreadable:
        raise StalledError("; ".join(f"{key}: {why}" for key, why in sorted(observed.unreadable.items())))


def _print(bodies: Iterable[Body], secrets: Iterable[str], output: str) -> None:
    redactor = Redactor()
    for value in secrets:
        redactor.add(value)
    print(documents(masked(bodies, redactor), output), end="")


def masked(bodies: Iterable[Body], redactor: Redactor) -> list[Body]:
    """The objects as they may be shown, each without the values that any of them holds as a Secret."""
    bodies = list(bodies)
    for body in bodies:
        redactor.learn(body)
    return [redactor.body(body) for body in bodies]
