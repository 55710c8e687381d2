"""`operation`: the sync that somebody asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.clients.crds.operation import Operation as OperationModel
from trueup.clients.crds.read_policy import Remarks, read_options, read_retry
from trueup.clients.crds.read_source import raw_sources, revision_sentences, version_sentences
from trueup.clients.crds.sentences import bounded, type_sentences
from trueup.domain.application import Operation
from trueup.domain.lenient import as_list, as_mapping, as_text, as_texts
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
    revisions, wrong = _revisions(sync, as_mapping(raw.get("spec")))
    remarks.refusals += wrong
    resources, wild = _resources(sync)
    remarks.refusals += wild
    listed = sync.get("syncOptions")
    options = None if listed is None else read_options(listed, "operation.sync.syncOptions", remarks)
    retry = read_retry(operation.get("retry"), "operation.retry", remarks)
    initiator = as_mapping(operation.get("initiatedBy"))
    return (
        Operation(
            revisions=revisions,
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
    if as_list(sync.get("sources")) and sync.get("sources") != spec.get("sources"):
        sentences.append(f"operation.sync.sources {_NOT_YET} where it differs from spec.sources; change spec.sources.")
    strategy = as_mapping(sync.get("syncStrategy"))
    # Without hooks, which are refused in the manifests, the two strategies are one.
    sentences.extend(
        f"operation.sync.syncStrategy.{name}.force {_NOT_YET}; delete the object, and the sync makes it anew."
        for name in ("apply", "hook")
        if as_mapping(strategy.get(name)).get("force") is True
    )
    return sentences


def _revisions(sync: Mapping[str, Any], spec: Mapping[str, Any]) -> tuple[tuple[str, ...], list[str]]:
    """The revision for each source, and what is wrong with them; none where it says nothing."""
    sources = raw_sources(spec)
    if as_list(spec.get("sources")):
        asked, field = as_texts(sync.get("revisions")), "operation.sync.revisions"
        if as_text(sync.get("revision")):
            return (), ["operation.sync.revision is for one source; name one for each in operation.sync.revisions."]
        if asked and len(asked) != len(sources):
            return (), [f"{field} has {len(asked)} revisions for {len(sources)} sources; name one for each."]
    else:
        asked, field = tuple(text for text in (as_text(sync.get("revision")),) if text), "operation.sync.revision"
        if as_list(sync.get("revisions")):
            return (), ["operation.sync.revisions is for spec.sources; name one in operation.sync.revision."]
    wrong = [
        sentence
        for revision, source in zip(asked, sources, strict=False)
        for sentence in (version_sentences if source.get("chart") else revision_sentences)(revision, field)
    ]
    return asked, wrong


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
