"""Nothing that an Application says makes reading it fail; what is wrong ends in a sentence."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.clients.applications import ApplicationStore, parse_application, trigger_hash
from trueup.clients.crds.application import Application as ApplicationModel
from trueup.clients.crds.sentences import SENTENCES_MAX, type_sentences
from trueup.clients.projects import project_refusals
from trueup.domain.repository import check_revision

SAMPLES = [
    yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parents[1] / "samples" / "applications").glob("*.yaml"))
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PROJECT = {
    "spec": {
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    }
}


def paths(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at]
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, child in children:
        found += paths(child, (*at, step))
    return found


def replaced(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copied = copy.copy(node)
    copied[path[0]] = replaced(copied[path[0]], path[1:], value)
    return copied


@st.composite
def spoiled(draw: st.DrawFn, bases: list[Any]) -> Any:
    raw = draw(st.sampled_from(bases))
    for _ in range(draw(st.integers(min_value=1, max_value=3))):
        path = draw(st.sampled_from(paths(raw)[1:] or [()]))
        if path:
            raw = replaced(raw, path, draw(JSON))
    return raw


def assert_sound(raw: Any) -> None:
    application = parse_application(raw)
    trigger_hash(raw)
    assert isinstance(application.inventory, tuple)
    assert isinstance(application.revision, str)
    assert len(application.refusals) <= 2 * SENTENCES_MAX
    assert all(isinstance(s, str) and s and s.isprintable() for s in application.refusals + application.warnings)
    if application.refusals:
        return
    spec_and_operation = {key: raw[key] for key in ("metadata", "spec", "operation") if raw.get(key) is not None}
    assert type_sentences(ApplicationModel, spec_and_operation, "application") == []
    assert application.id.name
    assert application.source.repo_url
    assert not application.source.path.startswith("/")
    assert ".." not in application.source.path.split("/")
    check_revision(application.source.target_revision)
    assert bool(application.server) != bool(application.cluster)
    assert application.history_limit >= 0
    assert application.retry.duration_seconds > 0
    assert application.retry.duration_seconds_max > 0
    assert re.fullmatch(r"[a-z0-9-]*", application.namespace)


@settings(max_examples=600, deadline=None)
@given(spoiled(SAMPLES))
def test_a_spoiled_application_is_valid_or_says_why_it_is_not(raw: Any) -> None:
    assert_sound(raw)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["metadata", "spec", "status", "operation", "kind"]), JSON))
def test_an_object_of_any_shape_is_valid_or_says_why_it_is_not(raw: Any) -> None:
    assert_sound(raw)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.none() | spoiled(SAMPLES), max_size=6))
def test_the_store_ends_empty_whatever_it_was_fed(objects: list[Any]) -> None:
    store = ApplicationStore()
    seen = [raw for raw in objects if raw is not None]
    old = None
    for raw in seen:
        store.observe(old, raw)
        old = raw
    for raw in seen:
        store.observe(raw, None)
    assert (store.all(), store.repositories()) == ((), ())


@settings(max_examples=300, deadline=None)
@given(spoiled([PROJECT]))
def test_a_spoiled_project_never_fails_and_only_an_allowing_one_passes(raw: Any) -> None:
    if project_refusals(raw, "default") == ():
        assert "*" in raw["spec"]["sourceRepos"]
        assert any(entry.get("server") == "*" for entry in raw["spec"]["destinations"])
