"""Reading a payload that anybody may have shaped: each value is asked for by path and type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import orjson

from .event import Headers, MalformedError

JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"
#: Hosts send one field; the rest is room for what a proxy adds.
FORM_FIELDS_MAX = 8


def decode(headers: Headers, body: bytes) -> Payload:
    """The JSON object of a body that is JSON, or a form with the JSON in its field `payload`."""
    return decode_text(form_or_body(headers, body))


def form_or_body(headers: Headers, body: bytes) -> bytes:
    """The JSON as it came: the body itself, or the field `payload` of a form. Not parsed."""
    content_type = headers.one("Content-Type").partition(";")[0].strip().lower()
    if content_type == JSON_TYPE or (content_type.startswith("application/") and content_type.endswith("+json")):
        return body
    if content_type == FORM_TYPE:
        return _form_field(body, "payload")
    raise MalformedError(f"Content-Type must be {JSON_TYPE} or {FORM_TYPE}.")


def decode_text(text: bytes | str) -> Payload:
    """The JSON object that this text is."""
    try:
        document = orjson.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"The payload is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise MalformedError(f"The payload must be an object, not {_json_type(document)}.")
    return Payload(document)


def _form_field(body: bytes, name: str) -> bytes:
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS_MAX
        )
    except ValueError as error:
        raise MalformedError("The form cannot be read: it must be percent-encoded UTF-8 with few fields.") from error
    values = [value for key, value in fields if key == name]
    if len(values) != 1:
        raise MalformedError(f"The form must have its field {name!r} once; it is there {len(values)} times.")
    return values[0].encode()


class Payload:
    """One JSON object and where it stands in the payload.

    Every reading method raises MalformedError naming the path when the value has another type.
    """

    __slots__ = ("_fields", "_path")

    def __init__(self, fields: Mapping[str, Any], path: str = "") -> None:
        self._fields = fields
        self._path = path

    def path(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def text(self, name: str, *, default: str | None = None) -> str:
        """A string; without a default it must be there and not be empty."""
        if name not in self._fields and default is not None:
            return default
        value = self._fields.get(name)
        if not isinstance(value, str) or (default is None and not value):
            raise self._wrong(name, "a string")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._fields.get(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def child(self, name: str) -> Payload:
        value = self._fields.get(name)
        if not isinstance(value, dict):
            raise self._wrong(name, "an object")
        return Payload(value, self.path(name))

    def has(self, name: str) -> bool:
        """Whether there is anything under this name, null apart."""
        return self._fields.get(name) is not None

    def children(self, name: str) -> Sequence[Payload]:
        """A list of objects; none where it is absent or null."""
        values = self._fields.get(name)
        if values is None:
            return ()
        if not isinstance(values, list):
            raise self._wrong(name, "a list")
        found = []
        for index, value in enumerate(values):
            place = f"{self.path(name)}[{index}]"
            if not isinstance(value, dict):
                raise MalformedError(f"{place} must be an object, not {_json_type(value)}.")
            found.append(Payload(value, place))
        return found

    def texts(self, names: Sequence[str]) -> tuple[str, ...]:
        """The strings among these names that are there, each once; at least one must be."""
        found = tuple(dict.fromkeys(filter(None, (self.text(name, default="") for name in names))))
        if not found:
            raise MalformedError(f"{' or '.join(self.path(name) for name in names)} must be there.")
        return found

    def _wrong(self, name: str, wanted: str) -> MalformedError:
        if name not in self._fields:
            return MalformedError(f"{self.path(name)} is missing: {wanted} is meant.")
        value = self._fields[name]
        return MalformedError(f"{self.path(name)} must be {wanted}, not {_json_type(value)}.")


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}
    return names[type(value)] if value != "" else "an empty string"
