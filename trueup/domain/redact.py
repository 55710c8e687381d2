"""The one place where secrets are taken out of whatever leaves: diffs, logs, status, answers, messages.

Two ways at once. By place: of a Secret nothing is shown but its names. By value: what Secrets,
credentials and tokens hold is masked wherever it turns up, also encoded.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

import orjson

from trueup.domain.known_forms import HEAD_CHARS, KnownForms, Span
from trueup.domain.manifest import LAST_APPLIED_ANNOTATION
from trueup.domain.resource import Body

MASK = "••••"
#: Shorter values are masked in their place only: masked by value they would leave no text readable.
VALUE_CHARS_MIN = HEAD_CHARS
#: Lines and JSON members inside of a value count as values of their own from this length on.
PART_CHARS_MIN = 8
#: A value cut off at the end of a shortened text is known by this many characters of its beginning.
CUT_CHARS_MIN = 6
NESTING_MAX = 300
#: Learning a value takes as long as so many characters of it, however short it is.
VALUE_COSTS_CHARS = 20

#: In the name of a value, these say that it is secret: a part of a regular expression, whatever its case.
TELLING_WORDS = "pass|secret|token|key|cred|auth|private|cert|salt|dsn|url|uri|connection"

#: What a Secret may show. Everything else, a misspelt `data` included, is taken for a value.
_SECRET_SHOWS = frozenset({"apiVersion", "kind", "metadata", "type", "immutable"})
#: What names an object stays readable even where a Secret happens to hold the same word.
_IDENTITY = frozenset({"apiVersion", "kind"})
_METADATA_IDENTITY = frozenset({"name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation"})

_USERINFO = re.compile(r"(?<=://)[^/?#\s@]*(?:@[^/?#\s@]*)*@")
_AUTHORIZATION = re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token)\s+)[^\s\"']+")
_TOKENS = re.compile(
    r"\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}"
    r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*)"
)
_ESCAPE = re.compile(r"%[0-9A-F]{2}")


class Redactor:
    """Collects secret values and masks them in texts and objects. One per run; never shared between tenants."""

    def __init__(self) -> None:
        self._own = KnownForms()
        self._known: tuple[KnownForms, ...] = (self._own,)
        self._added: set[bytes] = set()

    def add(self, value: str | bytes) -> None:
        """Mask this value from now on, as it is and encoded as base64, in a URL or in JSON."""
        raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        if raw in self._added:
            # Most values are learned twice, as Git has them and as they are live.
            return
        self._added.add(raw)
        self._own.add(_forms(raw))
        for part in _parts(raw):
            self._own.add(_forms(part.encode("utf-8", "surrogatepass")))

    def add_credentials(self, username: str, password: str) -> None:
        """A password, and how it looks beside its user name in an Authorization header."""
        self.add(password)
        if password:
            self.add(f"{username}:{password}")

    def learn(self, body: Body) -> None:
        """Collect every value of a Secret, however malformed; other objects hold none."""
        if not is_secret(body):
            return
        for section, content in body.items():
            if section not in _SECRET_SHOWS:
                self._learn_section(content, encoded=section == "data")
        annotations = _annotations(body)
        applied = annotations.get(LAST_APPLIED_ANNOTATION)
        if isinstance(applied, str):
            try:
                inner = orjson.loads(applied)
            except orjson.JSONDecodeError:
                self.add(applied)
            else:
                if isinstance(inner, dict) and LAST_APPLIED_ANNOTATION not in _annotations(inner):
                    self.learn({**inner, "apiVersion": "v1", "kind": "Secret"})

    def include(self, other: Redactor) -> None:
        """Mask from now on what the other knows, who is to learn nothing more."""
        self._known += other._known

    def text(self, text: str) -> str:
        """The text with every known value masked, and whatever looks like a credential."""
        text = _USERINFO.sub(f"{MASK}@", text)
        text = _AUTHORIZATION.sub(rf"\g<1>{MASK}", text)
        text = _TOKENS.sub(MASK, text)
        return _masked(text, self._spans(text))

    def body(self, body: Body) -> dict[str, Any]:
        """A copy that may be shown. Of a Secret's values only their lengths are left."""
        shown: dict[str, Any] = {}
        for key, value in body.items():
            if key in _IDENTITY:
                shown[key] = value
            elif key == "metadata" and isinstance(value, dict):
                shown[key] = self._metadata(value, secret=is_secret(body))
            elif is_secret(body) and key not in _SECRET_SHOWS:
                shown[key] = _mask_section(key, value)
            else:
                shown[key] = self._value(value, 1)
        return shown

    def pair(self, old: Body, new: Body) -> tuple[dict[str, Any], dict[str, Any]]:
        """Both sides of a comparison, in which values that differ still look different."""
        shown_old, shown_new = self.body(old), self.body(new)
        if not (is_secret(old) and is_secret(new)):
            return shown_old, shown_new
        before = dict(_values(old))
        for section, key, value in _entries(new):
            if key in before and isinstance(shown_new[section], dict):
                _, shown_new[section][key] = mask_pair(before[key], value)
        return shown_old, shown_new

    def _metadata(self, metadata: Mapping[str, Any], *, secret: bool) -> dict[str, Any]:
        # managedFields hold list items as keys, and say nothing that anybody is shown.
        shown = {
            k: v if k in _METADATA_IDENTITY else self._value(v, 2) for k, v in metadata.items() if k != "managedFields"
        }
        annotations = shown.get("annotations")
        if secret and isinstance(annotations, dict) and LAST_APPLIED_ANNOTATION in annotations:
            shown["annotations"] = {**annotations, LAST_APPLIED_ANNOTATION: MASK}
        return shown

    def _value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if depth > NESTING_MAX:
            return MASK
        if isinstance(value, dict):
            return {self.text(k): self._value(v, depth + 1) for k, v in value.items()}
        if isinstance(value, list):
            return [self._value(v, depth + 1) for v in value]
        return value

    def _learn_section(self, content: Any, *, encoded: bool) -> None:
        for leaf in _leaves(content):
            text = leaf if isinstance(leaf, str) else orjson.dumps(leaf).decode()
            self.add(text)
            decoded = _decoded(text) if encoded else None
            if decoded is not None:
                self.add(decoded)

    def _spans(self, text: str) -> Iterator[Span]:
        # The beginning of a value may stand at the end of a text that was shortened.
        cut_at = len(text) - 1 if text.endswith("…") else None
        for known in self._known:
            yield from known.spans(text, cut_at=cut_at, cut_chars_min=CUT_CHARS_MIN)


