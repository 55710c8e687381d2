"""A document as nodes that know where they stand in its text, read from the events that `kubeyaml` reads.

Places are counted in characters from the beginning of the document's text, as libyaml counts them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from trueup.domain.kubeyaml_scalars import TAG_PREFIX, json_key, json_value, resolve

Style = Literal["block", "flow", "plain", "single", "double", "literal", "folded", "alias"]

_SCALAR_STYLES: Mapping[str | None, Style] = {"'": "single", '"': "double", "|": "literal", ">": "folded"}
_MERGE_TAG = TAG_PREFIX + "merge"
#: An anchor, a tag, or both in either order.
_PROPERTIES = re.compile(r"(?:[&!]\S*\s*)*")
MERGE = "<<"


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A member of a mapping, or of a sequence; no two are the same one."""

    #: Where it begins: at its key, or at its dash; in a flow sequence at its value.
    start: int
    node: Node
    #: Empty for members of sequences.
    name: str = ""
    #: Behind the colon or the dash; where the value of a block member may begin.
    after: int = -1
    is_merge: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    kind: Literal["mapping", "sequence", "scalar", "alias"]
    style: Style
    #: Its anchor and its tag included.
    start: int
    #: Behind its last character. A block scalar ends with its text, the line's end not included, unless it keeps
    #: the empty lines that follow; those then belong to it.
    end: int
    #: What it says, as JSON has it.
    value: Any
    parts: tuple[Part, ...] = ()
    anchor: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Tree:
    """One document."""

    root: Node
    #: The anchors that some alias names.
    aliased: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    event: Any
    parts: list[Part] = field(default_factory=list)
    key: Node | None = None


def yaml_tree(text: str) -> Tree | None:
    """The nodes of a document that `DocumentBuilder` has read without complaint; None for an empty one."""
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._open: list[_Open] = []
        self._values: dict[str, Any] = {}
        self._aliased: set[str] = set()
        self._root: Node | None = None

    def read(self) -> Tree | None:
        events: Iterator[Any] = yaml.parse(self._text, Loader=yaml.CSafeLoader)
        for event in events:
            if isinstance(event, yaml.ScalarEvent):
                self._add(self._scalar(event))
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                self._open.append(_Open(event))
            elif isinstance(event, yaml.CollectionEndEvent):
                self._add(self._collection(self._open.pop(), event))
            elif isinstance(event, yaml.AliasEvent):
                self._add(self._alias(event))
        return None if self._root is None else Tree(self._root, frozenset(self._aliased))

    def _scalar(self, event: Any) -> Node:
        plain: bool = event.implicit[0]
        value = json_value(event.value if event.tag is None and not plain else resolve(event.tag, event.value))
        style = _SCALAR_STYLES.get(event.style, "plain")
        start, end = event.start_mark.index, event.end_mark.index
        if style in ("literal", "folded"):
            end = self._end_of_block_scalar(start, end)
        node = Node("scalar", style, start, end, value, anchor=event.anchor or "", tag=event.tag or "")
        if event.anchor:
            self._values[event.anchor] = value
        return node

    def _alias(self, event: Any) -> Node:
        self._aliased.add(event.anchor)
        start, end = event.start_mark.index, event.end_mark.index
        return Node("alias", "alias", start, end, self._values[event.anchor], anchor=event.anchor)

    def _end_of_block_scalar(self, start: int, end: int) -> int:
        header = self._text[start : self._text.find("\n", start)].partition("#")[0].split()
        if header and "+" in header[-1]:
            return end
        return start + len(self._text[start:end].rstrip(" \t\r\n"))

    def _collection(self, opened: _Open, event: Any) -> Node:
        start, parts = opened.event.start_mark.index, tuple(opened.parts)
        flow: bool = opened.event.flow_style
        kind: Literal["mapping", "sequence"] = "sequence"
        value: Any = [part.node.value for part in parts]
        if isinstance(opened.event, yaml.MappingStartEvent):
            kind, value = "mapping", _mapping_of(parts)
        # A block collection ends for libyaml where the next thing begins.
        end = event.end_mark.index if flow or not parts else parts[-1].node.end
        anchor = opened.event.anchor or ""
        if anchor:
            self._values[anchor] = value
        return Node(kind, "flow" if flow else "block", start, end, value, parts, anchor, tag=opened.event.tag or "")

    def _content(self, event: Any) -> int:
        """Where a collection begins behind its anchor and its tag."""
        found = _PROPERTIES.match(self._text, event.start_mark.index)
        return found.end() if found else event.start_mark.index

    def _add(self, node: Node) -> None:
        if not self._open:
            self._root = node
            return
        above = self._open[-1]
        if isinstance(above.event, yaml.SequenceStartEvent):
            start = node.start
            if not above.event.flow_style:
                begin = above.parts[-1].node.end if above.parts else self._content(above.event)
                start = first_of(self._text, begin, "-")
            after = node.start if above.event.flow_style else start + 1
            above.parts.append(Part(start, node, after=after))
        elif above.key is None:
            above.key = node
        else:
            key, above.key = above.key, None
            is_merge = (key.style == "plain" and self._text[key.start : key.end] == MERGE) or key.tag == _MERGE_TAG
            after = first_of(self._text, key.end, ":") + 1
            name = MERGE if is_merge else json_key(key.value)
            above.parts.append(Part(key.start, node, name, after, is_merge))


def properties_end(text: str, node: Node) -> int:
    """Behind the anchor and the tag that stand before a value."""
    found = _PROPERTIES.match(text, node.start)
    return node.start + len(found[0].rstrip()) if found else node.start


def first_of(text: str, start: int, wanted: str) -> int:
    """Where this character is, with nothing but white space and comments before it; -2 where it is not."""
    position = start
    while position < len(text):
        character = text[position]
        if character == wanted:
            return position
        if character == "#":
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        elif character not in " \t\r\n":
            break
        position += 1
    return -2


def _mapping_of(parts: tuple[Part, ...]) -> dict[str, Any]:
    """What stands before a `<<` is overwritten by it, and what stands after it wins; as `kubeyaml` has it."""
    found: dict[str, Any] = {}
    for part in parts:
        if not part.is_merge:
            found[part.name] = part.node.value
            continue
        merged = part.node.value
        for mapping in reversed(merged) if isinstance(merged, list) else (merged,):
            found.update(mapping)
    return found


def walked(node: Node) -> Iterator[Node]:
    """The node and all below it; what an alias stands for is not below it."""
    pending = [node]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(part.node for part in node.parts)
