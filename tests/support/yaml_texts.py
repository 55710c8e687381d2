"""YAML as people write it: any layout, quotes, comments and empty lines, drawn at random beside its value."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from trueup.domain.yamledit import scalars

#: What other rules than those for plain words hold for.
WORDS = ["yes", "no", "on", "null", "~", "", "123", "0o7", "0x1f", "1e3", "1.5", "12:30", "2024-01-01", "é", "a\tb"]
SIGNS = [
    " x ",
    "a: b",
    "a #b",
    "- a",
    "'q'",
    '"d"',
    "{x}",
    "*a",
    "&a",
    "x\\y",
    "<<",
    "=",
    "---",
    "!t",
    "%d",
    "@h",
    "`b",
]
NAMES = ["a", "b", "c", "spec", "x/y", "yes", "1", "a b", "key: odd", "true", "z"]

texts = st.sampled_from(WORDS + SIGNS) | st.text(max_size=12)
lines = st.lists(
    st.sampled_from(["one", "two # no comment", "  further in", "", "- x", "k: v"]), min_size=2, max_size=5
)
leaves = st.none() | st.booleans() | st.integers(-1000, 10**12) | texts | lines.map("\n".join)
names = st.sampled_from(NAMES)


def values(leaf: st.SearchStrategy[Any] = leaves) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
        max_leaves=14,
    )


documents = st.dictionaries(names, values(), min_size=1, max_size=5)


@dataclass
class Writer:
    """Writes a value in a layout that is drawn piece by piece."""

    draw: Any
    step: int
    sequence_step: int
    comments: list[str] = field(default_factory=list)

    def choose(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def comment(self) -> str:
        self.comments.append(f"# c{len(self.comments)}.")
        return self.comments[-1]

    def above(self, pad: str) -> list[str]:
        found = [""] if self.choose(False, False, False, True) else []
        return [*found, pad + self.comment()] if self.choose(False, False, True) else found

    def aside(self) -> str:
        return f"  {self.comment()}" if self.choose(False, False, True) else ""

    def block(self, value: Any, column: int) -> list[str]:
        """The lines of a collection that is not empty."""
        pad = " " * column
        found: list[str] = []
        if isinstance(value, dict):
            for name, below in value.items():
                head = scalars.key(name, in_flow=False)
                head = self.choose(head, json.dumps(name))
                found += self.above(pad)
                found += self.member(f"{pad}{head}:", below, column, is_item=False)
            return found
        for below in value:
            found += self.above(pad)
            found += self.member(f"{pad}-", below, column, is_item=True)
        return found

    def member(self, head: str, value: Any, column: int, *, is_item: bool) -> list[str]:
        if not isinstance(value, dict | list):
            return self.scalar(head, value, column)
        if not value or self.choose(False, False, False, True):
            if value and self.choose(False, True):
                return self.flow_lines(head, value, column)
            return [f"{head} {self.flow(value)}{self.aside()}"]
        if is_item and self.choose(True, True, False):
            first, *rest = self.block(value, column + 2)
            if first.strip().startswith(("#", "-")) or not first.strip():
                return [f"{head}{self.aside()}", first, *rest]
            return [f"{head} {first.strip()}", *rest]
        further = self.step if isinstance(value, dict) or is_item else self.sequence_step
        return [f"{head}{self.aside()}", *self.block(value, column + further)]

    def scalar(self, head: str, value: Any, column: int) -> list[str]:
        if value is None and self.choose(True, False):
            return [f"{head}{self.aside()}"]
        further = self.choose(1, 2, 4)
        block = scalars.literal(value, further) if isinstance(value, str) else None
        if block is not None and self.choose(True, True, False):
            pad = " " * (column + further)
            aside = self.aside()
            return [f"{head} {block[0]}{aside}", *(pad + line if line else "" for line in block[1:])]
        style = self.choose("plain", "single", "double")
        return [f"{head} {scalars.one_line(value, style, in_flow=False)}{self.aside()}"]

    def flow_lines(self, head: str, value: Any, column: int) -> list[str]:
        """A flow collection with a line for each of its members."""
        is_map = isinstance(value, dict)
        members = [
            f"{scalars.key(member, in_flow=True)}: {self.flow(value[member])}" if is_map else self.flow(member)
            for member in value
        ]
        pad, ends = " " * (column + self.step), self.choose("", ",")
        found = [f"{head} {'{' if is_map else '['}{self.aside()}"]
        for number, member in enumerate(members, start=1):
            found += self.above(pad)
            found.append(f"{pad}{member}{ends if number == len(members) else ','}{self.aside()}")
        return [*found, f"{' ' * (column + 1)}{'}' if is_map else ']'}{self.aside()}"]

    def flow(self, value: Any) -> str:
        return self.choose("".join(scalars.flow(value)), json.dumps(value))


@st.composite
def written(draw: Any, of: st.SearchStrategy[Any] = documents) -> tuple[str, Any, list[str]]:
    """A text, what it says, and its comments."""
    value = draw(of)
    step = draw(st.sampled_from([2, 2, 3, 4]))
    writer = Writer(draw, step, draw(st.sampled_from([0, step])))
    lines = writer.block(value, 0)
    lines += ["# end."] if draw(st.booleans()) else []
    newline = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    text = newline.join(lines) + draw(st.sampled_from([newline, newline, ""]))
    return text, value, writer.comments
