"""What each worker counts of incidents adds up over all of them: every opening and every end is counted once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.records import drifted
from tests.support.service import counter, create_application
from trueup.clients.api_errors import ConflictError
from trueup.clients.cluster import Cluster
from trueup.clients.incidents import IncidentStore
from trueup.domain.incident import Incident
from trueup.domain.incident_story import closed

T0 = datetime(2026, 1, 31, 14, tzinfo=UTC)


def counts() -> dict[str, float]:
    ended = {"cause": "Drift", "ending": "SelfHealed"}
    return {
        "new": counter("trueup_incidents_opened_total", cause="Drift", opening="new"),
        "again": counter("trueup_incidents_opened_total", cause="Drift", opening="again"),
        "closed": counter("trueup_incidents_closed_total", **ended),
        "repairs": counter("trueup_incident_repair_seconds_count", **ended),
        "seconds": counter("trueup_incident_repair_seconds_sum", **ended),
    }


def since(before: dict[str, float]) -> dict[str, float]:
    # What others have counted in this process are floats with a fraction.
    moved = {name: round(value - before[name], 6) for name, value in counts().items()}
    return {name: value for name, value in moved.items() if value}


async def store_of(cluster: Cluster, namespace: str) -> IncidentStore:
    """What one worker knows, without a watch."""
    resource = await cluster.resource("trueup.dev", "Incident")
    return IncidentStore(cluster, resource, namespace=namespace, incidents_per_application_max=20)


async def opened(cluster: Cluster, namespace: str) -> Incident:
    """Not on record yet, of an Application that is there."""
    raw = await create_application(cluster, namespace, "shop", "https://git.example.com/acme/deploy.git")
    return replace(drifted("shop", T0, namespace=namespace), application_uid=raw["metadata"]["uid"])


async def test_an_incident_is_counted_when_it_opens_when_it_ends_and_when_it_opens_again(
    cluster: Cluster, namespace: str
) -> None:
    worker, before = await store_of(cluster, namespace), counts()
    incident = await worker.save(await opened(cluster, namespace))
    assert since(before) == {"new": 1}
    incident = await worker.save(replace(incident, updated_at=T0 + timedelta(seconds=5), trouble="cannot"))
    assert since(before) == {"new": 1}
    incident = await worker.save(closed(incident, "SelfHealed", T0 + timedelta(seconds=30)))
    assert since(before) == {"new": 1, "closed": 1, "repairs": 1, "seconds": 30}
    incident = await worker.save(replace(incident, closed_at=None, ending="", times=2))
    assert since(before) == {"new": 1, "again": 1, "closed": 1, "repairs": 1, "seconds": 30}


async def test_of_two_workers_that_write_the_same_one_counts(cluster: Cluster, namespace: str) -> None:
    one, other = await store_of(cluster, namespace), await store_of(cluster, namespace)
    incident = await opened(cluster, namespace)
    before = counts()
    saved = await one.save(incident)
    with pytest.raises(ConflictError):
        await other.save(incident)
    over = closed(saved, "SelfHealed", T0 + timedelta(seconds=2))
    await other.save(over)
    with pytest.raises(ConflictError):
        await one.save(over)
    assert since(before) == {"new": 1, "closed": 1, "repairs": 1, "seconds": 2}


async def test_what_was_healed_before_it_was_on_record_is_counted_as_both(cluster: Cluster, namespace: str) -> None:
    worker, before = await store_of(cluster, namespace), counts()
    await worker.save(closed(await opened(cluster, namespace), "SelfHealed", T0 + timedelta(seconds=1)))
    assert since(before) == {"new": 1, "closed": 1, "repairs": 1, "seconds": 1}
