"""What is measured: a push, a live edit, a heal, onboarding, and nothing at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from benchmarks.acknowledge import Stream
from benchmarks.counters import since
from benchmarks.figures import Case, Idle, Side
from benchmarks.processes import paused, pss_bytes
from benchmarks.shapes import Edit, Shape
from benchmarks.stage import FLOOR, GAP_SECONDS, PRODUCT, Stage
from tests.support.product import is_synced, sync_status
from tests.support.sightings import watching

#: Product and floor take turns in blocks of so many, so that what else the machine does hits both.
BLOCK = 20
EVENT_SECONDS_MAX = 60.0
ONBOARDING_SECONDS_MIN, ONBOARDING_SECONDS_MAX_EACH = 300.0, 0.15
EDITOR = "kubectl-edit"

Raw = Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    names: Sequence[str]
    shape: Shape
    samples: int
    edits: int
    #: Which kinds of events, beside onboarding.
    events: Sequence[str]
    idle_seconds: float
    cold_starts: int
    hooks: Stream | None

    def name(self, number: int) -> str:
        """Which application the sample of that number is about: each in turn."""
        return self.names[number % len(self.names)]

    def blocks(self, samples: int) -> Iterator[range]:
        """No block has an application twice."""
        size = min(BLOCK, len(self.names))
        return (range(start, min(start + size, samples)) for start in range(0, samples, size))


class Window:
    """What events cost: CPU and counters from just before the first until all is at rest again."""

    def __init__(self, place: Stage, side: str, into: Side) -> None:
        self._place = place
        self._side = side
        self._into = into
        #: What was done in it, once it is over.
        self.work: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        self._before = await self._place.work(self._side)
        self._cpu = self._place.cpu_seconds(self._side)
        self._api = self._place.api_server_cpu_seconds()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            return
        await self._place.quiet(self._side)
        # Before the counters are read: that costs the product time of its own.
        self._into.cpu_seconds += self._place.cpu_seconds(self._side) - self._cpu
        self._into.api_server_cpu_seconds += self._place.api_server_cpu_seconds() - self._api
        self.work = since(self._before, await self._place.work(self._side))
        self._into.add_work(self.work)


async def push(place: Stage, plan: Plan) -> Case:
    """A commit that touches one application, told by webhook, until the Application is Synced at it."""
    case = Case("push → synced")

    async def one(side: str, into: Side, name: str) -> None:
        revision = await place.monorepo.touch(name)
        seen = place.sightings.expect([name], is_synced(revision))
        async with Window(place, side, into) as window:
            sent = time.monotonic()
            await place.webhook(side)
            answered = time.monotonic()
            at = await place.sightings.until(seen, f"{name} is synced", seconds_max=EVENT_SECONDS_MAX)
        fetching = window.work["fetch seconds"]
        into.times.add(at - sent)
        into.part("until the webhook is answered").add(answered - sent)
        into.part("git fetch child").add(fetching)
        into.part("own share: all but the fetch child").add(at - sent - fetching)

    async def block(side: str, into: Side, numbers: Sequence[int]) -> None:
        for number in numbers:
            await one(side, into, plan.name(number))

    await _in_turns(place, plan.blocks(plan.samples), case, block)
    return case


async def _patch(place: Stage, edit: Edit, name: str, body: Raw) -> None:
    resource = await place.bob.resource(edit.group, edit.kind)
    await place.bob.merge_patch(resource, place.trueup.delivered_to, name, body, field_manager=EDITOR)


def _is(status: str) -> Callable[[Raw], bool]:
    return lambda raw: sync_status(raw) == status


async def edit_seen(place: Stage, edit: Edit, name: str) -> tuple[float, float, float]:
    """Monotonic seconds at which an edit was sent, answered, and seen as OutOfSync."""
    seen = place.sightings.expect([name], _is("OutOfSync"))
    sent = time.monotonic()
    await _patch(place, edit, name, edit.change)
    answered = time.monotonic()
    at = await place.sightings.until(seen, f"{name} is OutOfSync", seconds_max=EVENT_SECONDS_MAX)
    return sent, answered, at


async def edits_undone(place: Stage, plan: Plan, numbers: Sequence[int]) -> None:
    """Take the edits of these samples back, and wait until that is known."""
    names = [plan.name(number) for number in numbers]
    back = place.sightings.expect(names, _is("Synced"))
    for number, name in zip(numbers, names, strict=True):
        await _patch(place, edit := place.edit(number), name, edit.back)
    await place.sightings.until(back, "what was edited is Synced again", seconds_max=EVENT_SECONDS_MAX)


async def live_edit(place: Stage, plan: Plan) -> Case:
    """A person edits one object of an application that does not heal itself, until it is OutOfSync."""
    case = Case("live edit → OutOfSync")

    async def block(side: str, into: Side, numbers: Sequence[int]) -> None:
        async with Window(place, side, into):
            for number in numbers:
                edit = place.edit(number)
                sent, answered, at = await edit_seen(place, edit, plan.name(number))
                into.times.add(at - sent)
                into.part("from the answer to the edit").add(max(0.0, at - answered))
                into.part(f"of a {edit.kind}").add(at - sent)
                await place.quiet(side, GAP_SECONDS)
        await edits_undone(place, plan, numbers)
        await place.quiet(side)

    await _in_turns(place, plan.blocks(plan.edits), case, block, watch={"heal": False})
    return case


async def heal(place: Stage, plan: Plan) -> Case:
    """A person edits one object of an application that heals itself, until it is Synced again.

    One edit for each application: a second would meet the backoff.
    """
    case = Case("live edit → healed")
    samples, healed = min(plan.samples, len(plan.names)), place.monorepo.shape.healed_edits
    await place.heal_themselves({plan.name(number) for number in range(samples + 1)})

    async def block(side: str, into: Side, numbers: Sequence[int]) -> None:
        async with Window(place, side, into):
            for number in numbers:
                name, edit = plan.name(number), healed[number % len(healed)]
                seen = place.sightings.expect([name], _Healed())
                sent = time.monotonic()
                await _patch(place, edit, name, edit.change)
                at = await place.sightings.until(seen, f"{name} is healed", seconds_max=EVENT_SECONDS_MAX)
                into.times.add(at - sent)
                await place.quiet(side, GAP_SECONDS)

    await _in_turns(place, plan.blocks(samples), case, block, watch={"heal": True})
    return case


class _Healed:
    """Synced and at rest, after it was not."""

    def __init__(self) -> None:
        self._was_out_of_sync = False

    def __call__(self, raw: Raw) -> bool:
        self._was_out_of_sync = self._was_out_of_sync or sync_status(raw) == "OutOfSync"
        return self._was_out_of_sync and bool(is_synced(raw["status"]["sync"].get("revision"))(raw))


Block = Callable[[str, Side, Sequence[int]], Awaitable[None]]


async def _in_turns(
    place: Stage, blocks: Iterator[range], case: Case, block: Block, *, watch: Mapping[str, bool] | None = None
) -> None:
    """Block by block, first the product and then, while that stands still, the floor on its neighbours."""
    await place.caught_up()
    for numbers in blocks:
        await block(PRODUCT, case.product, numbers)
        await place.caught_up()
        with paused(place.product):
            await place.ask_floor("catch-up")
            if watch is not None:
                await place.ask_floor("watch", **watch)
            await block(FLOOR, case.floor, range(numbers.start + 1, numbers.stop + 1))
            await place.ask_floor("rest")
        await place.caught_up()


async def onboarding(place: Stage, plan: Plan) -> Case:
    """All Applications created at once, until every one of them is Synced. The product's half."""
    case = Case("onboarding", of_each=len(plan.names))
    await _onboarding(place, plan.names, PRODUCT, case.product, place.trueup.namespace, place.trueup.delivered_to)
    await place.caught_up()
    return case


