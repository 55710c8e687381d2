"""A directory's files are chosen as Argo CD chooses them, rendered once per content, and never in part."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import pytest
from prometheus_client import REGISTRY

from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.source import Directory, Source
from trueup.engine.render.cache import RenderCache
from trueup.engine.render.directory import PARSE_BYTES_INLINE_MAX, RenderBounds, Rendered, SourceFile, render


class Tree:
    """The directory of a source, held in memory."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.contents = {path: text.encode() for path, text in files.items()}
        self.reads: list[str] = []

    async def files(self, *, recurse: bool, wanted: Callable[[str], bool]) -> Sequence[SourceFile]:
        assert wanted
        return [SourceFile(p, self.sha(c)) for p, c in self.contents.items() if recurse or "/" not in p]

    async def read(self, shas: Sequence[str]) -> Mapping[str, bytes]:
        self.reads += shas
        return {sha: c for c in self.contents.values() if (sha := self.sha(c)) in shas}

    @staticmethod
    def sha(content: bytes) -> str:
        return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def config_map(name: str, value: str = "x") -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{k: {value}}}\n"


async def rendered(
    files: Mapping[str, str] | Tree,
    *,
    directory: Directory | None = None,
    cache: RenderCache | None = None,
    bounds: RenderBounds | None = None,
    path: str = "app",
) -> Rendered:
    return await render(
        files if isinstance(files, Tree) else Tree(files),
        Source("https://example.org/r", path, "HEAD", directory or Directory()),
        cache=cache or RenderCache(render_cache_bytes_max=1_000_000),
        bounds=bounds or RenderBounds(),
    )


async def names(files: Mapping[str, str], directory: Directory | None = None) -> list[str]:
    return [o.name for o in (await rendered(files, directory=directory)).objects]


def renders(outcome: str = "ok") -> float:
    return REGISTRY.get_sample_value("trueup_renders_total", {"outcome": outcome}) or 0.0


TREE = {
    "b.yml": config_map("b"),
    "a.yaml": config_map("a"),
    "c.json": '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}',
    "README.md": "text",
    ".hidden.yaml": config_map("hidden"),
    "sub/d.yaml": config_map("d"),
    "sub/deep/e.yaml": config_map("e"),
}


async def test_yaml_and_json_of_the_directory_itself_come_in_the_order_of_their_paths():
    result = await rendered(TREE)
    assert [o.name for o in result.objects] == ["hidden", "a", "b", "c"]
    assert result.files == ("app/.hidden.yaml", "app/a.yaml", "app/b.yml", "app/c.json")
    assert result.objects[1].origin == "app/a.yaml, document 1"


async def test_recursion_reaches_every_directory():
    assert await names(TREE, Directory(recurse=True)) == ["hidden", "a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ("*.yaml", "", ["hidden", "a", "d", "e"]),
        ("sub/*", "", ["d", "e"]),
        ("sub/**", "", ["d", "e"]),
        ("d.yaml", "", []),
        ("*d.yaml", "", ["d"]),
        ("{a.yaml,c.json}", "", ["a", "c"]),
        ("{sub/{d,x}.yaml,b.*}", "", ["b", "d"]),
        ("?.yaml", "", ["a"]),
        ("[ab].*", "", ["a", "b"]),
        ("[!a].*", "", ["b", "c"]),
        ("[a-b].y*ml", "", ["a", "b"]),
        ("\\a.yaml", "", ["a"]),
        ("", "sub/*", ["hidden", "a", "b", "c"]),
        ("", "{*.json,.*}", ["a", "b", "d", "e"]),
        ("*.yaml", "*.yaml", []),
        ("*a*b*c*", "", []),
        ("*s*e*e*.*", "", ["e"]),
        ("A.yaml", "", []),
    ],
)
async def test_globs_match_the_whole_relative_path(include, exclude, expected):
    assert await names(TREE, Directory(recurse=True, include=include, exclude=exclude)) == expected


