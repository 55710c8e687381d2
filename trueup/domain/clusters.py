"""Which cluster an Application is delivered to, by the cluster Secrets of now. Pure.

A cluster is told by the URL of its API server, compared as Argo CD does: as text, without a slash at
the end.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from trueup.domain.application import HOME_NAME, HOME_SERVER, Application
from trueup.domain.cluster_secret import ClusterSecret
from trueup.domain.errors import InvalidSpecError
from trueup.domain.repository import redact_url

QUOTED_CHARS_MAX = 200
NAMED_MAX = 3

ByText = Mapping[str, tuple[ClusterSecret, ...]]


class Clusters:
    """The home cluster, and those that have a Secret. Immutable."""

    def __init__(self, secrets: Iterable[ClusterSecret] = ()) -> None:
        known = tuple(secrets)
        self._by_server = _grouped(known, "server")
        self._by_name = _grouped(known, "name")

    def placed(self, application: Application) -> Application:
        """The Application with its destination's server, where that is given by a name that one Secret has."""
        if application.server or not application.cluster:
            return application
        if application.cluster == HOME_NAME:
            return replace(application, server=HOME_SERVER)
        servers = {secret.server for secret in self._by_name.get(application.cluster, ())} - {""}
        return replace(application, server=servers.pop()) if len(servers) == 1 else application

    def secret_of(self, application: Application) -> ClusterSecret | None:
        """What leads to the Application's destination; None is the home cluster.

        Raises InvalidSpecError where no Secret leads there, or more than one, or one that cannot be used.
        """
        if (application.server or application.cluster) in (HOME_SERVER, HOME_NAME):
            return None
        named = _quoted(application.cluster or redact_url(application.server))
        subject = f"spec.destination points at the cluster {named}"
        if application.cluster:
            secret = _the_only(self._by_name.get(application.cluster, ()), subject, "name")
        else:
            secret = _the_only(self._by_server.get(application.server, ()), subject, "server")
        if secret.is_home:
            return None
        if not secret.fault:
            # Two ways to one server would be two bulkheads, and two ideas of who may go there.
            secret = _the_only(self._by_server.get(secret.server, ()), subject, "server")
        if secret.fault:
            raise InvalidSpecError(f"{subject}, and Secret {secret.secret} cannot be used: {secret.fault}.")
        if secret.project not in ("", application.project):
            raise InvalidSpecError(
                f"{subject}, which Secret {secret.secret} keeps for the Applications of another project; deliver to "
                f"another cluster, or change the project of either."
            )
        return secret

    def server_named(self, name: str) -> str:
        """The server of the one good Secret with this name; empty where there is none, or more than one."""
        found = self._by_name.get(name, ())
        return found[0].server if len(found) == 1 and not found[0].fault else ""

    def of_server(self, server: str) -> ClusterSecret | None:
        """The one good Secret for this server, as a watch of it needs; None where there is none."""
        found = self._by_server.get(server, ())
        return found[0] if len(found) == 1 and not found[0].fault and not found[0].is_home else None


def concerns(secret: ClusterSecret, application: Application) -> bool:
    """Whether the Application's destination may lead to the Secret, for better or for worse."""
    written = application.cluster == secret.name if application.cluster else application.server == secret.server
    recorded = bool(secret.server) and application.inventory_server == secret.server
    return written or recorded


def _grouped(secrets: Iterable[ClusterSecret], by: str) -> ByText:
    groups: dict[str, list[ClusterSecret]] = defaultdict(list)
    for secret in secrets:
        groups[getattr(secret, by)].append(secret)
    groups.pop("", None)
    return {text: tuple(sorted(group, key=lambda secret: secret.secret)) for text, group in groups.items()}


def _the_only(found: tuple[ClusterSecret, ...], subject: str, key: str) -> ClusterSecret:
    if len(found) == 1:
        return found[0]
    if not found:
        raise InvalidSpecError(
            f"{subject}, and no cluster Secret has that {key}; add one labelled argocd.argoproj.io/secret-type: "
            f"cluster, or use server: {HOME_SERVER}."
        )
    names = ", ".join(secret.secret for secret in found[:NAMED_MAX])
    raise InvalidSpecError(f"{subject}, and {len(found)} cluster Secrets have that {key} ({names}); keep one of them.")


def _quoted(text: str) -> str:
    return json.dumps(text if len(text) <= QUOTED_CHARS_MAX else text[: QUOTED_CHARS_MAX - 1] + "…")