def is_secret(body: Body) -> bool:
    """Whether the object is a core Secret, whatever API version it names."""
    return body.get("kind") == "Secret" and "/" not in str(body.get("apiVersion", ""))


def chars_to_learn(body: Body) -> int:
    """About how much a redactor would learn of the object, as the number of characters that takes as long."""
    if not is_secret(body):
        return 0
    shown = [content for section, content in body.items() if section not in _SECRET_SHOWS]
    leaves = _leaves([shown, _annotations(body).get(LAST_APPLIED_ANNOTATION)])
    return sum(VALUE_COSTS_CHARS + (len(leaf) if isinstance(leaf, str) else 0) for leaf in leaves)


def mask(value: bytes) -> str:
    """What stands in place of a value: how long it is, and no digest that could be guessed against."""
    return f"{MASK} ({_bytes(len(value))})"


def mask_pair(old: bytes, new: bytes) -> tuple[str, str]:
    """What stands in place of a value before and after; different exactly when the values are."""
    if old == new:
        return mask(old), mask(new)
    return mask(old), f"{MASK} (changed, {len(old)} → {_bytes(len(new))})"


def _bytes(count: int) -> str:
    return "1 byte" if count == 1 else f"{count} bytes"


def _annotations(body: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = body.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return annotations if isinstance(annotations, dict) else {}


def _leaves(content: Any) -> Iterator[Any]:
    pending = [content]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif value is not None and not isinstance(value, bool):
            yield value


def _mask_section(section: str, content: Any) -> Any:
    if isinstance(content, dict):
        return {key: mask(_as_bytes(section, value)) for key, value in content.items()}
    return None if content is None else MASK


def _entries(body: Body) -> Iterator[tuple[str, str, bytes]]:
    # `stringData` comes last, as it wins over `data` in the API server.
    for section in ("data", "stringData"):
        content = body.get(section)
        if isinstance(content, dict):
            yield from ((section, key, _as_bytes(section, value)) for key, value in content.items())


def _values(body: Body) -> Iterator[tuple[str, bytes]]:
    yield from ((key, value) for _, key, value in _entries(body))


def _as_bytes(section: str, value: Any) -> bytes:
    if not isinstance(value, str):
        return b"" if value is None else orjson.dumps(value)
    decoded = _decoded(value) if section == "data" else None
    return value.encode("utf-8", "surrogatepass") if decoded is None else decoded


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        return None


def _parts(raw: bytes) -> Iterator[str]:
    """What stands inside a value and is worth masking alone: its lines, and the members of JSON."""
    text = raw.decode("utf-8", "replace")
    if "\n" in text:
        yield from (line.strip() for line in text.splitlines() if len(line.strip()) >= PART_CHARS_MIN)
    if text.lstrip()[:1] in ("{", "["):
        try:
            content = orjson.loads(text)
        except orjson.JSONDecodeError:
            return
        yield from (leaf for leaf in _leaves(content) if isinstance(leaf, str) and len(leaf) >= PART_CHARS_MIN)


def _forms(raw: bytes) -> Iterator[str]:
    if len(raw) < VALUE_CHARS_MIN:
        return
    yield base64.b64encode(raw).decode()
    yield base64.urlsafe_b64encode(raw).decode()
    for offset, first in ((0, 0), (1, 2), (2, 3)):
        # Inside a longer encoded text the value begins at any of three places in a group of four.
        within = base64.b64encode(b"\0" * offset + raw)[first : (offset + len(raw)) * 8 // 6].decode()
        if len(within) >= CUT_CHARS_MIN:
            yield within
            yield within.translate(str.maketrans("+/", "-_"))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return
    yield text
    if text.strip() != text:
        yield text.strip()
    yield from (quote(text), quote(text, safe=""), quote_plus(text), _ESCAPE.sub(_lower, quote(text, safe="")))
    yield orjson.dumps(text).decode()[1:-1]
    # As Python and Go quote a string in an error message.
    yield text.encode("unicode_escape").decode()
    yield text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _lower(match: re.Match[str]) -> str:
    return match[0].lower()


def _masked(text: str, spans: Iterable[Span]) -> str:
    """Overlapping values are masked as one."""
    pieces: list[str] = []
    position = 0
    masked_to = -1
    for start, end in sorted(spans):
        if start > masked_to:
            pieces += (text[position:start], MASK)
        masked_to = position = max(masked_to, end)
    return "".join((*pieces, text[position:]))
