"""Application objects as read from the API server: parsed, hashed for triggers, and looked up."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from typing import Any

from trueup.clients.crds.application import ApplicationSpec
from trueup.clients.crds.metadata import Metadata
from trueup.clients.crds.read_destination import read_destination
from trueup.clients.crds.read_operation import read_operation
from trueup.clients.crds.read_policy import Remarks, read_automated, read_options, read_retry
from trueup.clients.crds.read_source import read_sources
from trueup.clients.crds.sentences import bounded, type_sentences
from trueup.clients.informer import without_managed_fields
from trueup.clients.inventories import Inventories
from trueup.domain.application import (
    REFRESH_ANNOTATION,
    SKIP_RECONCILE_ANNOTATION,
    Application,
    ApplicationId,
    Refresh,
    RetryPolicy,
)
from trueup.domain.by_hand import BY_HAND_ANNOTATION
from trueup.domain.followers import Followers, followed_url
from trueup.domain.ignore_rules import spec_rules
from trueup.domain.lenient import as_mapping, as_text, as_texts, as_whole
from trueup.domain.object_options import COMPARE_OPTIONS_ANNOTATION
from trueup.domain.status import HISTORY_ENTRIES_MAX

DEFAULT_PROJECT = "default"
HISTORY_LIMIT_DEFAULT = 10

#: Fields whose text is hardly ever another object's too.
_OWN_TEXTS = frozenset(
    {"uid", "resourceVersion", "name", "message", "creationTimestamp", "reconciledAt", "startedAt", "finishedAt"}
)
_NOT_YET = "is not supported in this version of Trueup"
#: What Go's `strconv.ParseBool` takes for true.
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})


def parse_application(raw: Mapping[str, Any]) -> Application:
    """Read an Application. Never raises for what it says: what is wrong or unsupported is in `refusals`.

    An AppProject's restrictions are looked at apart, by `trueup.clients.projects`.
    """
    metadata, spec = as_mapping(raw.get("metadata")), as_mapping(raw.get("spec"))
    policy, annotations = as_mapping(spec.get("syncPolicy")), as_mapping(metadata.get("annotations"))
    remarks = Remarks(refusals=type_sentences(Metadata, metadata, "metadata"))
    remarks.refusals += type_sentences(ApplicationSpec, raw.get("spec"), "spec")
    sources, source_sentences = read_sources(spec)
    server, cluster, namespace, destination_sentences = read_destination(spec)
    if isinstance(raw.get("spec"), Mapping):
        remarks.refusals += source_sentences + destination_sentences
    remarks.refusals += _unsupported(policy)
    options = read_options(policy.get("syncOptions"), "spec.syncPolicy.syncOptions", remarks)
    retry = read_retry(policy.get("retry"), "spec.syncPolicy.retry", remarks)
    history_limit = _history_limit(spec, remarks)
    operation, operation_warnings = read_operation(raw)
    return Application(
        id=ApplicationId(as_text(metadata.get("namespace")), as_text(metadata.get("name"))),
        uid=as_text(metadata.get("uid")),
        resource_version=as_text(metadata.get("resourceVersion")),
        project=as_text(spec.get("project")) or DEFAULT_PROJECT,
        sources=sources,
        server=server,
        cluster=cluster,
        namespace=namespace,
        automated=read_automated(policy),
        options=options,
        retry=retry or RetryPolicy(),
        history_limit=history_limit,
        operation=operation,
        refresh=_refresh(annotations),
        deleting=metadata.get("deletionTimestamp") is not None,
        finalizers=as_texts(metadata.get("finalizers")),
        skip_reconcile=as_text(annotations.get(SKIP_RECONCILE_ANNOTATION)) in _TRUE,
        refusals=(*bounded(remarks.refusals), *(operation.refusals if operation else ())),
        raw=raw,
        warnings=bounded(remarks.warnings + operation_warnings),
        ignore_rules=spec_rules(spec.get("ignoreDifferences")),
    )


def _unsupported(policy: Mapping[str, Any]) -> list[str]:
    sentences = []
    if any(as_mapping(policy.get("managedNamespaceMetadata")).values()):
        sentences.append(
            f"spec.syncPolicy.managedNamespaceMetadata {_NOT_YET}; put the Namespace, with its labels and annotations, "
            "among the manifests."
        )
    return sentences


def _history_limit(spec: Mapping[str, Any], remarks: Remarks) -> int:
    limit = as_whole(spec.get("revisionHistoryLimit"), HISTORY_LIMIT_DEFAULT)
    if limit < 0:
        remarks.refusals.append(f"spec.revisionHistoryLimit is {limit}; use 0 or more.")
        return HISTORY_LIMIT_DEFAULT
    if limit > HISTORY_ENTRIES_MAX:
        remarks.warnings.append(
            f"spec.revisionHistoryLimit is {limit}; an object has room for {HISTORY_ENTRIES_MAX} at the most."
        )
    return min(limit, HISTORY_ENTRIES_MAX)


def _refresh(annotations: Mapping[str, Any]) -> Refresh | None:
    value = annotations.get(REFRESH_ANNOTATION)
    if value is None:
        return None
    return "hard" if value == "hard" else "normal"


def trigger_hash(raw: Mapping[str, Any]) -> str:
    """The same for two versions of an Application between which nobody asked for anything.

    It covers spec, operation, deletionTimestamp, finalizers and the annotations that ask for a refresh,
    for none, or for another comparison. Never status and never generation, which every status write bumps.
    """
    metadata = as_mapping(raw.get("metadata"))
    annotations = as_mapping(metadata.get("annotations"))
    relevant = [
        raw.get("spec"),
        raw.get("operation"),
        metadata.get("deletionTimestamp"),
        metadata.get("finalizers"),
        annotations.get(REFRESH_ANNOTATION),
        annotations.get(SKIP_RECONCILE_ANNOTATION),
        annotations.get(COMPARE_OPTIONS_ANNOTATION),
        annotations.get(BY_HAND_ANNOTATION),
    ]
    return hashlib.sha256(json.dumps(relevant, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def without_deeds(raw: dict[str, Any]) -> dict[str, Any]:
    """An Application as a watch keeps it: without what was done to it, much of its size, for which nobody asks there.

    Whoever writes down what was done reads the Application first.
    """
    without_managed_fields(raw)
    status = raw.get("status")
    if isinstance(status, dict):
        status.pop("history", None)
        if isinstance(state := status.get("operationState"), dict):
            state.pop("syncResult", None)
    _share_texts(raw)
    return raw


def _share_texts(value: Any) -> None:
    """Keep once what many Applications say: every text in an object or a list, in place, but for each one's own."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for place, inner in items:
        if type(inner) is str:
            if place not in _OWN_TEXTS:
                value[place] = sys.intern(inner)
        elif isinstance(inner, dict | list):
            _share_texts(inner)


