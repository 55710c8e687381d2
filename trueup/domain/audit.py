"""What an event of the API server's audit log says of a write, reduced to who wrote what when. Pure.

Format: `Event` and `EventList` of `audit.k8s.io/v1`. Of what was sent and answered nothing is kept but names,
the uid and the version; of Secrets not even the names of fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import unquote_plus

import orjson

from trueup.domain import audit_touch
from trueup.domain.attribution import AS, Person
from trueup.domain.audit_touch import Touched, touched_by
from trueup.domain.lenient import as_list, as_mapping, as_text, as_texts, as_whole, whole_or_none
from trueup.domain.redact import Redactor
from trueup.domain.resource import ResourceKey, split_api_version

VERBS = frozenset({"create", "update", "patch", "delete", "deletecollection"})
#: Subresources by which fields of the object itself are written. Never `status`, which nobody delivers.
SCALE = "scale"
SUBRESOURCES = frozenset({"", SCALE, "resize", "ephemeralcontainers", "approval"})
#: As long as the API server lets the name of a field manager be, in bytes.
MANAGER_BYTES_MAX = 128
ID_CHARS_MAX = 64
USER_CHARS_MAX = 256
GROUPS_MAX = 20
GROUP_CHARS_MAX = 128
AGENT_CHARS_MAX = 200
ADDRESS_CHARS_MAX = 100
#: Of a name, a namespace, a kind or a group.
NAME_CHARS_MAX = 253
VERSION_DIGITS_MAX = 20
GENERATION_MAX = 2**53
#: As long as the API server lets a request's line be; of a longer one nobody can tell what it asked for.
URI_CHARS_MAX = 1024 * 1024
RECORD_FORMAT = 2

_SCALED = Touched((("spec", "replicas"),))
#: Whose `scale` leads to `spec.replicas`; a definition of a custom resource may let it lead anywhere.
_SCALED_GROUPS = frozenset({"", "apps"})

#: What tells a write from every other of the same API server.
Identity = tuple[str, str, ResourceKey, str, float]
#: The kind that (group, resource) is, such as Deployment of ("apps", "deployments"); empty where nobody knows.
KindOf = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One write that the API server carried out."""

    #: `auditID`, the same for every stage and every repetition of an event. A client may choose it.
    id: str
    #: Without a name where all objects of a kind in a namespace were deleted at once.
    key: ResourceKey
    #: Of the object; empty where the log does not carry objects.
    uid: str
    #: The `resourceVersion` that the write made; empty where the log does not carry objects.
    version: str
    verb: str
    subresource: str
    #: The field manager that the API server took it for.
    manager: str
    #: Unix seconds, between which it was carried out.
    received_at: float
    completed_at: float
    person: Person
    #: The fields that it names; None where it may have written any.
    touched: Touched | None = None
    #: `metadata.generation` that the write came to, which a write of the status leaves alone; 0 where there is none.
    generation: int = 0
    #: The number that a write of the subresource `scale` came to; None of any other, and where the log has no objects.
    scaled_to: int | None = None

    @property
    def identity(self) -> Identity:
        """The same for a repetition of the event and for no other write, whatever its client called the request."""
        return self.id, self.person.user, self.key, self.version, self.received_at

    @property
    def number(self) -> int | None:
        """The version as a number: those of one kind on one API server are in order."""
        return int(self.version) if self.version else None


def read_event(raw: object, kind_of: KindOf) -> AuditRecord | Literal["ignored", "malformed"]:
    """The write that an event tells of; nothing of it is trusted to have its shape."""
    event = as_mapping(raw)
    if not as_text(event.get("auditID")) or not as_text(event.get("stage")):
        return "malformed"
    if not _is_a_write(event):
        return "ignored"
    reference = as_mapping(event.get("objectRef"))
    received, completed = _time(event.get("requestReceivedTimestamp")), _time(event.get("stageTimestamp"))
    user = _word(as_mapping(event.get("user")).get("username"), USER_CHARS_MAX)
    if not user or received is None or completed is None:
        return "malformed"
    key = _key(event, reference, kind_of)
    answered = as_mapping(as_mapping(event.get("responseObject")).get("metadata"))
    version = _version(answered.get("resourceVersion"))
    if key is None or _said_what_was_there(event, version):
        return "ignored"
    return AuditRecord(
        id=_word(event.get("auditID"), ID_CHARS_MAX),
        key=key,
        uid=_word(answered.get("uid") or _stated_uid(event, reference), ID_CHARS_MAX),
        version=version,
        verb=as_text(event.get("verb")),
        subresource=as_text(reference.get("subresource")),
        manager=_manager(event),
        received_at=received,
        completed_at=max(received, completed),
        person=_person(event, user),
        touched=_touched(event, key, as_text(reference.get("subresource"))),
        generation=_generation(answered.get("generation")),
        scaled_to=_scaled_to(event, reference),
    )


