"""Jsonnet files become objects as Argo CD makes them, and what they read is known exactly."""

from __future__ import annotations

import pytest

from tests.support.jsonnet import MAIN, Place, config_map, place
from trueup.domain.errors import StalledError
from trueup.domain.read_set import Entry
from trueup.domain.source import JsonnetVariable
from trueup.engine.render.tools import Tool

__all__ = ["place"]


# What comes out


async def test_an_object_or_an_array_of_them(place: Place) -> None:
    place.write(
        {
            "one.jsonnet": config_map("a"),
            "many.jsonnet": f"[{config_map('b')}, null, {config_map('c')}]",
            "list.jsonnet": f"{{ apiVersion: 'v1', kind: 'List', items: [{config_map('d')}] }}",
            "none.jsonnet": "null",
            "empty.jsonnet": "[]",
        }
    )
    made = await place.evaluate("one.jsonnet", "many.jsonnet", "list.jsonnet", "none.jsonnet", "empty.jsonnet", path="")
    assert {main: [(o.name, o.origin) for o in objects] for main, objects in made.items()} == {
        "one.jsonnet": [("a", "one.jsonnet, document 1")],
        "many.jsonnet": [("b", "many.jsonnet, document 1"), ("c", "many.jsonnet, document 3")],
        "list.jsonnet": [("d", "list.jsonnet, document 1, item 1")],
        "none.jsonnet": [],
        "empty.jsonnet": [],
    }


async def test_what_is_large_comes_out_whole(place: Place) -> None:
    place.write({MAIN: f"[{config_map('x', a=repr('y' * 1000))} + {{ n: i }} for i in std.range(1, 500)]"})
    assert [item.body["n"] for item in (await place.evaluate())[MAIN]] == list(range(1, 501))


async def test_a_file_may_have_any_name(place: Place) -> None:
    names = ["-h.jsonnet", "--version.jsonnet", "with space.jsonnet", "ü.jsonnet"]
    place.write({name: config_map("x", here="std.thisFile") for name in names})
    made = await place.evaluate(*names, path="")
    assert {name: item.body["data"]["here"] for name, (item,) in made.items()} == dict(zip(names, names, strict=True))


@pytest.mark.parametrize("program", ["'text'", "1", "[[{}]]", "['text']", "true", "{ a: 1 }"])
async def test_what_is_no_object_is_refused(place: Place, program: str) -> None:
    place.write({MAIN: program})
    with pytest.raises(StalledError, match=rf"^{MAIN}, document 1: "):
        await place.evaluate()


async def test_more_objects_than_the_bound_are_refused(place: Place) -> None:
    place.write({MAIN: f"[{config_map('x')} for i in std.range(1, 11)]"})
    program = await place.load()
    with pytest.raises(StalledError, match="holds more than 10 objects"):
        await place.run(program, objects_max=10)


async def test_a_file_that_asks_to_be_passed_over_is(place: Place) -> None:
    place.write({MAIN: "// +argocd:skip-file-rendering\nerror 'no'", "apps/web/b.jsonnet": config_map("b")})
    assert list(await place.evaluate(MAIN, "apps/web/b.jsonnet")) == ["apps/web/b.jsonnet"]
    assert await place.evaluate(MAIN) == {}
    assert Entry("read", MAIN) in (await place.load(MAIN)).reads
    # What another file imports is not passed over.
    place.write({MAIN: "// +argocd:skip-file-rendering\n'here'"})
    place.write({"apps/web/b.jsonnet": config_map("b", k="import 'main.jsonnet'")})
    (item,) = (await place.evaluate(MAIN, "apps/web/b.jsonnet"))["apps/web/b.jsonnet"]
    assert item.body["data"] == {"k": "here"}


async def test_nothing_of_where_it_ran_comes_out(place: Place) -> None:
    place.write({MAIN: config_map("a", here="std.thisFile")})
    assert await place.one() == {"here": MAIN}
    assert list(place.work.iterdir()) == []


# What goes in


async def test_variables_are_text_or_code_with_the_build_environment_in_them(place: Place) -> None:
    data = {"a": "std.extVar('a')", "b": "std.toString(std.extVar('b') + 1)", "c": "c", "d": "std.toString(d)"}
    place.write({MAIN: f"function(c, d=0) {config_map('x', **data)}"})
    made = await place.one(
        ext_vars=(JsonnetVariable("a", "$ARGOCD_APP_NAME=1"), JsonnetVariable("b", "${N}", code=True)),
        tlas=(JsonnetVariable("c", "-x $UNKNOWN"), JsonnetVariable("d", "std.length('four')", code=True)),
        environment={"ARGOCD_APP_NAME": "shop", "N": "41"},
    )
    assert made == {"a": "shop=1", "b": "42", "c": "-x ", "d": "4"}


