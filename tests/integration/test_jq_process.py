"""Users' jq expressions run in a process that ends when it must, and harms nobody."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.ignoring import ENDLESS
from tests.support.wait import wait_until
from trueup.clients.jailer import seccomp
from trueup.clients.jq import Jq, JqBounds, JqError
from trueup.clients.jq_child import serve
from trueup.clients.jq_frame import HEAD

BOUNDS = JqBounds(seconds_max=0.3, rest_seconds=600.0)
POD: dict[str, Any] = {"spec": {"containers": [{"name": "web"}, {"name": "proxy", "env": [{"name": "A"}]}]}}


@asynccontextmanager
async def jq(**changed: Any) -> AsyncIterator[Jq]:
    async with Jq(replace(BOUNDS, **changed)) as started:
        yield started


async def refusal(asked: Jq, expression: str, document: Any = POD) -> str:
    with pytest.raises(JqError) as refused:
        await asked.paths(expression, document)
    return str(refused.value)


async def test_an_expression_leads_to_places_or_to_none() -> None:
    async with jq() as asked:
        assert await asked.paths('.spec.containers[] | select(.name == "proxy")', POD) == [["spec", "containers", 1]]
        assert await asked.paths(".spec.containers[].name # a comment", POD) == [
            ["spec", "containers", 0, "name"],
            ["spec", "containers", 1, "name"],
        ]
        for nothing in (".spec.initContainers[]", ".spec.containers[0].name.first", "empty", ".spec.containers[5]?"):
            assert await asked.paths(nothing, POD) in ([], [["spec", "containers", 5]])


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        (".spec[", ("does not compile", "correct it")),
        ("nosuch(.)", ("does not compile", "nosuch/1 is not defined")),
        (".spec | length", ("leads to a value",)),
        ("env", ("leads to a value",)),
        ('.spec.containers[] | select(.env | test("A"))', ("fails on this object",)),
        ('error("no")', ("fails on this object",)),
        ('import "a" as $a {search: "/"}; .spec', ("does not compile",)),
        ("input", ("fails on this object",)),
        ("1", ("leads to a value",)),
        (".spec)] | [(1", ("does not compile",)),
        (".spec)], [path(.data", ("does not compile",)),
        ("# a comment", ("does not compile",)),
    ],
)
async def test_what_is_wrong_with_an_expression_is_said(expression: str, words: tuple[str, ...]) -> None:
    async with jq() as asked:
        said = await refusal(asked, expression)
        assert all(word in said for word in words), said
        assert await asked.paths(".spec", POD) == [["spec"]], "the process goes on"


async def test_what_jq_says_of_a_document_is_repeated_nowhere() -> None:
    secret = {"data": {"password": "correct-horse"}}
    async with jq() as asked:
        for expression in (
            ".data.password | error",
            ".data | tojson",
            ".data.password | keys",
            "error(.data.password)",
        ):
            assert "horse" not in await refusal(asked, expression, secret)


@pytest.mark.parametrize(
    ("expression", "word"),
    [
        (ENDLESS, "runs for longer than 0.3 s"),
        ("last(range(1; infinite)) | .spec", "runs for longer than 0.3 s"),
        ('reduce range(60) as $i ("aaaa"; . + .) | .spec', "MiB"),
        ("def f: 1 + f; f", "narrow it"),
        (".spec.containers[range(10000000)]?", "0.3 s"),
    ],
)
async def test_one_that_takes_too_much_ends_with_its_process_and_rests(expression: str, word: str) -> None:
    async with jq(seconds_max=0.3) as asked:
        await asked.paths(".spec", POD)
        before = asked.pid
        assert word in await refusal(asked, expression)
        assert await asked.paths(".spec", POD) == [["spec"]], "another process answers"
        after = asked.pid
        assert after != before
        assert word in await refusal(asked, expression, {"spec": {}})
        assert asked.pid == after, "it is not tried again for now"


async def test_a_result_without_bound_is_refused() -> None:
    async with jq(output_bytes_max=1_000) as asked:
        many = {"spec": {"list": [0] * 1_000}}
        assert "narrow it" in await refusal(asked, ".spec.list[]", many)
        assert await asked.paths(".spec", many) == [["spec"]]


def held_by(pid: int) -> tuple[bytes, list[str], list[list[str]]]:
    """Its environment, its open files, and how many it may have."""
    process = Path(f"/proc/{pid}")
    limits = (process / "limits").read_text().splitlines()
    bounds = [line.split()[3:5] for line in limits if line.startswith("Max open files")]
    return (process / "environ").read_bytes(), sorted(file.name for file in (process / "fd").iterdir()), bounds


def ticks_of(pid: int | None) -> int:
    """The processor time that the process has used."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


