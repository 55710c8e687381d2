"""What a record of drift says of an object, as a view: place by place, since a record holds no manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from trueup.domain.attribution import UNKNOWN, Attribution
from trueup.domain.diffview.alignment import Pair, aligned
from trueup.domain.diffview.excerpt import excerpt
from trueup.domain.diffview.model import Line, ObjectView, spelled
from trueup.domain.diffview.yamlish import Spelling, Text, lines_of, spelling
from trueup.domain.fieldpath import ABSENT
from trueup.domain.incident import DriftedObject, Field
from trueup.domain.printable import printable

#: Two values that were shortened to the same text.
BEYOND = "differs in what is masked or shortened"
#: In place of a path.
WHOLE = "the whole object"
#: A longer text is none that a record was given by us.
RECORDED_CHARS_MAX = 4_096
#: What stands for one character at most: two escapes, such as `\ud83d\udea2`.
_ESCAPE_CHARS_MAX = 12


def view_of_record(item: DriftedObject) -> ObjectView:
    """The object as it is on record; what it says was masked when it was written."""
    lines = [line for field in item.fields for line in _field(field)]
    if not lines and item.deleted_by != UNKNOWN:
        lines = [Line("missing", 0, WHOLE, None, WHOLE, spelled(item.deleted_by, printable))]
    view = excerpt(ObjectView(item.key, item.status, tuple(lines)))
    return replace(view, lines_left_out=view.lines_left_out + item.fields_left_out)


def _field(field: Field) -> Iterator[Line]:
    place = printable(field.path) or WHOLE
    yield Line("same", 0, place, place)
    who = _credited(field)
    told = False
    values = [_value(text) for text in (field.live, field.desired)]
    spell = spelling(*values)
    live = [] if field.kind == "missing" else _texts(field.live, values[0], spell)
    git = [] if field.kind == "extra" else _texts(field.desired, values[1], spell)
    if len(live) == len(git) == 1:
        yield Line("changed", 1, git[0][1], live[0][1], place, who, BEYOND if live == git else "")
        return
    pairs = list(aligned(live, git))
    if any(text.endswith("…") for text in (field.live, field.desired)):
        pairs = _without_ends(pairs)
    for one, other in pairs:
        line = _line(one, other, place)
        if line.differs and not told:
            line, told = replace(line, attribution=who), True
        yield line
    if not told and pairs:
        yield Line("changed", 1, "…", "…", place, who, BEYOND)


def _without_ends(pairs: list[Pair]) -> list[Pair]:
    """Of texts that were shortened, each somewhere else, no line that only the cut makes differ."""
    differing = [index for index, (one, other) in enumerate(pairs) if one != other]
    alike = [index for index, (one, other) in enumerate(pairs) if one == other]
    if not differing or not alike or alike[-1] < differing[0]:
        return pairs
    end: Text = (1, "…")
    return [*pairs[: alike[-1] + 1], (end, end)]


def _line(live: Text | None, git: Text | None, place: str) -> Line:
    at = (live or git or (1, ""))[0]
    if live == git and git is not None:
        return Line("same", at, git[1], git[1])
    if live is not None and git is not None:
        return Line("changed", at, git[1], live[1], place)
    return Line("missing" if live is None else "extra", at, git and git[1], live and live[1], place)


def _credited(field: Field) -> Attribution | None:
    who = field.attribution
    return None if who == UNKNOWN and field.kind == "missing" else spelled(who, printable)


def _texts(text: str, value: Any, spell: Spelling) -> list[Text]:
    """JSON text, perhaps shortened, as the lines of what it says."""
    if value is ABSENT:
        return [(1, printable(text))]
    if isinstance(value, str) and "\n" in value.rstrip("\n"):
        return [(1, spell(line)) for line in value.removesuffix("\n").split("\n")]
    if isinstance(value, Mapping | list) and value:
        return list(lines_of(":", value, 0, spell=spell))[1:]
    return [(1, shown.removeprefix(" ")) for _, shown in lines_of("", value, 0)]


def _value(text: str) -> Any:
    """What the text says; ABSENT where it is neither JSON nor the beginning of a text in JSON."""
    if len(text) > RECORDED_CHARS_MAX:
        return ABSENT
    candidates = [text]
    if text.startswith('"') and text.endswith("…"):
        # The cut may have gone through an escape.
        candidates += [f'{text[: -1 - cut]}…"' for cut in range(_ESCAPE_CHARS_MAX + 1)]
    for candidate in candidates:
        try:
            return json.loads(candidate)
        except (ValueError, RecursionError):
            continue
    return ABSENT
