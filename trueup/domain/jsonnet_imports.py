"""What a Jsonnet program imports, read from its text as go-jsonnet's own lexer takes it apart.

Only a text that stands there in so many words can be imported, so this finds exactly the imports of
a program that go-jsonnet accepts. Of one that it refuses it finds some.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_STRING = r"""
      "(?:[^"\\]|\\.)*+"
    | '(?:[^'\\]|\\.)*+'
    | @"(?:[^"]|"")*+"
    | @'(?:[^']|'')*+'
"""
_FODDER = r"""
      [ \t\r\n]++
    | (?:\#|//)[^\n]*+
    | /\*(?:[^*]|\*(?!/))*+\*/
"""
#: Whatever is neither an import nor a text block.
_OTHER = rf"""
    {_FODDER}
    | (?!import(?:str|bin)?(?![A-Za-z0-9_]))[A-Za-z_][A-Za-z0-9_]*+
    | [{{}}\[\],.();]
    | (?:0|[1-9](?:_?[0-9])*+)(?:\.[0-9](?:_?[0-9])*+)?+(?:[eE][+-]?[0-9](?:_?[0-9])*+)?+
    | {_STRING}
    | (?!\|\|\|)[!$:~+\-&|^=<>*/%]
"""
#: It ends at the first line that lacks the indent of its first.
_BLOCK = r"""
    \|\|\|-?[ \t\r]*+\n++(?P<indent>[ \t]++)[^\n]*+\n(?:\n|(?P=indent)[^\n]*+\n)*+[ \t]*+\|\|\|
"""
# No group stands inside of a repetition that never gives back: Python 3.11 loses its span.
_NEXT = re.compile(
    rf"(?:{_OTHER})*+(?:{_BLOCK}|(?P<how>import(?:str|bin)?)(?![A-Za-z0-9_])(?:{_FODDER})*+(?P<what>{_STRING}))",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_PLAIN = {'"': '"', "'": "'", "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Import:
    #: As the program names it: relative to where imports are looked for.
    path: str
    #: Whether it is a program itself, or content as it is.
    is_code: bool
    #: Where the program names it, from 1.
    line: int


def imports(program: str) -> Iterator[Import]:
    """The imports of a program, in its order."""
    at, line = 0, 1
    while found := _NEXT.match(program, at):
        if found["what"] is not None:
            path = _text(found["what"])
            if path is None:
                return
            line += program.count("\n", at, found.start("how"))
            at = found.start("how")
            yield Import(path, found["how"] == "import", line)
        line += program.count("\n", at, found.end())
        at = found.end()


def _text(literal: str) -> str | None:
    """What a literal stands for; None for one that go-jsonnet refuses."""
    if literal.startswith("@"):
        return literal[2:-1].replace(literal[1] * 2, literal[1])
    escaped = literal[1:-1]
    try:
        text = _ESCAPE.sub(lambda match: _unescaped(match[1]), escaped)
        # Two escapes may stand for one character.
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except (KeyError, UnicodeDecodeError):
        return None


def _unescaped(name: str) -> str:
    return chr(int(name[1:], 16)) if len(name) == 5 else _PLAIN[name]
