"""`trueup drift list` and `trueup drift show`: what the records of incidents say."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console

from trueup.cli.difference import print_field, print_object
from trueup.cli.home import Home, home, identity
from trueup.cli.printing import facts, structured
from trueup.cli.table import table
from trueup.clients.api_errors import UnknownKindError
from trueup.clients.discovery import ApiResource
from trueup.clients.incident_records import APPLICATION_LABEL, GROUP, KIND, label_of, read_record, time_text
from trueup.domain.application import ApplicationId
from trueup.domain.errors import StalledError
from trueup.domain.incident import Field, Flip, Incident

Raw = Mapping[str, Any]

OVERVIEW = ("NAME", "APPLICATION", "CAUSE", "OPENED", "CLOSED", "ENDING", "TIMES", "BY", "OBJECTS")


async def list_incidents(name: str, output: str, *, only_open: bool, namespace: str) -> None:
    """Print the incidents of the namespace, or of one application, newest first."""
    async with home(namespace) as reached:
        kind = await _kind(reached)
        if name:
            application = reached.named(name)
            await reached.read(application)
            found = await _of_application(reached, kind, application)
        else:
            page = await reached.cluster.list_all(kind, reached.namespace)
            found = _newest_first(page.items)
    chosen = [raw for raw in found if not only_open or read_record(raw).is_open]
    if output in ("json", "yaml"):
        print(structured(chosen, output))
    elif not chosen:
        print(f"trueup: no {'open ' if only_open else ''}incident is on record", file=sys.stderr)
    elif output == "name":
        for raw in chosen:
            print(identity(raw))
    else:
        print(overview([read_record(raw) for raw in chosen]))


async def show_incident(name: str, output: str, *, namespace: str) -> None:
    """Print one incident, found by its own name or as the latest of the application that is named."""
    async with home(namespace) as reached:
        kind = await _kind(reached)
        wanted = reached.named(name)
        raw = await reached.cluster.get(kind, wanted.namespace, wanted.name) or await _latest(reached, kind, wanted)
    if output in ("json", "yaml"):
        print(structured(raw, output))
    else:
        describe(read_record(raw), Console(soft_wrap=True, highlight=False))


async def _kind(reached: Home) -> ApiResource:
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
    found = await _of_application(reached, kind, application)
    if not found:
        raise StalledError(f"no incident of {application} is on record; `trueup app diff` says how it stands now")
    return found[0]


async def _of_application(reached: Home, kind: ApiResource, application: ApplicationId) -> list[Raw]:
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
        ",".join(incident.managers) or "unknown",
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
    for item in incident.objects:
        print()
        print_object(item.key, item.status, console)
        for field in item.fields:
            print_field(field, _written_by(field), console)
        if item.fields_left_out:
            print(f"  and {item.fields_left_out} fields more")
    if incident.objects_left_out:
        print(f"\nand {incident.objects_left_out} objects more")
    if incident.flips:
        print("\nHow often each place moved away from Git, as far as it is on record:")
        print(table(("OBJECT", "PATH", "BY", "TIMES", "LAST"), (_flip_row(flip) for flip in incident.flips)))


def _closed(incident: Incident) -> str:
    return time_text(incident.closed_at) if incident.closed_at else "Open"


def _written_by(field: Field) -> str:
    return " at ".join(part for part in (field.manager, field.time) if part)


def _flip_row(flip: Flip) -> tuple[object, ...]:
    last = time_text(flip.times[-1]) if flip.times else ""
    return (flip.key, flip.path, flip.manager or "unknown", len(flip.times), last)
