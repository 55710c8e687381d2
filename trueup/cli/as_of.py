"""`trueup app as-of`: what was deployed at a moment, which incidents were open then, and what has changed since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console

from trueup.cli.at_hand import engine_at_hand
from trueup.cli.compare_two import sides_as_json
from trueup.cli.difference import FITTING, console_for, print_views
from trueup.cli.home import Home, home
from trueup.cli.incidents import incident_kind, records_of
from trueup.cli.moments import moment_asked
from trueup.cli.printing import facts, structured
from trueup.cli.sides import desired_side, print_sides, views_of_pairs
from trueup.cli.table import table
from trueup.clients.api_errors import ForbiddenError
from trueup.clients.incident_records import read_record, status_of, time_text
from trueup.domain.application import ApplicationId, split
from trueup.domain.as_of import AsOf, Deployment, Operation, as_deployed, as_of
from trueup.domain.diffview.model import ObjectView
from trueup.domain.diffview.record import view_of_record
from trueup.domain.errors import StalledError
from trueup.domain.incident import Incident
from trueup.domain.lenient import as_list, as_mapping, as_text
from trueup.domain.moment import shown_moment
from trueup.domain.repository import redact_url
from trueup.domain.two_sides import Strip, paired

Raw = Mapping[str, Any]


async def print_as_of(name: str, moment: str, output: str, *, with_diff: bool, namespace: str) -> bool:
    """Print what the Application was; with a diff also what Git wants now and did not then, and whether that is any.

    Raises StalledError for a diff with what is unknown.
    """
    at = moment_asked(moment, "the moment")
    async with home(namespace) as reached:
        application = reached.named(name)
        raw = await reached.read(application)
        records, unread = await _records(reached, application)
        uid = as_text(as_mapping(raw.get("metadata")).get("uid"))
        then = as_of(raw, [one for one in records if one.application_uid == uid], at)
        views: list[ObjectView] = []
        names = ("", "")
        if with_diff:
            views, names = await _since(reached, application, raw, then)
    if output in ("json", "yaml"):
        print(structured(_structure(application, then, unread, views if with_diff else None), output))
        return bool(views)
    console = console_for()
    _describe(application, then, unread, console)
    if with_diff:
        print("\nWhat Git wants now, against what was deployed then:" + ("" if views else " the same."))
        print_sides(views, names, console)
    return bool(views)


async def _records(reached: Home, application: ApplicationId) -> tuple[list[Incident], str]:
    """The incidents on record, or why they are not known: what was deployed is known all the same."""
    try:
        found = await records_of(reached, await incident_kind(reached), application)
    except (StalledError, ForbiddenError) as error:
        return [], str(error)
    return [read_record(raw) for raw in found], ""


async def _since(
    reached: Home, application: ApplicationId, raw: Raw, then: AsOf
) -> tuple[list[ObjectView], tuple[str, str]]:
    """What differs between then's manifests and those of now, both rendered from Git here and now."""
    deployed = then.deployed
    if deployed is None:
        raise StalledError(f"what was deployed at {shown_moment(then.at)} cannot be compared: {_nothing(then)}")
    revisions = split(deployed.revision) if deployed.revision else ()
    if not all(revisions) or len(revisions) != len(_sources(deployed)):
        raise StalledError(f"deployment {deployed.id} of {application} does not say which revision it was of")
    was = as_deployed(raw, deployed)
    async with engine_at_hand(reached.cluster, was, reached.settings) as (engine, parsed):
        before = await desired_side(f"{application} as of {shown_moment(then.at)}", engine, parsed, revisions)
    async with engine_at_hand(reached.cluster, raw, reached.settings) as (engine, parsed):
        after = await desired_side(f"{application} now", engine, parsed)
    pairs = paired(before.bodies, after.bodies, whose=(before.whose, after.whose), strip=Strip())
    return views_of_pairs(pairs, (before, after)), (before.name, after.name)


def _describe(application: ApplicationId, then: AsOf, unread: str, console: Console) -> None:
    print(facts([("Application", application), ("As Of", f"{shown_moment(then.at)} (UTC)"), *_facts(then, unread)]))
    if not then.incidents:
        return
    print()
    header = ("INCIDENT", "CAUSE", "OPENED", "CLOSED", "ENDING", "BY")
    print(table(header, (_incident_row(incident) for incident in then.incidents)))
    for incident in then.incidents:
        print(f"\n{incident.name}, as it was recorded last, at {time_text(incident.updated_at)}:")
        print_views(map(view_of_record, incident.objects), console, FITTING)


