"""One side of a comparison of two: what Git wants of an Application, or what the cluster has of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice

from rich.console import Console
from rich.text import Text

from trueup.cli.difference import assembled
from trueup.cli.printing import one_line
from trueup.domain.application import Application
from trueup.domain.diff import ObjectDiff
from trueup.domain.diffview.build import view_of
from trueup.domain.diffview.markdown import code, document_of
from trueup.domain.diffview.model import ObjectView
from trueup.domain.diffview.terminal import unified
from trueup.domain.errors import StalledError
from trueup.domain.redact import Redactor
from trueup.domain.resource import Body
from trueup.domain.two_sides import Pair, Whose, difference
from trueup.engine.engine import Engine
from trueup.engine.render.application import Rendered


@dataclass(frozen=True, slots=True)
class Side:
    """The objects, and what must not be shown of whatever is said of them."""

    name: str
    whose: Whose
    bodies: tuple[Body, ...]
    secrets: tuple[str, ...]


async def desired_side(name: str, engine: Engine, application: Application, revisions: tuple[str, ...] = ()) -> Side:
    """What Git wants, at `revisions` where they are given; the remote is asked, and nothing live is read."""
    async with engine.clusters.reached(application) as destination:
        sources = await engine.checkout(application, revisions=revisions)
        rendered = await engine.render(application, sources, cluster=destination)
        observed = await engine.observe(destination, application, rendered, only=())
    bodies = tuple(manifest.body for manifest in observed.manifests)
    return Side(name, _whose(application), bodies, engine.secret_values_of(application))


async def live_side(name: str, engine: Engine, application: Application) -> Side:
    """What is there of what `status.resources` names; StalledError where not all of it can be read."""
    async with engine.clusters.reached(application) as destination:
        observed = await engine.observe(destination, application, Rendered((), {}, ()))
    if observed.unreadable:
        raise StalledError("; ".join(f"{key}: {why}" for key, why in sorted(observed.unreadable.items())))
    bodies = tuple(body for _, body in sorted(observed.live.items()) if body is not None)
    return Side(name, _whose(application), bodies, engine.secret_values_of(application))


def _whose(application: Application) -> Whose:
    return Whose(application.id.name, application.namespace)


def views_of_pairs(pairs: Iterable[Pair], sides: tuple[Side, Side]) -> list[ObjectView]:
    """What differs of each pair; `Missing` is what only the second side has, `Unwanted` what only the first one has.

    What either side holds as a secret is shown of neither.
    """
    redactor = Redactor()
    for side in sides:
        for value in side.secrets:
            redactor.add(value)
        for body in side.bodies:
            redactor.learn(body)
    return [view for pair in pairs if (view := _view(pair, redactor)) is not None]


def _view(pair: Pair, redactor: Redactor) -> ObjectView | None:
    diff = difference(pair)
    if diff.status == "Synced":
        return None
    before = pair.before.body if pair.before is not None else None
    if pair.after is None:
        view = view_of(ObjectDiff(pair.key, "OutOfSync"), None, before, redactor)
    else:
        view = view_of(diff, pair.after, before, redactor)
    # Nobody has changed one into the other.
    return replace(view, lines=tuple(replace(line, attribution=None) for line in view.lines))


def side_title(view: ObjectView, names: tuple[str, str]) -> str:
    """The object, and where it is where only one side has it."""
    remarks = {"Missing": f" is only in {names[1]}", "Unwanted": f" is only in {names[0]}"}
    return one_line(f"{view.key}{remarks.get(view.status, '')}")


def print_sides(views: Iterable[ObjectView], names: tuple[str, str], console: Console) -> None:
    """Print what differs: `-` is of the first side, `+` of the second."""
    for number, view in enumerate(views):
        if number == 0:
            console.print(Text(one_line(f"--- {names[0]}"), style="red"))
            console.print(Text(one_line(f"+++ {names[1]}"), style="green"))
        console.print()
        console.print(Text(f"===== {side_title(view, names)}", style="bold"))
        for pieces in islice(unified(view, console.width if console.is_terminal else None), 1, None):
            console.print(assembled(pieces))


def sides_as_markdown(views: Iterable[ObjectView], names: tuple[str, str]) -> str:
    """For comments on pull requests; nothing where nothing differs."""
    first, second = (code(one_line(name)) for name in names)
    above = f"`-` is {first}, `+` is {second}\n"
    return document_of(views, titled=lambda view: side_title(view, names), above=above)
