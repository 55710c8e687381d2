"""Flags as scripts written for `argocd` spell them: `--prune=true`, `--exit-code=false`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

_SPELLED_OUT = re.compile(r"(--[a-z-]+)=(true|false)", re.ASCII)


def plain_flags(command: Any, arguments: Sequence[str]) -> list[str]:
    """The arguments with each spelled-out flag of the command, or of one below it, as it is parsed here."""
    opposites = dict(_flags(command))
    return [word for argument in arguments for word in _plain(argument, opposites)]


def _plain(argument: str, opposites: dict[str, str | None]) -> list[str]:
    found = _SPELLED_OUT.fullmatch(argument)
    if found is None or found[1] not in opposites:
        return [argument]
    if found[2] == "true":
        return [found[1]]
    opposite = opposites[found[1]]
    return [opposite] if opposite else []


def _flags(command: Any) -> Iterator[tuple[str, str | None]]:
    """Every flag, and the one that says the opposite; None where that is what not saying it means."""
    for parameter in command.params:
        if getattr(parameter, "is_flag", False):
            opposite = next(iter(parameter.secondary_opts), None)
            yield from ((name, opposite) for name in parameter.opts)
    for inner in getattr(command, "commands", {}).values():
        yield from _flags(inner)
