"""Files as they are on this machine, in the place of a source's repository."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from trueup.domain.application import Application
from trueup.domain.errors import StalledError
from trueup.domain.source import Source
from trueup.engine.local_tree import LocalTree
from trueup.engine.sources import SourceAt, Sources


@dataclass(frozen=True, slots=True)
class Local:
    """A directory, and the root that links and `../` may lead to and not beyond."""

    root: Path
    #: From the root, without slashes at its ends; empty is the root.
    path: str


def local(directory: Path, root: Path | None) -> Local:
    """The directory below `root`, or below that of the working tree it is in, or on its own where it is in none.

    Raises StalledError where there is no such directory, or where it is not below the root.
    """
    found = _existing(directory)
    top = _existing(root) if root is not None else enclosing(found)
    if not found.is_relative_to(top):
        raise StalledError(f"{directory} is not below {top}; name the directory that holds it by --local-repo-root")
    path = found.relative_to(top).as_posix()
    return Local(top, "" if path == "." else path)


def enclosing(directory: Path) -> Path:
    """The root of the working tree that the directory is in; the directory where it is in none."""
    # In a linked worktree and in a submodule `.git` is a file.
    tops = (each for each in (directory, *directory.parents) if (each / ".git").exists())
    return next(tops, directory)


def placed(source: Source, said: str, here: Local, *, file_bytes_max: int) -> SourceAt:
    """The source with these files; its target revision stands for a commit, for there is none."""
    tree = LocalTree(here.root, file_bytes_max=file_bytes_max)
    return SourceAt(replace(source, path=here.path), said, source.target_revision, tree, here.path)


def sources_of(application: Application, here: Local, *, file_bytes_max: int) -> Sources:
    """The one source of the Application with these files. StalledError where it has another number, or a chart."""
    if application.has_many_sources:
        raise StalledError("--local is for one source, and the Application has a list of them; leave it out")
    if application.source.is_chart:
        raise StalledError("--local is for a source in Git, and that of the Application is a chart; leave it out")
    return Sources((placed(application.source, "spec.source", here, file_bytes_max=file_bytes_max),))


def _existing(directory: Path) -> Path:
    if not directory.exists():
        raise StalledError(f"there is no directory {directory}; correct the path")
    if not directory.is_dir():
        raise StalledError(f"{directory} is not a directory; name the one that holds it")
    return directory.resolve()
