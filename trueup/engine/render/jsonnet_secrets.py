"""Texts in Jsonnet files and beside them that may be secret, so that no error repeats them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from trueup.domain.redact import TELLING_WORDS, Redactor
from trueup.domain.source import JsonnetVariable

_PROGRAMS = (".jsonnet", ".libsonnet")
#: A member whose name sounds secret, and what it is given: a text in quotes, or a word.
_MEMBER = re.compile(
    rf"""(?i)(?:{TELLING_WORDS})[\w.-]{{0,100}}["']?\s{{0,20}}\+?:{{1,3}}\s{{0,20}}"""
    r"""(?:"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'|([^\s,;}\]"']+))"""
)
_SECRET_NAME = re.compile(f"(?i){TELLING_WORDS}")


def secrets_in(files: Iterable[tuple[str, bytes]], variables: Iterable[JsonnetVariable]) -> Redactor:
    """Knows them: members with a name that sounds secret, and files that are no programs, which are read as texts."""
    secrets = Redactor()
    for place, content in files:
        text = content.decode("utf-8", "replace")
        for match in _MEMBER.finditer(text):
            secrets.add(next(value for value in match.groups() if value is not None))
        if not place.endswith(_PROGRAMS):
            secrets.add(text.strip())
    for variable in variables:
        if _SECRET_NAME.search(variable.name):
            secrets.add(variable.value)
    return secrets
