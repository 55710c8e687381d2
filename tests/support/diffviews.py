"""Objects of every shape on two sides, and what is drawn of them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from hypothesis import strategies as st

from tests.support.diffing import manifest
from trueup.domain.attribution import Attribution, Person
from trueup.domain.diff import Change, ObjectDiff, compare
from trueup.domain.diffview.build import view_of
from trueup.domain.diffview.model import Line, ObjectView
from trueup.domain.fieldpath import Item, Member, Path
from trueup.domain.redact import Redactor
from trueup.domain.resource import ResourceKey

#: What would end a cell, a fence, a line or a mention, or be obeyed by a terminal.
HOSTILE = (
    "</td></tr></table><script>alert(1)</script>",
    "\" onmouseover='x' data-path=\"",
    "<!--",
    "&lt;b&gt;&amp;",
    "```\n</code>\n````diff\n",
    "~~~",
    "\x1b[2J\x1b]0;x\x07\x9bm",
    "\u202ertl\u2028line\u0085",
    "<!channel> <@U1> *bold* `code`",
    "- a\n+ b\n@@ x @@",
    "yes",
    "# no comment",
    " both ends ",
    "\ttab\r\n",
)
TEXT = st.sampled_from(HOSTILE) | st.text(max_size=30)
SCALAR = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
NAME = st.sampled_from(["a", "b", "name", "ports", "env", "selector", *HOSTILE[:6]])
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAME, inner, max_size=4),
    max_leaves=12,
)
KINDS = st.sampled_from(["v1/ConfigMap", "v1/Service", "v1/Secret", "apps/v1/Deployment", "example.com/v1/Wonder"])
WHO = st.builds(
    Attribution,
    TEXT,
    st.just("Update"),
    time=TEXT,
    person=st.none() | st.builds(Person, TEXT),
    is_probable=st.booleans(),
)


#: Few names, so that places meet.
FEW = st.sampled_from(["a", "b"])
SMALL = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner | st.fixed_dictionaries({"name": FEW}), max_size=3) | st.dictionaries(FEW, inner, max_size=2)
    ),
    max_leaves=8,
)
SEGMENT = FEW | st.integers(0, 2) | st.builds(Member, SCALAR) | FEW.map(lambda name: Item((("name", name),)))
#: What no comparison may ever say, and a view has to bear.
CHANGES = st.lists(
    st.builds(
        lambda path, kind, git, live, counts: Change(("spec", *path), kind, git, live, "", (), counts=counts),
        st.lists(FEW, max_size=1).flatmap(
            lambda first: st.lists(SEGMENT, max_size=3).map(lambda rest: [*first, *rest])
        ),
        st.sampled_from(["changed", "missing", "extra"]),
        SMALL,
        SMALL,
        st.booleans(),
    ),
    max_size=5,
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """An object as Git has it, and a live one that shares much of it."""
    api_version, _, kind = draw(KINDS).rpartition("/")
    head = {"apiVersion": api_version, "kind": kind}
    shared = draw(st.dictionaries(NAME, VALUE, max_size=3))
    sides = []
    for _ in range(2):
        own = draw(st.dictionaries(NAME, VALUE, max_size=3))
        members = draw(st.lists(st.fixed_dictionaries({"name": st.sampled_from("abc")}), max_size=3))
        section = draw(st.sampled_from(["spec", "data"]))
        meta = {"name": "n", "namespace": "s", "labels": draw(st.dictionaries(NAME, TEXT, max_size=2))}
        sides.append({**head, "metadata": meta, section: {**shared, **own, "members": members}})
    return sides[0], sides[1]


def view(
    desired: dict[str, Any], live: dict[str, Any] | None, who: Attribution | None = None
) -> tuple[ObjectDiff, ObjectView]:
    """The difference and its view; everything in it written by `who`."""
    redactor = Redactor()
    for body in (desired, live or {}):
        redactor.learn(body)
    diff = compare(manifest(desired), live)
    paths: dict[Path, Attribution] = {} if who is None else {(): who, **{each.path: who for each in diff.changes}}
    return diff, view_of(diff, manifest(desired), live, redactor, paths)


def of_lines(*lines: Line, left_out: int = 0) -> ObjectView:
    return ObjectView(ResourceKey("", "ConfigMap", "n", "a"), "OutOfSync", lines, left_out)


class Cells(HTMLParser):
    """The rows of a table as a browser reads them, and every name in its markup."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if any(tag in self.open for tag in ("td", "th")):
            self.rows[-1][-1] += data
        else:
            assert not data.strip() or "caption" in self.open, data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)