@pytest.mark.parametrize("pattern", ["{a", "[a", "[]", "[z-a]", "[a-z0]", "{a,b}" * 20, "x" * 3_000])
async def test_a_glob_that_makes_no_sense_is_refused_by_field(pattern):
    with pytest.raises(InvalidSpecError, match=r"spec\.source\.directory\.exclude"):
        await rendered(TREE, directory=Directory(exclude=pattern))


async def test_many_stars_cost_no_more_than_few():
    tree = {"a" * 200 + ".yaml": config_map("a")}
    assert await names(tree, Directory(include="*a" * 100 + "*b")) == []


async def test_programs_are_chosen_and_left_to_others():
    result = await rendered({**TREE, "main.jsonnet": "{}"})
    assert "app/main.jsonnet" in result.files
    assert [o.name for o in result.objects] == [o.name for o in (await rendered(TREE)).objects]


async def test_without_the_filter_files_of_every_name_are_manifests():
    tree = {"a.yaml": config_map("a"), "b.tmpl": config_map("b"), "c": config_map("c")}
    assert await names(tree, Directory(disable_extension_filter=True)) == ["a", "b", "c"]
    assert await names(tree, Directory(disable_extension_filter=True, exclude="c")) == ["a", "b"]


async def test_marked_and_unrelated_files_are_passed_over_and_named():
    result = await rendered(
        {
            "a.yaml": config_map("a"),
            "marked.yaml": "# +argocd:skip-file-rendering\n{{ not yaml\n",
            "values.yaml": "replicas: 2\n",
        }
    )
    assert [o.name for o in result.objects] == ["a"]
    assert result.skipped == ("app/marked.yaml", "app/values.yaml")


async def test_one_bad_file_fails_the_whole_render_and_is_named():
    before = renders("failed")
    with pytest.raises(StalledError, match=r"app/bad\.yaml, line 2"):
        await rendered({"a.yaml": config_map("a"), "bad.yaml": "a: b\nc: d: e\n"})
    assert renders("failed") == before + 1


async def test_the_repositorys_root_is_a_directory_like_any_other():
    result = await rendered(TREE, path="")
    assert result.files[1] == "a.yaml"


async def test_an_empty_directory_renders_to_nothing():
    assert (await rendered({"README.md": "text"})).objects == ()


async def test_the_same_content_is_rendered_once():
    cache, before = RenderCache(render_cache_bytes_max=1_000_000), renders()
    first = await rendered(TREE, cache=cache)
    tree = Tree({**TREE, "README.md": "changed", "sub/d.yaml": config_map("changed")})
    second = await rendered(tree, cache=cache)
    assert (first.from_cache, second.from_cache) == (False, True)
    assert (second.objects, second.files, second.content) == (first.objects, first.files, first.content)
    assert tree.reads == []
    assert renders() == before + 1


@pytest.mark.parametrize(
    ("files", "read_anew"),
    [
        ({**TREE, "a.yaml": config_map("a", "other")}, ["a.yaml"]),
        ({**TREE, "new.yaml": config_map("new")}, ["new.yaml"]),
        ({k: v for k, v in TREE.items() if k != "a.yaml"}, []),
        ({("aa.yaml" if k == "a.yaml" else k): v for k, v in TREE.items()}, ["aa.yaml"]),
        ({("renamed.yaml" if k == "a.yaml" else k): v for k, v in TREE.items()}, ["renamed.yaml"]),
    ],
)
async def test_of_other_content_only_what_is_new_is_read_and_the_whole_is_as_if_all_were(files, read_anew):
    cache = RenderCache(render_cache_bytes_max=1_000_000)
    first = await rendered(TREE, cache=cache)
    tree = Tree(files)
    second, alone = await rendered(tree, cache=cache), await rendered(files)
    assert second.content != first.content
    assert second.from_cache == (not read_anew)
    assert (second.objects, second.files, second.skipped) == (alone.objects, alone.files, alone.skipped)
    assert tree.reads == [Tree.sha(files[name].encode()) for name in read_anew]


