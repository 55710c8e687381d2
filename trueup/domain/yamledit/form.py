"""How a document is laid out, and how a value that is new to it is written to look as if it had always stood there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trueup.domain.yamledit import scalars
from trueup.domain.yamledit.nodes import Node, Part, Style, Tree, walked

STEP_DEFAULT = 2


@dataclass(frozen=True, slots=True)
class Form:
    """The habits of one document."""

    is_json: bool
    newline: str
    #: Columns that a mapping in a mapping stands further in.
    step: int
    #: Columns that a sequence in a mapping stands further in; none in what kubectl prints.
    sequence_step: int
    #: Blanks between a dash and what stands behind it.
    dash_gap: int = 1
    #: What a level of JSON is indented by; None where all of it is on one line.
    json_indentation: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A value in the place of another: what follows the colon or the dash, and the lines below."""

    inline: str
    lines: tuple[str, ...] = ()


def form_of(text: str, tree: Tree, *, is_json: bool) -> Form:
    """As most of the document has it."""
    newline = "\r\n" if "\r\n" in text else "\n"
    steps: Counter[int] = Counter()
    sequence_steps: Counter[int] = Counter()
    gaps: Counter[int] = Counter()
    for node in walked(tree.root):
        if node.style == "block" and node.kind == "sequence":
            gaps.update(_dash_gaps(text, node))
        if node.style != "block" or node.kind != "mapping":
            continue
        for part in node.parts:
            if part.node.style == "block" and part.node.parts:
                found = column(text, part.node.parts[0].start) - column(text, part.start)
                (steps if part.node.kind == "mapping" else sequence_steps)[found] += 1
    step = _most(steps, STEP_DEFAULT)
    sequence_step = max(0, _most(sequence_steps, step))
    return Form(is_json, newline, max(1, step), sequence_step, _most(gaps, 1), _json_indentation(text, tree))


def of_list(form: Form, text: str, node: Node) -> Form:
    """As the members of this list have it."""
    return replace(form, dash_gap=_most(Counter(_dash_gaps(text, node)), form.dash_gap))


def _dash_gaps(text: str, node: Node) -> Iterator[int]:
    """Of each member that stands in its dash's line."""
    for part in node.parts:
        between = text[part.after : part.node.start]
        if between and not between.strip(" "):
            yield len(between)


def _most(counted: Counter[int], otherwise: int) -> int:
    return counted.most_common(1)[0][0] if counted else otherwise


def _json_indentation(text: str, tree: Tree) -> str | None:
    pads = [own_pad(text, part.start) for part in tree.root.parts[:1]]
    return pads[0] if pads and "\n" in text.strip() else None


def own_pad(text: str, position: int) -> str | None:
    """The white space before what begins its line; None for what stands further on in one."""
    pad = text[text.rfind("\n", 0, position) + 1 : position]
    return pad if not pad.strip(" \t") else None


def line_pad(text: str, position: int) -> str:
    """The white space that the line of this place begins with."""
    start = text.rfind("\n", 0, position) + 1
    line = text[start:position]
    return line[: len(line) - len(line.lstrip(" \t"))]


def column(text: str, position: int) -> int:
    """Counted from 0."""
    return position - text.rfind("\n", 0, position) - 1


def at_key(form: Form, value: Any, style: Style, place: int, body: int = 0) -> Written:
    """A value behind the colon of a key in this column; with `body` a text's lines stand so far further in."""
    if isinstance(value, dict | list) and value:
        step = form.step if isinstance(value, dict) else form.sequence_step
        return Written("", tuple(padded(block(form, value), place + step)))
    return _scalar(value, style, place, body or form.step)


def at_dash(form: Form, value: Any, style: Style, place: int, body: int = 0) -> Written:
    """A value behind the dash in this column, see `at_key`."""
    if isinstance(value, dict | list) and value:
        first, *rest = block(form, value)
        return Written(f"{' ' * form.dash_gap}{first}", tuple(padded(rest, place + 1 + form.dash_gap)))
    return _scalar(value, style, place, body or form.step, form.dash_gap)


def _scalar(value: Any, style: Style, place: int, body: int, gap: int = 1) -> Written:
    lines = scalars.literal(value, body) if isinstance(value, str) else None
    # A block that keeps its empty lines would take in those that follow.
    keeps = lines is not None and lines[0].endswith("+") and style not in ("literal", "folded")
    if lines is None or keeps or style in ("single", "double"):
        return Written(f"{' ' * gap}{scalars.one_line(value, style, in_flow=False)}")
    return Written(f"{' ' * gap}{lines[0]}", tuple(padded(lines[1:], place + body)))


def block(form: Form, value: dict[str, Any] | list[Any]) -> list[str]:
    """The lines of a collection that is not empty, the outermost ones in the first column."""
    lines: list[str] = []
    if isinstance(value, dict):
        for name, below in value.items():
            written = at_key(form, below, "plain", 0)
            lines += [f"{scalars.key(name, in_flow=False)}:{written.inline}", *written.lines]
        return lines
    for below in value:
        written = at_dash(form, below, "plain", 0)
        lines += [f"-{written.inline}", *written.lines]
    return lines


def padded(lines: Sequence[str], columns: int) -> list[str]:
    """The lines so far further in; empty ones stay empty."""
    return [" " * columns + line if line else line for line in lines]


def in_flow(form: Form, value: Any, style: Style, pad: str | None) -> str:
    """A value within a flow collection, or in JSON; with a `pad` it may take several lines that begin with it."""
    if not form.is_json:
        is_scalar = not isinstance(value, dict | list)
        return scalars.one_line(value, style, in_flow=True) if is_scalar else "".join(scalars.flow(value))
    if pad is None or form.json_indentation is None or not isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    lines = json.dumps(value, ensure_ascii=False, indent=form.json_indentation).split("\n")
    return f"{form.newline}{pad}".join(lines)


def flow_member(form: Form, name: str, value: Any, pad: str | None) -> str:
    """A member of a flow mapping."""
    shown = json.dumps(name, ensure_ascii=False) if form.is_json else scalars.key(name, in_flow=True)
    return f"{shown}: {in_flow(form, value, 'plain', pad)}"


def are_in_braces(text: str, node: Node) -> bool:
    """Whether the members of a list are mappings in braces, each on one line."""
    members = [part.node for part in node.parts]
    return all(each.kind == "mapping" and each.style == "flow" for each in members) and not any(
        "\n" in text[each.start : each.end] for each in members
    )


def on_own_lines(text: str, node: Node) -> str | None:
    """With which white space each member of a flow collection begins its own line; None where they share lines."""
    pads = [own_pad(text, part.start) for part in node.parts]
    return pads[-1] if pads and all(pad is not None for pad in pads) else None


def is_explicit(text: str, part: Part) -> bool:
    """Whether the key stands behind a question mark."""
    return bool(part.name) and text[text.rfind("\n", 0, part.start) + 1 : part.start].rstrip().endswith("?")
