"""`trueup compare A B`: two Applications held against each other, such as staging and production."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from trueup.cli.at_hand import engine_at_hand
from trueup.cli.difference import Color, console_for
from trueup.cli.home import Home, home
from trueup.cli.printing import structured
from trueup.cli.sides import Side, desired_side, live_side, print_sides, sides_as_markdown, views_of_pairs
from trueup.domain.diffview.model import ObjectView, as_json
from trueup.domain.errors import StalledError
from trueup.domain.two_sides import Strip, paired


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be held against what, and how it is shown."""

    live: bool
    strip: Strip
    output: str
    color: Color


async def print_comparison(first: str, second: str, asked: Asked, *, namespace: str) -> bool:
    """Print what differs between the two; whether anything does. Nothing is written.

    Objects are matched by kind and name: where each of the two is delivered to is no difference.
    """
    async with home(namespace) as reached:
        names = [str(reached.named(name)) for name in (first, second)]
        if names[0] == names[1]:
            raise StalledError(f"{names[0]} is one Application; `trueup app diff` compares it with its cluster")
        before = await _side(reached, first, live=asked.live)
        after = await _side(reached, second, live=asked.live)
    pairs = paired(
        before.bodies,
        after.bodies,
        whose=(before.whose, after.whose),
        strip=asked.strip,
        is_live=asked.live,
    )
    views = views_of_pairs(pairs, (before, after))
    if asked.output == "json":
        print(structured({"first": before.name, "second": after.name, "objects": sides_as_json(views)}, "json"))
    elif asked.output == "markdown":
        print(sides_as_markdown(views, (before.name, after.name)), end="")
    else:
        print_sides(views, (before.name, after.name), console_for(asked.color))
    return bool(views)


def sides_as_json(views: list[ObjectView]) -> list[dict[str, object]]:
    """Each object that differs, `live` being its lines of the first side and `git` those of the second."""
    found = {"Missing": "second", "Unwanted": "first"}
    return [{**as_json(view), "only": found.get(view.status)} for view in views]


async def _side(reached: Home, name: str, *, live: bool) -> Side:
    application = reached.named(name)
    raw = await reached.read(application)
    async with AsyncExitStack() as stack:
        engine, parsed = await stack.enter_async_context(engine_at_hand(reached.cluster, raw, reached.settings))
        return await (live_side if live else desired_side)(str(application), engine, parsed)