async def onboarding_floor(place: Stage, plan: Plan, case: Case) -> None:
    """The floor's half, in namespaces of its own: last, for it doubles what the cluster holds."""
    namespaces = await place.cluster.resource("", "Namespace")
    own = (f"{place.trueup.namespace}-floor", f"{place.trueup.delivered_to}-floor")
    for name in own:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await place.cluster.create(namespaces, "", body)
    with paused(place.product):
        await place.ask_floor("catch-up")
        await place.ask_floor("onboard", namespace=own[0], delivered=own[1])
        async with watching(place.cluster, own[0]) as place.sightings:
            await _onboarding(place, plan.names, FLOOR, case.floor, *own)
        await place.ask_floor("rest")


async def _onboarding(
    place: Stage, applications: Sequence[str], side: str, into: Side, namespace: str, delivered: str
) -> None:
    seen = place.sightings.expect(applications, lambda raw: sync_status(raw) == "Synced")
    async with Window(place, side, into):
        began = time.monotonic()
        await place.create_applications(applications, namespace, delivered)
        into.part("until all are created").add(time.monotonic() - began)
        seconds_max = ONBOARDING_SECONDS_MIN + ONBOARDING_SECONDS_MAX_EACH * len(applications)
        at = await place.sightings.until(seen, "all are synced", seconds_max=seconds_max)
        into.times.add(at - began)


async def idle(place: Stage, plan: Plan) -> Idle:
    """Nothing happens."""
    before, cpu = await place.calls(), place.cpu_seconds(PRODUCT)
    await asyncio.sleep(plan.idle_seconds)
    spent = place.cpu_seconds(PRODUCT) - cpu
    return Idle(plan.idle_seconds, spent, since(before, await place.calls()))


def memory(place: Stage) -> dict[str, float]:
    """Proportional set size in MB, of each half with its children, of both together, and of the floor."""
    found = {name: pss_bytes([child.pid]) / 1e6 for name, child in place.trueup.children.items()}
    return {**found, "together": sum(found.values()), "floor": pss_bytes([place.floor.pid]) / 1e6}
