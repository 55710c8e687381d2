"""What a render of one source is given, and what it gives back; the same for every kind of source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trueup.domain.read_set import Entry
from trueup.domain.source import Source
from trueup.engine.tree import Tree

#: The key of a source's own repository in `Output.reads`.
OWN = ""


@dataclass(frozen=True, slots=True)
class Files:
    """Where a render finds its files."""

    #: The whole repository at the source's revision, or the whole chart.
    own: Tree
    #: The source's directory in it; empty is the root.
    path: str
    #: By the `ref` of the other sources, the whole of theirs: `$name/…` in a value file points there.
    refs: Mapping[str, Tree] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """What a render is told of the place that it is for."""

    #: The Application's name.
    application: str
    project: str
    #: The destination's, for objects that name none.
    namespace: str
    #: Of the destination cluster, such as `v1.36.3`; empty where that is not known.
    kube_version: str = ""
    #: Of the destination cluster: `group/version` and `group/version/Kind`, as Helm's `--api-versions` takes them.
    api_versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    source: Source
    files: Files
    target: Target
    #: The commit, or the version of the chart.
    revision: str
    #: Where the source is in the Application, for sentences: `spec.source` or `spec.sources[1]`.
    said: str = "spec.source"


@dataclass(frozen=True, slots=True)
class Output:
    """What a tool made of a source."""

    #: YAML, as many documents as there are objects.
    manifests: bytes
    #: By `OWN` or a `ref`: without a change of any of this the same comes out. Where the revision itself goes into
    #: the output, that is everything.
    reads: Mapping[str, frozenset[Entry]]
    #: Whether something else went in that nobody can compare with what there will be, so that nothing is kept.
    is_unrepeatable: bool = False
    #: What came from outside of the sources' own trees, such as the name, version and digest of a chart.
    inputs: tuple[str, ...] = ()
    #: Whether it can tell which APIs the cluster has: then `Target.api_versions` went in.
    asks_api_versions: bool = False
