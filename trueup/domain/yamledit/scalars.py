"""How a value is written so that kubectl reads exactly that value again, in the style that stood there if it can."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from trueup.domain.kubeyaml_build import DocumentBuilder, DocumentError, YamlBounds
from trueup.domain.normalize import same_json
from trueup.domain.yamledit.nodes import Style

_BOUNDS = YamlBounds()
#: What other readers of YAML 1.1 take a plain scalar for, who do not all agree with kubectl.
_RESOLVER: Any = yaml.resolver.Resolver()
_STRING_TAG = "tag:yaml.org,2002:str"
#: What libyaml refuses to read, or breaks a line at.
_NOT_PRINTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def one_line(value: Any, style: Style, *, in_flow: bool) -> str:
    """The scalar, or the empty collection, on one line: as it stood there where that says the same, else quoted."""
    if not isinstance(value, str):
        return json.dumps(value)
    orders: dict[Style, tuple[Style, ...]] = {"single": ("single", "double"), "double": ("double",)}
    for candidate in orders.get(style, ("plain", "double", "single")):
        text = _in_style(value, candidate)
        if text is not None and _reads_as(text, value, in_flow=in_flow):
            return text
    return _double(value)


def key(name: str, *, in_flow: bool) -> str:
    """A key of a mapping."""
    is_plain = _is_plainly_text(name) and _read(f"{{{name}: 1}}" if in_flow else f"{name}: 1\n") == {name: 1}
    return name if is_plain else _double(name)


def literal(value: str, indentation: int) -> list[str] | None:
    """The lines of a block scalar, its header first, none of them indented; None where there is no such text.

    The lines below the header are meant to stand `indentation` columns further in.
    """
    if "\n" not in value or _NOT_PRINTED.search(value):
        return None
    body = value.rstrip("\n")
    chomping = {0: "-", 1: ""}.get(len(value) - len(body), "+")
    if not body.strip() or (chomping == "+" and not body):
        return None
    hint = str(indentation) if body[0] in " \n" else ""
    lines = [f"|{hint}{chomping}", *body.split("\n"), *[""] * max(0, len(value) - len(body) - 1)]
    pad = " " * indentation
    text = "k: " + "\n".join([lines[0], *(pad + line if line else "" for line in lines[1:])]) + "\n"
    return lines if _read(text) == {"k": value} else None


def _in_style(value: str, style: Style) -> str | None:
    if style == "plain":
        return value if _is_plainly_text(value) else None
    if style == "single":
        return None if "\n" in value or _NOT_PRINTED.search(value) else "'" + value.replace("'", "''") + "'"
    return _double(value)


def _is_plainly_text(text: str) -> bool:
    if not text or "\n" in text or _NOT_PRINTED.search(text):
        return False
    return bool(_RESOLVER.resolve(yaml.ScalarNode, text, (True, False)) == _STRING_TAG)


def _double(value: str) -> str:
    """JSON's own notation, which is YAML's too, without what libyaml does not read."""
    return _NOT_PRINTED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def _reads_as(text: str, value: str, *, in_flow: bool) -> bool:
    found = _read(f"[{text}, {{k: {text}}}]" if in_flow else f"k: {text}\n")
    return bool(same_json(found, [value, {"k": value}] if in_flow else {"k": value}))


def _read(text: str) -> Any:
    try:
        return DocumentBuilder(_BOUNDS).read(text)
    except DocumentError:
        return None


def flow(value: Any) -> Iterator[str]:
    """Any value on one line, as pieces of a flow collection."""
    if isinstance(value, dict):
        yield "{"
        for number, (name, below) in enumerate(value.items()):
            yield f"{', ' if number else ''}{key(name, in_flow=True)}: "
            yield from flow(below)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for number, below in enumerate(value):
            if number:
                yield ", "
            yield from flow(below)
        yield "]"
    else:
        yield one_line(value, "plain", in_flow=True)
