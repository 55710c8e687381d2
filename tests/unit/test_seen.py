"""A look is spared only where the run before it ended with exactly what brought it about."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.application import ApplicationId
from trueup.domain.job import EVERY_LIVE_OBJECT, EVERYTHING, NOTHING_MORE, Scope
from trueup.domain.resource import ABSENT, TRACKING_ANNOTATION, Body, ResourceKey, tracking_id
from trueup.domain.status import ResourceEntry
from trueup.engine.comparison import Comparison
from trueup.workers.seen import Seen

SHOP = ApplicationId("argocd", "shop")


def key(name: str) -> ResourceKey:
    return ResourceKey("", "ConfigMap", "shop", name)


def live(name: str, version: str) -> Body:
    annotations = {TRACKING_ANNOTATION: tracking_id("shop", key(name))}
    metadata = {"name": name, "namespace": "shop", "resourceVersion": version, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def synced(**versions: str) -> Comparison:
    """A comparison in which nothing is desired: what is live and of others' is no difference."""
    bodies = {
        key(name): {**live(name, version), "metadata": {**live(name, version)["metadata"], "annotations": {}}}
        for name, version in versions.items()
    }
    return Comparison("shop", "shop", "c1", {}, bodies, {}, {})


def scope(**versions: str) -> Scope:
    return Scope(frozenset(key(name).member(version) for name, version in versions.items()))


def seen(objects_max: int = 100) -> Seen:
    return Seen(objects_max=objects_max)


VERSIONS = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "1", "2", "3"]), max_size=3)


@given(left=VERSIONS, asked=VERSIONS)
def test_only_the_versions_that_a_run_ended_with_are_spared(left: dict[str, str], asked: dict[str, str]) -> None:
    memory = seen()
    memory.leave(SHOP, synced(**left), ())
    known = bool(asked) and all(version and left.get(name) == version for name, version in asked.items())
    assert memory.covers(SHOP, scope(**asked)) == known


def test_who_asks_for_more_than_a_version_is_always_looked_at() -> None:
    memory = seen()
    memory.leave(SHOP, synced(a="1"), ())
    for asked in (EVERYTHING, EVERY_LIVE_OBJECT, NOTHING_MORE, scope(a="")):
        assert not memory.covers(SHOP, asked)


def test_nothing_is_known_of_an_application_that_is_not_synced() -> None:
    memory = seen()
    leftover = replace(synced(), live={key("a"): live("a", "1")})
    assert leftover.sync_status == "OutOfSync"
    memory.leave(SHOP, leftover, ())
    assert not memory.covers(SHOP, scope(a="1"))


def test_nothing_is_known_while_a_run_lasts_and_after_one_that_failed() -> None:
    memory = seen()
    memory.leave(SHOP, synced(a="1"), ())
    assert memory.take(SHOP) == scope(a="1").members
    assert not memory.covers(SHOP, scope(a="1"))


def test_a_run_in_part_keeps_what_was_known_of_the_rest() -> None:
    memory = seen()
    memory.leave(SHOP, synced(a="1", b="1", gone="1"), ())
    before = memory.take(SHOP)
    carried = {key("b"): ResourceEntry(key("b"), "v1", "Synced", None, "")}
    memory.leave(SHOP, replace(synced(a="2"), carried=carried), before)
    assert memory.covers(SHOP, scope(a="2", b="1"))
    assert not memory.covers(SHOP, scope(a="1"))
    assert not memory.covers(SHOP, scope(gone="1"))


def test_who_saw_an_object_absent_is_answered_by_a_run_that_has_written_it() -> None:
    memory = seen()
    memory.leave(SHOP, synced(a="1", b="1"), (), [key("a"), key("gone")])
    assert memory.covers(SHOP, Scope(frozenset({key("a").member(ABSENT), key("a").member("1")})))
    for name in ("b", "gone"):
        assert not memory.covers(SHOP, Scope(frozenset({key(name).member(ABSENT)})))


def test_the_memory_is_bounded_and_the_oldest_go_first() -> None:
    memory = seen(objects_max=2)
    first, second = ApplicationId("argocd", "first"), ApplicationId("argocd", "second")
    memory.leave(first, synced(a="1"), ())
    memory.leave(second, synced(a="1", b="1"), ())
    assert not memory.covers(first, scope(a="1"))
    assert memory.covers(second, scope(a="1", b="1"))
