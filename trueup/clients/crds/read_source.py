"""`spec.source` and `spec.destination`: what they say, and why they are refused."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from trueup.clients.crds.sentences import printable, quoted
from trueup.domain.application import HOME_SERVER, Directory, Source
from trueup.domain.errors import InvalidSpecError
from trueup.domain.lenient import as_list, as_mapping, as_text
from trueup.domain.repository import check_revision, check_url, split_url

PATH_CHARS_MAX = 1_024

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

_NOT_YET = "is not supported in this version of Trueup"
#: Refused as soon as it is there, even empty: each asks for another way to render.
_RENDERERS = {
    "helm": "render the chart in your pipeline and point spec.source at the rendered YAML",
    "kustomize": "render the kustomization in your pipeline and point spec.source at the rendered YAML",
    "plugin": "render in your pipeline and point spec.source at the rendered YAML",
}


def read_source(spec: Mapping[str, Any]) -> tuple[Source, list[str]]:
    """The single source of `spec`, as far as it makes sense, and what is wrong with it."""
    sentences = []
    if as_list(spec.get("sources")):
        sentences.append(f"spec.sources {_NOT_YET}; name one source in spec.source.")
    if spec.get("sourceHydrator") is not None:
        sentences.append(f"spec.sourceHydrator {_NOT_YET}; point spec.source at the branch that holds rendered YAML.")
    source = as_mapping(spec.get("source"))
    if spec.get("source") is None and not sentences:
        sentences.append("spec.source is missing; name a repository, a path and a target revision.")
    if source and not as_list(spec.get("sources")):
        sentences += _unsupported(source)
        sentences += repository_sentences(source.get("repoURL"), "spec.source.repoURL")
        sentences += _path_sentences(source)
        sentences += revision_sentences(source.get("targetRevision"), "spec.source.targetRevision")
    return _source(source), sentences


def _source(source: Mapping[str, Any]) -> Source:
    directory = as_mapping(source.get("directory"))
    path = posixpath.normpath(as_text(source.get("path")) or ".").strip("/")
    return Source(
        repo_url=as_text(source.get("repoURL")),
        path="" if path == "." else path,
        target_revision=as_text(source.get("targetRevision")) or "HEAD",
        directory=Directory(
            recurse=directory.get("recurse") is True,
            include=as_text(directory.get("include")),
            exclude=as_text(directory.get("exclude")),
        ),
    )


def _unsupported(source: Mapping[str, Any]) -> list[str]:
    sentences = [
        f"spec.source.{renderer} {_NOT_YET}; {way_out}."
        for renderer, way_out in _RENDERERS.items()
        if source.get(renderer) is not None
    ]
    if source.get("chart"):
        sentences.append(f"spec.source.chart {_NOT_YET}; point spec.source at a Git directory of rendered YAML.")
    if source.get("tagPrefix"):
        sentences.append(f"spec.source.tagPrefix {_NOT_YET}; name one tag in spec.source.targetRevision.")
    directory = as_mapping(source.get("directory"))
    if any(as_list(value) for value in as_mapping(directory.get("jsonnet")).values()):
        sentences.append(f"spec.source.directory.jsonnet {_NOT_YET}; commit the YAML that it makes.")
    if directory.get("disableExtensionFilter") is True:
        sentences.append(
            f"spec.source.directory.disableExtensionFilter {_NOT_YET}; name the files *.yaml, *.yml or *.json."
        )
    return sentences


def repository_sentences(url: object, field: str) -> list[str]:
    """What is wrong with a repository's URL, whatever schemes this installation allows.

    The URL is never repeated as it is: it may hold a password.
    """
    if not isinstance(url, str):
        return []
    if not url:
        return [f"{field} is empty; give the repository's URL."]
    scheme = split_url(url).scheme
    if scheme == "oci":
        return [f"{field} names an OCI registry, which {_NOT_YET}; use a Git repository."]
    try:
        check_url(url, (scheme,) if scheme else ())
    except InvalidSpecError as error:
        return [printable(f"{error}.")]
    return []


def _path_sentences(source: Mapping[str, Any]) -> list[str]:
    path = source.get("path")
    if path in (None, ""):
        missing = "spec.source.path is missing; name the directory of the manifests, or . for the repository's root."
        return [] if source.get("chart") else [missing]
    if not isinstance(path, str):
        return []
    if len(path) > PATH_CHARS_MAX or _CONTROL.search(path):
        problem = "is not a path in a repository; name a directory"
    elif path.startswith("/"):
        problem = "is absolute; write it relative to the repository's root"
    elif posixpath.normpath(path).split("/")[0] == "..":
        problem = "leads out of the repository; name a directory inside it"
    else:
        return []
    return [f"spec.source.path {quoted(path)} {problem}."]


def revision_sentences(revision: object, field: str) -> list[str]:
    """What is wrong with the name of a branch, a tag or a commit."""
    if not isinstance(revision, str):
        return []
    try:
        check_revision(revision)
    except InvalidSpecError:
        wrong = f"{field} {quoted(revision)} is not the name of a branch or tag, nor a full SHA"
        return [f"{wrong}; a version range {_NOT_YET}."]
    return []


def read_destination(spec: Mapping[str, Any]) -> tuple[str, str, str, list[str]]:
    """Server, cluster name and namespace of `spec.destination`, and what is wrong with them.

    Whether there is such a cluster is for the cluster Secrets to say, see `trueup.domain.clusters`.
    """
    destination = as_mapping(spec.get("destination"))
    server = as_text(destination.get("server")).rstrip("/")
    cluster, namespace = as_text(destination.get("name")), as_text(destination.get("namespace"))
    sentences = []
    if server and cluster:
        sentences.append("spec.destination has both server and name; keep one of them.")
    elif isinstance(spec.get("destination"), Mapping) and not server and not cluster:
        sentences.append(f"spec.destination has neither server nor name; set server: {HOME_SERVER}.")
    if namespace and not _DNS_LABEL.fullmatch(namespace):
        sentences.append(
            f"spec.destination.namespace {quoted(namespace)} is not a namespace's name; use at most 63 lower-case "
            "letters, digits and dashes."
        )
    return server, cluster, namespace, sentences