async def test_bounds_hold_for_the_whole_also_where_a_part_was_read_before():
    files = {f"{name}.yaml": config_map(name) for name in "abc"}
    size = len(config_map("a"))
    for bounds, said in (
        (RenderBounds(objects_max=2), "more than 2 objects"),
        (RenderBounds(render_bytes_max=3 * size - 1), "bytes; split"),
    ):
        cache = RenderCache(render_cache_bytes_max=1_000_000)
        await rendered({k: v for k, v in files.items() if k != "c.yaml"}, cache=cache)
        with pytest.raises(StalledError, match=said):
            await rendered(files, cache=cache, bounds=bounds)


async def test_another_path_is_another_origin():
    cache = RenderCache(render_cache_bytes_max=1_000_000)
    await rendered(TREE, cache=cache, path="one")
    assert (await rendered(TREE, cache=cache, path="two")).objects[0].origin.startswith("two/")


async def test_nobody_can_change_what_the_cache_gives_to_another():
    cache = RenderCache(render_cache_bytes_max=1_000_000)
    first = await rendered(TREE, cache=cache)
    first.objects[0].body["data"]["k"] = "changed"  # type: ignore[index]
    assert (await rendered(TREE, cache=cache)).objects[0].body["data"]["k"] == "x"


async def test_the_cache_keeps_to_its_bound_and_drops_the_oldest():
    cache = RenderCache(render_cache_bytes_max=600)
    for n in range(10):
        await rendered({"a.yaml": config_map(f"name-{n}", "v" * 100)}, cache=cache)
        assert cache.bytes <= 600
    assert 0 < cache.entries < 10
    assert (await rendered({"a.yaml": config_map("name-9", "v" * 100)}, cache=cache)).from_cache
    assert not (await rendered({"a.yaml": config_map("name-0", "v" * 100)}, cache=cache)).from_cache


async def test_what_is_asked_for_again_outlives_what_is_not():
    cache = RenderCache(render_cache_bytes_max=600)
    asked, forgotten = ({"a.yaml": config_map(name, "v" * 100)} for name in ("asked", "forgotten"))
    await rendered(asked, cache=cache)
    await rendered(forgotten, cache=cache)
    await rendered(asked, cache=cache)
    await rendered({"a.yaml": config_map("new", "v" * 100)}, cache=cache)
    assert cache.entries == 2
    assert (await rendered(asked, cache=cache)).from_cache


async def test_one_render_beyond_the_bound_does_not_empty_the_cache():
    cache = RenderCache(render_cache_bytes_max=600)
    await rendered({"a.yaml": config_map("small")}, cache=cache)
    await rendered({"a.yaml": config_map("huge", "v" * 2_000)}, cache=cache)
    assert (await rendered({"a.yaml": config_map("small")}, cache=cache)).from_cache


async def test_a_large_directory_is_parsed_beside_the_loop():
    tree = {f"{n:04}.yaml": config_map(f"n{n}", "v" * 200) for n in range(400)}
    assert sum(map(len, tree.values())) > PARSE_BYTES_INLINE_MAX
    assert len((await rendered(tree)).objects) == 400


async def test_more_than_the_bounds_is_refused():
    with pytest.raises(StalledError, match="more than 3 manifest files"):
        await rendered(TREE, bounds=RenderBounds(render_files_max=3))
    with pytest.raises(StalledError, match="more than 100 bytes"):
        await rendered(TREE, bounds=RenderBounds(render_bytes_max=100))
    with pytest.raises(StalledError, match="more than 2 objects"):
        await rendered(TREE, bounds=RenderBounds(objects_max=2))


async def test_a_path_that_is_no_utf8_does_no_harm():
    result = await rendered({"\udcff.yaml": config_map("a")})
    assert result.objects[0].origin == "app/\\xff.yaml, document 1"