async def test_it_has_no_environment_opens_nothing_and_dies_with_its_owner() -> None:
    async with jq() as asked:
        await asked.paths(".spec", POD)
        pid = asked.pid
        assert pid is not None
        assert held_by(pid) == (b"", ["0", "1", "2"], [["3", "3"]])
    await wait_until(lambda: not Path(f"/proc/{pid}").exists(), 10.0, "the process is gone")


def test_no_question_pays_for_the_one_before_it() -> None:
    """The time that the one before has left must not end the process while a large object is read."""
    questions = [json.dumps({"expression": ".spec", "document": {"n": n}}).encode() for n in range(2)]
    source = io.BytesIO(b"".join(HEAD.pack(len(each)) + each for each in questions))
    begun_at: list[int] = []
    serve(source, io.BytesIO(), output_bytes_max=1_000, before=lambda: begun_at.append(source.tell()))
    assert begun_at == [HEAD.size, 2 * HEAD.size + len(questions[0])]


def state_of(pid: int) -> dict[str, str]:
    """What the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.mark.skipif(not seccomp.is_known_here(), reason="the system calls of this machine are not known by number")
async def test_it_has_no_privilege_and_its_system_calls_are_filtered() -> None:
    async with jq() as asked:
        await asked.paths(".spec", POD)
        assert asked.pid is not None
        state = state_of(asked.pid)
    assert (state["Seccomp"], state["NoNewPrivs"], int(state["CapEff"], 16)) == ("2", "1", 0)


async def test_a_question_that_is_cancelled_answers_nobody_else() -> None:
    async with jq(seconds_max=30.0) as asked:
        await asked.paths(".spec", POD)
        before = ticks_of(asked.pid)
        waiting = asyncio.create_task(asked.paths(ENDLESS, POD))
        await wait_until(lambda: ticks_of(asked.pid) > before + 5, 10.0, "it runs")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await asked.paths(".spec", POD) == [["spec"]]


async def test_what_is_known_of_a_version_is_not_asked_again() -> None:
    async with jq() as asked:
        assert await asked.paths(".spec", POD, version="1") == [["spec"]]
        assert await asked.paths(".spec", {}, version="1") == [["spec"]]
        assert await asked.paths(".spec", {"spec": {}}, version="2") == [["spec"]]
        assert await asked.paths(".spec.containers", {}, version="1") != [["spec"]]


async def test_what_is_remembered_has_a_bound_in_bytes() -> None:
    """`..` leads to as many places as an object has."""
    many = {"spec": {"list": [0] * 100}}
    async with jq(answers_bytes_max=3_000) as asked:
        for version in ("1", "2"):
            assert len(await asked.paths(".spec.list[]", many, version=version)) == 100
        assert await asked.paths(".spec.list[]", {}, version="1") == [], "it was dropped for the second"
        assert await asked.paths(".spec", {}, version="3") == [["spec"]]
        assert len(await asked.paths(".spec.list[]", {}, version="2")) == 100, "and that one is still known"


async def test_many_ask_at_a_time_and_each_gets_its_own_answer() -> None:
    async with jq() as asked:
        await asked.paths(".", {})
        before = asked.pid
        answers = await asyncio.gather(*(asked.paths(f".a{n}", {f"a{n}": 1}) for n in range(50)))
        assert asked.pid == before
    assert answers == [[[f"a{n}"]] for n in range(50)]


EXPRESSIONS = st.text(st.sampled_from('.[]{}()|,"$abs0 :=<>?*+-/%\\#;@' + "\n"), max_size=24)


async def test_any_text_is_an_expression_or_a_sentence() -> None:
    loop = asyncio.get_running_loop()
    async with jq(rest_seconds=0.01) as asked:

        @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(EXPRESSIONS)
        def law(expression: str) -> None:
            future = asyncio.run_coroutine_threadsafe(tried(expression), loop)
            future.result(timeout=60)

        async def tried(expression: str) -> None:
            try:
                found = await asked.paths(expression, POD)
            except JqError:
                return
            assert all(isinstance(path, list) for path in found)

        await asyncio.to_thread(law)
