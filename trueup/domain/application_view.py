"""What a view job answers: how one application stands, as people may see it. Pure.

It passes through Redis as JSON, sealed; what secrets it could hold are masked before it is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from trueup.domain.diffview.model import ObjectView, as_json, from_json
from trueup.domain.lenient import as_list, as_mapping, as_text, as_texts, as_whole
from trueup.domain.origin import revision_in

#: Deployments that are shown, the latest of them.
DEPLOYMENTS_MAX = 20


@dataclass(frozen=True, slots=True)
class Deployment:
    """One line of `status.history`."""

    id: int
    #: Of many sources all their revisions, see `trueup.domain.application.joined`.
    revision: str
    #: RFC 3339, as the status has it.
    deployed_at: str
    #: A user name, `automated`, or empty where nobody is named.
    initiated_by: str


@dataclass(frozen=True, slots=True)
class ApplicationView:
    """One look at desired and live, taken at the revision that was compared last."""

    #: The looks that were asked for and that this one answers; None is every one.
    answers: frozenset[str] | None
    revision: str
    looked_at: datetime
    #: What differs, by key.
    objects: tuple[ObjectView, ...] = ()
    objects_left_out: int = 0
    #: Newest first.
    deployments: tuple[Deployment, ...] = ()
    #: Why nothing could be compared; empty where it was.
    trouble: str = ""

    def answers_look(self, look: str) -> bool:
        return self.answers is None or look in self.answers

    def shortened(self) -> ApplicationView:
        """The same with half of its objects, and the others counted."""
        kept = self.objects[: len(self.objects) // 2]
        return replace(self, objects=kept, objects_left_out=self.objects_left_out + len(self.objects) - len(kept))


def view_as_json(view: ApplicationView) -> dict[str, Any]:
    """The view as JSON; `view_from_json` reads it."""
    return {
        "answers": None if view.answers is None else sorted(view.answers),
        "revision": view.revision,
        "lookedAt": view.looked_at.astimezone(UTC).isoformat(),
        "objects": [as_json(item) for item in view.objects],
        "objectsLeftOut": view.objects_left_out,
        "deployments": [
            {"id": one.id, "revision": one.revision, "deployedAt": one.deployed_at, "by": one.initiated_by}
            for one in view.deployments
        ],
        "trouble": view.trouble,
    }


def view_from_json(raw: Mapping[str, Any]) -> ApplicationView:
    """Raises ValueError, KeyError or TypeError for what `view_as_json` did not write."""
    answers = raw["answers"]
    return ApplicationView(
        answers=None if answers is None else frozenset(as_texts(answers)),
        revision=as_text(raw["revision"]),
        looked_at=datetime.fromisoformat(raw["lookedAt"]),
        objects=tuple(from_json(item) for item in as_list(raw["objects"])),
        objects_left_out=as_whole(raw["objectsLeftOut"]),
        deployments=tuple(
            Deployment(
                as_whole(one.get("id")),
                as_text(one.get("revision")),
                as_text(one.get("deployedAt")),
                as_text(one.get("by")),
            )
            for one in map(as_mapping, as_list(raw["deployments"]))
        ),
        trouble=as_text(raw["trouble"]),
    )


def deployments_of(status: Mapping[str, Any]) -> tuple[Deployment, ...]:
    """The latest deployments that a status tells of, newest first."""
    entries = [as_mapping(entry) for entry in as_list(status.get("history"))]
    return tuple(_deployments(entries[-DEPLOYMENTS_MAX:][::-1]))


def _deployments(entries: Iterable[Mapping[str, Any]]) -> Iterable[Deployment]:
    for entry in entries:
        by = as_mapping(entry.get("initiatedBy"))
        name = as_text(by.get("username")) or ("automated" if by.get("automated") is True else "")
        yield Deployment(as_whole(entry.get("id")), revision_in(entry), as_text(entry.get("deployedAt")), name)