def encode(records: Iterable[AuditRecord]) -> str:
    """The records as a text that may pass through Redis; `decode` reads it."""
    return orjson.dumps({"v": RECORD_FORMAT, "writes": [_as_json(record) for record in records]}).decode()


def decode(text: str) -> tuple[AuditRecord, ...]:
    """What `encode` wrote; nothing where another version of Trueup did."""
    try:
        raw = orjson.loads(text)
        return tuple(map(_from_json, raw["writes"])) if raw["v"] == RECORD_FORMAT else ()
    except (ValueError, TypeError, KeyError):
        return ()


def _as_json(record: AuditRecord) -> list[Any]:
    key, person = record.key, record.person
    return [
        record.id,
        [key.group, key.kind, key.namespace, key.name],
        [record.uid, record.version, record.verb, record.subresource, record.manager],
        [record.received_at, record.completed_at],
        [person.user, person.groups, person.address, person.agent],
        None if record.touched is None else audit_touch.as_json(record.touched),
        record.generation,
        record.scaled_to,
    ]


def _from_json(raw: Any) -> AuditRecord:
    name, key, words, times, (user, groups, address, agent), touched, generation, scaled_to = raw
    received, completed = times
    uid, version, verb, subresource, manager = words
    return AuditRecord(
        name,
        ResourceKey(*key),
        uid,
        version,
        verb,
        subresource,
        manager,
        received,
        completed,
        Person(user, tuple(groups), address, agent),
        None if touched is None else audit_touch.from_json(touched),
        generation,
        scaled_to,
    )


def _is_a_write(event: Mapping[str, Any]) -> bool:
    reference = as_mapping(event.get("objectRef"))
    is_done = event.get("stage") == "ResponseComplete" and as_text(event.get("verb")) in VERBS
    return is_done and as_text(reference.get("subresource")) in SUBRESOURCES and _was_carried_out(event)


def _stated_uid(event: Mapping[str, Any], reference: Mapping[str, Any]) -> object:
    """What the request says; of one that creates the API server takes no notice of it."""
    return "" if event.get("verb") == "create" else reference.get("uid")


def _said_what_was_there(event: Mapping[str, Any], version: str) -> bool:
    sent = as_mapping(as_mapping(event.get("requestObject")).get("metadata"))
    return event.get("verb") == "update" and bool(version) and version == _version(sent.get("resourceVersion"))


def _was_carried_out(event: Mapping[str, Any]) -> bool:
    code = as_mapping(event.get("responseStatus")).get("code")
    if not isinstance(code, int) or not 200 <= code < 300:
        return False
    options = as_mapping(event.get("requestObject"))
    is_tried = options.get("kind") == "DeleteOptions" and bool(options.get("dryRun"))
    return not is_tried and not _asked(event, "dryRun")


def _asked(event: Mapping[str, Any], name: str) -> str:
    """What the query of the request says under the name, its first one; empty where it says nothing."""
    uri = as_text(event.get("requestURI"))[:URI_CHARS_MAX]
    # However many others stand before it: whoever could hide a name among them would not be told by it.
    found = _parameter(name).search(uri.partition("#")[0].partition("?")[2])
    return unquote_plus(found[1] or "") if found is not None else ""


@lru_cache(maxsize=8)
def _parameter(name: str) -> re.Pattern[str]:
    """One of a query by its name, each letter of which may be written as its number; nothing is decoded to find it."""
    letters = "".join(f"(?:{letter}|(?i:%{ord(letter):02x}))" for letter in name)
    return re.compile(rf"(?:\A|(?<=&)){letters}(?:=([^&]*))?(?=&|\Z)")


