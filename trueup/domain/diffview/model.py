"""What is shown of one object: lines like YAML, in which every place that differs stands where it belongs.

Whatever it holds may be shown: secrets are masked, and control characters are escapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, cast, get_args

from trueup.domain.attribution import Attribution, Person
from trueup.domain.lenient import as_list, as_mapping, as_text, as_texts, as_whole
from trueup.domain.resource import ResourceKey

#: same: both sides say it. changed: each side says something else. missing: only Git says it.
#: extra: only live has it. fold: lines that are not shown; `note` says how many.
LineKind = Literal["same", "changed", "missing", "extra", "fold"]
#: As of a comparison; Unwanted: in the cluster and no longer in Git.
ViewStatus = Literal["Synced", "OutOfSync", "Missing", "Unwanted"]

#: From a character to before another one, of a line's text.
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Line:
    kind: LineKind
    #: Levels of nesting; a renderer gives each as many blanks as it likes.
    indent: int
    #: The text on Git's side; None where Git has no such line.
    git: str | None
    #: The text on live's side; None where live has no such line.
    live: str | None
    #: The place that differs, such as `spec.ports[name=http].port`; empty for a line that only leads there.
    path: str = ""
    #: Who wrote the live value last. It stands at the first line of a place; None where nobody is to be named.
    attribution: Attribution | None = None
    #: What there is to say beside the line.
    note: str = ""
    #: Which words of the two texts differ; empty where all of them do.
    git_spans: tuple[Span, ...] = ()
    live_spans: tuple[Span, ...] = ()
    #: False: it is only shown, and neither makes the object OutOfSync nor is put right.
    counts: bool = True

    @property
    def differs(self) -> bool:
        return self.kind not in ("same", "fold")


@dataclass(frozen=True, slots=True)
class ObjectView:
    key: ResourceKey
    status: ViewStatus
    #: Empty where nothing differs.
    lines: tuple[Line, ...]
    #: How many lines more there would be, had the view room for them.
    lines_left_out: int = 0


def spelled(who: Attribution, spell: Callable[[str], str]) -> Attribution:
    """The same with every name in it put into other letters, such as `printable` ones."""
    person = who.person and replace(
        who.person,
        user=spell(who.person.user),
        groups=tuple(spell(group) for group in who.person.groups),
        address=spell(who.person.address),
        agent=spell(who.person.agent),
    )
    return replace(
        who,
        manager=spell(who.manager),
        operation=spell(who.operation),
        subresource=spell(who.subresource),
        time=spell(who.time),
        person=person,
    )


def as_json(view: ObjectView) -> dict[str, Any]:
    """The view as JSON values; what a line leaves out is its default."""
    return {
        "key": {"group": view.key.group, "kind": view.key.kind, "namespace": view.key.namespace, "name": view.key.name},
        "status": view.status,
        "lines": [_line_as_json(line) for line in view.lines],
        "linesLeftOut": view.lines_left_out,
    }


def from_json(raw: object) -> ObjectView:
    """The view that `as_json` wrote. Raises ValueError for what is no view."""
    view, key = as_mapping(raw), as_mapping(as_mapping(raw).get("key"))
    status = view.get("status")
    if status not in get_args(ViewStatus):
        raise ValueError("a view of an object names no status that there is")
    return ObjectView(
        ResourceKey(*(as_text(key.get(name)) for name in ("group", "kind", "namespace", "name"))),
        cast("ViewStatus", status),
        tuple(_line(as_mapping(line)) for line in as_list(view.get("lines"))),
        as_whole(view.get("linesLeftOut")),
    )


def _line_as_json(line: Line) -> dict[str, Any]:
    shown: dict[str, Any] = {"kind": line.kind, "indent": line.indent}
    if line.git is not None:
        shown["git"] = line.git
    if line.live is not None:
        shown["live"] = line.live
    shown |= {name: value for name, value in (("path", line.path), ("note", line.note)) if value}
    if line.attribution is not None:
        shown["attribution"] = asdict(line.attribution)
    marked = (("gitSpans", line.git_spans), ("liveSpans", line.live_spans))
    shown |= {name: [list(span) for span in spans] for name, spans in marked if spans}
    if not line.counts:
        shown["counts"] = False
    return shown


def _line(raw: Mapping[str, Any]) -> Line:
    kind = raw.get("kind")
    if kind not in get_args(LineKind):
        raise ValueError("a line of a view is of no kind that there is")
    sides = [raw.get(side) if isinstance(raw.get(side), str) else None for side in ("git", "live")]
    return Line(
        cast("LineKind", kind),
        as_whole(raw.get("indent")),
        sides[0],
        sides[1],
        as_text(raw.get("path")),
        _attribution(raw["attribution"]) if isinstance(raw.get("attribution"), Mapping) else None,
        as_text(raw.get("note")),
        _spans(raw.get("gitSpans"), sides[0]),
        _spans(raw.get("liveSpans"), sides[1]),
        raw.get("counts") is not False,
    )


def _spans(raw: object, text: str | None) -> tuple[Span, ...]:
    return tuple(_span(as_list(span), len(text or "")) for span in as_list(raw))


def _span(raw: Sequence[Any], length: int) -> Span:
    ends = [end for end in raw if isinstance(end, int)]
    if len(ends) != 2 or not 0 <= ends[0] <= ends[1] <= length:
        raise ValueError("a line of a view marks words that it does not have")
    return ends[0], ends[1]


def _attribution(raw: Mapping[str, Any]) -> Attribution:
    return Attribution(
        as_text(raw.get("manager")),
        as_text(raw.get("operation")),
        as_text(raw.get("subresource")),
        as_text(raw.get("time")),
        _person(raw["person"]) if isinstance(raw.get("person"), Mapping) else None,
        raw.get("is_probable") is True,
    )


def _person(raw: Mapping[str, Any]) -> Person:
    return Person(
        as_text(raw.get("user")),
        as_texts(raw.get("groups")),
        as_text(raw.get("address")),
        as_text(raw.get("agent")),
    )
