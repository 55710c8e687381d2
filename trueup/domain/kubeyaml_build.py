"""From libyaml's events to one JSON value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import yaml

from trueup.domain.kubeyaml_scalars import TAG_PREFIX, Scalar, ScalarError, json_key, json_value, resolve

_MERGE_TAG = TAG_PREFIX + "merge"
_NO_KEY = object()
_MERGE = object()


class Mark(Protocol):
    """A place in a document, as libyaml counts it: from 0."""

    @property
    def line(self) -> int: ...

    @property
    def column(self) -> int: ...


@dataclass(frozen=True, slots=True)
class YamlBounds:
    """What one file may cost. An alias costs all that it stands for, each time."""

    file_bytes_max: int = 10_000_000
    documents_max: int = 5_000
    #: Scalars, sequences and mappings of one document.
    document_nodes_max: int = 500_000
    #: Characters of all scalars of one document.
    document_chars_max: int = 20_000_000
    #: Below what JSON encoders and API servers take.
    nesting_max: int = 200
    #: etcd takes 1.5 MiB for a whole object.
    scalar_chars_max: int = 1_500_000


class DocumentError(Exception):
    """Why a document cannot be read; never repeats any of it."""

    def __init__(self, what: str, mark: Mark | None = None) -> None:
        super().__init__(what)
        self.what = what
        #: Counts from 0 within the document.
        self.line: int | None = None if mark is None else mark.line
        self.column: int = 0 if mark is None else mark.column


@dataclass(slots=True)
class _Anchored:
    """What an anchor names, and what each alias of it costs."""

    value: Any = None
    complete: bool = False
    nodes: int = 0
    chars: int = 0
    height: int = 0


@dataclass(slots=True)
class _Frame:
    """A sequence or mapping whose end has not come yet."""

    value: list[Any] | dict[str, Any]
    anchor: _Anchored | None
    mark: Mark | None
    nodes_before: int
    chars_before: int
    #: Collections nested in it, itself included.
    height: int = 1
    key: Any = _NO_KEY
    #: The keys that were no strings, with type and value as written.
    odd_keys: dict[str, str] = field(default_factory=dict)
    #: For a sequence: whether each item is a mapping, written out or by alias.
    all_mappings: bool = True


class DocumentBuilder:
    """Reads one document at a time, each within the bounds."""

    def __init__(self, bounds: YamlBounds) -> None:
        self.bounds = bounds
        self._clear()

    def _clear(self) -> None:
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Anchored] = {}
        self._root: Any = None
        self._nodes = 0
        self._chars = 0

    def read(self, text: str) -> Any:
        """The value of the one document in the text, None for an empty one; DocumentError for a bad one."""
        self._clear()
        try:
            for event in yaml.parse(text, Loader=yaml.CSafeLoader):
                self._take(event)
        except yaml.MarkedYAMLError as e:
            raise DocumentError(f"it is not YAML: {e.problem or e.context}", e.problem_mark or e.context_mark) from None
        except yaml.YAMLError as e:
            reason = getattr(e, "reason", "it cannot be read")
            raise DocumentError(f"it is not YAML: {reason}") from None
        return self._root

    def _take(self, event: yaml.Event) -> None:
        mark = event.start_mark
        try:
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                self._open(event)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                self._close()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.DocumentStartEvent):
                self._start(mark)
        except ScalarError as e:
            raise DocumentError(str(e), mark) from None

    def _start(self, mark: Mark | None) -> None:
        if self._root is not None or self._nodes:
            raise DocumentError("text follows the end of the document; put `---` on a line of its own between", mark)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        text: str = event.value
        if len(text) > self.bounds.scalar_chars_max:
            raise DocumentError(f"a value is longer than {self.bounds.scalar_chars_max} characters", event.start_mark)
        self._spend(1, len(text), event.start_mark)
        frame = self._frames[-1] if self._frames else None
        plain: bool = event.implicit[0]
        if (
            text == "<<"
            and (plain or event.tag == _MERGE_TAG)
            and frame is not None
            and isinstance(frame.value, dict)
            and frame.key is _NO_KEY
        ):
            frame.key = _MERGE
            return
        value: Scalar = text if event.tag is None and not plain else resolve(event.tag, text)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, complete=True, nodes=1, chars=len(text))
        self._add(value, event.start_mark)

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        if len(self._frames) >= self.bounds.nesting_max:
            raise DocumentError(f"it is nested deeper than {self.bounds.nesting_max}", event.start_mark)
        anchor = None
        if event.anchor is not None:
            anchor = self._anchors[event.anchor] = _Anchored()
        value: list[Any] | dict[str, Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._frames.append(_Frame(value, anchor, event.start_mark, self._nodes, self._chars))
        self._spend(1, 0, event.start_mark)

    def _close(self) -> None:
        frame = self._frames.pop()
        if frame.anchor is not None:
            frame.anchor.value = frame.value
            frame.anchor.complete = True
            frame.anchor.nodes = self._nodes - frame.nodes_before
            frame.anchor.chars = self._chars - frame.chars_before
            frame.anchor.height = frame.height
        self._add(frame.value, frame.mark, height=frame.height, all_mappings=frame.all_mappings)

    def _alias(self, event: yaml.AliasEvent) -> None:
        anchored = self._anchors.get(event.anchor or "")
        if anchored is None:
            raise DocumentError("an alias names an anchor that does not stand before it", event.start_mark)
        if not anchored.complete:
            raise DocumentError("an alias stands inside the value that it names", event.start_mark)
        self._spend(anchored.nodes, anchored.chars, event.start_mark)
        if len(self._frames) + anchored.height > self.bounds.nesting_max:
            raise DocumentError(f"it is nested deeper than {self.bounds.nesting_max}", event.start_mark)
        # `<<: *anchor` takes one mapping; a sequence of mappings must be written out.
        self._add(anchored.value, event.start_mark, height=anchored.height, all_mappings=False)

    def _spend(self, nodes: int, chars: int, mark: Mark | None) -> None:
        self._nodes += nodes
        self._chars += chars
        if self._nodes > self.bounds.document_nodes_max:
            what = f"with its aliases written out it has more than {self.bounds.document_nodes_max} values"
            raise DocumentError(what, mark)
        if self._chars > self.bounds.document_chars_max:
            what = f"with its aliases written out it has more than {self.bounds.document_chars_max} characters"
            raise DocumentError(what, mark)

    def _add(self, value: Any, mark: Mark | None, *, height: int = 0, all_mappings: bool = False) -> None:
        if not self._frames:
            self._root = value if isinstance(value, dict | list) else json_value(value)
            return
        frame = self._frames[-1]
        frame.height = max(frame.height, height + 1)
        if isinstance(frame.value, list):
            frame.all_mappings = frame.all_mappings and isinstance(value, dict)
            frame.value.append(value if isinstance(value, dict | list) else json_value(value))
        elif frame.key is _NO_KEY:
            frame.key = _key(frame, value, mark)
        elif frame.key is _MERGE:
            _merge(frame.value, value, mark, all_mappings=all_mappings)
            frame.key = _NO_KEY
        else:
            frame.value[frame.key] = value if isinstance(value, dict | list) else json_value(value)
            frame.key = _NO_KEY


def _key(frame: _Frame, value: Any, mark: Mark | None) -> str:
    """The key as a string. `1` and `"1"` in one mapping would leave it to chance which of them wins."""
    if isinstance(value, dict | list):
        raise DocumentError("a mapping has a mapping or a sequence for a key", mark)
    key = json_key(value)
    written = "" if isinstance(value, str) else f"{type(value).__name__} {value}"
    if (written or key in frame.odd_keys) and key in frame.value and frame.odd_keys.get(key, "") != written:
        raise DocumentError("two keys of a mapping become the same string; quote or rename one", mark)
    if written:
        frame.odd_keys[key] = written
    return key


def _merge(into: dict[str, Any], value: Any, mark: Mark | None, *, all_mappings: bool) -> None:
    """`<<`: what stands before it in the mapping is overwritten, what stands after it wins."""
    if isinstance(value, dict):
        into.update(value)
    elif isinstance(value, list) and all_mappings:
        for mapping in reversed(value):
            into.update(mapping)
    else:
        raise DocumentError("`<<` takes a mapping, an alias of one, or a sequence of them", mark)


def checked_json(root: Any, bounds: YamlBounds) -> Any:
    """A value out of a JSON parser with its numbers as Kubernetes takes them; DocumentError over a bound."""
    nodes = 0
    pending: list[tuple[Any, int]] = [(root, 1)]
    while pending:
        value, depth = pending.pop()
        nodes += len(value) if isinstance(value, dict | list) else 1
        if nodes > bounds.document_nodes_max:
            raise DocumentError(f"it has more than {bounds.document_nodes_max} values")
        if depth > bounds.nesting_max:
            raise DocumentError(f"it is nested deeper than {bounds.nesting_max}")
        if not isinstance(value, dict | list):
            continue
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(item, dict | list):
                pending.append((item, depth + 1))
            elif isinstance(item, str):
                if len(item) > bounds.scalar_chars_max:
                    raise DocumentError(f"a value is longer than {bounds.scalar_chars_max} characters")
            elif isinstance(item, int | float) and not isinstance(item, bool):
                value[key] = json_value(item)
    return root