def _manager(event: Mapping[str, Any]) -> str:
    """What the API server writes into managedFields: the name that is asked for, else the program's."""
    asked = _asked(event, "fieldManager")
    name = asked or "".join(c for c in as_text(event.get("userAgent")).partition("/")[0] if c.isprintable())
    return name.encode("utf-8", "replace")[:MANAGER_BYTES_MAX].decode(errors="ignore")


def _key(event: Mapping[str, Any], reference: Mapping[str, Any], kind_of: KindOf) -> ResourceKey | None:
    group, resource = (as_text(reference.get(part)) for part in ("apiGroup", "resource"))
    name, namespace = (as_text(reference.get(part)) for part in ("name", "namespace"))
    if not name and event.get("verb") != "deletecollection":
        name = as_text(as_mapping(as_mapping(event.get("responseObject")).get("metadata")).get("name"))
        if not name:
            return None
    if (group, resource) == ("", "namespaces"):
        # The log has a Namespace lie in itself.
        namespace = ""
    kind = stated_kind(event) or kind_of(group, resource)
    parts = (group, kind, namespace, name)
    if not kind or any(len(part) > NAME_CHARS_MAX or not part.isprintable() for part in parts):
        return None
    return ResourceKey(*parts)


def stated_kind(event: Mapping[str, Any]) -> str:
    """The kind that an event's own object states; empty where it carries none, or another one than it is about."""
    reference, answered = as_mapping(event.get("objectRef")), as_mapping(event.get("responseObject"))
    group, _ = split_api_version(as_text(answered.get("apiVersion")))
    kind = as_text(answered.get("kind"))
    is_it = kind != "Status" and not kind.endswith("List") and group == as_text(reference.get("apiGroup"))
    return kind if is_it and not as_text(reference.get("subresource")) else ""


def _person(event: Mapping[str, Any], user: str) -> Person:
    as_whom = _word(as_mapping(event.get("impersonatedUser")).get("username"), USER_CHARS_MAX)
    groups = as_list(as_mapping(event.get("user")).get("groups"))[:GROUPS_MAX]
    return Person(
        f"{user}{AS}{as_whom}" if as_whom else user,
        tuple(word for group in groups if (word := _word(group, GROUP_CHARS_MAX))),
        _word(_address(as_texts(event.get("sourceIPs"))), ADDRESS_CHARS_MAX),
        # A program may put anything here, also what looks like a credential.
        Redactor().text(_word(event.get("userAgent"), AGENT_CHARS_MAX)),
    )


def _address(addresses: Sequence[str]) -> str:
    """Where the API server's connection led to: the last one. All others are what a proxy or the client says."""
    if not addresses:
        return ""
    seen = addresses[-1]
    return seen if seen == addresses[0] else f"{seen} for {addresses[0]}"


def _touched(event: Mapping[str, Any], key: ResourceKey, subresource: str) -> Touched | None:
    if subresource == SCALE:
        return _SCALED if key.group in _SCALED_GROUPS else None
    is_hidden = (key.group, key.kind) == ("", "Secret")
    return None if is_hidden or event.get("verb") != "patch" else touched_by(event.get("requestObject"))


def _scaled_to(event: Mapping[str, Any], reference: Mapping[str, Any]) -> int | None:
    if reference.get("subresource") != SCALE:
        return None
    number = whole_or_none(as_mapping(as_mapping(event.get("responseObject")).get("spec")).get("replicas"))
    # The API server leaves out a number that is 0.
    return 0 if number is None and event.get("responseObject") else number


def _version(value: object) -> str:
    text = as_text(value)
    return text if text.isascii() and text.isdigit() and len(text) <= VERSION_DIGITS_MAX else ""


def _generation(value: object) -> int:
    number = as_whole(value)
    return number if 0 <= number <= GENERATION_MAX else 0


def _word(value: object, chars_max: int) -> str:
    """A text on one line within its bound; what was cut ends in an ellipsis."""
    text = "".join(c if c.isprintable() else "?" for c in as_text(value)[: chars_max + 1])
    return text if len(text) <= chars_max else text[: chars_max - 1] + "…"


def _time(value: object) -> float | None:
    try:
        time = datetime.fromisoformat(as_text(value))
        return time.timestamp() if time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
