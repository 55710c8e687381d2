"""Many applications that heal themselves, edited by several people, and held against Git by a full LIST."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.support.drift import HEALING, person
from tests.support.product import Installation, is_synced, sync_status
from tests.support.sightings import Sightings, watching
from trueup.clients.api_errors import NotFoundError
from trueup.clients.cluster import Cluster

#: Who edits, and with what.
EDITORS = {"alice": "kubectl-edit", "bob": "k9s", "admin": "kubectl-patch"}
GROUPS = {"ConfigMap": "", "Service": "", "Deployment": "apps"}
ONBOARDING_SECONDS_MAX = 300.0
CREATED_IN_FLIGHT = 16

Raw = Mapping[str, Any]


def desired(name: str) -> dict[str, dict[str, Any]]:
    """What Git says of one application, by kind."""
    labels = {"app": name}
    container = {"name": "web", "image": f"example.invalid/{name}:1"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "ConfigMap": {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name},
            "data": {"mood": "calm", "wind": "west"},
        },
        "Service": {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 80}]},
        },
        "Deployment": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
        },
    }


def _image(tag: str) -> Raw:
    return {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": f"example.invalid/other:{tag}"}]}}}}


#: Each about a place of its own, so that one place does not flip so often that it counts as a war.
EDITS: Mapping[str, tuple[str, Callable[[str], Raw | None]]] = {
    "mood": ("ConfigMap", lambda value: {"data": {"mood": value}}),
    "wind": ("ConfigMap", lambda value: {"data": {"wind": value}}),
    "selector": ("Service", lambda value: {"spec": {"selector": {"app": value}}}),
    "port": ("Service", lambda value: {"spec": {"ports": [{"name": "http", "port": 1024 + int(value, 16)}]}}),
    "image": ("Deployment", _image),
    "gone": ("ConfigMap", lambda _: None),
}

#: Where an incident says that each edit was; empty stands for the object as a whole.
PLACES = {
    "mood": "data.mood",
    "wind": "data.wind",
    "selector": "spec.selector.app",
    "port": "spec.ports[name=http].port",
    "image": "spec.template.spec.containers[name=web].image",
    "gone": "",
}


@dataclass
class Fleet:
    """The applications of one repository in one installation."""

    trueup: Installation
    names: tuple[str, ...]
    revision: str
    sightings: Sightings
    #: The cluster as each of the editors reaches it.
    editors: Mapping[str, Cluster]
    chance: random.Random
    #: Objects as they were when the fleet was delivered: (kind, name) → uid.
    uids: dict[tuple[str, str], str] = field(default_factory=dict)
    #: What was deleted by hand since.
    deleted: set[tuple[str, str]] = field(default_factory=set)

    async def edit(self, name: str, what: str) -> None:
        """One edit of one application, by whoever's turn it is."""
        kind, body_of = EDITS[what]
        editor = self.chance.choice(sorted(EDITORS))
        cluster, place = self.editors[editor], self.trueup.delivered_to
        resource = await cluster.resource(GROUPS[kind], kind)
        body = body_of(f"{self.chance.randrange(1, 2**15):04x}")
        if body is not None:
            await cluster.merge_patch(resource, place, name, body, field_manager=EDITORS[editor])
            return
        live = await cluster.get(resource, place, name)
        if live is None:
            raise NotFoundError(f"{kind} {name}")
        self.deleted.add((kind, name))
        await cluster.delete(resource, place, name, uid=live["metadata"]["uid"])

    async def until_healed(self, names: Iterable[str], *, seconds_max: float) -> None:
        """Wait until the status of each says that it is what Git says."""
        sighting = self.sightings.expect(names, is_synced(self.revision))
        await self.sightings.until(sighting, "healed", seconds_max=seconds_max)

    async def untrue(self) -> dict[str, str]:
        """By a full LIST: what is not as Git says or not as its status says, and how; empty where all is well."""
        live = {kind: await self._listed(kind) for kind in GROUPS}
        found = {}
        for name in self.names:
            wrong = [kind for kind, body in desired(name).items() if not covers(live[kind].get(name), body)]
            raw = await self.trueup.application(name)
            status = sync_status(raw or {})
            if wrong or status != "Synced":
                found[name] = f"{status}, though {', '.join(wrong) or 'nothing'} differs"
        return found

    async def replaced(self) -> set[tuple[str, str]]:
        """Objects that are gone or were made anew, and that nobody deleted by hand."""
        live = {kind: await self._listed(kind) for kind in GROUPS}
        return {key for key, uid in self.uids.items() if _uid(live[key[0]].get(key[1])) != uid} - self.deleted

    async def _listed(self, kind: str) -> dict[str, Raw]:
        resource = await self.trueup.cluster.resource(GROUPS[kind], kind)
        page = await self.trueup.cluster.list_all(resource, self.trueup.delivered_to)
        return {body["metadata"]["name"]: body for body in page.items}


def _uid(body: Raw | None) -> str:
    return str(body["metadata"]["uid"]) if body is not None else ""


def covers(live: Any, wanted: Any) -> bool:
    """Whether live has all that is wanted, lists member by member."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(covers(live.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        is_as_long = isinstance(live, list) and len(live) == len(wanted)
        return is_as_long and all(covers(one, other) for one, other in zip(live, wanted, strict=True))
    return bool(live == wanted)


@asynccontextmanager
async def fleet(trueup: Installation, count: int, *, seed: int = 0) -> AsyncIterator[Fleet]:
    """So many applications, delivered by an installation that runs."""
    names = tuple(f"ship-{number:03}" for number in range(count))
    repository = await trueup.repository()
    files = {
        f"ships/{name}/{kind}.json": orjson.dumps(body).decode()
        for name in names
        for kind, body in desired(name).items()
    }
    revision = await repository.push(files)
    async with AsyncExitStack() as stack:
        sightings = await stack.enter_async_context(watching(trueup.cluster, trueup.namespace))
        editors = {name: await stack.enter_async_context(person(trueup, name)) for name in EDITORS}
        for name in names:
            await trueup.apply(name, repository.url, path=f"ships/{name}", syncPolicy=HEALING)
        there = Fleet(trueup, names, revision, sightings, editors, random.Random(seed))  # noqa: S311 -- no secret
        await there.until_healed(names, seconds_max=ONBOARDING_SECONDS_MAX)
        await trueup.at_rest()
        for kind in GROUPS:
            listed = await there._listed(kind)
            there.uids |= {(kind, name): _uid(listed[name]) for name in names}
        yield there
