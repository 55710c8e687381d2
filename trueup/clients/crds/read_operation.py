"""`operation`: the sync that somebody asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.clients.crds.operation import Operation as OperationModel
from trueup.clients.crds.read_policy import Remarks, read_options, read_retry
from trueup.clients.crds.read_source import revision_sentences
from trueup.clients.crds.sentences import bounded, type_sentences
from trueup.domain.application import Operation
from trueup.domain.lenient import as_list, as_mapping, as_text
from trueup.domain.resource import ResourceKey

_NOT_YET = "is not supported in this version of Trueup"


def read_operation(raw: Mapping[str, Any]) -> tuple[Operation | None, list[str]]:
    """The operation with its refusals, and warnings; None where none is asked for."""
    block = raw.get("operation")
    if block is None:
        return None, []
    remarks = Remarks(refusals=type_sentences(OperationModel, block, "operation"))
    operation = as_mapping(block)
    sync = as_mapping(operation.get("sync"))
    if isinstance(block, Mapping) and operation.get("sync") is None:
        remarks.refusals.append("operation has no sync; write operation.sync, or remove the operation.")
    remarks.refusals += _unsupported(sync, as_mapping(raw.get("spec")))
    remarks.refusals += revision_sentences(sync.get("revision"), "operation.sync.revision")
    resources, wild = _resources(sync)
    remarks.refusals += wild
    listed = sync.get("syncOptions")
    options = None if listed is None else read_options(listed, "operation.sync.syncOptions", remarks)
    retry = read_retry(operation.get("retry"), "operation.retry", remarks)
    initiator = as_mapping(operation.get("initiatedBy"))
    return (
        Operation(
            revision=as_text(sync.get("revision")) or None,
            prune=sync.get("prune") is True,
            dry_run=sync.get("dryRun") is True,
            resources=resources,
            initiated_by=as_text(initiator.get("username")),
            retry=retry,
            options=options,
            refusals=bounded(remarks.refusals),
            raw=operation,
        ),
        remarks.warnings,
    )


def _unsupported(sync: Mapping[str, Any], spec: Mapping[str, Any]) -> list[str]:
    sentences = []
    if as_list(sync.get("manifests")):
        sentences.append(f"operation.sync.manifests {_NOT_YET}; commit the manifests and sync without it.")
    # A rollback names the source of the past; where it is still today's it overrides nothing.
    if sync.get("source") is not None and sync.get("source") != spec.get("source"):
        sentences.append(f"operation.sync.source {_NOT_YET} where it differs from spec.source; change spec.source.")
    if as_list(sync.get("sources")):
        sentences.append(f"operation.sync.sources {_NOT_YET}; change spec.source.")
    if as_list(sync.get("revisions")):
        sentences.append(f"operation.sync.revisions {_NOT_YET}; name one in operation.sync.revision.")
    strategy = as_mapping(sync.get("syncStrategy"))
    # Without hooks, which are refused in the manifests, the two strategies are one.
    sentences.extend(
        f"operation.sync.syncStrategy.{name}.force {_NOT_YET}; delete the object, and the sync makes it anew."
        for name in ("apply", "hook")
        if as_mapping(strategy.get(name)).get("force") is True
    )
    return sentences


def _resources(sync: Mapping[str, Any]) -> tuple[tuple[ResourceKey, ...], list[str]]:
    keys = tuple(
        ResourceKey(*(as_text(as_mapping(entry).get(part)) for part in ("group", "kind", "namespace", "name")))
        for entry in as_list(sync.get("resources"))
    )
    sentences = [
        f"operation.sync.resources[{index}] {problem}"
        for index, key in enumerate(keys)
        for problem in _resource_problems(key)
    ]
    return keys, sentences


def _resource_problems(key: ResourceKey) -> list[str]:
    if not key.kind or not key.name:
        return ["names no object; give its kind and name."]
    if "*" in (key.group, key.kind, key.namespace, key.name):
        return [f"has a * , which {_NOT_YET}; name each object, or leave resources out to sync all."]
    return []
