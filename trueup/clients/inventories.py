"""Whose an object is, by the inventories of Applications, kept apart for each cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection

from trueup.domain.application import ApplicationId
from trueup.domain.resource import ResourceKey

Kind = tuple[str, str]
Keys = frozenset[ResourceKey]
NO_KEYS: Keys = frozenset()


class ClusterInventory:
    """What Applications own on one cluster. Not safe for several threads; an event loop is one."""

    def __init__(self) -> None:
        self._inventories: dict[ApplicationId, Keys] = {}
        self._owners: dict[ResourceKey, tuple[ApplicationId, ...]] = {}
        self._kinds: Counter[Kind] = Counter()
        #: Called with an application and the objects that its inventory has gained and lost.
        self.on_change: Callable[[ApplicationId, Keys, Keys], None] | None = None

    def __bool__(self) -> bool:
        return bool(self._inventories)

    def __contains__(self, application: ApplicationId) -> bool:
        return application in self._inventories

    def owners(self, key: ResourceKey) -> tuple[ApplicationId, ...]:
        """Those with this object in their inventory, in no particular order: O(1)."""
        return self._owners.get(key, ())

    def kinds(self) -> Collection[Kind]:
        """(group, kind) of every object in anybody's inventory."""
        return self._kinds.keys()

    def owners_of_kind(self, group: str, kind: str) -> frozenset[ApplicationId]:
        """Those with any object of this kind in their inventory: O(all inventories of the cluster)."""
        of_kind = (owners for key, owners in self._owners.items() if (key.group, key.kind) == (group, kind))
        return frozenset(owner for owners in of_kind for owner in owners)

    def put(self, identity: ApplicationId, inventory: Keys) -> None:
        """The application owns these here, and nothing else; an empty inventory is none."""
        before = self._inventories.pop(identity, NO_KEYS)
        if inventory:
            self._inventories[identity] = inventory
        gained, lost = inventory - before, before - inventory
        for key in lost:
            left = tuple(owner for owner in self._owners.pop(key) if owner != identity)
            if left:
                self._owners[key] = left
            self._count(key, -1)
        for key in gained:
            self._owners[key] = (*self._owners.get(key, ()), identity)
            self._count(key, 1)
        if self.on_change is not None and (gained or lost):
            self.on_change(identity, gained, lost)

    def _count(self, key: ResourceKey, by: int) -> None:
        kind = (key.group, key.kind)
        self._kinds[kind] += by
        if not self._kinds[kind]:
            del self._kinds[kind]


class Inventories:
    """The inventories of every cluster, by the URL of its server. The same names on two of them are strangers."""

    def __init__(self) -> None:
        self._clusters: dict[str, ClusterInventory] = {}
        self._server_of: dict[ApplicationId, str] = {}
        #: Called when a cluster gets its first inventory, and when its last one is gone.
        self.on_clusters: Callable[[], None] | None = None

    def of(self, server: str) -> ClusterInventory:
        """The inventories of one cluster, kept true from now on."""
        return self._clusters.setdefault(server, ClusterInventory())

    def servers(self) -> frozenset[str]:
        """The clusters with an inventory."""
        return frozenset(server for server, owned in self._clusters.items() if owned)

    def put(self, identity: ApplicationId, server: str, inventory: Keys) -> None:
        """The application owns these on that cluster, and nothing on any other. Without a server nothing is known."""
        if not server:
            inventory = NO_KEYS
        before = self._server_of.pop(identity, "")
        servers = self.servers() if before != server or not inventory else None
        if before and before != server:
            self.of(before).put(identity, NO_KEYS)
        if inventory:
            self._server_of[identity] = server
        if inventory or before == server:
            self.of(server).put(identity, inventory)
        if servers is not None and servers != self.servers() and self.on_clusters is not None:
            self.on_clusters()
