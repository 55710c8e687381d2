"""A redactor learns what a comparison holds; where that is much, others have their turn meanwhile."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

from tests.support.by_hand import application
from tests.support.diffing import config_map, manifest
from trueup.domain.manifest import LAST_APPLIED_ANNOTATION
from trueup.domain.redact import MASK, Redactor, chars_to_learn
from trueup.engine.comparison import LEARNED_ON_LOOP_CHARS_MAX, Comparison, hold_against
from trueup.engine.observe import Observed

MANY = 10_000


def secret(*lines: str) -> dict[str, Any]:
    encoded = base64.b64encode("\n".join(lines).encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "n"},
        "data": {"users": encoded},
    }


def lines(word: str, count: int) -> list[str]:
    return [f"{word}-{number:06}" for number in range(count)]


async def compared(desired: dict[str, Any], live: dict[str, Any]) -> Comparison:
    wanted = manifest(desired)
    return await hold_against(application("n"), "c" * 40, Observed((wanted,), {wanted.key: live}, {}))


async def turns_during(teaching: Any, look: Callable[[], None] = lambda: None) -> int:
    """How often somebody else had a turn meanwhile."""
    turns, learning = 0, asyncio.create_task(teaching)
    await asyncio.sleep(0)
    while not learning.done():
        look()
        turns += 1
        await asyncio.sleep(0.001)
    await learning
    return turns


async def test_both_sides_of_a_large_secret_are_masked_like_those_of_a_small_one() -> None:
    for count in (3, MANY):
        comparison = await compared(secret(*lines("desired", count)), secret(*lines("standing", count)))
        redactor = Redactor()
        await comparison.teach_beside(redactor)
        plain = Redactor()
        comparison.teach(plain)
        for text in ("see desired-000001, standing-000002", "it was standing-00…", "nothing of it"):
            assert redactor.text(text) == plain.text(text)
        assert redactor.text("see desired-000001, standing-000002") == f"see {MASK}, {MASK}"


async def test_while_a_large_secret_is_learned_others_have_their_turn() -> None:
    large = await compared(secret(*lines("desired", MANY)), secret(*lines("standing", MANY)))
    assert await turns_during(large.teach_beside(Redactor())) > 1


async def test_what_is_soon_learned_takes_no_thread() -> None:
    for body in (secret(*lines("desired", 3)), config_map(much="x" * LEARNED_ON_LOOP_CHARS_MAX)):
        small = await compared(body, body)
        assert await turns_during(small.teach_beside(Redactor())) == 0


async def test_nobody_reads_a_redactor_that_is_taught_by_half() -> None:
    redactor, shown = Redactor(), set()
    redactor.add("known-before")
    large = await compared(secret(*lines("desired", MANY)), secret(*lines("standing", MANY)))
    text = "known-before, desired-000000"
    await turns_during(large.teach_beside(redactor), lambda: shown.add(redactor.text(text)))
    assert shown == {f"{MASK}, desired-000000"}
    assert redactor.text(text) == f"{MASK}, {MASK}"


def test_what_is_to_learn_is_told_by_the_values_of_secrets_alone() -> None:
    few, many = secret(*lines("value", 3)), secret(*lines("value", 3000))
    assert 0 < chars_to_learn(few) < 200
    assert chars_to_learn(many) >= len(many["data"]["users"])
    noted = {**few, "metadata": {**few["metadata"], "annotations": {LAST_APPLIED_ANNOTATION: "x" * 5000}}}
    assert chars_to_learn(noted) >= 5000
    short = {**few, "data": {str(number): "" for number in range(2000)}}
    assert chars_to_learn(short) > LEARNED_ON_LOOP_CHARS_MAX
    assert chars_to_learn(config_map(much="x" * 5000)) == 0
