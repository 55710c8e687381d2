"""What is read at a terminal or by a program: nothing in it is obeyed by the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
import yaml


def printable(text: str) -> str:
    r"""The text with whatever a terminal would obey, or would not show, as an escape such as `\x1b`."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def one_line(value: object) -> str:
    """Printable, and whitespace of any kind and length is one space; None is nothing."""
    return printable(" ".join(str(value if value is not None else "").split()))


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """A line for each title and its fact."""
    return "\n".join(f"{title + ':':16}{one_line(fact)}" for title, fact in pairs)


def structured(value: Any, output: str) -> str:
    """The value as `json` or as `yaml`, for programs."""
    if output == "json":
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True)).removesuffix("\n")
