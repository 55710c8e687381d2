"""`argocd.argoproj.io/manifest-generate-paths`: places that an Application is to be looked at for as well.

Syntax as Argo CD has it: items with `;` between them, each a path or a pattern of `filepath.Match`,
relative to the source's path or, with a slash before it, to the repository's root. In Argo CD they
are all that counts; here they only add to what the render itself has read.
"""

from __future__ import annotations

import posixpath

from trueup.domain.application import Application
from trueup.domain.followers import Followed, followed_by
from trueup.domain.go_pattern import is_pattern, literal_directory
from trueup.domain.lenient import as_mapping, as_text
from trueup.domain.read_set import EVERYTHING, Entry

GENERATE_PATHS_ANNOTATION = "argocd.argoproj.io/manifest-generate-paths"
#: A value that is longer stands for the whole repository.
GENERATE_PATHS_CHARS_MAX = 10_000


def asked_for(application: Application, followed: Followed) -> frozenset[Entry]:
    """The places there that the annotation names; none where there is no annotation.

    It counts for each source, from that source's own path.
    """
    annotations = as_mapping(as_mapping(application.raw.get("metadata")).get("annotations"))
    value = as_text(annotations.get(GENERATE_PATHS_ANNOTATION))
    if not value:
        return frozenset()
    if len(value) > GENERATE_PATHS_CHARS_MAX:
        return frozenset(Entry("asked", entry.place) for entry in EVERYTHING)
    items = [item.strip() for item in value.split(";")]
    paths = {source.path for source in application.sources if followed_by(source) == followed}
    return frozenset(_entry(item, path) for item in items if item for path in paths)


def _entry(item: str, source_path: str) -> Entry:
    path = posixpath.normpath(posixpath.join("/", source_path, item)).strip("/")
    if is_pattern(path):
        return Entry("asked", literal_directory(path), pattern=path)
    return Entry("asked", path)
