"""A change concerns who has read it, nobody else, and finding them costs nothing for the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.affected import ReadIndex
from trueup.domain.application import ApplicationId
from trueup.domain.read_set import Entry

paths = st.lists(st.sampled_from(["a", "ab", "b", "é", "c\n", "x.yaml"]), max_size=4).map("/".join)
ids = st.builds(ApplicationId, st.just("argocd"), st.sampled_from("xyz"))
entries = st.builds(
    Entry,
    st.sampled_from(["listed", "read", "missed", "linked"]),
    paths,
    st.booleans(),
    st.sampled_from([(), (".yaml",)]),
    st.sampled_from(["", "a*", "{a,b}/*"]),
    st.sampled_from(["", "ab*"]),
)
read_sets = st.frozensets(entries, max_size=4)


@given(st.sets(paths.filter(bool)), st.lists(st.tuples(ids, read_sets)), st.sets(ids))
def test_agrees_with_asking_every_entry_of_everybody(
    changed: set[str], puts: list[tuple[ApplicationId, frozenset[Entry]]], dropped: set[ApplicationId]
) -> None:
    index = ReadIndex()
    for application, read_set in puts:
        index.put(application, read_set)
    for application in dropped:
        index.drop(application)
    there = {application: read_set for application, read_set in puts if application not in dropped}
    expected = {name for name, reads in there.items() if any(e.concerns(path) for e in reads for path in changed)}
    assert index.concerned(changed) == expected
    for application in there:
        index.drop(application)
    assert not any([index._entries, index._whole, index._filtered, index._above]), "nothing is left of who is gone"


def test_a_neighbour_with_the_same_beginning_is_not_concerned() -> None:
    index, app = ReadIndex(), ApplicationId("argocd", "app")
    index.put(app, frozenset({Entry("listed", "apps/web")}))
    assert index.concerned(["apps/web-2/x.yaml"]) == frozenset()
    assert index.concerned(["apps/web/x.yaml"]) == {app}
    assert index.concerned(["apps"]) == {app}, "what was a directory on the way is a file now"
    assert index.concerned([]) == frozenset()


def test_work_does_not_grow_with_the_number_of_applications() -> None:
    class Counting(dict[str, Any]):
        lookups = 0

        def get(self, key: str, default: Any = None) -> Any:
            self.lookups += 1
            return super().get(key, default)

        def __iter__(self) -> Iterator[str]:
            raise AssertionError("all applications were gone through")

    index = ReadIndex()
    for n in range(10_000):
        index.put(ApplicationId("argocd", str(n)), frozenset({Entry("listed", f"apps/{n}", recurse=False)}))
    counting = [Counting(held) for held in (index._whole, index._filtered, index._above)]
    index._whole, index._filtered, index._above = counting
    assert index.concerned(["apps/7/a.yaml", "apps/7/b.yaml"]) == {ApplicationId("argocd", "7")}
    assert sum(held.lookups for held in counting) == 17
