"""`trueup drift stats`: how often live moved away from Git, and how long it took until it was put right."""

from __future__ import annotations

from typing import Any

from trueup.cli.incidents import incidents_asked
from trueup.cli.moments import lasted
from trueup.cli.printing import facts, structured
from trueup.cli.table import table
from trueup.clients.incident_records import read_record, time_text
from trueup.domain.incident_choice import Choice
from trueup.domain.repair import Account, Times, account_of, accounts_of

HEADER = ("APPLICATION", "INCIDENTS", "OPEN", "DRIFTS", "REPAIRS", "MEAN TIME TO REPAIR", "LONGEST")


async def print_stats(choice: Choice, output: str, *, namespace: str) -> None:
    """Print the account of the records: of all that are chosen, by how they ended, and of each application."""
    found = await incidents_asked(choice, namespace=namespace)
    incidents = [read_record(raw) for raw in found]
    whole = account_of(incidents)
    each = accounts_of(incidents).items()
    if output != "wide":
        print(structured({**_account(whole), "applications": [{"name": n, **_account(a)} for n, a in each]}, output))
        return
    print(facts(_facts(whole)))
    if whole.by_ending:
        print()
        print(table(("ENDING", "REPAIRS", "MEAN", "MEDIAN", "LONGEST"), (_row(*row) for row in whole.by_ending)))
    if each:
        print()
        print(table(HEADER, (_application_row(name, account) for name, account in each)))


def _facts(account: Account) -> list[tuple[str, object]]:
    times = account.times
    return [
        ("On Record", f"since {time_text(account.since)}" if account.since else "nothing"),
        ("Incidents", f"{account.incidents}, {account.open} open"),
        ("Drifts", account.drifts),
        ("Repairs", times.repairs if times else 0),
        ("Mean To Repair", lasted(times.mean_seconds) if times else "unknown"),
        ("Median", lasted(times.median_seconds) if times else "unknown"),
        ("Longest", lasted(times.seconds_max) if times else "unknown"),
    ]


def _row(ending: str, times: Times) -> tuple[object, ...]:
    return (ending, times.repairs, *map(lasted, (times.mean_seconds, times.median_seconds, times.seconds_max)))


def _application_row(name: str, account: Account) -> tuple[object, ...]:
    times = account.times
    ended: tuple[object, ...] = (0, "unknown", "unknown")
    if times is not None:
        ended = (times.repairs, lasted(times.mean_seconds), lasted(times.seconds_max))
    return (name, account.incidents, account.open, account.drifts, *ended)


def _account(account: Account) -> dict[str, Any]:
    return {
        "since": time_text(account.since) if account.since else None,
        "incidents": account.incidents,
        "open": account.open,
        "drifts": account.drifts,
        "repairs": _times(account.times) if account.times else None,
        "byEnding": {ending: _times(times) for ending, times in account.by_ending},
    }


def _times(times: Times) -> dict[str, Any]:
    rounded = {
        "meanSeconds": times.mean_seconds,
        "medianSeconds": times.median_seconds,
        "secondsMax": times.seconds_max,
    }
    return {"count": times.repairs, **{name: round(seconds, 3) for name, seconds in rounded.items()}}
