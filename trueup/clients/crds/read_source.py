"""`spec.source` and `spec.sources`: what they say, and why they are refused."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from trueup.clients.crds.read_renderers import read_directory, read_helm, read_kustomize, renderer_sentences
from trueup.clients.crds.sentences import printable, quoted
from trueup.domain.errors import InvalidSpecError
from trueup.domain.lenient import as_list, as_mapping, as_text
from trueup.domain.repository import check_revision, check_url, split_url
from trueup.domain.source import Source
from trueup.domain.version_range import among_tags, is_tag_prefix

PATH_CHARS_MAX = 1_024
SOURCES_MAX = 30

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
#: As in Helm: one segment of a path, for it becomes one.
_CHART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,249}")
#: A registry without a scheme, as Argo CD has those that hold charts.
_REGISTRY = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9._-]+)*")
#: A version, a range of them, the name of a registry's tag, or a digest.
_VERSION = re.compile(r"[A-Za-z0-9=!<>~^*][A-Za-z0-9=!<>~^*., |:+_-]{0,199}")
_REF = re.compile(r"[A-Za-z0-9_-]{1,100}")


def raw_sources(spec: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The sources as they are written: those of `sources` where there are any, else the one of `source`."""
    many = as_list(spec.get("sources"))
    return tuple(as_mapping(each) for each in many) if many else (as_mapping(spec.get("source")),)


def read_sources(spec: Mapping[str, Any]) -> tuple[tuple[Source, ...], list[str]]:
    """The sources of `spec`, at least one, as far as they make sense, and what is wrong with them."""
    sentences: list[str] = []
    many = as_list(spec.get("sources"))
    if spec.get("sourceHydrator") is not None:
        sentences.append(
            "spec.sourceHydrator is not supported: Trueup writes to no repository; "
            "point spec.source at the branch that holds rendered YAML."
        )
    if not many and spec.get("source") is None and not sentences:
        sentences.append("spec.source is missing; name a repository, a path and a target revision.")
    if len(many) > SOURCES_MAX:
        sentences.append(f"spec.sources names {len(many)} sources; {SOURCES_MAX} are the most.")
    raw = raw_sources(spec)[:SOURCES_MAX]
    if many or raw[0]:
        for index, each in enumerate(raw):
            sentences += source_sentences(each, f"spec.sources[{index}]" if many else "spec.source")
    sources = tuple(read_source(each) for each in raw)
    return sources, sentences + _ref_sentences(sources, many)


def read_source(raw: Mapping[str, Any]) -> Source:
    """One source; what is wrong with it `source_sentences` says."""
    path = posixpath.normpath(as_text(raw.get("path")) or ".").strip("/")
    chart = as_text(raw.get("chart"))
    target = as_text(raw.get("targetRevision")) or ("*" if chart else "HEAD")
    return Source(
        repo_url=as_text(raw.get("repoURL")),
        # A source that only others take values from has no path; the root is named as a dot.
        path="" if path == "." else path,
        target_revision=target if chart else among_tags(as_text(raw.get("tagPrefix")), target),
        directory=read_directory(raw.get("directory")),
        helm=read_helm(raw.get("helm")),
        kustomize=read_kustomize(raw.get("kustomize")),
        chart=chart,
        ref=as_text(raw.get("ref")),
        has_path=bool(as_text(raw.get("path"))),
    )


def source_sentences(raw: Mapping[str, Any], field: str) -> list[str]:
    """What is wrong with the source that is written at `field`."""
    sentences = renderer_sentences(raw, field)
    prefix = as_text(raw.get("tagPrefix"))
    if prefix and not is_tag_prefix(prefix):
        sentences.append(f"{field}.tagPrefix {quoted(prefix)} is not what a tag's name can begin with.")
    if raw.get("chart"):
        sentences += _chart_sentences(raw, field)
    else:
        sentences += repository_sentences(raw.get("repoURL"), f"{field}.repoURL")
        sentences += _path_sentences(raw, field)
        sentences += revision_sentences(raw.get("targetRevision"), f"{field}.targetRevision")
    ref = as_text(raw.get("ref"))
    if ref and not _REF.fullmatch(ref):
        sentences.append(f"{field}.ref {quoted(ref)} is no name; use letters, digits, dashes and underscores.")
    return sentences


def _ref_sentences(sources: Sequence[Source], many: Sequence[Any]) -> list[str]:
    refs = [source.ref for source in sources if source.ref]
    sentences = [
        f"spec.sources has the ref {quoted(ref)} more than once; name each source differently."
        for ref in sorted({ref for ref in refs if refs.count(ref) > 1})
    ]
    for source in sources:
        for file in (*(source.helm.value_files if source.helm else ()), *_parameter_files(source)):
            name = file[1:].split("/", 1)[0] if file.startswith("$") else ""
            if name and "/" in file and name not in refs and not name.startswith(("ARGOCD_", "{")):
                where = "spec.sources" if many else "spec.source"
                sentences.append(
                    f"{where}: the file {quoted(file)} points at the ref {quoted(name)}, which no source has."
                )
    return sentences


def _parameter_files(source: Source) -> tuple[str, ...]:
    return tuple(each.path for each in source.helm.file_parameters) if source.helm else ()


def _chart_sentences(raw: Mapping[str, Any], field: str) -> list[str]:
    sentences = []
    chart, url, version = (as_text(raw.get(name)) for name in ("chart", "repoURL", "targetRevision"))
    if not all(_CHART.fullmatch(part) for part in chart.split("/")):
        sentences.append(f"{field}.chart {quoted(chart)} is not the name of a chart.")
    if not url:
        sentences.append(f"{field}.repoURL is empty; give the address of the charts.")
    elif split_url(url).scheme == "oci" or not _REGISTRY.fullmatch(url):
        # A host of charts needs no path, and a registry is reached over TLS.
        address = f"{url.replace('oci://', 'https://', 1).rstrip('/')}/{chart}"
        sentences += repository_sentences(address, f"{field}.repoURL")
    return sentences + version_sentences(version, f"{field}.targetRevision")


def version_sentences(version: str, field: str) -> list[str]:
    """What is wrong with the version of a chart."""
    if not version or _VERSION.fullmatch(version):
        return []
    return [f"{field} {quoted(version)} is neither the version of a chart nor a range of versions."]


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
        return [f"{field} names an OCI registry; name the chart in it too, for nothing else is rendered from there."]
    try:
        check_url(url, (scheme,) if scheme else ())
    except InvalidSpecError as error:
        return [printable(f"{error}.").replace("spec.source.repoURL", field, 1)]
    return []


def _path_sentences(source: Mapping[str, Any], field: str) -> list[str]:
    path = source.get("path")
    if path in (None, ""):
        missing = f"{field}.path is missing; name the directory of the manifests, or . for the repository's root."
        return [] if source.get("ref") else [missing]
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
    return [f"{field}.path {quoted(path)} {problem}."]


def revision_sentences(revision: object, field: str) -> list[str]:
    """What is wrong with the name of a branch, a tag or a commit."""
    if not isinstance(revision, str):
        return []
    try:
        check_revision(revision)
    except InvalidSpecError:
        wrong = f"{field} {quoted(revision)} is not the name of a branch or tag, nor a full SHA"
        return [f"{wrong}, nor a range of versions; correct it."]
    return []
