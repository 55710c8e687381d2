"""An incident as people read it in Slack: Block Kit blocks and a line for notifications. Pure.

Format and limits: Slack's Block Kit reference and its rules for escaping text. Slack also refuses a
message whose blocks come to more than about 12,000 characters as a whole (`msg_blocks_too_long`,
slackapi/bolt-js#2509) and does not say what it counts; so weight here is the length of the JSON with
every escape, which nothing that Slack may count exceeds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from trueup.domain.attribution import UNKNOWN
from trueup.domain.diffview.record import view_of_record
from trueup.domain.diffview.rows import name_of, rows
from trueup.domain.duration import spoken
from trueup.domain.incident import REMARKS, DriftedObject, Field, Incident

HEADER_CHARS_MAX = 150
SECTION_CHARS_MAX = 3_000
TEXT_CHARS_MAX = 3_000
#: Slack takes 50 blocks; beside those for objects there are never more than five.
OBJECT_BLOCKS_MAX = 40
#: What all blocks of a message may weigh, and the parts of it that are not about objects.
MESSAGE_WEIGHT_MAX = 10_000
FACT_WEIGHT_MAX = 600
TROUBLE_WEIGHT_MAX = 1_200
LINK_WEIGHT_MAX = 1_000
#: An object has an equal share of what is left, and never less than this.
OBJECT_WEIGHT_MIN = 700
VALUE_CHARS_MAX = 200
#: Of one place; the record and `trueup app diff` have more.
FIELD_LINES_MAX = 12
#: In place of a backtick, which would begin or end code.
QUOTE = "'"

_ENDINGS = {
    "SelfHealed": "healed by self-heal",
    "Synced": "put right by a sync",
    "Reverted": "taken back by hand",
    "Accepted": "accepted: Git says so now",
}


@dataclass(frozen=True, slots=True)
class Announcement:
    """What the channel is to be told of one incident."""

    text: str
    blocks: tuple[dict[str, Any], ...]


def announcement(incident: Incident, *, public_url: str = "", gone: bool = False) -> Announcement:
    """The incident as it stands.

    `public_url` is where people reach the page; empty where there is none. `gone`: nothing follows
    the incident any more, because its record is no longer there.
    """
    title, state = _title(incident, gone=gone), _state(incident, gone=gone)
    name = incident.application.name
    facts = {
        "Application": name,
        "Cluster": incident.cluster or "in-cluster",
        "By": _writers(incident),
        "Since": _time(incident.opened_at),
    }
    fields = [
        _mrkdwn(f"*{what}*\n{_fitting(_escaped(fact).replace('`', QUOTE), FACT_WEIGHT_MAX)}")
        for what, fact in facts.items()
    ]
    above: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(title, HEADER_CHARS_MAX)}},
        {"type": "section", "fields": fields},
    ]
    below = [_section(state)]
    if not gone:
        below.append(_context(_look(incident, public_url)))
    room = MESSAGE_WEIGHT_MAX - _weight([*above, *below, _context(_more(incident, incident.objects_left_out + 999))])
    shown = tuple(_objects(incident, room))
    left_out = incident.objects_left_out + len(incident.objects) - len(shown)
    more = [_context(_more(incident, left_out))] if left_out else []
    return Announcement(_cut(f"{title}: {state}", TEXT_CHARS_MAX), (*above, *shown, *more, *below))


def _look(incident: Incident, public_url: str) -> str:
    name = incident.application.name
    link = f"<{_escaped(public_url.rstrip('/'))}/applications/{_escaped(name)}|Look at it>" if public_url else ""
    if link and len(json.dumps(link)) <= LINK_WEIGHT_MAX:
        return link
    return f"`trueup app diff {_escaped(name)}`" if incident.is_open else f"`{_show(incident)}`"


def _more(incident: Incident, left_out: int) -> str:
    return f"and {left_out} objects more: `{_show(incident)}`"


def _show(incident: Incident) -> str:
    return f"trueup drift show {_escaped(incident.name or incident.application.name)}"


def _title(incident: Incident, *, gone: bool) -> str:
    name = incident.application.name
    if gone:
        return f"🗑️ {name} is no longer followed"
    if not incident.is_open:
        return f"✅ {name} is Synced again"
    return f"⚠️ {name} drifted from Git" if incident.cause == "Drift" else f"⏳ {name} is OutOfSync"


def _writers(incident: Incident) -> str:
    """A field manager is called one: it is a name that a program gives itself, and no person."""
    if incident.cause == "Revision":
        return "a commit that is not delivered"
    written = (who for item in incident.objects for who in item.attributions)
    return ", ".join(dict.fromkeys(name_of(who) for who in written if who.person or who.manager)) or "unknown"


def _state(incident: Incident, *, gone: bool) -> str:
    again = f" It drifted {incident.times} times." if incident.times > 1 else ""
    if gone:
        return f"The incident went before it was resolved: the Application or its record was deleted.{again}"
    if incident.closed_at is not None:
        seconds = max(0.0, (incident.closed_at - incident.opened_at).total_seconds())
        how = _ENDINGS.get(incident.ending, "over")
        return f"Resolved at {_time(incident.closed_at)}, {how}, after {spoken(seconds)}.{again}"
    if incident.trouble:
        return f"Not repaired: {_fitting(_escaped(incident.trouble), TROUBLE_WEIGHT_MAX)}.{again}"
    if incident.cause == "Drift" and incident.self_heals:
        return f"Self-heal puts it right.{again}"
    return f"Waits for a person: `trueup app sync {_escaped(incident.application.name)}`.{again}"


def _objects(incident: Incident, room: int) -> Iterator[dict[str, Any]]:
    """A block for each object that `room` is enough for."""
    objects = incident.objects[:OBJECT_BLOCKS_MAX]
    for number, item in enumerate(objects):
        block = _section(_object(item, max(OBJECT_WEIGHT_MIN, room // (len(objects) - number))))
        room -= _weight([block])
        if room < 0:
            return
        yield block


def _object(item: DriftedObject, weight_max: int) -> str:
    deleted = f", deleted by {_verbatim(name_of(item.deleted_by))}" if item.deleted_by != UNKNOWN else ""
    head = f"*{_escaped(str(item.key))}* {REMARKS[item.status]}".rstrip() + deleted
    head = _fitting(head, OBJECT_WEIGHT_MIN - 200)
    body, left_out = "", item.fields_left_out
    for field in item.fields:
        longer = body + _field(item, field)
        # The rest is for the block itself, the fences and the count of what is left out.
        if len(head) + len(longer) > SECTION_CHARS_MAX - 100 or len(json.dumps(head + longer)) > weight_max - 150:
            left_out += 1
        else:
            body = longer
    more = f"\nand {left_out} fields more" if left_out else ""
    return f"{head}\n```{body.rstrip()}```{more}" if body else head + more


def _field(item: DriftedObject, field: Field) -> str:
    """One place: its path with who wrote it and when, and what differs there."""
    place, *found = rows(view_of_record(replace(item, fields=(field,), fields_left_out=0)))
    told = next((row.beside for row in found if row.beside), "")
    lines = [f"{_verbatim(place.text)}{_verbatim(f'  # {told}') if told else ''}"]
    for number, row in enumerate(found):
        if number == FIELD_LINES_MAX:
            lines.append(f"… {len(found) - number} lines more")
            break
        lines.append(f"{row.sign} {_verbatim('  ' * max(0, row.indent - 1) + row.text)}")
    return "\n".join(lines) + "\n"


def _verbatim(text: str) -> str:
    """A part of a code block, which a value must not be able to leave."""
    return _escaped(_cut(text, VALUE_CHARS_MAX)).replace("`", QUOTE)


def _escaped(text: str) -> str:
    """Slack's three control characters, so that no value can mention anybody or make a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _mrkdwn(text)}


def _context(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [_mrkdwn(text)]}


def _mrkdwn(text: str) -> dict[str, Any]:
    """Verbatim: Slack makes a link or a mention of what we write as one, and of nothing that only looks like it."""
    return {"type": "mrkdwn", "text": _cut(text, SECTION_CHARS_MAX), "verbatim": True}


def _weight(blocks: list[dict[str, Any]]) -> int:
    return len(json.dumps(blocks))


def _fitting(text: str, weight_max: int) -> str:
    """The text, cut where its JSON would be longer."""
    weight = 0
    for length, character in enumerate(text):
        weight += len(json.dumps(character)) - 2
        if weight > weight_max:
            return text[:length] + "…"
    return text


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else text[: chars_max - 1] + "…"


def _time(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC")
