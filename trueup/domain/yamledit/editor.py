"""From a document's nodes and the value that it should have to the changes of its text.

What is equal already is left alone, so that comments, order, quotes and layout stay as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from trueup.domain.errors import StalledError
from trueup.domain.normalize import same_json
from trueup.domain.yamledit import form as forms
from trueup.domain.yamledit.flows import FlowMembers
from trueup.domain.yamledit.form import Form
from trueup.domain.yamledit.lines import Lines
from trueup.domain.yamledit.matching import matched
from trueup.domain.yamledit.nodes import Node, Part, Tree
from trueup.domain.yamledit.splices import Splices


class NotEditableError(StalledError):
    """The text cannot be changed so without touching what the change is not about; says why."""


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where a value stands."""

    #: Of its key or its dash.
    column: int
    #: Behind the colon or the dash.
    after: int
    is_item: bool
    in_flow: bool
    #: What sentences call it.
    said: str


def changed_text(text: str, tree: Tree, form: Form, value: Any) -> str:
    """The document's text with this value. Raises NotEditableError."""
    editor = _Editor(text, form, tree.aliased)
    editor.change(tree.root, value, _Slot(0, 0, is_item=False, in_flow=False, said="the document"))
    return editor.splices.applied(text)


@dataclass(slots=True)
class _Editor:
    text: str
    form: Form
    aliased: frozenset[str]
    splices: Splices = field(default_factory=Splices)

    def change(self, node: Node, new: Any, slot: _Slot) -> None:
        if same_json(node.value, new):
            return
        if node.kind == "alias":
            raise NotEditableError(f"{slot.said} stands there as the alias *{node.anchor}; write it out first")
        if node.anchor in self.aliased:
            what = "which other places repeat by an alias, so that they would change too; write those out first"
            raise NotEditableError(f"{slot.said} has the anchor &{node.anchor}, {what}")
        if node.kind == "mapping" and isinstance(new, dict):
            self._mapping(node, new, slot)
        elif node.kind == "sequence" and isinstance(new, list):
            self._sequence(node, new, slot)
        else:
            self._replace(node, new, slot)

    def _mapping(self, node: Node, new: dict[str, Any], slot: _Slot) -> None:
        own = {part.name: part for part in node.parts if not part.is_merge}
        merged = [name for name in node.value if name not in own]
        for name in merged:
            if name not in new or (isinstance(new[name], dict | list) and not same_json(node.value[name], new[name])):
                raise NotEditableError(f"{slot.said} has {name} from `<<`; write it out there first")
        added = {name: value for name, value in new.items() if name not in own and name not in merged}
        added |= {name: new[name] for name in merged if not same_json(node.value[name], new[name])}
        kept = [part for part in node.parts if part.is_merge or part.name in new]
        if not kept or self._is_loose(node, slot):
            self._replace(node, new, slot)
            return
        in_flow = node.style == "flow"
        for part in kept:
            is_own = not part.is_merge and own[part.name] is part
            if is_own and not same_json(part.node.value, new[part.name]):
                self.change(part.node, new[part.name], self._slot(part, in_flow=in_flow, is_item=False))
        gone = [part for part in node.parts if part not in kept]
        if in_flow:
            pad = forms.on_own_lines(self.text, node)
            texts = [forms.flow_member(self.form, name, value, pad) for name, value in added.items()]
            FlowMembers(self.text, self.form, node, self.splices).change(gone, {kept[-1]: texts}, pad)
            return
        if gone or added:
            for part in node.parts:
                self._refuse_explicit(part)
        column = forms.column(self.text, node.parts[0].start)
        lines = forms.padded(forms.block(self.form, added), column)
        above: Part | None = kept[-1]
        if self._is_open(Lines(self.text, node, floor=slot.after).end(kept[-1])):
            above = kept[-2] if len(kept) > 1 else None
        self._block(node, slot, gone, [(above, lines)] if lines else [])

    def _is_open(self, place: int) -> bool:
        """Whether a text ends here that the break of the last line would become a part of."""
        return place == len(self.text) and not self.text.endswith("\n")

    def _sequence(self, node: Node, new: list[Any], slot: _Slot) -> None:
        pairs = list(matched(node.value, new))
        gone = [node.parts[i] for i, j in pairs if i is not None and j is None]
        if len(gone) == len(node.parts) or self._is_loose(node, slot):
            self._replace(node, new, slot)
            return
        in_flow = node.style == "flow"
        column = 0 if in_flow else forms.column(self.text, node.parts[0].start)
        pad = forms.on_own_lines(self.text, node) if in_flow else None
        last: Part | None = None
        inserted: list[tuple[Part | None, list[str]]] = []
        for i, j in pairs:
            if i is not None and j is not None:
                last = node.parts[i]
                self.change(last.node, new[j], self._slot(last, in_flow=in_flow, is_item=True))
            elif j is not None and in_flow:
                inserted.append((last, [forms.in_flow(self.form, new[j], "plain", pad)]))
            elif j is not None:
                moved = next((part for part in gone if same_json(part.node.value, new[j])), None)
                inserted.append((last, self._moved(node, moved, slot) or self._member(node, new[j], column)))
        if in_flow:
            by_part: dict[Part | None, list[str]] = {}
            for part, texts in inserted:
                by_part.setdefault(part, []).extend(texts)
            FlowMembers(self.text, self.form, node, self.splices).change(gone, by_part, pad)
        else:
            self._block(node, slot, gone, inserted)

    def _is_loose(self, node: Node, slot: _Slot) -> bool:
        """Whether an empty flow collection in a block is to become one that is not empty: then it becomes a block."""
        return not node.parts and not slot.in_flow and not self.form.is_json

    def _slot(self, part: Part, *, in_flow: bool, is_item: bool) -> _Slot:
        if not in_flow:
            self._refuse_explicit(part)
        said = f"the key {part.name}" if part.name else "a member of a list"
        return _Slot(forms.column(self.text, part.start), part.after, is_item, in_flow, said)

    def _refuse_explicit(self, part: Part) -> None:
        if forms.is_explicit(self.text, part):
            raise NotEditableError(f"the key {part.name} stands behind a `?`; write it as `key: value` first")

    def _member(self, node: Node, value: Any, column: int) -> list[str]:
        """The lines of a new member of a list: one line in braces where all those have that it is like."""
        form = forms.of_list(self.form, self.text, node)
        if isinstance(value, dict) and value and forms.are_in_braces(self.text, node):
            return [f"{' ' * column}-{' ' * form.dash_gap}{forms.in_flow(form, value, 'plain', None)}"]
        return forms.padded(forms.block(form, [value]), column)

    def _moved(self, node: Node, part: Part | None, slot: _Slot) -> list[str]:
        """The lines of a member that goes elsewhere, with its comments; none where it has no lines of its own."""
        if part is None:
            return []
        return Lines(self.text, node, floor=slot.after).own(part)

    def _block(
        self, node: Node, slot: _Slot, gone: Sequence[Part], inserted: Sequence[tuple[Part | None, list[str]]]
    ) -> None:
        lines = Lines(self.text, node, floor=slot.after)
        first = next(part for part in node.parts if part not in gone)
        for part, added in inserted:
            if part is not None:
                self.splices.insert_lines(self.text, lines.end(part), added, self.form.newline)
            else:
                place, text = lines.before(first, added, self.form.newline)
                self.splices.replace(place, place, text)
        for start, end in lines.removed(gone):
            self.splices.replace(start, end, "")

    def _replace(self, node: Node, new: Any, slot: _Slot) -> None:
        if slot.after < 0:
            raise NotEditableError(f"{slot.said} stands there without a value; write one first")
        if slot.in_flow or self.form.is_json:
            text = forms.in_flow(self.form, new, node.style, forms.line_pad(self.text, node.start))
            is_bare = node.start == node.end
            self.splices.replace(node.start, node.end, f" {text}" if is_bare and not slot.is_item else text)
            return
        body = self._body_step(node, slot)
        at = forms.at_dash if slot.is_item else forms.at_key
        written = at(self.form, new, node.style, slot.column, body)
        Lines(self.text, node, floor=slot.after).replace(
            self.splices, node, slot.after, written, self._kept(node), self.form.newline
        )

    def _kept(self, node: Node) -> str:
        """What stays before the value: an anchor that nothing names yet."""
        return f" &{node.anchor}" if node.anchor else ""

    def _body_step(self, node: Node, slot: _Slot) -> int:
        """How far the lines of a block scalar stand further in; none where it is none."""
        if node.style not in ("literal", "folded"):
            return 0
        for line in self.text[node.start : node.end].split("\n")[1:]:
            if line.strip():
                return max(1, len(line) - len(line.lstrip(" ")) - slot.column)
        return 0
