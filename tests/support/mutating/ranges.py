"""Where edits are made side by side, and what came of them."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.mutating.chosen import chosen
from tests.support.mutating.mutations import Mutation, mutations
from tests.support.mutating.product import Product
from tests.support.mutating.schemas import Schemas
from tests.support.mutating.trial import Outcome, Subject
from tests.support.mutating.witness import Witness
from trueup.clients.cluster import Cluster
from trueup.domain.resource import Manifest

#: Objects of one kind that are edited side by side.
OBJECTS_MAX = 4
#: Fewer edits than these do not repay another object.
EDITS_EACH_MIN = 20
#: Their names are tied to what they say.
ALONE = ("CustomResourceDefinition",)
#: What may become of an edit.
RIGHT = ("detected", "rejected", "without effect", "irreversible")
#: And of one where Git says nothing.
RIGHT_BY_HAND = (*RIGHT, "only shown", "stays")


@dataclass(frozen=True)
class Range:
    """Where the edits are made, and by whom."""

    product: Product
    person: Cluster
    schemas: Schemas
    #: Whoever hears what the API server's audit log says; None where nobody does.
    witness: Witness | None = None


def check(outcomes: Iterable[Outcome], report: Path) -> str:
    """Write down what came of each edit and assert that all of it was right; the numbers in a line."""
    found = list(outcomes)
    summary = Counter(f"{each.fate}{' by hand' if each.by_hand else ''}" for each in found)
    report.write_text("".join(f"{each}\n" for each in sorted(found, key=lambda each: each.fate)))
    wrong = [str(each) for each in found if each.fate not in (RIGHT_BY_HAND if each.by_hand else RIGHT)]
    assert wrong == [], summary
    assert any(each.fate == "detected" for each in found), summary
    return f"{len(found)} edits: " + ", ".join(f"{number} {fate}" for fate, number in sorted(summary.items()))


async def tried(sample: Manifest, where: Range) -> list[Outcome]:
    """Every chosen edit of a sample, made on several objects like it side by side."""
    product = where.product
    resource = await product.resource(sample)
    first = await subject(sample, where)
    todo = chosen(sample.key.kind, mutations(where.schemas, where.schemas.of(resource), first.live))
    number = 1 if sample.key.kind in ALONE else max(1, min(OBJECTS_MAX, len(todo) // EDITS_EACH_MIN))
    subjects = [first, *[await subject(named(sample, index), where) for index in range(1, number)]]
    outcomes: list[Outcome] = []

    async def work(one: Subject, part: list[Mutation]) -> None:
        outcomes.extend([await one.tried(mutation) for mutation in part])

    try:
        async with asyncio.TaskGroup() as group:
            for index, one in enumerate(subjects):
                group.create_task(work(one, todo[index::number]))
    finally:
        for one in subjects:
            await one.removed()
    return outcomes


async def subject(sample: Manifest, where: Range) -> Subject:
    live, diff = await where.product.delivered(sample)
    assert diff.status == "Synced", [f"{change.kind} {change}" for change in diff.changes]
    return Subject(where.product, where.person, sample, live, where.witness)


def named(sample: Manifest, number: int) -> Manifest:
    """The same object under another name."""
    name = f"{sample.key.name}-{number}"
    body = copy.deepcopy(dict(sample.body))
    body["metadata"]["name"] = name
    return replace(sample, key=replace(sample.key, name=name), body=body)
