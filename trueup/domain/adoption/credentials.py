"""Credentials that somebody put where none belong: known by the name beside the value, as in `DB_PASSWORD`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from trueup.domain.fieldpath import Item, Path
from trueup.domain.resource import ResourceKey

_WORDS = r"(?:pass(?:word|wd|phrase)|secret|token|(?:api|access|private|account|auth|encryption)[_.-]?key|credentials?)"
#: What ends so is the thing itself; `TOKEN_TTL`, `passwordSecretName` and the like are about one.
_NAME = re.compile(rf"(?i).*{_WORDS}")
_OPTION = re.compile(rf"(?i)--?[\w.-]*{_WORDS}=(.+)", re.DOTALL)
#: A file, a variable or a template; a switch or a number.
_NO_SECRET = re.compile(
    r"(?i)\s*(?:(?:/|\$|\{\{|file:).*|true|false|yes|no|on|off|enabled|disabled|[0-9.]*)\s*", re.DOTALL
)
_MAPS = frozenset({"data", "binaryData"})


def credentials_in(value: Any, path: Path, key: ResourceKey) -> Iterator[str]:
    """Each text in a live value that its place calls a credential."""
    if isinstance(value, str):
        yield from _of_text(value, path, key)
    elif isinstance(value, Mapping):
        named = value.get("name")
        for name, below in value.items():
            at = (*path[:-1], Item((("name", named),))) if isinstance(named, str) else path
            yield from credentials_in(below, (*at, name), key)
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from credentials_in(below, (*path, index), key)


def _of_text(text: str, path: Path, key: ResourceKey) -> Iterator[str]:
    option = _OPTION.fullmatch(text)
    if option is not None:
        text, is_named = option[1], True
    else:
        is_named = bool(_NAME.fullmatch(_name_of(path, key)))
    if is_named and not _NO_SECRET.fullmatch(text):
        yield text


def _name_of(path: Path, key: ResourceKey) -> str:
    """What the value is called: its key in a ConfigMap, its variable in an environment; empty where it is a setting."""
    if len(path) == 2 and (key.group, key.kind) == ("", "ConfigMap") and path[0] in _MAPS:
        return str(path[1])
    above = path[-2] if len(path) > 1 else None
    if path[-1] == "value" and isinstance(above, Item):
        return str(dict(above.keys).get("name", ""))
    return ""
