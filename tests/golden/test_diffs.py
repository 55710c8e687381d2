"""Each way to show a difference, held against what it was when somebody last looked at it with care.

A directory of `diffs` is one case: `git.yaml` (the object; further documents are Secrets of the same
application), `live.yaml` where it is there, and `how.yaml` for what else there is to know. With
`TRUEUP_GOLDEN_WRITE=1` the files are written anew; read what changed before it is committed.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.diffing import manifest
from trueup.domain import fieldpath
from trueup.domain.application import ApplicationId
from trueup.domain.attribution import Attribution, Person
from trueup.domain.by_hand import Hands
from trueup.domain.compare_options import How
from trueup.domain.diff import ObjectDiff
from trueup.domain.diffview.build import view_of
from trueup.domain.diffview.html import html_of
from trueup.domain.diffview.markdown import markdown_of
from trueup.domain.diffview.model import ObjectView, as_json, from_json
from trueup.domain.diffview.record import view_of_record
from trueup.domain.diffview.terminal import Printed, side_by_side, unified
from trueup.domain.incident import DriftedObject, Found
from trueup.domain.incident_story import opened
from trueup.domain.redact import Redactor
from trueup.domain.resource import Manifest
from trueup.domain.shown import shown_field
from trueup.domain.slack_message import announcement
from trueup.domain.verdict import local_verdict

CASES = Path(__file__).parent / "diffs"
GUIDE = CASES.parents[2] / "docs" / "reading-a-diff.md"
WRITES = os.environ.get("TRUEUP_GOLDEN_WRITE") == "1"
COLUMNS = 120
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Case:
    diff: ObjectDiff
    manifest: Manifest | None
    live: dict[str, Any] | None
    redactor: Redactor
    #: By a place as people read it.
    people: dict[str, Attribution]

    @property
    def attributions(self) -> dict[fieldpath.Path, Attribution]:
        paths: list[fieldpath.Path] = [(), *(change.path for change in self.diff.changes)]
        return {path: self.people[text] for path in paths if (text := fieldpath.show(path)) in self.people}

    @property
    def view(self) -> ObjectView:
        return view_of(self.diff, self.manifest, self.live, self.redactor, self.attributions)

    @property
    def drifted(self) -> DriftedObject:
        """As the worker records it."""
        if self.manifest is None:
            return DriftedObject(self.diff.key, "Unwanted")
        if self.live is None:
            return DriftedObject(self.diff.key, "Missing", deleted_by=self.people.get("", Attribution()))
        fields = []
        for change in self.diff.counted:
            field = shown_field(change, self.diff.key, self.redactor)
            fields.append(field.by(self.people[field.path]) if field.path in self.people else field)
        return DriftedObject(self.diff.key, "OutOfSync", tuple(fields))


def documents(path: Path) -> list[dict[str, Any]]:
    text = path.read_text() if path.exists() else ""
    return [document for document in yaml.safe_load_all(text) if document]


def case(name: str) -> Case:
    there = CASES / name
    wanted, *secrets = documents(there / "git.yaml") or [None]
    live = next(iter(documents(there / "live.yaml")), None)
    how = next(iter(documents(there / "how.yaml")), {})
    if (made := how.get("lines")) is not None:
        for side, value in ((wanted, 1), (live, 2)):
            numbers = range(made["count"])
            side["data"]["lines"] = "".join(f"key{n}: {value if n >= made['differFrom'] else 1}\n" for n in numbers)
    redactor = Redactor()
    for body in filter(None, (wanted, live, *secrets)):
        redactor.learn(body)
    people = {
        place: Attribution(**{**said, "person": Person(**said["person"]) if "person" in said else None})
        for place, said in how.get("people", {}).items()
    }
    if wanted is None:
        assert live is not None
        return Case(ObjectDiff(manifest(live).key, "OutOfSync"), None, live, redactor, people)
    asked = How(Hands.of(("kubectl-*",)), by_hand=how.get("byHand", "drift"))
    return Case(local_verdict(manifest(wanted), live, asked), manifest(wanted), live, redactor, people)


def printed(lines: list[Printed]) -> str:
    return "".join("".join(piece.text for piece in pieces) + "\n" for pieces in lines)


def slack(item: DriftedObject) -> str:
    application = ApplicationId("argocd", "tides")
    incident = opened(None, Found(application, "uid", "", "Drift", "a" * 40, (item,)), NOW)
    return json.dumps(announcement(incident).blocks, indent=2, ensure_ascii=False) + "\n"


def page(view: ObjectView) -> str:
    return html_of(view, side_by_side=True) + html_of(view, side_by_side=False)


def drawn(name: str) -> dict[str, str]:
    it = case(name)
    return {
        "terminal.txt": printed(list(unified(it.view))),
        "terminal-side-by-side.txt": printed(list(side_by_side(it.view, COLUMNS))),
        "record.txt": printed(list(unified(view_of_record(it.drifted), COLUMNS))),
        "diff.html": page(it.view),
        "diff.md": markdown_of(it.view),
        "slack.json": slack(it.drifted),
    }


NAMES = sorted(path.name for path in CASES.iterdir() if path.is_dir())


@pytest.mark.parametrize("name", NAMES)
def test_a_difference_looks_as_it_did_when_it_was_last_read_with_care(name: str) -> None:
    for file, text in drawn(name).items():
        path = CASES / name / file
        if WRITES:
            path.write_text(text)
        assert path.read_text() == text, f"{name}/{file}; TRUEUP_GOLDEN_WRITE=1 writes it anew"


@pytest.mark.parametrize("name", NAMES)
def test_a_view_that_went_through_json_is_the_same(name: str) -> None:
    view = case(name).view
    assert from_json(json.loads(json.dumps(as_json(view)))) == view


def test_there_is_a_case_of_each_kind() -> None:
    assert len(NAMES) >= 15


def test_the_documentation_shows_what_is_printed() -> None:
    blocks = re.findall(r"^(`{3,})(?:console|markdown)\n(.*?)\n\1$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    shown = {re.sub(r"^\$ .*\n", "", text) for _, text in blocks}
    drawings = {path.read_text().rstrip("\n") for path in CASES.glob("*/*") if path.suffix in (".txt", ".md")}
    assert len(shown) >= 5
    assert shown <= drawings
