"""What is read at a terminal or by a program: nothing in it is obeyed by the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import yaml

from trueup.domain.kubeyaml_scalars import resolve
from trueup.domain.printable import printable

#: What JSON may hold as it is, and a terminal would obey: the rest of the control characters, and those that turn text.
_UNPRINTED = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
#: Longer than any line: a text is folded nowhere.
_WIDTH = 1 << 30


def one_line(value: object) -> str:
    """Printable, and whitespace of any kind and length is one space; None is nothing."""
    return printable(" ".join(str(value if value is not None else "").split()))


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """A line for each title and its fact."""
    return "\n".join(f"{title + ':':16}{one_line(fact)}" for title, fact in pairs)


def structured(value: Any, output: str) -> str:
    """The value as `json` or as `yaml`, for programs."""
    if output == "json":
        text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
        return _UNPRINTED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return _as_yaml(value).removesuffix("\n")


def documents(bodies: Sequence[Mapping[str, Any]], output: str) -> str:
    """Objects as kubectl takes them: YAML documents, or with `json` one List."""
    if output == "json":
        return structured({"apiVersion": "v1", "kind": "List", "items": list(bodies)}, output) + "\n"
    return "".join(f"---\n{_as_yaml(body)}" for body in bodies)


class _Dumper(yaml.CSafeDumper):
    """Writes what Kubernetes reads as the same, which PyYAML alone does not: it takes `y` and `1e3` for texts."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 -- the signature is the base class's
        return True


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None if isinstance(resolve(None, text), str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _as_yaml(value: Any) -> str:
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH))
