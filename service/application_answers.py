"""How the API shows an Application: as one of many, or with all that the service knows of it.

Of its sources no more is shown than where they are: parameters and values may hold what nobody is to read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from trueup.domain.application import Application
from trueup.domain.incident import Incident
from trueup.domain.lenient import as_list, as_mapping, as_text
from trueup.domain.origin import revision_in
from trueup.domain.redact import Redactor
from trueup.domain.repair import Account, account_of
from trueup.domain.repository import redact_url

from . import incident_answers

RESOURCES_SHOWN_MAX = 1_000
INCIDENTS_SHOWN_MAX = 20


def summary(application: Application) -> dict[str, object]:
    """One of many."""
    status = application.status
    return {
        "namespace": application.id.namespace,
        "name": application.id.name,
        "project": application.project,
        "repository": redact_url(application.source.repo_url),
        "path": application.source.path,
        "targetRevision": application.source.target_revision,
        "sync": as_text(as_mapping(status.get("sync")).get("status")) or "Unknown",
        "health": as_text(as_mapping(status.get("health")).get("status")) or "Unknown",
        "revision": application.revision,
        "sources": [
            {
                "repository": redact_url(source.repo_url),
                "path": source.path,
                "chart": source.chart,
                "targetRevision": source.target_revision,
                "revision": revision,
            }
            for source, revision in zip(application.sources, application.revisions, strict=True)
        ],
    }


def whole(application: Application, incidents: Iterable[Incident] | None, now: datetime) -> dict[str, object]:
    """All of one; `incidents` are its own, newest first, and None where they are not known."""
    status, redactor = application.status, Redactor()
    resources = [_resource(as_mapping(entry), redactor) for entry in as_list(status.get("resources"))]
    automated = application.automated
    return {
        **summary(application),
        "destination": {
            "server": application.server,
            "cluster": application.cluster,
            "namespace": application.namespace,
        },
        "automated": automated
        and {"prune": automated.prune, "selfHeal": automated.self_heal, "allowEmpty": automated.allow_empty},
        "reconciledAt": as_text(status.get("reconciledAt")) or None,
        "healthMessage": redactor.text(as_text(as_mapping(status.get("health")).get("message"))),
        "conditions": [_condition(as_mapping(entry), redactor) for entry in as_list(status.get("conditions"))],
        "operation": _operation(as_mapping(status.get("operationState")), redactor),
        "resources": resources[:RESOURCES_SHOWN_MAX],
        "resourcesLeftOut": max(0, len(resources) - RESOURCES_SHOWN_MAX),
        **_incidents(incidents, now),
    }


def _incidents(incidents: Iterable[Incident] | None, now: datetime) -> dict[str, object]:
    if incidents is None:
        return {"incidents": None, "repairs": None}
    every = list(incidents)
    shown = [incident_answers.summary(incident, now) for incident in every[:INCIDENTS_SHOWN_MAX]]
    return {"incidents": shown, "repairs": _repairs(account_of(every))}


def _repairs(account: Account) -> dict[str, object]:
    """The mean time to repair, over what is on record."""
    times = account.times
    return {
        "drifts": account.drifts,
        "count": times.repairs if times else 0,
        "meanSeconds": round(times.mean_seconds, 3) if times else None,
        "secondsMax": round(times.seconds_max, 3) if times else None,
    }


def _condition(raw: Mapping[str, Any], redactor: Redactor) -> dict[str, object]:
    return {
        "type": as_text(raw.get("type")),
        "message": redactor.text(as_text(raw.get("message"))),
        "lastTransitionTime": as_text(raw.get("lastTransitionTime")) or None,
    }


def _operation(state: Mapping[str, Any], redactor: Redactor) -> dict[str, object] | None:
    """The last sync, or the one that runs."""
    if not state:
        return None
    asked = as_mapping(state.get("operation"))
    by = as_mapping(asked.get("initiatedBy"))
    return {
        "phase": as_text(state.get("phase")),
        "message": redactor.text(as_text(state.get("message"))),
        "revision": revision_in(as_mapping(asked.get("sync"))),
        "startedAt": as_text(state.get("startedAt")) or None,
        "finishedAt": as_text(state.get("finishedAt")) or None,
        "initiatedBy": as_text(by.get("username")),
        "automated": by.get("automated") is True,
    }


def _resource(raw: Mapping[str, Any], redactor: Redactor) -> dict[str, object]:
    health = as_mapping(raw.get("health"))
    return {
        **{part: as_text(raw.get(part)) for part in ("group", "kind", "namespace", "name", "status")},
        "health": as_text(health.get("status")) or None,
        "healthMessage": redactor.text(as_text(health.get("message"))),
        "requiresPruning": raw.get("requiresPruning") is True,
    }
