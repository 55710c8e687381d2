"""A change as people may read it: live and desired as text, secrets masked, and who wrote it."""

from __future__ import annotations

from typing import Any

import orjson

from trueup.domain.attributing import written_by
from trueup.domain.attribution import Attribution
from trueup.domain.diff import Change
from trueup.domain.diffview.texts import Texts
from trueup.domain.diffview.words import common_ends
from trueup.domain.fieldpath import Path, show
from trueup.domain.incident import Field
from trueup.domain.redact import CUT_CHARS_MIN, Redactor
from trueup.domain.resource import Body, ResourceKey

VALUE_CHARS_MAX = 300
#: Of a longer text only so much is searched for secrets, and nothing behind it is shown.
SEARCHED_CHARS_MAX = 65_536
#: Of texts that are alike for long, so much is shown before the first character that differs.
LEAD_CHARS = 60


def shown_values(change: Change, key: ResourceKey, redactor: Redactor) -> tuple[str, str]:
    """Live and desired as JSON that may be shown, around what differs; of a Secret's values only that they differ."""
    texts = Texts(key, _beside(change.path, change.desired), _beside(change.path, change.live), redactor)
    if texts.hides(change):
        live, desired = (side if isinstance(side, str) else orjson.dumps(side).decode() for side in texts.pair(change))
        return _shortened(live), _shortened(desired)
    live, desired = (_searched(orjson.dumps(value).decode(), redactor) for value in (change.live, change.desired))
    start = _beginning(live, desired)
    return _shortened(_from(live, start)), _shortened(_from(desired, start))


def shown_field(change: Change, key: ResourceKey, redactor: Redactor, by: Attribution | None = None) -> Field:
    """The change, and who wrote the live value last: by itself the manager that owns it."""
    live, desired = shown_values(change, key, redactor)
    return Field(
        path=redactor.text(show(change.path)),
        kind=change.kind,
        desired="" if change.kind == "extra" else desired,
        live="" if change.kind == "missing" else live,
    ).by(by or written_by(change.owners))


def _beside(path: Path, value: Any) -> Body:
    """A Secret that holds just this value; of other objects the value alone is enough."""
    return {str(path[0]): {str(path[1]): value}} if len(path) > 1 else {str(path[0]): value}


def _searched(text: str, redactor: Redactor) -> str:
    """The beginning of the text with secrets masked, as if all of it had been searched.

    A secret that the cut goes through must not be missed. One that is known is told by its beginning,
    and too few characters for that are dropped; one that only looks like a credential holds no white
    space, and what stands behind the last white space is dropped.
    """
    head = text[: text.rfind(" ", 0, SEARCHED_CHARS_MAX) + 1]
    if len(text) <= SEARCHED_CHARS_MAX or not head:
        return redactor.text(text)
    return redactor.text(head + "…")[: -1 - CUT_CHARS_MIN] + "…"


def _beginning(live: str, desired: str) -> int:
    """From which character on both are shown: the first one where both are short, or differ soon."""
    alike, _ = common_ends(live, desired)
    is_short = max(len(live), len(desired)) <= VALUE_CHARS_MAX
    if is_short or alike <= 2 * LEAD_CHARS or not (live.startswith('"') and desired.startswith('"')):
        return 0
    line, word = (live.rfind(gap, 0, alike) for gap in ("\\n", " "))
    # Where there is a line or a word to begin with, no escape is parted.
    return next((start for start in (line, word) if start >= alike - LEAD_CHARS), alike - LEAD_CHARS)


def _from(text: str, start: int) -> str:
    return f'"…{text[start:]}' if start else text


def _shortened(text: str) -> str:
    return text if len(text) <= VALUE_CHARS_MAX else text[: VALUE_CHARS_MAX - 1] + "…"
