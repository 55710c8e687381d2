"""Incidents as tests put them on record, without a drift behind them."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from trueup.clients.cluster import Cluster
from trueup.clients.incident_records import new_record, read_record
from trueup.domain.application import HOME_SERVER, ApplicationId
from trueup.domain.attribution import Person
from trueup.domain.incident import DriftedObject, Field, HistoryEntry, Incident
from trueup.domain.resource import ResourceKey

ALICE = Person("alice", ("sailors",), "192.0.2.7", "kubectl/v1.36")


def drifted(
    application: str, opened_at: datetime, *, by: str = "", user: str = "", namespace: str = "argocd", **more: Any
) -> Incident:
    """An open incident about one field of one ConfigMap."""
    person = Person(user, ALICE.groups, ALICE.address, ALICE.agent) if user else None
    time = opened_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    field = Field("data.mood", "changed", '"calm"', '"stormy"', by, time, "Update", person)
    about = DriftedObject(ResourceKey("", "ConfigMap", "default", "one"), "OutOfSync", (field,))
    return Incident(
        ApplicationId(namespace, application),
        "0000",
        HOME_SERVER,
        "Drift",
        "c0ffee",
        opened_at,
        opened_at,
        (about,),
        **{"history": (HistoryEntry(opened_at, "Opened", (user or by,) if user or by else (), 1),), **more},
    )


async def put_on_record(cluster: Cluster, namespace: str, incident: Incident) -> Incident:
    """The incident as the API server keeps it, belonging to no Application that could take it along."""
    body = new_record(incident, f"{incident.application.name}.{secrets.token_hex(4)}")
    del body["metadata"]["ownerReferences"]
    body["metadata"]["namespace"] = namespace
    return read_record(await cluster.create(await cluster.resource("trueup.dev", "Incident"), namespace, body))
