"""An incident as people read it in Slack: Block Kit blocks and a line for notifications. Pure.

Format and limits: Slack's Block Kit reference and its rules for escaping text.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from trueup.domain.incident import REMARKS, DriftedObject, Field, Incident

HEADER_CHARS_MAX = 150
SECTION_CHARS_MAX = 3_000
FIELD_CHARS_MAX = 2_000
TEXT_CHARS_MAX = 3_000
#: Slack takes 50 blocks; beside those for objects there are never more than five.
OBJECT_BLOCKS_MAX = 40
VALUE_CHARS_MAX = 200

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

    @property
    def digest(self) -> str:
        """The same for the same content."""
        return hashlib.sha256(orjson.dumps([self.text, self.blocks])).hexdigest()[:16]


def announcement(incident: Incident, *, public_url: str = "") -> Announcement:
    """The incident as it stands. `public_url` is where people reach the page; empty where there is none."""
    title = _title(incident)
    name = incident.application.name
    facts = {
        "Application": name,
        "Cluster": incident.cluster or "in-cluster",
        "By": _managers(incident),
        "Since": _time(incident.opened_at),
    }
    shown = incident.objects[:OBJECT_BLOCKS_MAX]
    left_out = incident.objects_left_out + len(incident.objects) - len(shown)
    way = f"{public_url.rstrip('/')}/applications/{name}" if public_url else ""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(title, HEADER_CHARS_MAX)}},
        {
            "type": "section",
            "fields": [_mrkdwn(f"*{what}*\n{_escaped(fact)}", FIELD_CHARS_MAX) for what, fact in facts.items()],
        },
        *({"type": "section", "text": _mrkdwn(_object(item), SECTION_CHARS_MAX)} for item in shown),
    ]
    if left_out:
        blocks.append({"type": "context", "elements": [_mrkdwn(f"and {left_out} objects more", SECTION_CHARS_MAX)]})
    blocks.append({"type": "section", "text": _mrkdwn(_state(incident), SECTION_CHARS_MAX)})
    look = f"<{_escaped(way)}|Look at it>" if way else f"`trueup app diff {_escaped(name)}`"
    blocks.append({"type": "context", "elements": [_mrkdwn(look, SECTION_CHARS_MAX)]})
    text = _cut(f"{title}: {_state(incident)}", TEXT_CHARS_MAX)
    return Announcement(text, tuple(blocks))


def _title(incident: Incident) -> str:
    name = incident.application.name
    if not incident.is_open:
        return f"✅ {name} is Synced again"
    return f"⚠️ {name} drifted from Git" if incident.cause == "Drift" else f"⏳ {name} is OutOfSync"


def _managers(incident: Incident) -> str:
    """Field managers are names that programs give themselves: nobody is presented as a person by them."""
    if incident.cause == "Revision":
        return "a commit that is not delivered"
    return ", ".join(incident.managers) or "unknown"


def _state(incident: Incident) -> str:
    again = f" It drifted {incident.times} times." if incident.times > 1 else ""
    if incident.closed_at is not None:
        seconds = max(0.0, (incident.closed_at - incident.opened_at).total_seconds())
        how = _ENDINGS.get(incident.ending, "over")
        return f"Resolved at {_time(incident.closed_at)}, {how}, after {_duration(seconds)}.{again}"
    if incident.trouble:
        return f"Not repaired: {_escaped(incident.trouble)}.{again}"
    if incident.cause == "Drift" and incident.self_heals:
        return f"Self-heal puts it right.{again}"
    return f"Waits for a person: `trueup app sync {_escaped(incident.application.name)}`.{again}"


def _object(item: DriftedObject) -> str:
    head = f"*{_escaped(str(item.key))}* {REMARKS[item.status]}".rstrip()
    if not item.fields:
        return head
    body = ""
    left_out = item.fields_left_out
    for field in item.fields:
        lines = _field(field)
        if len(head) + len(body) + len(lines) > SECTION_CHARS_MAX - 100:
            left_out += 1
        else:
            body += lines
    more = f"\nand {left_out} fields more" if left_out else ""
    return f"{head}\n```{body.rstrip()}```{more}"


def _field(field: Field) -> str:
    by = f"  ({field.manager or 'unknown'}{', ' + field.time if field.time else ''})"
    lines = f"{_verbatim(field.path)}{_verbatim(by)}\n"
    if field.kind != "missing":
        lines += f"- {_verbatim(field.live)}\n"
    if field.kind != "extra":
        lines += f"+ {_verbatim(field.desired)}\n"
    return lines


def _verbatim(text: str) -> str:
    """A part of a code block, which a value must not be able to leave."""
    return _escaped(_cut(text, VALUE_CHARS_MAX)).replace("`", "'")


def _escaped(text: str) -> str:
    """Slack's three control characters, so that no value can mention anybody or make a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _mrkdwn(text: str, chars_max: int) -> dict[str, str]:
    return {"type": "mrkdwn", "text": _cut(text, chars_max)}


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else text[: chars_max - 1] + "…"


def _time(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC")


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
