"""A JSON value as lines like YAML, for reading: list members stand one level below their list.

Source: the plain, quoted and literal block styles of YAML 1.2; what kubectl would read as something
else than a text is quoted (`trueup.domain.kubeyaml_scalars`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from trueup.domain.kubeyaml_scalars import resolve
from trueup.domain.printable import printable

#: Levels of nesting, and the text.
Text = tuple[int, str]
#: A line of a text as it may be shown.
Spelling = Callable[[str], str]

#: Starts nothing but a plain text, and holds nothing that ends one.
_PLAIN = re.compile(r"[^\s\-?:,\[\]{}#&*!|>'\"%@`=](?:[^\n:#]|:(?=\S)|(?<=\S)#)*(?<![\s:])")


def scalar(value: Any) -> str:
    """A plain value on one line."""
    if not isinstance(value, str):
        return json.dumps(value)
    if value.isprintable() and _is_plain(value):
        return value
    return printable(json.dumps(value, ensure_ascii=False))


def spelling(*values: Any) -> Spelling:
    """One in which no two lines of texts in these values look the same: an escape and the characters that spell it."""
    shown: dict[str, str] = {}
    twice: set[str] = set()
    for line in _text_lines(values):
        spelled = printable(line)
        if shown.setdefault(spelled, line) != line:
            twice.add(spelled)

    def spell(line: str) -> str:
        spelled = printable(line)
        return printable(line.replace("\\", "\\\\")) if spelled in twice else spelled

    return spell if twice else printable


def _text_lines(value: Any) -> Iterator[str]:
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            yield from each.split("\n") if "\n" in each else ()
        elif isinstance(each, Mapping):
            pending += each.values()
        elif isinstance(each, list | tuple):
            pending += each


def lines_of(
    label: str, value: Any, indent: int, *, below: int | None = None, spell: Spelling = printable
) -> Iterator[Text]:
    """The value behind its label, such as `port:` or `-`.

    `below` is the level of what the value holds, where that is not one more than the label's own.
    """
    inner = indent + 1 if below is None else below
    if isinstance(value, Mapping) and value:
        if label.endswith("-"):
            yield from _after_dash(label, value, indent, spell)
            return
        yield indent, label
        for name, member in value.items():
            yield from lines_of(f"{scalar(name)}:", member, inner, spell=spell)
    elif isinstance(value, list) and value:
        yield indent, label
        for member in value:
            yield from lines_of("-", member, inner, spell=spell)
    elif isinstance(value, str) and "\n" in value.rstrip("\n"):
        yield indent, f"{label} {_header(value)}"
        for line in value.removesuffix("\n").split("\n"):
            yield inner, spell(line)
    else:
        yield indent, f"{label} {_empty(value) or scalar(value)}"


def _after_dash(label: str, value: Mapping[str, Any], indent: int, spell: Spelling) -> Iterator[Text]:
    """The members of a map that is a member of a list: the first one stands beside the dash."""
    lead, place = f"{label} ", indent
    for name, member in value.items():
        yield from lines_of(f"{lead}{scalar(name)}:", member, place, below=indent + 2, spell=spell)
        lead, place = "", indent + 1


def _empty(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{}"
    return "[]" if isinstance(value, list) else ""


def _header(text: str) -> str:
    """How a block says what stands at its end."""
    if not text.endswith("\n"):
        return "|-"
    return "|+" if text.endswith("\n\n") else "|"


def _is_plain(text: str) -> bool:
    return bool(_PLAIN.fullmatch(text.lstrip("-"))) and isinstance(resolve(None, text), str)
