"""A change concerns who reads it, nobody else, and finding them costs nothing for the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.affected import affected
from trueup.domain.application import ApplicationId

paths = st.lists(st.sampled_from(["a", "ab", "b", "é", "c\n"]), max_size=4).map("/".join)
ids = st.frozensets(st.builds(ApplicationId, st.just("argocd"), st.sampled_from("xyz")), max_size=3)


@given(st.sets(paths.filter(bool)), st.dictionaries(paths, ids))
def test_agrees_with_looking_at_every_follower(
    changed: set[str], followers: dict[str, frozenset[ApplicationId]]
) -> None:
    expected = {
        application
        for place, applications in followers.items()
        for path in changed
        if place in {"", path} or path.startswith(place + "/")
        for application in applications
    }
    assert affected(changed, followers) == expected


def test_a_neighbour_with_the_same_beginning_is_not_concerned() -> None:
    app = ApplicationId("argocd", "app")
    assert affected(["apps/web-2/x.yaml"], {"apps/web": frozenset({app})}) == frozenset()
    assert affected(["apps/web/x.yaml"], {"apps/web": frozenset({app})}) == {app}
    assert affected([], {"": frozenset({app})}) == frozenset()


def test_work_does_not_grow_with_the_number_of_applications() -> None:
    class Counting(dict[str, frozenset[ApplicationId]]):
        lookups = 0

        def get(self, key: str, default: Any = None) -> Any:
            self.lookups += 1
            return super().get(key, default)

        def __iter__(self) -> Iterator[str]:
            raise AssertionError("all applications were gone through")

    followers: Mapping[str, frozenset[ApplicationId]] = Counting(
        {f"apps/{n}": frozenset({ApplicationId("argocd", str(n))}) for n in range(10_000)}
    )
    assert affected(["apps/7/a.yaml", "apps/7/b.yaml"], followers) == {ApplicationId("argocd", "7")}
    assert isinstance(followers, Counting)
    assert followers.lookups == 5
