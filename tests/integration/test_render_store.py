"""What a tool made is found again only where it is whole and everything that it read is what it was."""

from __future__ import annotations

import os
from pathlib import Path

from trueup.domain.manifest import Parsed, RawObject
from trueup.domain.read_set import Entry
from trueup.engine.local_tree import LocalTree
from trueup.engine.render.repeatable import is_as_then, states
from trueup.engine.render.store import RENDERS_PER_RECIPE_MAX, RenderStore

READS = {"": frozenset({Entry("read", "a"), Entry("missed", "b")})}
RECIPE = "r" * 64


def made(name: str) -> Parsed:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    return Parsed((RawObject(body, f"{name}.yaml"),), ())


def state(value: str) -> dict[tuple[str, str], str]:
    return {("", "a"): value, ("", "b"): ""}


def size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


async def test_a_render_is_found_again_by_another_process_of_the_machine(tmp_path: Path) -> None:
    await RenderStore(tmp_path, render_store_bytes_max=1_000_000).keep(RECIPE, READS, state("1"), made("one"))
    store = RenderStore(tmp_path, render_store_bytes_max=1_000_000)
    (known,) = await store.known(RECIPE)
    assert (known.reads, known.states) == (READS, state("1"))
    assert await store.output(known.output) == made("one")
    assert await store.known("s" * 64) == ()


async def test_of_one_recipe_the_last_few_are_kept_and_each_state_once(tmp_path: Path) -> None:
    store = RenderStore(tmp_path, render_store_bytes_max=1_000_000)
    for number in range(RENDERS_PER_RECIPE_MAX + 2):
        await store.keep(RECIPE, READS, state(str(number)), made(str(number)))
    await store.keep(RECIPE, READS, state("3"), made("again"))
    known = await store.known(RECIPE)
    assert [each.states["", "a"] for each in known] == ["3", "5", "4", "2"]
    assert await store.output(known[0].output) == made("again")


async def test_what_was_damaged_is_not_there(tmp_path: Path) -> None:
    store = RenderStore(tmp_path, render_store_bytes_max=1_000_000)
    await store.keep(RECIPE, READS, state("1"), made("one"))
    await store.keep("other", READS, state("1"), made("two"))
    (one,), (two,) = await store.known(RECIPE), await store.known("other")
    # Another output than the name says, well packed all the same.
    (tmp_path / "outputs" / one.output).write_bytes((tmp_path / "outputs" / two.output).read_bytes())
    assert await store.output(one.output) is None
    (tmp_path / "outputs" / two.output).write_bytes(b"garbage")
    assert await store.output(two.output) is None
    recipe = tmp_path / "recipes" / RECIPE
    recipe.write_bytes(recipe.read_bytes().replace(b'"1"', b'"2"'))
    assert await store.known(RECIPE) == ()


async def test_the_bound_holds_and_what_was_used_last_stays(tmp_path: Path) -> None:
    store = RenderStore(tmp_path, render_store_bytes_max=60_000)
    for number in range(400):
        body = {"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}, "data": os.urandom(200).hex()}
        await store.keep(f"{number:064}", READS, state("1"), Parsed((RawObject(body, "x"),), ()))
    assert size(tmp_path) <= 60_000
    assert await store.known(f"{399:064}")
    assert await store.known(f"{0:064}") == ()


async def test_a_disk_that_takes_nothing_costs_renders_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("a file where a directory should be")
    store = RenderStore(tmp_path, render_store_bytes_max=1_000_000)
    await store.keep(RECIPE, READS, state("1"), made("one"))
    assert await store.known(RECIPE) == ()


async def test_every_place_counts_as_it_was_and_one_that_was_missing_too(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    (tmp_path / "elsewhere").write_text("x")
    then = await states(READS, {"": LocalTree(tmp_path, file_bytes_max=100)})

    async def same() -> bool:
        return await is_as_then(then, {"": LocalTree(tmp_path, file_bytes_max=100)})

    assert await same()
    (tmp_path / "elsewhere").write_text("y")
    assert await same(), "nobody has read it"
    (tmp_path / "b").write_text("")
    assert not await same(), "it was looked for, and was not there"
    (tmp_path / "b").unlink()
    (tmp_path / "a").write_text("2")
    assert not await same()
    assert not await is_as_then(then, {}), "the repository is not among the sources any more"
