"""`trueup drift list` and `trueup drift show`: what the records of incidents say."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from rich.console import Console

from trueup.cli.difference import FITTING, console_for, print_views
from trueup.cli.home import Home, home, identity
from trueup.cli.moments import lasted
from trueup.cli.printing import facts, structured
from trueup.cli.table import table
from trueup.clients.api_errors import ForbiddenError, UnknownKindError
from trueup.clients.discovery import ApiResource
from trueup.clients.incident_records import APPLICATION_LABEL, GROUP, KIND, label_of, read_record, time_text
from trueup.domain.application import ApplicationId
from trueup.domain.attribution import Person, described
from trueup.domain.diffview.record import view_of_record
from trueup.domain.errors import StalledError
from trueup.domain.incident import REMARKS, DriftedObject, Flip, Incident
from trueup.domain.incident_choice import Choice
from trueup.domain.repair import repairs_of

Raw = Mapping[str, Any]

OBJECTS_IN_LINE_MAX = 3
FIELDS_IN_LINE_MAX = 5

OVERVIEW = ("NAME", "APPLICATION", "CAUSE", "OPENED", "CLOSED", "ENDING", "TIMES", "BY", "OBJECTS")


async def list_incidents(choice: Choice, output: str, *, namespace: str) -> None:
    """Print the incidents of the namespace that are asked for, newest first."""
    chosen = await incidents_asked(choice, namespace=namespace)
    if output in ("json", "yaml"):
        print(structured(chosen, output))
    elif not chosen:
        asked = " that is asked for" if choice.by or choice.since else ""
        print(f"trueup: no {'open ' if choice.is_open else ''}incident{asked} is on record", file=sys.stderr)
    elif output == "name":
        for raw in chosen:
            print(identity(raw))
    else:
        print(overview([read_record(raw) for raw in chosen]))


async def incidents_asked(choice: Choice, *, namespace: str) -> list[Raw]:
    """The records that the choice admits, newest first; its application may be NAMESPACE/NAME."""
    async with home(namespace) as reached:
        kind = await incident_kind(reached)
        if choice.application:
            application = reached.named(choice.application)
            await reached.read(application)
            found = await records_of(reached, kind, application)
            choice = replace(choice, application=application.name)
        else:
            page = await reached.cluster.list_all(kind, reached.namespace)
            found = _newest_first(page.items)
    return [raw for raw in found if choice.admits(read_record(raw))]


async def show_incident(name: str, output: str, *, namespace: str) -> None:
    """Print one incident, found by its own name or as the latest of the application that is named."""
    async with home(namespace) as reached:
        kind = await incident_kind(reached)
        wanted = reached.named(name)
        raw = await reached.cluster.get(kind, wanted.namespace, wanted.name) or await _latest(reached, kind, wanted)
    if output in ("json", "yaml"):
        print(structured(raw, output))
    else:
        describe(read_record(raw), console_for())


async def incident_kind(reached: Home) -> ApiResource:
    """The kind of the records; StalledError with the way out where the cluster does not have it."""
    try:
        return await reached.cluster.resource(GROUP, KIND)
    except UnknownKindError:
        raise StalledError(
            f"the cluster has no kind {KIND} of {GROUP}, so no drift is on record; "
            "install it: kubectl apply -f deploy/crds"
        ) from None


async def _latest(reached: Home, kind: ApiResource, application: ApplicationId) -> Raw:
    if await reached.cluster.get(reached.resource, application.namespace, application.name) is None:
        raise StalledError(
            f"there is neither an {KIND} nor an Application {application.name} in namespace {application.namespace}; "
            "`trueup drift list` names the incidents there are, TRUEUP_NAMESPACE chooses the namespace"
        )
    found = await records_of(reached, kind, application)
    if not found:
        raise StalledError(f"no incident of {application} is on record; `trueup app diff` says how it stands now")
    return found[0]


async def incident_on_record(reached: Home, application: Raw) -> Incident | None:
    """Its latest incident while that is open; None too for those who may not read incidents, or have none of the kind.

    `application` is the Application as the API server told it.
    """
    try:
        kind = await reached.cluster.resource(GROUP, KIND)
        records = await records_of(reached, kind, identity(application))
    except (UnknownKindError, ForbiddenError):
        return None
    latest = read_record(records[0]) if records else None
    is_its = latest is not None and latest.is_open and latest.application_uid == application["metadata"]["uid"]
    return latest if is_its else None


async def records_of(reached: Home, kind: ApiResource, application: ApplicationId) -> list[Raw]:
    """Its incidents, newest first. Ask only of one that is there: a name that is none is no label either."""
    label = f"{APPLICATION_LABEL}={label_of(application.name)}"
    return _newest_first((await reached.cluster.list_all(kind, application.namespace, label_selector=label)).items)


def _newest_first(records: Iterable[Raw]) -> list[Raw]:
    return sorted(records, key=lambda raw: read_record(raw).opened_at, reverse=True)


def overview(incidents: Iterable[Incident]) -> str:
    """One line for each."""
    return table(OVERVIEW, (_overview_row(incident) for incident in incidents))


def _overview_row(incident: Incident) -> tuple[object, ...]:
    objects = [str(item.key) for item in incident.objects]
    more = [f"{incident.objects_left_out} more"] if incident.objects_left_out else []
    return (
        f"{incident.application.namespace}/{incident.name}",
        incident.application.name,
        incident.cause,
        time_text(incident.opened_at),
        _closed(incident),
        incident.ending or "<none>",
        incident.times,
        ",".join(incident.writers) or "unknown",
        ", ".join([*objects, *more]),
    )


def describe(incident: Incident, console: Console) -> None:
    """Print all that is known of one."""
    about = [
        ("Name", f"{incident.application.namespace}/{incident.name}"),
        ("Application", incident.application),
        ("Cluster", incident.cluster),
        ("Cause", incident.cause),
        ("Revision", incident.revision),
        ("Opened", time_text(incident.opened_at)),
        ("Updated", time_text(incident.updated_at)),
        ("Closed", _closed(incident)),
        ("Ending", incident.ending or "<none>"),
        ("Times", incident.times),
        ("Self-Heal", "on" if incident.self_heals else "off"),
        ("Trouble", incident.trouble or "<none>"),
    ]
    print(facts(about))
    if incident.objects:
        print()
        print_views(map(view_of_record, incident.objects), console, FITTING)
    if incident.objects_left_out:
        print(f"\nand {incident.objects_left_out} objects more")
    if incident.persons:
        print("\nWho, as the API server knows them; the program is what it calls itself:")
        print(table(("USER", "GROUPS", "FROM", "PROGRAM"), (_person_row(each) for each in incident.persons)))
    if incident.history:
        print("\nHow it went:")
        print(table(("TIME", "WHAT", "BY", "FIELDS", "AFTER"), _history_rows(incident)))
    if incident.flips:
        print("\nHow often each place moved away from Git, as far as it is on record:")
        print(table(("OBJECT", "PATH", "BY", "TIMES", "LAST"), (_flip_row(flip) for flip in incident.flips)))


def where_it_differs(incident: Incident) -> str:
    """The objects, each with its fields; of many the first."""
    shown = [_place(item) for item in incident.objects[:OBJECTS_IN_LINE_MAX]]
    more = len(incident.objects) + incident.objects_left_out - len(shown)
    return "; ".join([*shown, *([f"{more} objects more"] if more else [])])


def _place(item: DriftedObject) -> str:
    if not item.fields:
        return f"{item.key} {REMARKS[item.status]}".rstrip()
    shown = [field.path for field in item.fields[:FIELDS_IN_LINE_MAX]]
    more = len(item.fields) + item.fields_left_out - len(shown)
    return f"{item.key} {', '.join([*shown, *([f'{more} fields more'] if more else [])])}"


def _history_rows(incident: Incident) -> Iterator[tuple[object, ...]]:
    """Each turn; of an end how it came and how long after the opening."""
    repairs = {repair.closed_at: repair.seconds for repair in repairs_of(incident)}
    for turn in incident.history:
        after = lasted(repairs[turn.time]) if turn.what == "Closed" and turn.time in repairs else ""
        what = f"{turn.what}: {turn.ending}" if turn.ending else turn.what
        by = "" if turn.what == "Closed" else ", ".join(turn.by) or "unknown"
        yield (time_text(turn.time), what, by, turn.fields or "", after)


def _person_row(person: Person) -> tuple[object, ...]:
    unknown = "unknown"
    return (person.user, ",".join(person.groups) or unknown, person.address or unknown, person.agent or unknown)


def _closed(incident: Incident) -> str:
    return time_text(incident.closed_at) if incident.closed_at else "Open"


def _flip_row(flip: Flip) -> tuple[object, ...]:
    last = time_text(flip.times[-1]) if flip.times else ""
    who = described(flip.manager, user=flip.user, subresource=flip.subresource)
    return (flip.key, flip.path, who or "unknown", len(flip.times), last)
