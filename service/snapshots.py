"""What the service knows of the cluster without asking: Applications and webhook secrets, kept by watches."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from itertools import count
from time import monotonic
from typing import Any

from trueup.clients.applications import ApplicationStore
from trueup.clients.cluster import Cluster
from trueup.clients.discovery import ApiResource
from trueup.clients.informer import Informer
from trueup.domain.errors import TrueupError

from .quiet import QuietLog
from .webhook_secrets import SECRET_NAME, WebhookSecrets

KINDS = ("Application", "Secret")
RETRY_SECONDS_MIN = 0.2
RETRY_SECONDS_MAX = 10.0

OnChange = Callable[[Mapping[str, Any] | None, Mapping[str, Any] | None], None]


class Snapshots:
    """Fed by two informers; complete once both have listed."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        namespace: str,
        applications: ApplicationStore,
        secrets: WebhookSecrets,
        on_application: OnChange,
    ) -> None:
        """`on_application` is told of every change after the first list, once the store knows of it."""
        self._cluster = cluster
        self._namespace = namespace
        self._applications = applications
        self._secrets = secrets
        self._on_application = on_application
        self._started_at = monotonic()
        self._informers: dict[str, Informer] = {}
        self._loaded = asyncio.Event()
        self._quiet = QuietLog(__name__)

    @property
    def is_loaded(self) -> bool:
        return self._loaded.is_set()

    async def loaded(self) -> None:
        await self._loaded.wait()

    def silence_seconds(self) -> Mapping[str, float]:
        """For each kind that is followed, how long the API server has not been heard of."""
        now = monotonic()
        contacts = {kind: informer.last_contact for kind, informer in self._informers.items()}
        return {kind: now - (contacts.get(kind) or self._started_at) for kind in KINDS}

    async def run(self) -> None:
        """Keep both true until cancelled; an API server that is away or has no such kind yet is asked again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow("argoproj.io", "Application", self._observe_application))
            group.create_task(
                self._follow("", "Secret", self._secrets.observe, field_selector=f"metadata.name={SECRET_NAME}")
            )

    async def _follow(self, api_group: str, kind: str, on_change: OnChange, *, field_selector: str = "") -> None:
        resource = await self._served(api_group, kind)
        informer = Informer(self._cluster, resource, namespace=self._namespace, field_selector=field_selector)
        self._informers[kind] = informer
        informer.on_change(on_change)
        async with asyncio.TaskGroup() as group:
            group.create_task(informer.run())
            await informer.synced()
            if len(self._informers) == len(KINDS) and all(each.is_synced for each in self._informers.values()):
                self._loaded.set()

    async def _served(self, api_group: str, kind: str) -> ApiResource:
        for attempt in count():
            try:
                return await self._cluster.resource(api_group, kind)
            except TrueupError as error:
                self._quiet.warning("cannot follow yet", kind=kind, error=str(error))
            ceiling = min(RETRY_SECONDS_MAX, RETRY_SECONDS_MIN * 2 ** min(attempt, 32))
            await asyncio.sleep(random.uniform(ceiling / 2, ceiling))  # noqa: S311 -- no secret
        raise AssertionError("counting has no end")

    def _observe_application(self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        self._applications.observe(old, new)
        informer = self._informers["Application"]
        if informer.is_synced:
            self._on_application(old, new)
