"""JSON (RFC 8259) as nodes that know where they stand; the text has been read without complaint before."""

from __future__ import annotations

import json
import re
from typing import Any

from trueup.domain.kubeyaml_scalars import json_value
from trueup.domain.yamledit.nodes import Node, Part, Style, Tree

_SPACE = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s,\]}]+')


def json_tree(text: str) -> Tree:
    """The nodes of the one value in the text."""
    return Tree(_Scanner(text).value(0)[0])


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text

    def value(self, position: int) -> tuple[Node, int]:
        start = self._skip(position)
        if self._text[start] == "{":
            return self._object(start)
        if self._text[start] == "[":
            return self._array(start)
        end = self._scalar_end(start)
        written = self._text[start:end]
        style: Style = "double" if written.startswith('"') else "plain"
        return Node("scalar", style, start, end, json_value(json.loads(written))), end

    def _object(self, start: int) -> tuple[Node, int]:
        parts: list[Part] = []
        position = self._skip(start + 1)
        while self._text[position] != "}":
            begin = self._skip(position + 1) if self._text[position] == "," else position
            end = self._scalar_end(begin)
            colon = self._skip(end)
            node, position = self.value(colon + 1)
            parts.append(Part(begin, node, json.loads(self._text[begin:end]), colon + 1))
            position = self._skip(position)
        value = {part.name: part.node.value for part in parts}
        return Node("mapping", "flow", start, position + 1, value, tuple(parts)), position + 1

    def _array(self, start: int) -> tuple[Node, int]:
        parts: list[Part] = []
        position = self._skip(start + 1)
        while self._text[position] != "]":
            begin = self._skip(position + 1) if self._text[position] == "," else position
            node, position = self.value(begin)
            parts.append(Part(node.start, node, after=node.start))
            position = self._skip(position)
        value: list[Any] = [part.node.value for part in parts]
        return Node("sequence", "flow", start, position + 1, value, tuple(parts)), position + 1

    def _skip(self, position: int) -> int:
        found = _SPACE.match(self._text, position)
        return found.end() if found else position

    def _scalar_end(self, position: int) -> int:
        found = _SCALAR.match(self._text, position)
        return found.end() if found else position
