"""What the pages say of an Application and of an incident, as plain texts. Pure.

Only what is named here can appear: a spec may hold parameters that are secret, so none of it is passed on whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from trueup.domain.application import HOME_NAME, HOME_SERVER, Application, joined, split
from trueup.domain.incident import Incident
from trueup.domain.lenient import as_list, as_mapping, as_text
from trueup.domain.redact import Redactor
from trueup.domain.repository import redact_url
from trueup.domain.source import Source

#: Of a commit so much is shown; the whole of it stands beside it for those who point at it.
REVISION_CHARS = 8
COMMIT_CHARS = 40
#: Objects of an inventory that a page lists.
OBJECTS_MAX = 500

_SYNC = {"OutOfSync": 0, "Unknown": 1, "Synced": 2}
_HEALTH = {"Degraded": 0, "Missing": 1, "Unknown": 2, "Progressing": 3, "Suspended": 4, "Healthy": 5}


@dataclass(frozen=True, slots=True)
class Row:
    """An Application in a list."""

    name: str
    project: str
    sync: str
    health: str
    #: What it was compared at, whole and short; empty if never.
    revision: str
    short_revision: str
    cluster: str
    namespace: str
    #: The name of its open incident; empty where there is none.
    incident: str
    #: How many conditions it has that are errors.
    errors: int

    @property
    def place(self) -> tuple[bool, int, int, str]:
        """Where it stands in a list of what needs somebody: first what drifted, then what is not well."""
        return not self.incident, _SYNC.get(self.sync, 1), _HEALTH.get(self.health, 2), self.name


@dataclass(frozen=True, slots=True)
class SourceFacts:
    repository: str
    #: The path, or the chart.
    within: str
    target: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of the inventory."""

    kind: str
    group: str
    namespace: str
    name: str
    status: str
    health: str
    message: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """An Application on its own page."""

    row: Row
    sources: tuple[SourceFacts, ...]
    policy: str
    #: Type and message.
    conditions: tuple[tuple[str, str], ...]
    health_message: str
    #: Phase, message, and when it ended, of the last sync; empty texts where there was none.
    operation: tuple[str, str, str]
    entries: tuple[Entry, ...]
    entries_left_out: int


def row_of(application: Application, incident: Incident | None) -> Row:
    """`incident` is its open one."""
    status = application.status
    conditions = [as_text(as_mapping(each).get("type")) for each in as_list(status.get("conditions"))]
    revision = application.revision
    return Row(
        name=application.id.name,
        project=application.project,
        sync=as_text(as_mapping(status.get("sync")).get("status")) or "Unknown",
        health=as_text(as_mapping(status.get("health")).get("status")) or "Unknown",
        revision=revision,
        short_revision=short(revision),
        cluster=cluster_name(application.cluster or application.server),
        namespace=application.namespace,
        incident=incident.name if incident is not None else "",
        errors=sum(kind.endswith("Error") for kind in conditions),
    )


def sheet_of(application: Application, incident: Incident | None) -> Sheet:
    status, redactor = application.status, Redactor()
    state, conditions = as_mapping(status.get("operationState")), as_list(status.get("conditions"))
    entries = [_entry(as_mapping(raw), redactor) for raw in as_list(status.get("resources"))]
    entries.sort(key=lambda entry: (entry.status == "Synced", entry.kind, entry.name))
    return Sheet(
        row=row_of(application, incident),
        sources=tuple(map(_source, application.sources)),
        policy=_policy(application),
        conditions=tuple(
            (as_text(each.get("type")), redactor.text(as_text(each.get("message"))))
            for each in map(as_mapping, conditions)
        ),
        health_message=redactor.text(as_text(as_mapping(status.get("health")).get("message"))),
        operation=(
            as_text(state.get("phase")),
            redactor.text(as_text(state.get("message"))),
            as_text(state.get("finishedAt")),
        ),
        entries=tuple(entries[:OBJECTS_MAX]),
        entries_left_out=max(0, len(entries) - OBJECTS_MAX),
    )


def short(revision: str) -> str:
    """The revisions as people tell them apart: of commits the beginning, versions of charts whole."""
    return joined(each[:REVISION_CHARS] if len(each) == COMMIT_CHARS else each for each in split(revision))


def cluster_name(destination: str) -> str:
    """A cluster as people call it, by its name or its server's URL; empty is home."""
    return HOME_NAME if destination in ("", HOME_SERVER) else redact_url(destination)


def latest_open(incidents: Iterable[Incident]) -> Incident | None:
    """The open one, of incidents that come newest first."""
    return next((incident for incident in incidents if incident.is_open), None)


def _source(source: Source) -> SourceFacts:
    return SourceFacts(
        redact_url(source.repo_url), source.chart or source.path or ".", source.target_revision or "HEAD"
    )


def _policy(application: Application) -> str:
    automated = application.automated
    if automated is None:
        return "by hand"
    extras = [word for word, holds in (("prunes", automated.prune), ("heals itself", automated.self_heal)) if holds]
    return ", ".join(["automatic", *extras])


def _entry(raw: Mapping[str, Any], redactor: Redactor) -> Entry:
    health = as_mapping(raw.get("health"))
    message = "to be pruned" if raw.get("requiresPruning") is True else redactor.text(as_text(health.get("message")))
    kind, group, namespace, name, status = (
        as_text(raw.get(part)) for part in ("kind", "group", "namespace", "name", "status")
    )
    return Entry(kind, group, namespace, name, status, as_text(health.get("status")), message)
