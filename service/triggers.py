"""Which jobs a change of an Application or of an object asks for, and which a sweep does. Pure.

Status writes come back as changes too; only what somebody may have asked for counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from trueup.clients.applications import parse_application, trigger_hash
from trueup.domain.application import REFRESH_ANNOTATION, Application, ApplicationId
from trueup.domain.followers import followed_url
from trueup.domain.job import (
    EVERY_FOLLOWER_BY_CONTENT,
    EVERY_LIVE_OBJECT,
    Job,
    Priority,
    Scope,
    application_job,
    repository_job,
)
from trueup.domain.lenient import as_mapping
from trueup.domain.resource import ResourceKey

Raw = Mapping[str, Any]


def jobs_of_change(old: Raw | None, new: Raw | None) -> tuple[Job, ...]:
    """`old` is None for an Application that appears, `new` for one that is gone.

    What needs no Git (a deletion, a refusal to write down) goes to the application; all else goes to
    its repository with the application named, so that one fetch serves many. Where the source has
    moved, that is the new repository alone.
    """
    if new is None or (old is not None and trigger_hash(old) == trigger_hash(new)):
        return ()
    application = parse_application(new)
    if application.deleting:
        return (application_job(application.id, Priority.MANUAL),)
    asked = _request_of(new) != _NO_REQUEST and (old is None or _asks_anew(old, new))
    if not asked and old is not None and _only_request_was_taken_away(old, new, application):
        return ()
    priority = Priority.MANUAL if asked else Priority.PUSH
    if application.refusals:
        return (application_job(application.id, priority),)
    return (_repository_job(application, priority),)


def jobs_of_everything(
    repositories: Iterable[str], applications: Iterable[Application], *, live: bool
) -> tuple[Job, ...]:
    """All that could be waiting if nothing were known of the past.

    One job a repository, each with the applications that have an open request; a job for each
    application that a deletion or a refusal concerns; and with `live` one for each that owns objects.
    """
    pending: dict[str, set[str]] = defaultdict(set)
    alone: list[Job] = []
    for application in applications:
        if live and application.inventory:
            alone += look_at_everything([application.id])
        if application.deleting:
            alone.append(application_job(application.id, Priority.MANUAL))
        elif application.refusals:
            alone.append(application_job(application.id, Priority.SWEEP))
        elif application.operation is not None or application.refresh is not None:
            pending[_url(application)].add(str(application.id))
    looks = tuple(
        repository_job(
            url,
            Priority.SWEEP,
            applications=EVERY_FOLLOWER_BY_CONTENT.union(Scope(frozenset(pending.get(url, ())))),
        )
        for url in repositories
    )
    return (*alone, *looks)


def look_at(applications: Iterable[ApplicationId], key: ResourceKey, version: str = "") -> tuple[Job, ...]:
    """One job for each of the applications, about just that object.

    `version` is the `resourceVersion` that brought it about, where nothing else did.
    """
    scope = Scope(frozenset({key.member(version)}))
    return tuple(application_job(application, Priority.DRIFT, scope=scope) for application in applications)


def look_at_everything(applications: Iterable[ApplicationId]) -> tuple[Job, ...]:
    """One job for each of the applications about all of its objects, for nobody knows which of them moved."""
    return tuple(
        application_job(application, Priority.SWEEP, scope=EVERY_LIVE_OBJECT) for application in sorted(applications)
    )


def _repository_job(application: Application, priority: Priority) -> Job:
    return repository_job(_url(application), priority, applications=Scope(frozenset({str(application.id)})))


def _url(application: Application) -> str:
    """The repository by whose job the application is looked at: that of its first source will do."""
    return followed_url(application.source)


_NO_REQUEST = (None, None)


def _request_of(raw: Raw) -> tuple[object, object]:
    annotations = as_mapping(as_mapping(raw.get("metadata")).get("annotations"))
    return raw.get("operation"), annotations.get(REFRESH_ANNOTATION)


def _asks_anew(old: Raw, new: Raw) -> bool:
    return any(
        now is not None and now != before for before, now in zip(_request_of(old), _request_of(new), strict=True)
    )


def _only_request_was_taken_away(old: Raw, new: Raw, application: Application) -> bool:
    """As a worker does that has seen to it. One that was refused leaves its condition to be taken back."""
    if trigger_hash(_without_request(old)) != trigger_hash(_without_request(new)):
        return False
    return parse_application(old).refusals == application.refusals


def _without_request(raw: Raw) -> Raw:
    metadata = as_mapping(raw.get("metadata"))
    annotations = {k: v for k, v in as_mapping(metadata.get("annotations")).items() if k != REFRESH_ANNOTATION}
    return {**raw, "operation": None, "metadata": {**metadata, "annotations": annotations}}
