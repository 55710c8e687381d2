"""What the service knows of the cluster without asking: Applications, webhook secrets and clusters."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from itertools import count
from time import monotonic
from typing import Any

from trueup.clients.applications import ApplicationStore, without_deeds
from trueup.clients.cluster import Cluster
from trueup.clients.discovery import ApiResource
from trueup.clients.informer import Informer
from trueup.domain.cluster_secret import CLUSTER_SECRETS
from trueup.domain.credentials import REPOSITORY_SECRETS
from trueup.domain.errors import TrueupError

from .quiet import QuietLog
from .webhook_secrets import SECRET_NAME, WebhookSecrets, only_webhook_data

#: What is followed, by the name it has in messages.
FOLLOWED = ("Application", "Secret", "repository Secret", "cluster Secret")
RETRY_SECONDS_MIN = 0.2
RETRY_SECONDS_MAX = 10.0

OnChange = Callable[[Mapping[str, Any] | None, Mapping[str, Any] | None], None]


class Snapshots:
    """Fed by an informer each; complete once all of them have listed."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        namespace: str,
        applications: ApplicationStore,
        secrets: WebhookSecrets,
        on_application: OnChange,
        on_cluster: OnChange,
    ) -> None:
        """`on_application` is told of every change after the first list, once the store knows of it.

        `on_cluster` is told of every cluster Secret, and of every change of one.
        """
        self._on_cluster = on_cluster
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
        """For everything that is followed, how long the API server has not been heard of."""
        now = monotonic()
        contacts = {kind: informer.last_contact for kind, informer in self._informers.items()}
        return {kind: now - (contacts.get(kind) or self._started_at) for kind in FOLLOWED}

    async def run(self) -> None:
        """Keep all of it true until cancelled; an API server that is away or has no such kind yet is asked again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(
                self._follow(
                    "Application", "argoproj.io", "Application", self._observe_application, transform=without_deeds
                )
            )
            group.create_task(
                self._follow(
                    "Secret", "", "Secret", self._secrets.observe, field_selector=f"metadata.name={SECRET_NAME}"
                )
            )
            group.create_task(
                self._follow(
                    "repository Secret",
                    "",
                    "Secret",
                    self._secrets.observe_hook,
                    label_selector=REPOSITORY_SECRETS,
                    transform=only_webhook_data,
                )
            )
            group.create_task(
                self._follow("cluster Secret", "", "Secret", self._on_cluster, label_selector=CLUSTER_SECRETS)
            )

    async def _follow(self, what: str, api_group: str, kind: str, on_change: OnChange, **selection: Any) -> None:
        resource = await self._served(api_group, kind)
        informer = Informer(self._cluster, resource, namespace=self._namespace, **selection)
        self._informers[what] = informer
        informer.on_change(on_change)
        async with asyncio.TaskGroup() as group:
            group.create_task(informer.run())
            await informer.synced()
            if len(self._informers) == len(FOLLOWED) and all(each.is_synced for each in self._informers.values()):
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
