"""The audit event of an edit comes after the comparison: the record is brought up to date, and nothing else moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from tests.integration.test_notify_channel import drifted, noted, shown, telling
from tests.support.audit_writes import write
from tests.support.slack import slack
from tests.support.wait import wait_until
from trueup.clients.audit_stream import Heard
from trueup.clients.cluster import Cluster
from trueup.clients.incident_records import GROUP, KIND
from trueup.clients.incidents import IncidentStore
from trueup.domain.application import HOME_SERVER
from trueup.domain.attributing import Place, Seen
from trueup.domain.audit import AuditRecord
from trueup.domain.diff import Change
from trueup.domain.incident import FIELDS_MAX, DriftedObject, Field, Found, Incident
from trueup.domain.incident_story import closed
from trueup.domain.managedfields import FieldOwner
from trueup.domain.resource import ResourceKey
from trueup.sandbox import SlackServer
from workers.attribution import WHOLE, Attributions

__all__ = ["slack"]

SECONDS = 30.0
KEY = ResourceKey("", "ConfigMap", "default", "one")
SEEN = Seen("u-1", "12")


def second() -> datetime:
    """The one that has just begun, so that an edit in it is of now."""
    return datetime.now(UTC).replace(microsecond=0)


def at(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def owner(time: datetime) -> FieldOwner:
    return FieldOwner("kubectl-edit", "Update", "", at(time))


async def recorded(cluster: Cluster, namespace: str, name: str, time: datetime) -> Incident:
    """The incident of an edit, not on record yet: a field with its manager and without a person."""
    field = Field("data.mood", "changed", '"calm"', '"stormy"', "kubectl-edit", at(time), "Update")
    incident = await drifted(cluster, namespace, name)
    return replace(incident, objects=(DriftedObject(KEY, "OutOfSync", (field,)),))


def edit_by(user: str, time: datetime, version: str = "12", verb: str = "patch") -> AuditRecord:
    patch = {"data": {"mood": "stormy"}}
    return write(user, version, key=KEY, at=time.timestamp() + 0.1, patch=patch, verb=verb)


def found_again(incident: Incident) -> Found:
    return Found(
        incident.application, incident.application_uid, "in-cluster", "Drift", incident.revision, incident.objects
    )


@asynccontextmanager
async def naming(store: IncidentStore | None, *, awaited_max: int = 100) -> AsyncIterator[Attributions]:
    attributions = Attributions(store, awaited_max=awaited_max)
    task = asyncio.create_task(attributions.run())
    try:
        yield attributions
    finally:
        task.cancel()
        await asyncio.wait([task])


def expect(attributions: Attributions, incident: Incident, time: datetime) -> None:
    place = Place(("data", "mood"), (owner(time),))
    attributions.expect(incident.application, incident.application_uid, HOME_SERVER, KEY, [place], SEEN)


async def until_named(store: IncidentStore, name: str, *people: str) -> Incident:
    def holds() -> Incident | None:
        found = store.get(name)
        return found if found is not None and found.people == people else None

    found: Incident = await wait_until(holds, SECONDS, f"{people} named")
    return found


async def test_a_name_that_comes_after_the_message_changes_the_message(
    cluster: Cluster, namespace: str, slack: SlackServer
) -> None:
    now = second()
    async with telling(cluster, namespace, slack) as (store, _), naming(store) as attributions:
        incident = await recorded(cluster, namespace, "late", now)
        expect(attributions, incident, now)
        saved = await store.save(incident)
        await noted(store, saved.name)
        assert "By manager kubectl-edit" in shown(slack)[0]
        attributions.heard(Heard(HOME_SERVER, (edit_by("alice", now),)))
        after = await until_named(store, saved.name, "alice")
        await noted(store, saved.name)
        (message,) = shown(slack)
        assert "By alice with kubectl-edit" in message
        assert (after.times, after.closed_at, after.flips) == (1, None, incident.flips)


async def test_a_name_that_comes_before_the_record_is_added_to_it(cluster: Cluster, namespace: str) -> None:
    now = second()
    store = await store_of(cluster, namespace)
    async with naming(store) as attributions:
        incident = await recorded(cluster, namespace, "early", now)
        expect(attributions, incident, now)
        attributions.heard(Heard(HOME_SERVER, (edit_by("alice", now),)))
        saved = await store.save(incident)
        attributions.recorded(incident.application)
        await until_named(store, saved.name, "alice")


async def test_what_another_worker_wrote_meanwhile_stays(cluster: Cluster, namespace: str) -> None:
    now = second()
    one, two = await store_of(cluster, namespace), await store_of(cluster, namespace)
    async with naming(one) as attributions:
        incident = await recorded(cluster, namespace, "both", now)
        expect(attributions, incident, now)
        saved = await one.save(incident)
        await two.look_up(incident.application)
        await two.save(closed(saved, "SelfHealed", datetime.now(UTC)))
        attributions.heard(Heard(HOME_SERVER, (edit_by("alice", now),)))
        after = await until_named(one, saved.name, "alice")
        assert after.ending == "SelfHealed"


async def test_an_event_of_another_cluster_object_or_write_names_nobody(cluster: Cluster, namespace: str) -> None:
    now = second()
    store = await store_of(cluster, namespace)
    async with naming(store) as attributions:
        incident = await recorded(cluster, namespace, "others", now)
        expect(attributions, incident, now)
        saved = await store.save(incident)
        foreign = replace(edit_by("mallory", now), key=replace(KEY, name="two"))
        attributions.heard(Heard("https://other.example.com", (edit_by("mallory", now),)))
        attributions.heard(Heard(HOME_SERVER, (foreign, edit_by("mallory", now, "13"))))
        attributions.heard(Heard(HOME_SERVER, (edit_by("alice", now),)))
        await until_named(store, saved.name, "alice")


async def test_only_so_many_are_awaited_and_the_oldest_goes_first(cluster: Cluster, namespace: str) -> None:
    now = second()
    store = await store_of(cluster, namespace)
    async with naming(store, awaited_max=2) as attributions:
        saved = []
        for name in ("first", "second", "third"):
            incident = await recorded(cluster, namespace, name, now)
            expect(attributions, incident, now)
            saved.append(await store.save(incident))
        attributions.heard(Heard(HOME_SERVER, (edit_by("alice", now),)))
        for incident in saved[1:]:
            await until_named(store, incident.name, "alice")
        named = [attributions.renewed(found_again(incident)).objects[0].fields[0].person for incident in saved]
        assert [person.user if person else "" for person in named] == ["", "alice", "alice"]


async def test_our_own_writes_are_told_by_our_user_and_not_by_our_manager(cluster: Cluster) -> None:
    attributions = Attributions()
    now = second()
    gone = Place(("data", "mood"))
    change = Change(gone.path, "missing", "calm", None, "/data/mood", ())
    live = {"metadata": {"uid": "u-1", "resourceVersion": "12"}}
    own = replace(edit_by("trueup", now, "11"), manager="trueup")
    attributions.heard(Heard(HOME_SERVER, (own,)))
    assert attributions.attributed([change], live, KEY)[gone.path].who == "probably trueup"
    await attributions.know_self(HOME_SERVER, cluster)
    assert attributions.attributed([change], live, KEY)[gone.path].who == ""
    spoofed = replace(edit_by("bob", now, "12"), manager="trueup")
    attributions.heard(Heard(HOME_SERVER, (spoofed,)))
    assert attributions.attributed([change], live, KEY)[gone.path].who == "bob"


def test_of_a_missing_object_who_deleted_it_stands_under_the_empty_path() -> None:
    attributions = Attributions()
    attributions.heard(Heard(HOME_SERVER, (edit_by("alice", second(), "", "delete"),)))
    found = attributions.attributed([], None, KEY)
    assert {path: each.who for path, each in found.items()} == {WHOLE: "probably alice"}


def test_of_many_places_the_first_are_told_as_on_the_record_of_an_incident() -> None:
    attributions = Attributions()
    changes = [Change(("data", f"n{n}"), "missing", "calm", None, f"/data/n{n}", ()) for n in range(2 * FIELDS_MAX)]
    found = attributions.attributed(changes, {"metadata": {"uid": "u-1"}}, KEY)
    assert list(found) == [change.path for change in changes[:FIELDS_MAX]]


async def store_of(cluster: Cluster, namespace: str) -> IncidentStore:
    """The records without a watch."""
    resource = await cluster.resource(GROUP, KIND)
    return IncidentStore(cluster, resource, namespace=namespace, incidents_per_application_max=20)