class ApplicationStore:
    """Every Application of the cluster in memory, fed by an informer; never asked of the API server.

    Not safe for several threads; an event loop is one.
    """

    def __init__(self) -> None:
        self._applications: dict[ApplicationId, Application] = {}
        self._followers: dict[str, Followers] = {}
        #: What they own, cluster by cluster.
        self.inventories = Inventories()

    def observe(self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        """The informer's callback: `old` is None for an object that appears, `new` for one that goes."""
        if old is not None:
            self._remove(_id_of(old))
        if new is not None:
            application = parse_application(new)
            self._remove(application.id)
            self._applications[application.id] = application
            for url in _followed_urls(application):
                self._followers.setdefault(url, Followers(url)).put(application)
            self.inventories.put(application.id, application.inventory_server, frozenset(application.inventory))
        elif old is not None:
            self.inventories.put(_id_of(old), "", frozenset())

    def get(self, application: ApplicationId) -> Application | None:
        return self._applications.get(application)

    def all(self) -> tuple[Application, ...]:
        return tuple(self._applications.values())

    def followers(self, url: str) -> Followers:
        """Those with a source in this repository, by its normalised URL: O(1), and a live view.

        An Application whose spec is refused follows nothing: no push can make it acceptable.
        """
        return self._followers.get(url) or Followers(url)

    def repositories(self) -> tuple[str, ...]:
        """The normalised URL of every repository that somebody follows."""
        return tuple(self._followers)

    def _remove(self, identity: ApplicationId) -> None:
        application = self._applications.pop(identity, None)
        for url in _followed_urls(application) if application else ():
            followers = self._followers.get(url)
            if followers is not None:
                followers.drop(identity)
                if not followers:
                    del self._followers[url]


def _id_of(raw: Mapping[str, Any]) -> ApplicationId:
    metadata = as_mapping(raw.get("metadata"))
    return ApplicationId(as_text(metadata.get("namespace")), as_text(metadata.get("name")))


def _followed_urls(application: Application) -> frozenset[str]:
    return frozenset() if application.spec_refusals else frozenset(map(followed_url, application.sources))
