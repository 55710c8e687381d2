"""Every field that a source can have is in an example that somebody can copy."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from tests.support.examples import BY_HAND, ROOT, application_of, examples, overrides_of
from trueup.clients.crds.read_source import read_source, read_sources
from trueup.domain import source as domain
from trueup.engine.local_tree import LocalTree
from trueup.engine.render.environment import build_environment
from trueup.engine.render.request import Files, Request, Target

KINDS = [kind for kind in vars(domain).values() if dataclasses.is_dataclass(kind)]


def said_by(value: Any) -> Iterable[tuple[str, str]]:
    """The fields of a dataclass, and of those in it, that say another thing than one that is absent."""
    if isinstance(value, tuple):
        for each in value:
            yield from said_by(each)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            held = getattr(value, field.name)
            if held != absent(field):
                yield type(value).__name__, field.name
            yield from said_by(held)


def absent(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else ""


def test_each_field_of_a_source_is_in_an_example() -> None:
    said: set[tuple[str, str]] = set()
    for example in examples().values():
        sources, sentences = read_sources(application_of(example)["spec"])
        assert sentences == []
        said.update(said_by((*sources, *map(read_source, overrides_of(example)))))
    fields = {(kind.__name__, field.name) for kind in KINDS for field in dataclasses.fields(kind)}
    assert fields - said == set(), "add them to an example"


def test_the_variables_of_the_build_environment_are_in_an_example() -> None:
    written = "".join((example / "application.yaml").read_text() for example in examples().values())
    request = Request(domain.Source("", "", ""), Files(LocalTree(ROOT, file_bytes_max=1), ""), Target("", "", ""), "")
    # The APIs of a cluster are a line of many thousand characters.
    missing = [name for name in build_environment(request) if name not in written]
    assert missing == ["KUBE_API_VERSIONS"]


def test_each_example_is_whole_and_in_the_table() -> None:
    found = examples()
    table = (ROOT / "README.md").read_text()
    assert [name for name in found if f"| [{name}]({name}) |" not in table] == []
    assert table.count("\n| [") == len(found), "the table has an example that is gone"
    assert [name for name, path in found.items() if not (path / BY_HAND).is_file()] == []
    assert {path.parent.name + "/" + path.name for path in ROOT.glob("*/*") if path.is_dir()} == set(found)
    names = [application_of(path)["metadata"]["name"] for path in found.values()]
    assert sorted(set(names)) == sorted(names), "all of them fit into one installation"