def _facts(then: AsOf, unread: str) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    if then.deployed is None:
        found.append(("Deployed", _nothing(then)))
    else:
        found.append(("Deployed", f"{_when(then.deployed)} (deployment {then.deployed.id})"))
        for source, revision in _with_revisions(then.deployed):
            found += [("Source", _told(source)), ("Revision", revision or "unknown")]
    if then.under_way is not None:
        found.append(("Under Way", f"{_revisions(then.under_way)}, deployed {_when(then.under_way)}"))
    elif then.followed_by is not None:
        found.append(("Followed By", f"{_revisions(then.followed_by)} {_when(then.followed_by)}"))
    if then.operation is not None:
        found.append(("Last Sync", _sync(then.operation, then)))
    known = f"{len(then.incidents)} open"
    if then.incidents_since is not None:
        known += f"; unknown beyond that: the records begin at {time_text(then.incidents_since)}"
    found.append(("Incidents", f"unknown: {unread}" if unread else known))
    return found


def _nothing(then: AsOf) -> str:
    return f"unknown: {then.unknown}" if then.unknown else f"nothing: {then.nothing_yet}"


def _when(deployment: Deployment) -> str:
    return f"at {shown_moment(deployment.deployed_at)} by {deployment.by or 'unknown'}"


def _sync(operation: Operation, then: AsOf) -> str:
    """As it stands now: of what it was meanwhile nothing is kept."""
    by = f"to {operation.revision or 'an unknown revision'} by {operation.by or 'unknown'}"
    began = f"{by}, begun at {shown_moment(operation.started_at)}"
    if operation.finished_at is None or operation.finished_at > then.at:
        return f"{began}, was running"
    return f"{began}, {operation.phase} at {shown_moment(operation.finished_at)}: {operation.message}"


def _sources(deployment: Deployment) -> list[Raw]:
    many = [as_mapping(source) for source in as_list(deployment.raw.get("sources"))]
    return many or [as_mapping(deployment.raw.get("source"))]


def _with_revisions(deployment: Deployment) -> Iterable[tuple[Raw, str]]:
    sources = _sources(deployment)
    revisions = split(deployment.revision)
    return zip(sources, revisions if len(revisions) == len(sources) else [""] * len(sources), strict=True)


def _told(source: Raw) -> str:
    within = as_text(source.get("chart")) or as_text(source.get("path"))
    target = as_text(source.get("targetRevision")) or ("*" if source.get("chart") else "HEAD")
    return " ".join(part for part in (redact_url(as_text(source.get("repoURL"))), within, f"at {target}") if part)


def _revisions(deployment: Deployment) -> str:
    return ", ".join(revision or "unknown" for revision in split(deployment.revision))


def _incident_row(incident: Incident) -> tuple[object, ...]:
    closed = time_text(incident.closed_at) if incident.closed_at else "Open"
    by = ", ".join(incident.writers) or "unknown"
    return (incident.name, incident.cause, time_text(incident.opened_at), closed, incident.ending or "<none>", by)


def _structure(application: ApplicationId, then: AsOf, unread: str, views: list[ObjectView] | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "application": str(application),
        "asOf": shown_moment(then.at),
        "deployed": _deployment(then.deployed),
        "unknown": then.unknown or None,
        "nothingYet": then.nothing_yet or None,
        "followedBy": _deployment(then.followed_by),
        "underWay": _deployment(then.under_way),
        "lastSync": _operation(then.operation),
        "incidents": [_incident(incident) for incident in then.incidents],
        "incidentsSince": time_text(then.incidents_since) if then.incidents_since else None,
        "incidentsUnknown": unread or None,
    }
    return told if views is None else {**told, "diff": sides_as_json(views)}


def _deployment(deployment: Deployment | None) -> dict[str, Any] | None:
    if deployment is None:
        return None
    return {
        "id": deployment.id,
        "deployedAt": shown_moment(deployment.deployed_at),
        "startedAt": shown_moment(deployment.started_at) if deployment.started_at else None,
        "by": deployment.by or None,
        "sources": [
            {
                "repository": redact_url(as_text(source.get("repoURL"))),
                **{name: as_text(source.get(name)) for name in ("path", "chart", "targetRevision")},
                "revision": revision,
            }
            for source, revision in _with_revisions(deployment)
        ],
    }


def _operation(operation: Operation | None) -> dict[str, Any] | None:
    if operation is None:
        return None
    return {
        "phase": operation.phase,
        "revision": operation.revision,
        "startedAt": shown_moment(operation.started_at),
        "finishedAt": shown_moment(operation.finished_at) if operation.finished_at else None,
        "message": operation.message,
        "by": operation.by or None,
    }


def _incident(incident: Incident) -> dict[str, Any]:
    status = {name: value for name, value in status_of(incident).items() if value is not None}
    return {
        "name": incident.name,
        "cause": incident.cause,
        "openedAt": time_text(incident.opened_at),
        "by": list(incident.writers),
        "status": status,
    }
