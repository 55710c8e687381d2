"""Where an object of Git stands: in which file, in which of its documents, and where in a list there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from trueup.domain.errors import StalledError

_ORIGIN = re.compile(r"(?P<path>.+), document (?P<document>[0-9]+)(?P<items>(?:, item [0-9]+)*)", re.DOTALL)
_ITEM = re.compile(r", item ([0-9]+)")


@dataclass(frozen=True, slots=True)
class Place:
    """What `Manifest.origin` says, in parts."""

    #: From the root of the repository.
    path: str
    document: int
    #: In lists within each other, the outermost first; counted from 1.
    items: tuple[int, ...] = ()

    @classmethod
    def of(cls, origin: str) -> Place | None:
        """None for an origin that names no document of a file."""
        found = _ORIGIN.fullmatch(origin)
        if found is None:
            return None
        items = tuple(int(number) for number in _ITEM.findall(found["items"]))
        return cls(found["path"], int(found["document"]), items)

    def body(self, document: Any) -> dict[str, Any]:
        """The object in its document. Raises StalledError where it is not there."""
        value = document
        for number in self.items:
            items = value.get("items") if isinstance(value, dict) else None
            value = items[number - 1] if isinstance(items, list) and number <= len(items) else None
        if not isinstance(value, dict):
            raise StalledError(f"{self.path} does not have the object where it had it; try again")
        return value

    def with_body(self, document: Any, body: dict[str, Any] | None) -> Any:
        """The document with this for the object; None takes it out of its list."""
        return _placed(document, self.items, body)

    def __str__(self) -> str:
        return f"{self.path}, document {self.document}"


def _placed(value: Any, items: tuple[int, ...], body: dict[str, Any] | None) -> Any:
    if not items:
        return body
    index = items[0] - 1
    members = list(value["items"])
    below = _placed(members[index], items[1:], body)
    members[index : index + 1] = [] if below is None else [below]
    return {**value, "items": members}
