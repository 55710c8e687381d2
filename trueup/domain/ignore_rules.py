"""Rules that say which differences do not count: `spec.ignoreDifferences`, and their like in `argocd-cm`.

Group, kind, name and namespace are globs as in Argo CD, where `*` stands for anything; a name or a namespace that
is left out is any, a group that is left out is the core group. A rule that makes no sense is kept with its fault:
what it was to leave alone is not known, and so neither is the verdict on the objects that it concerns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from trueup.domain.errors import InvalidSpecError
from trueup.domain.globs import compile_glob
from trueup.domain.lenient import as_list, as_mapping, as_text, as_texts
from trueup.domain.resource import ResourceKey

EXPRESSION_CHARS_MAX = 10_000
SHOWN_CHARS_MAX = 100

_SPECIAL = frozenset("*?[{\\")
_LISTS = ("jsonPointers", "jqPathExpressions", "managedFieldsManagers")


@dataclass(frozen=True, slots=True)
class IgnoreRule:
    """Places that do not count, in the objects that the globs match."""

    group: str
    kind: str
    #: Empty is any, for both of these.
    namespace: str = ""
    name: str = ""
    #: JSON pointers (RFC 6901).
    pointers: tuple[str, ...] = ()
    #: jq expressions that lead to places, as in `del(…)`.
    jq: tuple[str, ...] = ()
    #: Globs of field managers: what they own in the live object.
    managers: tuple[str, ...] = ()
    #: Where the rule is written, for people.
    origin: str = ""
    #: Why it makes no sense, and the way out; empty for a good rule.
    fault: str = ""

    def concerns(self, key: ResourceKey) -> bool:
        """Whether the rule is about this object. A glob that makes no sense may be about anything."""
        return (
            self.concerns_kind(key.group, key.kind)
            and (not self.name or matches(self.name, key.name))
            and (not self.namespace or matches(self.namespace, key.namespace))
        )

    def concerns_kind(self, group: str, kind: str) -> bool:
        """Whether the rule is about some objects of this kind."""
        return matches(self.kind, kind) and matches(self.group, group)


@dataclass(frozen=True, slots=True)
class IgnoredPath:
    """A place of an object that does not count, and the rule that says so."""

    #: In the object itself: list members by position or by what tells them apart.
    path: tuple[Any, ...]
    origin: str


def matches(pattern: str, text: str) -> bool:
    """Whether the glob matches; one that makes no sense matches everything."""
    if pattern == "*":
        return True
    if _SPECIAL.isdisjoint(pattern):
        return pattern == text
    matcher = _matcher(pattern)
    return matcher is None or matcher(text)


@lru_cache(maxsize=4096)
def _matcher(pattern: str) -> Callable[[str], bool] | None:
    try:
        return compile_glob(pattern, "it")
    except InvalidSpecError:
        return None


def glob_fault(pattern: str) -> str:
    """Why the text is no glob; empty where it is one."""
    try:
        compile_glob(pattern, shown(pattern))
    except InvalidSpecError as error:
        return f"{error}; correct it"
    return ""


def shown(text: str) -> str:
    """A text of the user's, quoted for a message."""
    return f'"{text}"' if len(text) <= SHOWN_CHARS_MAX else f'"{text[:SHOWN_CHARS_MAX]}…"'


def spec_rules(listed: object) -> tuple[IgnoreRule, ...]:
    """The rules of `spec.ignoreDifferences`, in whatever shape it is."""
    rules = []
    for number, entry in enumerate(as_list(listed)):
        said = as_mapping(entry)
        group, kind, name, namespace = (as_text(said.get(part)) for part in ("group", "kind", "name", "namespace"))
        origin = f"spec.ignoreDifferences[{number}]"
        rules.append(read_rule(said, origin, group=group, kind=kind, name=name, namespace=namespace))
    return tuple(rules)


def read_rule(
    said: Mapping[str, Any], origin: str, *, group: str, kind: str, name: str = "", namespace: str = ""
) -> IgnoreRule:
    """A rule from its three lists of places; never raises."""
    fault = next(_faults(said, (group, kind, name, namespace)), "")
    pointers, jq, managers = (as_texts(said.get(name)) for name in _LISTS)
    return IgnoreRule(group, kind, namespace, name, pointers, jq, managers, origin, fault)


def _faults(said: Mapping[str, Any], globs: Iterable[str]) -> Iterator[str]:
    for name in _LISTS:
        listed = said.get(name)
        if listed is not None and len(as_texts(listed)) != (len(listed) if isinstance(listed, list) else -1):
            yield f"{name} is no list of strings; correct it"
    for pattern in (*globs, *as_texts(said.get("managedFieldsManagers"))):
        if fault := glob_fault(pattern):
            yield fault
    for text in as_texts(said.get("jsonPointers")):
        try:
            pointer_tokens(text)
        except ValueError as error:
            yield f"the JSON pointer {shown(text)} {error}"
    for text in as_texts(said.get("jqPathExpressions")):
        if not text.strip():
            yield "a jq expression is empty; remove it"
        elif len(text) > EXPRESSION_CHARS_MAX:
            yield f"a jq expression is longer than {EXPRESSION_CHARS_MAX} characters; shorten it"


def pointer_tokens(text: str) -> tuple[str, ...]:
    """The steps of a JSON pointer; ValueError says why it is none."""
    if not text:
        raise ValueError("means the whole object; name a field, or exclude the kind by resource.exclusions")
    if len(text) > EXPRESSION_CHARS_MAX:
        raise ValueError(f"is longer than {EXPRESSION_CHARS_MAX} characters; shorten it")
    if not text.startswith("/"):
        raise ValueError("does not begin with a slash; write it as /spec/replicas")
    if text.replace("~0", "").replace("~1", "").count("~"):
        raise ValueError("has a ~ that is neither ~0, for ~, nor ~1, for a slash; correct it")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in text[1:].split("/"))
