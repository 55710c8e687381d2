"""From which sources, at which revisions: as `status` says it, of one source or of a list of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.domain.application import joined, split
from trueup.domain.lenient import as_list, as_mapping, as_text, as_texts
from trueup.domain.repository import redact_url, split_url


def shown_source(source: Mapping[str, Any]) -> dict[str, Any]:
    """A source as it may be copied into a status: an HTTP user or a password stays out.

    Compare it with another `shown_source`, never with the spec itself.
    """
    url = source.get("repoURL")
    if not isinstance(url, str):
        return dict(source)
    parts = split_url(url)
    has_credentials = parts.password or (parts.user and parts.scheme not in {"", "ssh"})
    return {**source, "repoURL": redact_url(url)} if has_credentials else dict(source)


def shown_sources(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The member `source`, or `sources`, of what was made from the spec; none where it names no repository."""
    many = [as_mapping(source) for source in as_list(spec.get("sources"))]
    if many:
        return {"sources": [shown_source(source) for source in many]}
    source = as_mapping(spec.get("source"))
    return {"source": shown_source(source)} if source.get("repoURL") else {}


def shown_revision(spec: Mapping[str, Any], revision: str) -> dict[str, Any]:
    """The member `revision`, or `revisions`, for what `joined` made of them."""
    if as_list(spec.get("sources")):
        return {"revisions": list(split(revision)) if revision else []}
    return {"revision": revision}


def revision_in(member: Mapping[str, Any]) -> str:
    """The revision that stands in a part of a status, or its revisions as `joined` makes one text of them."""
    many = as_texts(member.get("revisions"))
    return joined(many) if many else as_text(member.get("revision"))


def is_made_from(member: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    """Whether a part of a status speaks of the sources of this spec, or of none."""
    said = {name: member[name] for name in ("source", "sources") if member.get(name)}
    return not said or said == shown_sources(spec)