async def test_imports_are_looked_for_in_argo_cds_order(place: Place) -> None:
    """The importing file's directory, then the libraries from the last to the first, then the source's directory."""
    names = ["beside", "second", "first", "own"]
    homes = ["apps/web/sub", "two", "one", "apps/web"]
    for at, name in enumerate(names):
        place.write({f"{home}/{name}": home for home in homes[at:]})
    text = ", ".join(f"{name}: importstr '{name}'" for name in names)
    place.write({"apps/web/sub/lib.libsonnet": f"{{ {text} }}"})
    place.write({MAIN: "{ apiVersion: 'v1', kind: 'X', metadata: { name: 'x' }, data: import 'sub/lib.libsonnet' }"})
    assert await place.one(libs=("one", "two")) == dict(zip(names, homes, strict=True))
    missed = {entry.place for entry in (await place.load(libs=("one", "two"))).reads if entry.rule == "missed"}
    assert missed == {
        *(f"apps/web/sub/{name}" for name in names[1:]),
        *(f"two/{name}" for name in names[2:]),
        "one/own",
    }


async def test_what_a_variable_imports_is_looked_for_from_the_root(place: Place) -> None:
    place.write({MAIN: config_map("x", a="std.extVar('a')"), "lib/a.libsonnet": "import 'b.libsonnet'"})
    place.write({"lib/b.libsonnet": "'deep'", "unread.libsonnet": "1"})
    variable = JsonnetVariable("a", "import 'lib/a.libsonnet'", code=True)
    assert await place.one(ext_vars=(variable,)) == {"a": "deep"}
    program = await place.load(ext_vars=(variable,))
    assert {file.place for file in program.files} == {MAIN, "lib/a.libsonnet", "lib/b.libsonnet"}


async def test_content_is_imported_as_it_is(place: Place) -> None:
    place.write({MAIN: config_map("x", a="importstr 'text'", b="std.toString(importbin 'bytes')")})
    # Neither is a program, though the first looks like one.
    place.write({"apps/web/text": "import 'none'", "apps/web/bytes": b"\x00\xff"})
    assert await place.one() == {"a": "import 'none'", "b": "[0, 255]"}
    assert not any(entry.concerns("apps/web/none") for entry in (await place.load()).reads)


async def test_what_links_stand_for_is_imported(place: Place) -> None:
    place.write({MAIN: config_map("x", a="import 'lib/a.libsonnet'"), "shared/a.libsonnet": "import 'b.libsonnet'"})
    place.write({"shared/b.libsonnet": "'behind the link'"})
    (place.root / "apps" / "web" / "lib").symlink_to("../../shared")
    assert await place.one() == {"a": "behind the link"}
    reads = (await place.load()).reads
    assert Entry("linked", "shared/a.libsonnet") in reads
    assert any(entry.concerns("shared/b.libsonnet") for entry in reads)


async def test_files_that_import_each_other_are_read_once(place: Place) -> None:
    place.write({MAIN: config_map("x", a="(import 'a.libsonnet').value")})
    place.write({"apps/web/a.libsonnet": "{ b: import 'b.libsonnet', value: self.b.value }"})
    place.write({"apps/web/b.libsonnet": "{ a: import 'a.libsonnet', value: 'round' }"})
    assert await place.one() == {"a": "round"}


async def test_an_import_that_nobody_evaluates_may_be_missing(place: Place) -> None:
    place.write({MAIN: config_map("x", a="if true then 'a' else import 'none'")})
    assert await place.one() == {"a": "a"}
    assert any(entry.concerns("apps/web/none") for entry in (await place.load()).reads)


async def test_a_program_that_names_the_revision_reads_everything(place: Place) -> None:
    place.write({MAIN: config_map("x")})
    named = await place.load(ext_vars=(JsonnetVariable("a", "$ARGOCD_APP_REVISION"),))
    assert any(entry.concerns("elsewhere/file") for entry in named.reads)
    other = await place.load(ext_vars=(JsonnetVariable("a", "$ARGOCD_APP_NAME"),))
    assert not any(entry.concerns("elsewhere/file") for entry in other.reads)


async def test_its_key_changes_with_whatever_changes_what_comes_out(place: Place) -> None:
    place.write({MAIN: config_map("x", a="import 'a'"), "apps/web/a": "1", "lib/a": "2", "b.jsonnet": "null"})
    first = (await place.load()).key(place.tool)
    assert (await place.load()).key(place.tool) == first
    keys = {
        first,
        (await place.load()).key(Tool("jsonnet", place.tool.path, "v0.23.0")),
        (await place.load(MAIN, "b.jsonnet")).key(place.tool),
        (await place.load(libs=("lib",))).key(place.tool),
        (await place.load(ext_vars=(JsonnetVariable("a", "1"),))).key(place.tool),
        (await place.load(tlas=(JsonnetVariable("a", "1"),))).key(place.tool),
        (await place.load(tlas=(JsonnetVariable("a", "1", code=True),))).key(place.tool),
    }
    place.write({"apps/web/a": "3"})
    keys.add((await place.load()).key(place.tool))
    assert len(keys) == 8
