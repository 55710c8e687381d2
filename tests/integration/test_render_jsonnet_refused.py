"""Jsonnet that leads out, fails, or never ends: a sentence that says where, and nothing is left behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.confined import Unconfined
from tests.support.jsonnet import BYTES_MAX, MAIN, Place, config_map, jailed, place
from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.source import JsonnetVariable
from trueup.engine.render import jsonnet_program
from trueup.engine.render.jsonnet_program import VARIABLE_BYTES_MAX
from trueup.engine.render.tools import Tool

__all__ = ["place"]

#: For longer than any test lasts, and with little memory.
ENDLESS = """
local sum(n) = std.foldl(function(total, i) total + i, std.range(1, n), 0);
std.foldl(function(total, i) total + sum(1000), std.range(1, 1000000), 0)
"""
NO_MATCH = (
    "no match locally or in the Jsonnet library paths; "
    "commit the file, or name the directory that it is found from in jsonnet.libs"
)


# What is refused


@pytest.mark.parametrize("path", ["/etc/hostname", "../../../outside", "../../../../../etc/hostname", ".//../../../x"])
async def test_an_import_that_leads_out_is_refused(place: Place, tmp_path: Path, path: str) -> None:
    (tmp_path / "outside").write_text("secret")
    place.write({MAIN: config_map("x", a=f"\nimportstr '{path}'")})
    with pytest.raises(StalledError, match=r"main\.jsonnet, line 2: imports '.*', which leads out of the repository"):
        await place.evaluate()
    # A variable's program stands nowhere, and leads out sooner.
    place.write({MAIN: config_map("x", a="std.extVar('a')")})
    variable = JsonnetVariable("a", f"importstr '{path.removeprefix('../../')}'", code=True)
    with pytest.raises(StalledError, match=r"jsonnet\.extVars a, line 1: imports '.*', which leads out"):
        await place.evaluate(ext_vars=(variable,))


async def test_a_link_that_leads_out_is_refused(place: Place, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("secret")
    place.write({MAIN: config_map("x", a="importstr 'link'")})
    (place.root / "apps" / "web" / "link").symlink_to("../../../outside")
    with pytest.raises(StalledError, match="link leads out of"):
        await place.evaluate()


async def test_a_library_that_leads_out_is_refused(place: Place) -> None:
    place.write({MAIN: config_map("x")})
    with pytest.raises(InvalidSpecError, match=r"spec\.source\.directory\.jsonnet\.libs has '\.\./x', which leads out"):
        await place.evaluate(libs=("../x",))
    assert (await place.load(libs=("/lib/../vendor/",))).search == ("apps/web", "vendor")


async def test_a_directory_cannot_be_imported(place: Place) -> None:
    place.write({MAIN: "\n\nimport 'lib'", "apps/web/lib/a": "1"})
    with pytest.raises(StalledError, match=r"main\.jsonnet, line 3: imports 'lib', which is a directory"):
        await place.evaluate()


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        (JsonnetVariable("", "x"), "has the name ''"),
        (JsonnetVariable("-x", "x"), "has the name '-x'"),
        (JsonnetVariable("a=b", "x"), "has the name 'a=b'"),
        (JsonnetVariable("a", "x\0"), "'a' holds a zero byte"),
        (JsonnetVariable("a", "x" * VARIABLE_BYTES_MAX), "'a' has more than 102400 bytes; commit it as a file"),
    ],
)
async def test_a_variable_that_cannot_be_passed_is_refused(
    place: Place, variable: JsonnetVariable, sentence: str
) -> None:
    place.write({MAIN: config_map("x")})
    with pytest.raises(InvalidSpecError, match=rf"^spec\.source\.directory\.jsonnet\.tlas {sentence}"):
        await place.load(tlas=(variable,))


async def test_the_largest_variable_is_passed(place: Place) -> None:
    place.write({MAIN: config_map("x", a="std.toString(std.length(std.extVar('a')))")})
    size = VARIABLE_BYTES_MAX - len("a=")
    assert await place.one(ext_vars=(JsonnetVariable("a", "x" * size),)) == {"a": str(size)}


async def test_a_program_larger_than_the_bound_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write({MAIN: f"import 'a' // {'x' * BYTES_MAX}"[: BYTES_MAX - 100], "apps/web/a": f"'{'x' * 200}'"})
    with pytest.raises(StalledError, match="larger than 10485760 bytes together"):
        await place.load()
    # What is no program is not read before it is written.
    place.write({MAIN: f"importstr 'a' // {'x' * BYTES_MAX}"[: BYTES_MAX - 100]})
    await place.load()
    with pytest.raises(StalledError, match="larger than 10485760 bytes together"):
        await place.evaluate()
    monkeypatch.setattr(jsonnet_program, "FILES_MAX", 1)
    with pytest.raises(StalledError, match="import more than 1 files"):
        await place.load()


# What jsonnet says


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("{ a: 1,, }", f'{MAIN}, line 1: Unexpected: "," while parsing field definition'),
        ("{\n  a: 'x\n}", f"{MAIN}, line 2: Unterminated String"),
        ("\nerror 'out of\\nsugar'", f"{MAIN}, line 2: out of sugar"),
        ("std.assertEqual(\n 1, 2)", f"{MAIN}, line 1: Assertion failed. 1 != 2"),
        (
            "\nimport 'none.libsonnet'",
            f'{MAIN}, line 2: couldn\'t open import "none.libsonnet": {NO_MATCH}',
        ),
        ("import 'bad.libsonnet'", f"apps/web/bad.libsonnet, line 3 (for {MAIN}): Unexpected end of file"),
        ("(import 'fails.libsonnet').f", f"apps/web/fails.libsonnet, line 2 (for {MAIN}): it fails"),
        (
            "std.extVar('q')",
            f"{MAIN}, line 1: Undefined external variable: q; give it in jsonnet.extVars",
        ),
        ("std.extVar('bad')", f"jsonnet.extVars bad, line 1 (for {MAIN}): Unexpected end of file"),
        ("function(a) a", f"{MAIN}: Missing argument: a; give it in jsonnet.tlas"),
        ("function() 1", f"{MAIN}: function has no parameter b; leave it out of jsonnet.tlas"),
        ("{ a: function() 1 }", f"{MAIN}: couldn't manifest function as JSON"),
        ("local f(x) = f(x + 1); f(0)", f"{MAIN}, line 1: max stack frames exceeded"),
        ("error ''", f"{MAIN} was not evaluated: jsonnet ended with 1 and said nothing"),
    ],
)
async def test_an_error_says_where_what_and_the_way_out(place: Place, program: str, sentence: str) -> None:
    place.write(
        {MAIN: program, "apps/web/bad.libsonnet": "{\n a:\n", "apps/web/fails.libsonnet": "{\n f: error 'it fails' }"}
    )
    tlas = (JsonnetVariable("b", "1"),) if "function()" in program and "{" not in program else ()
    with pytest.raises(StalledError) as raised:
        await place.evaluate(ext_vars=(JsonnetVariable("bad", "1 +", code=True),), tlas=tlas)
    assert str(raised.value) == sentence
    assert str(place.work) not in str(raised.value)


async def test_one_that_prints_nothing_is_an_error(place: Place, tmp_path: Path) -> None:
    place.write({MAIN: config_map("x")})
    program = await place.load()
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexit 0\n")
    silent.chmod(0o755)
    with pytest.raises(StalledError, match=r"main\.jsonnet, line 1, column 1: it is not one JSON value"):
        await place.run(program, tool=Tool("jsonnet", silent, "v0.22.0"), jail=Unconfined())


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [({"seconds_max": 0.5}, r"0\.5 s, the longest it may run"), ({"cpu_seconds_max": 1}, "1 s of processor time")],
)
async def test_one_that_does_not_end_is_ended(place: Place, bounds: dict[str, Any], sentence: str) -> None:
    place.write({MAIN: ENDLESS})
    async with jailed(**bounds) as place.jail:
        with pytest.raises(StalledError, match=rf"main\.jsonnet was not evaluated: jsonnet: ended after {sentence}"):
            await place.evaluate()
    assert list(place.work.iterdir()) == []


async def test_one_that_prints_without_end_is_ended(place: Place) -> None:
    place.write({MAIN: f"[{config_map('x')} for i in std.range(1, 10000)]"})
    async with jailed(output_bytes_max=10_000) as place.jail:
        with pytest.raises(StalledError, match=r"main\.jsonnet was not evaluated: jsonnet: ended after 10000 bytes"):
            await place.evaluate()


@pytest.mark.parametrize(
    "program",
    ["std.length(std.makeArray(100000000, function(i) 'x' + i))", "std.length(std.range(1, 1000000000))"],
    ids=["little by little", "at once"],
)
async def test_one_that_eats_memory_is_ended(place: Place, program: str) -> None:
    place.write({MAIN: program})
    async with jailed(memory_bytes_max=64 * 1024 * 1024) as place.jail:
        with pytest.raises(
            StalledError, match=r"main\.jsonnet was not evaluated: .*\(TRUEUP_RENDER_MEMORY_BYTES_MAX\)"
        ):
            await place.evaluate()


@pytest.mark.parametrize("path", ["/proc/self/environ", "/etc/hostname", "../outside"])
async def test_what_lies_outside_is_not_seen_were_it_ever_asked_for(place: Place, path: str) -> None:
    """The jail's part, where nobody has looked at what the program imports."""
    place.work.mkdir()
    (place.work / "outside").write_text("secret")
    place.write({MAIN: config_map("x", a="std.extVar('a')")})
    program = await place.load()
    hidden = JsonnetVariable("a", f"importstr '{path}'", code=True)
    with pytest.raises(StalledError, match=r"^jsonnet\.extVars a, line 1 \(for .*\): (couldn't open|open .* denied)"):
        await place.run(replace(program, external=(hidden,)))


async def test_a_cancelled_one_leaves_nothing(place: Place) -> None:
    place.write({MAIN: ENDLESS})
    started = asyncio.Event()
    bare = place.jail

    class Telling:
        async def run(self, *args: Any, **options: Any) -> Any:
            started.set()
            return await bare.run(*args, **options)

    place.jail = Telling()  # type: ignore[assignment]
    task = asyncio.create_task(place.evaluate())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(place.work.iterdir()) == []
