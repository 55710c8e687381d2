"""No application whose rendered objects changed is missed: held against rendering everything, over random histories.

`TRUEUP_HISTORIES` says how many histories; the suite tries no more than it has time for.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.histories import Node, Shelf, Tree, World, application
from trueup.domain.application import ApplicationId
from trueup.domain.source import Directory

HISTORIES = int(os.environ.get("TRUEUP_HISTORIES", "80"))
SUBMODULE = "1" * 40

NAMES = ["a.yaml", "b.yaml", "x.yaml", "README.md", ".argocd-source-web.yaml", "Kustomization", "c.jsonnet"]
DIRECTORIES = ["web", "web/sub", "shared", "shared/deep", "db", "", "web/x.yaml", "nest/app", "bare"]
PATHS = st.one_of(
    st.builds(lambda d, n: f"{d}/{n}".strip("/"), st.sampled_from(DIRECTORIES), st.sampled_from(NAMES[:4])),
    st.builds(lambda d, n: f"{d}/{n}".strip("/"), st.sampled_from(DIRECTORIES), st.sampled_from(NAMES)),
    st.sampled_from(["web", "shared", "nest", "web/sub", "shared/deep"]),
)


def manifest(n: int) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{n}}}\n"


MODES = st.sampled_from(["100644", "100644", "100755"])
FILES = st.builds(lambda n, mode: (mode, manifest(n)), st.integers(0, 3), MODES)
TARGETS = ["a.yaml", "b.yaml", "../shared/a.yaml", "../shared/deep/b.yaml", "../db/a.yaml", "../web/link.yaml"]
ASTRAY = ["../shared", "../../outside", "shared", "../../shared/a.yaml", "deep/../a.yaml", "."]
LINKS = st.sampled_from([*TARGETS, *ASTRAY]).map(lambda target: ("120000", target))
#: A source's path may be one of these, or go through one.
FOLDERS = st.sampled_from(["web", "db", "nest", "./shared", "via/app", "a.yaml", "../out"]).map(
    lambda to: ("120000", to)
)
NODES = st.one_of(FILES, FILES, FILES, st.just(("100644", "+argocd:skip-file-rendering\n")), LINKS)
LINK_PATHS = st.sampled_from(["web/link.yaml", "db/link.yaml", "nest/app/l.yaml"])
EDITS = st.one_of(
    st.tuples(st.just("put"), PATHS, NODES),
    st.tuples(st.just("put"), LINK_PATHS, LINKS),
    st.tuples(st.just("put"), st.sampled_from(["current", "via"]), FOLDERS),
    st.tuples(st.just("put"), PATHS, st.just(("160000", SUBMODULE))),
    st.tuples(st.just("delete"), PATHS, st.none()),
    st.tuples(st.just("move"), PATHS, PATHS),
    st.tuples(st.just("revert"), st.integers(1, 3), st.none()),
    st.tuples(st.just("mode"), PATHS, st.none()),
    st.tuples(st.just("nothing"), st.none(), st.none()),
)
APPS = [
    ("web", "web", Directory()),
    ("all", "web", Directory(recurse=True)),
    ("db", "db", Directory(exclude="{x,link}.yaml")),
    ("root", "", Directory(recurse=True, include="{shared,nest}/*")),
    ("nest", "nest/app", Directory(recurse=True)),
    ("top", "", Directory()),
    ("bare", "bare", Directory()),
    ("pair", "web+db", Directory()),
    ("current", "current", Directory()),
    ("via", "via/app", Directory(recurse=True)),
]
START = {
    "web/a.yaml": ("100644", manifest(0)),
    "web/sub/b.yaml": ("100644", manifest(1)),
    "db/a.yaml": ("100644", manifest(2)),
    "shared/a.yaml": ("100644", manifest(3)),
    "shared/deep/b.yaml": ("100644", manifest(1)),
    "nest/app/a.yaml": ("100644", manifest(1)),
    "db/link.yaml": ("120000", "../shared/a.yaml"),
    "web/link.yaml": ("120000", "../shared/deep/b.yaml"),
    "a.yaml": ("100644", manifest(2)),
    "bare/README.md": ("100644", "nothing yet"),
    "current": ("120000", "web"),
    "via": ("120000", "nest"),
}


Edit = tuple[str, Any, Any]
Step = tuple[Sequence[Edit], int, frozenset[int], frozenset[int], str]


def put(tree: Tree, path: str, node: Node) -> Tree:
    """The tree with the node there; whatever stands in its way goes."""
    there = {p: n for p, n in tree.items() if not (p == path or p.startswith(path + "/") or path.startswith(p + "/"))}
    return {**there, path: node}


def edited(tree: Tree, past: Sequence[Tree], edit: Edit) -> Tree:
    """The tree after the edit."""
    what, first, second = edit
    if what == "put":
        return put(tree, first, second)
    if what == "delete":
        return {p: n for p, n in tree.items() if p != first and not p.startswith(first + "/")}
    if what == "move":
        moved = {second + p[len(first) :]: n for p, n in tree.items() if p == first or p.startswith(first + "/")}
        rest = edited(tree, past, ("delete", first, None))
        for path, node in moved.items():
            rest = put(rest, path, node)
        return rest
    if what == "revert":
        return past[-min(first, len(past))]
    if what == "mode" and tree.get(first, ("", ""))[0] == "100644":
        return put(tree, first, ("100755", tree[first][1]))
    return tree


#: For each tip: the edits that lead to it, which worker examines it, who runs late, what is lost.
STEPS = st.lists(
    st.tuples(
        st.lists(EDITS, min_size=0, max_size=3),
        st.integers(0, 1),
        st.frozensets(st.integers(0, len(APPS) - 1), max_size=3),
        st.frozensets(st.integers(0, len(APPS) - 1), max_size=2),
        st.sampled_from(["", "", "", "", "merge", "restart", "content", "redis"]),
    ),
    min_size=1,
    max_size=6,
)


@dataclass
class History:
    """One history, followed tip by tip; `waiting` holds the runs that were enqueued and have not taken place."""

    world: World
    seen: Counter[str]
    waiting: dict[ApplicationId, str] = field(default_factory=dict)

    async def step(self, tip: str, step: Step) -> None:
        """A push, and whatever runs after it."""
        _, worker, late, unheard, event = step
        world, names = self.world, list(self.world.apps)
        if event == "restart":
            world.readers[worker] = world.fresh()
        if event == "redis":
            # What waited in it is gone. Who has not heard of a run either finds it with the next sweep, not now.
            world.examined = None
            self.waiting.clear()
            for name in names:
                world.hear(worker, name)
        affected = await world.push(worker, tip, by_content=event == "content")
        await self.check(affected, tip)
        # A run that waits may take place at the tip that it was enqueued for, not at the newest.
        for name, enqueued_at in self.waiting.items():
            if name not in affected:
                await world.compare(name, enqueued_at, heard_by=())
        self.waiting = dict.fromkeys(affected, tip)
        for number, name in enumerate(names):
            heard_by = () if number in unheard else (0, 1)
            if name in self.waiting and number not in late:
                await world.compare(name, self.waiting.pop(name), heard_by=heard_by)
            for listener in heard_by:
                world.hear(listener, name)

    async def check(self, affected: Collection[ApplicationId], tip: str) -> None:
        """The law, for everybody who is not to look anyway."""
        for name, app in self.world.apps.items():
            if name in self.waiting:
                continue
            changed = await self.world.objects(name, app.revisions[0]) != await self.world.objects(name, tip)
            assert name in affected or not changed, f"{name} was missed"
            self.seen["changed" if changed else "in vain" if name in affected else "spared"] += 1

    async def end(self, tip: str) -> None:
        """Who waits runs, and then nobody may be anywhere but at the tip."""
        for name, enqueued_at in self.waiting.items():
            await self.world.compare(name, enqueued_at, heard_by=())
        for name, app in self.world.apps.items():
            at_rest = await self.world.objects(name, app.revisions[0])
            assert at_rest == await self.world.objects(name, tip), f"{name} was left behind"


async def follow(shelf: Shelf, steps: Sequence[Step], seen: Counter[str]) -> None:
    """Make the history, and follow it."""
    trees: list[Tree] = [START]
    for edits, *_ in steps:
        tree = trees[-1]
        for edit in edits:
            tree = edited(tree, trees, edit)
        trees.append(tree)
    merges = {number for number, step in enumerate(steps, 1) if step[4] == "merge"}
    first, *tips = await shelf.commits(trees, merges)
    apps = [application(*given) for given in APPS]
    history = History(World(shelf, {app.id: app for app in apps}, workers=2), seen)
    for app in apps:
        await history.world.compare(app.id, first, heard_by=(0, 1))
    history.world.examined = first
    for tip, step in zip(tips, steps, strict=True):
        await history.step(tip, step)
    await history.end(tips[-1])


def test_nobody_whose_objects_changed_is_missed(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    shelf = Shelf(tmp_path)

    @settings(max_examples=HISTORIES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(STEPS)
    def holds(steps: Sequence[Step]) -> None:
        runner.run(follow(shelf, steps, seen))

    with asyncio.Runner() as runner:
        runner.run(shelf.open())
        holds()
        runner.run(shelf.close())
    # Edits are wilder here than people's, and still most of what did not change was not looked at.
    assert seen["in vain"] < seen["spared"] / 2, seen


#: Edits that people make every day, and who has to look.
ORDINARY: Sequence[tuple[Mapping[str, Node | None], set[str]]] = [
    ({"web/README.md": ("100644", "words")}, set()),
    ({"web/sub/b.yaml": ("100644", manifest(3))}, {"all"}),
    ({"web/a.yaml": ("100644", manifest(3))}, {"web", "all", "pair", "current"}),
    ({"shared/deep/b.yaml": ("100644", manifest(2))}, {"web", "all", "root", "pair", "current"}),
    ({"shared/deep/other.yaml": ("100644", manifest(2))}, {"root"}),
    ({"db/x.yaml": ("100644", manifest(2))}, {"pair"}),
    ({"db/y.yaml": ("100644", manifest(2))}, {"db", "pair"}),
    ({"web/Kustomization": ("100644", "{}")}, {"web", "pair", "current"}),
    ({"bare/README.md": None}, {"bare"}),
    ({"elsewhere/z.yaml": ("100644", manifest(2))}, set()),
    ({"docs/guide.md": ("100644", "words"), "asked/for/x.txt": ("100644", "1")}, {"top"}),
    ({"values/prod.txt": ("100644", "1")}, {"top"}),
    ({"values/deep/prod.txt": ("100644", "1")}, set()),
    ({"current": ("120000", "db")}, {"current"}),
    ({"via": ("120000", "web")}, {"via"}),
    ({"web/a.yaml": None}, {"web", "all", "pair", "current"}),
    ({}, set()),
]


@pytest.mark.parametrize("by_content", [False, True])
async def test_an_ordinary_edit_concerns_exactly_who_reads_it(tmp_path: Path, *, by_content: bool) -> None:
    shelf = Shelf(tmp_path)
    await shelf.open()
    trees: list[Tree] = [START]
    for edit, _ in ORDINARY:
        tree = dict(START)
        for path, node in edit.items():
            tree |= {path: node} if node is not None else {}
            if node is None:
                del tree[path]
        trees += [tree, START]
    first, *commits = await shelf.commits(trees)
    apps = [application(*given, "/asked;/values/*.txt" if given[0] == "top" else "") for given in APPS]
    for (edit, expected), tip in zip(ORDINARY, commits[::2], strict=True):
        world = World(shelf, {app.id: app for app in apps})
        for app in apps:
            await world.compare(app.id, first, heard_by=(0,))
        world.examined = None if by_content else first
        affected = await world.push(0, tip, by_content=by_content)
        assert {name.name for name in affected} == expected, edit
    await shelf.close()


async def test_what_is_not_known_of_an_application_makes_it_affected(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    await shelf.open()
    elsewhere = {**START, "elsewhere/z.yaml": ("100644", "x")}
    first, second, third = await shelf.commits([START, elsewhere, {**elsewhere, "elsewhere/y": ("100644", "y")}])
    apps = [application(*given) for given in APPS[:2]]
    world = World(shelf, {app.id: app for app in apps})
    lost, kept = (app.id for app in apps)
    await world.compare(lost, first, heard_by=(0,), lost=True)
    await world.compare(kept, first, heard_by=(0,))
    world.examined = first
    assert await world.push(0, first) == frozenset(), "nothing moved"
    assert await world.push(0, second) == {lost}
    # It has not looked yet, so whatever it will have read may change.
    assert await world.push(0, third) == {lost}
    await world.compare(lost, third, heard_by=(0,))
    assert await world.push(0, first) == frozenset()
    await shelf.close()


@pytest.mark.parametrize("examiner", ["the same", "a fresh one", "one that heard nothing"])
async def test_what_a_run_on_its_way_will_have_read_counts_already(tmp_path: Path, examiner: str) -> None:
    shelf = Shelf(tmp_path)
    await shelf.open()
    linked = {**START, "web/new.yaml": ("120000", "../elsewhere/z.yaml"), "elsewhere/z.yaml": ("100644", manifest(5))}
    trees = [START, linked, {**linked, "elsewhere/z.yaml": ("100644", manifest(6))}]
    first, second, third = await shelf.commits(trees)
    app = application(*APPS[0])
    world = World(shelf, {app.id: app}, workers=2)
    await world.compare(app.id, first, heard_by=(0, 1))
    for worker in (0, 1):
        assert await world.push(worker, first, by_content=True) == frozenset()
    assert await world.push(0, second) == {app.id}
    # Its run at the second commit is under way: the far end of its new link is in no read-set yet.
    if examiner == "a fresh one":
        world.readers[1] = world.fresh()
    assert await world.push(0 if examiner == "the same" else 1, third) == {app.id}
    await shelf.close()
