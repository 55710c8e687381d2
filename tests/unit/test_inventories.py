"""Whose an object is, is known for each cluster apart, however inventories move."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.clients.inventories import Inventories
from trueup.domain.application import ApplicationId
from trueup.domain.resource import ResourceKey

EAST, WEST = "https://east", "https://west"
KEYS = [ResourceKey("", kind, "shop", name) for kind in ("ConfigMap", "Service") for name in ("a", "b")]
APPS = [ApplicationId("argocd", name) for name in ("one", "two", "three")]
PUTS = st.tuples(st.sampled_from(APPS), st.sampled_from(["", EAST, WEST]), st.frozensets(st.sampled_from(KEYS)))


@settings(deadline=None)
@given(st.lists(PUTS, max_size=30))
def test_every_answer_is_that_of_the_inventories_as_they_are_and_every_change_is_told(
    puts: list[tuple[ApplicationId, str, frozenset[ResourceKey]]],
) -> None:
    inventories = Inventories()
    told: dict[str, dict[ApplicationId, set[ResourceKey]]] = {EAST: defaultdict(set), WEST: defaultdict(set)}
    seen: list[frozenset[str]] = []
    inventories.on_clusters = lambda: seen.append(inventories.servers())
    for server in (EAST, WEST):

        def note(
            app: ApplicationId, gained: frozenset[ResourceKey], lost: frozenset[ResourceKey], server: str = server
        ) -> None:
            assert not gained & told[server][app]
            assert lost <= told[server][app]
            told[server][app] = (told[server][app] | gained) - lost

        inventories.of(server).on_change = note
    now: dict[ApplicationId, tuple[str, frozenset[ResourceKey]]] = {}
    for app, server, keys in puts:
        now[app] = (server, keys if server else frozenset())
        inventories.put(app, server, keys)
        for cluster in (EAST, WEST):
            owned = inventories.of(cluster)
            here = {one: has for one, (where, has) in now.items() if where == cluster and has}
            assert {one: has for one, has in told[cluster].items() if has} == here
            assert set(owned.kinds()) == {(key.group, key.kind) for has in here.values() for key in has}
            for key in KEYS:
                assert set(owned.owners(key)) == {one for one, has in here.items() if key in has}
                assert owned.owners_of_kind(key.group, key.kind) == {
                    one for one, has in here.items() if any(has_key.kind == key.kind for has_key in has)
                }
        assert inventories.servers() == {where for where, has in now.values() if has}
        assert (seen[-1] if seen else frozenset()) == inventories.servers()
