"""A change as people may read it: live and desired as text, secrets masked, and who wrote it."""

from __future__ import annotations

import orjson

from trueup.domain.diff import Change
from trueup.domain.fieldpath import show
from trueup.domain.incident import Field
from trueup.domain.redact import CUT_CHARS_MIN, Redactor, mask_pair
from trueup.domain.resource import ResourceKey

VALUE_CHARS_MAX = 300
#: Of a longer text only so much is searched for secrets, and nothing behind it is shown.
SEARCHED_CHARS_MAX = 8_192
#: The parts of a Secret that say nothing of its values.
SECRET_SHOWS = frozenset({"metadata", "type", "immutable"})


def shown_values(change: Change, key: ResourceKey, redactor: Redactor) -> tuple[str, str]:
    """Live and desired as JSON that may be shown; of a Secret's values only that they differ."""
    before, after = (orjson.dumps(value).decode() for value in (change.live, change.desired))
    if (key.group, key.kind) == ("", "Secret") and change.path[0] not in SECRET_SHOWS:
        return mask_pair(before.encode(), after.encode())
    return _shown(before, redactor), _shown(after, redactor)


def shown_field(change: Change, key: ResourceKey, redactor: Redactor) -> Field:
    """The change with the manager that wrote the live value last, where one is known to own it."""
    live, desired = shown_values(change, key, redactor)
    last = max(change.owners, key=lambda owner: owner.time, default=None)
    return Field(
        path=show(change.path),
        kind=change.kind,
        desired="" if change.kind == "extra" else desired,
        live="" if change.kind == "missing" else live,
        manager=last.manager if last else "",
        time=last.time if last else "",
    )


def _shown(text: str, redactor: Redactor) -> str:
    """The beginning of the text with secrets masked, as if all of it had been searched.

    A secret that the cut goes through must not be missed. One that is known is told by its beginning,
    and too few characters for that are dropped; one that only looks like a credential holds no white
    space, and what stands behind the last white space is dropped.
    """
    head = text[: text.rfind(" ", 0, SEARCHED_CHARS_MAX) + 1]
    if len(text) <= SEARCHED_CHARS_MAX or not head:
        return _shortened(redactor.text(text))
    return _shortened(redactor.text(head + "…")[: -1 - CUT_CHARS_MIN] + "…")


def _shortened(text: str) -> str:
    return text if len(text) <= VALUE_CHARS_MAX else text[: VALUE_CHARS_MAX - 1] + "…"
