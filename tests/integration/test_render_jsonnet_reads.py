"""Without a change of anything in its read-set a Jsonnet program comes to the same, by the real jsonnet."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.confined import Unconfined
from tests.support.git import Repository
from tests.support.mirrors import mirror, server
from trueup.clients.git_mirror import Mirror
from trueup.domain.errors import StalledError
from trueup.domain.read_set import Entry
from trueup.domain.source import Jsonnet
from trueup.engine.local_tree import LocalTree
from trueup.engine.render.jsonnet import evaluate
from trueup.engine.render.jsonnet_program import Program, load
from trueup.engine.render.tools import Tool
from trueup.engine.tree import GitTree, Tree

__all__ = ["mirror", "server"]

BYTES_MAX = 1024 * 1024
MAIN = "app/main.jsonnet"
LIBS = ("lib", "vendor")
NAMES = ["a", "b", "c"]
PLACES = [f"{home}{name}" for home in ("", "app/", "app/sub/", "lib/", "lib/sub/", "vendor/") for name in NAMES]


def paths(names: list[str]) -> st.SearchStrategy[str]:
    starts = st.sampled_from(["", "./", "sub/", "../", "../lib/", "../app/sub/"])
    return st.builds("{}{}".format, starts, st.sampled_from(names))


def programs(names: list[str]) -> st.SearchStrategy[str]:
    """A text that says what it imports; a name imports later names only, so that nothing goes round."""
    number = st.integers(0, 9).map(lambda n: f"'{n}'")
    if not names:
        return number
    how = st.sampled_from(["import '{}'", "importstr '{}'", "(if false then import '{}' else '-')"])
    part = st.builds(lambda form, path: form.format(path), how, paths(names))
    parts = st.lists(part, max_size=2)
    return st.builds(lambda first, rest: " + ".join([first, *rest]), number, parts)


def contents(place: str) -> st.SearchStrategy[str]:
    return programs(NAMES[NAMES.index(place.rpartition("/")[2]) + 1 :])


REPOSITORIES = st.fixed_dictionaries({MAIN: programs(NAMES)}, optional={place: contents(place) for place in PLACES})
#: A file changed, made or deleted, or a directory in its place.
CHANGES = st.sampled_from(PLACES).flatmap(
    lambda place: st.tuples(st.just(place), st.one_of(contents(place), st.none(), st.just(Path("directory"))))
)


def write(root: Path, files: Mapping[str, str]) -> None:
    for place, content in files.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text(content)


def change(root: Path, place: str, to: str | Path | None) -> str:
    """Make the change; the path that Git would say has changed."""
    (root / place).unlink(missing_ok=True)
    if isinstance(to, Path):
        write(root, {f"{place}/file": "'x'"})
        return f"{place}/file"
    if to is not None:
        write(root, {place: to})
    return place


async def outcome(root: Path, jsonnet: Path) -> tuple[Program, str] | None:
    """What the program was and came to; None where it came to nothing."""
    tree = LocalTree(root, file_bytes_max=BYTES_MAX)
    try:
        program = await load(tree, [MAIN], path="app", options=Jsonnet(libs=LIBS), environment={}, bytes_max=BYTES_MAX)
        return program, await made_of(program, tree, jsonnet, root.parent / "work")
    except StalledError:
        return None


async def made_of(program: Program, tree: Tree, jsonnet: Path, work: Path) -> str:
    tool = Tool("jsonnet", jsonnet, "v0.22.0")
    made = await evaluate(program, tree, tool=tool, jail=Unconfined(), directory=work, bytes_max=BYTES_MAX)
    ((item,),) = (file.parsed.objects for file in made.values())
    return str(item.body["data"])


@settings(max_examples=200, deadline=None)
@given(files=REPOSITORIES, changed=CHANGES)
def test_a_change_that_is_not_in_the_read_set_changes_nothing(
    tools: Path, files: dict[str, str], changed: tuple[str, str | Path | None]
) -> None:
    head = "{ apiVersion: 'v1', kind: 'X', metadata: { name: 'x' }, data: "
    files = {**files, MAIN: head + files[MAIN] + " }"}
    place, to = changed
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "repository"
        write(root, files)
        before = asyncio.run(outcome(root, tools / "jsonnet"))
        assume(before is not None)
        assert before is not None
        program, text = before
        path = change(root, place, to)
        after = asyncio.run(outcome(root, tools / "jsonnet"))
        concerned = any(entry.concerns(place) or entry.concerns(path) for entry in program.reads)
        if not concerned:
            assert after is not None
            assert after[1] == text
            assert after[0].key(Tool("jsonnet", tools, "1")) == program.key(Tool("jsonnet", tools, "1"))
        shutil.rmtree(root)


# As it is in a mirror


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    made = await Repository.make(tmp_path, "r")
    write(
        made.work,
        {
            MAIN: "{ apiVersion: 'v1', kind: 'X', metadata: { name: 'x' }, data: import 'linked/a' }",
            "shared/lib/a": "importstr 'b'",
            "shared/lib/real": "end",
            "unrelated": "1",
        },
    )
    (made.work / "app" / "linked").symlink_to("../shared/lib")
    (made.work / "shared" / "lib" / "b").symlink_to("real")
    await made.commit({})
    return made


async def test_links_of_a_commit_are_followed_and_remembered(
    tools: Path, tmp_path: Path, repository: Repository, mirror: Mirror
) -> None:
    revision = await repository.head()
    assert await mirror.fetch(["main"], credentials=None) == {"main": revision}
    root = await mirror.tree_id(revision, "")
    assert root is not None
    tree = GitTree(mirror, root, said=revision)
    program = await load(tree, [MAIN], path="app", options=Jsonnet(), environment={}, bytes_max=BYTES_MAX)
    assert await made_of(program, tree, tools / "jsonnet", tmp_path / "renders") == "end"
    assert program.reads == {
        Entry("read", MAIN),
        Entry("read", "app/linked/a"),
        Entry("linked", "app/linked"),
        Entry("linked", "shared/lib/a"),
        Entry("read", "app/linked/b"),
        Entry("linked", "shared/lib/b"),
        Entry("linked", "shared/lib/real"),
    }
    assert not any(entry.concerns("unrelated") for entry in program.reads)
