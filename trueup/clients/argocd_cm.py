"""The ConfigMap `argocd-cm` of the Applications' namespace, as far as it speaks of resources. It need not be there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from trueup.clients.cluster import Cluster
from trueup.clients.discovery import ApiResource
from trueup.clients.informer import Informer
from trueup.domain.ignore_settings import CONFIG_MAP, NO_SETTINGS, ResourceSettings, read_resource_settings
from trueup.domain.lenient import as_mapping

#: Told of the settings before and after a change of what they say.
OnSettings = Callable[[ResourceSettings, ResourceSettings], None]

_log = structlog.get_logger(__name__)


class ArgocdCm:
    """Fed by an informer; called, it gives the settings of now."""

    def __init__(self) -> None:
        self._settings = NO_SETTINGS
        self._handlers: list[OnSettings] = []

    def __call__(self) -> ResourceSettings:
        return self._settings

    def on_change(self, handler: OnSettings) -> None:
        """Call `handler` whenever the settings say something else from now on."""
        self._handlers.append(handler)

    def observe(self, _old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        """The informer's callback. What makes no sense is told of once for each change."""
        before, after = self._settings, _settings_of(new)
        if before == after:
            return
        self._settings = after
        for sentence in faults_of(after):
            _log.warning("a setting of resources makes no sense", reason=sentence)
        for handler in self._handlers:
            handler(before, after)


def faults_of(settings: ResourceSettings) -> tuple[str, ...]:
    """Every sentence about what makes no sense in the settings."""
    rules = (*settings.differences, *settings.updates)
    of_rules = tuple(f"{rule.origin}: {rule.fault}" for rule in rules if rule.fault)
    return (*of_rules, settings.fault) if settings.fault else of_rules


def argocd_cm(cluster: Cluster, resource: ApiResource, *, namespace: str) -> Informer:
    """What feeds it; `resource` is how ConfigMaps are served."""
    return Informer(cluster, resource, namespace=namespace, field_selector=f"metadata.name={CONFIG_MAP}")


async def read_argocd_cm(cluster: Cluster, namespace: str) -> ResourceSettings:
    """The settings as they are now, for one who asks once."""
    return _settings_of(await cluster.get(await cluster.resource("", "ConfigMap"), namespace, CONFIG_MAP))


def _settings_of(raw: Mapping[str, Any] | None) -> ResourceSettings:
    return read_resource_settings(as_mapping(as_mapping(raw).get("data")))
