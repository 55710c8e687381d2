"""Plain YAML and JSON files of one directory, chosen as Argo CD chooses them."""

from __future__ import annotations

import asyncio
import hashlib
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from trueup.domain.errors import StalledError
from trueup.domain.globs import compile_glob
from trueup.domain.kubeyaml import YamlBounds
from trueup.domain.manifest import OBJECTS_MAX, SKIP_MARKER, Parsed, RawObject, parse_manifests
from trueup.domain.read_set import Entry, ReadSet, bounded
from trueup.domain.source import Directory, Source
from trueup.engine.render.cache import ParsedFile, RenderCache
from trueup.telemetry import RENDERS

#: Part of every cache key: raise it whenever the same files would render differently.
RENDERER_VERSION = "directory-1"
#: More than this is parsed in a thread, so that the event loop is not held up.
PARSE_BYTES_INLINE_MAX = 64 * 1024

JSONNET_SUFFIX = ".jsonnet"
MANIFEST_SUFFIXES = (".yaml", ".yml", ".json", JSONNET_SUFFIX)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A regular file, or what a link to one resolved to inside the repository."""

    #: Relative to the source's path.
    path: str
    #: The id of its blob, which names its content.
    sha: str
    #: For a link: the links on the way and the file at its end, relative to the repository's root.
    linked: frozenset[str] = frozenset()


class SourceTree(Protocol):
    """The source's directory at one revision, as the checkout reads it from the mirror."""

    async def files(self, *, recurse: bool, wanted: Callable[[str], bool]) -> Sequence[SourceFile]:
        """Every file in the directory itself, or below it as well; of the links, those that are wanted are followed."""
        ...

    async def read(self, shas: Sequence[str]) -> Mapping[str, bytes]:
        """The content of each blob asked for."""
        ...


@dataclass(frozen=True, slots=True)
class RenderBounds:
    render_files_max: int = 20_000
    render_bytes_max: int = 100 * 1024 * 1024
    objects_max: int = OBJECTS_MAX
    yaml: YamlBounds = field(default_factory=YamlBounds)


@dataclass(frozen=True, slots=True)
class Rendered:
    objects: tuple[RawObject, ...]
    #: The files that the objects stand in or could have stood in, relative to the repository's root.
    files: tuple[str, ...]
    #: Files passed over: no manifests, or marked so.
    skipped: tuple[str, ...]
    #: Digest of all that went into it: equal means equal output.
    content: str
    #: Without a change of any of this, another revision renders the same.
    reads: ReadSet
    from_cache: bool


def is_jsonnet(path: str) -> bool:
    """Whether the file is a program that makes manifests, which is not read here."""
    return path.endswith(JSONNET_SUFFIX)


async def render(tree: SourceTree, source: Source, *, cache: RenderCache, bounds: RenderBounds) -> Rendered:
    """The objects of the source's plain files, in the order of their paths.

    `Rendered.files` has its Jsonnet files too, which are for others to evaluate. InvalidSpecError for a glob
    that makes no sense, StalledError for a file that is no good. Nothing in between: no object without
    all the others.
    """
    wanted = _wanted(source)
    found = await tree.files(recurse=_options(source).recurse, wanted=wanted)
    chosen = _choose([f for f in found if wanted(f.path)], source, bounds)
    reads = _reads(source, chosen)
    plain = [f for f in chosen if not is_jsonnet(f.path)]
    keys = {f: _file_key(source.path, f) for f in plain}
    known = {f: file for f, key in keys.items() if (file := cache.get(key)) is not None}
    missing = [f for f in plain if f not in known]
    if missing:
        parsed = await _parse(tree, source.path, missing, bounds)
        for f, file in parsed.items():
            cache.put(keys[f], file)
        known |= parsed
    objects = _together([known[f] for f in plain], source, bounds)
    return Rendered(
        objects,
        tuple(posixpath.join(source.path, f.path) for f in chosen),
        tuple(path for f in plain for path in known[f].parsed.unrelated),
        _digest(source.path, chosen),
        reads,
        from_cache=not missing,
    )


def _together(files: Sequence[ParsedFile], source: Source, bounds: RenderBounds) -> tuple[RawObject, ...]:
    size, count = sum(file.size for file in files), sum(len(file.parsed.objects) for file in files)
    if size > bounds.render_bytes_max:
        raise _too_large(source.path, bounds)
    if count > bounds.objects_max:
        raise _too_many(bounds)
    return tuple(item for file in files for item in file.parsed.objects)


def _too_large(path: str, bounds: RenderBounds) -> StalledError:
    return StalledError(f"{path or '.'} holds more than {bounds.render_bytes_max} bytes; split the Application")


def _too_many(bounds: RenderBounds) -> StalledError:
    return StalledError(f"the source holds more than {bounds.objects_max} objects; split the Application")


def _options(source: Source) -> Directory:
    return source.directory or Directory()


def _wanted(source: Source) -> Callable[[str], bool]:
    included = _matcher(_options(source).include, "spec.source.directory.include", default=True)
    excluded = _matcher(_options(source).exclude, "spec.source.directory.exclude", default=False)
    suffixes = _suffixes(source)
    return lambda path: path.endswith(suffixes) and included(path) and not excluded(path)


def _suffixes(source: Source) -> tuple[str, ...]:
    return ("",) if _options(source).disable_extension_filter else MANIFEST_SUFFIXES


def _reads(source: Source, chosen: Sequence[SourceFile]) -> ReadSet:
    """What the render depends on: which files there are to choose, and what is in them."""
    options = _options(source)
    suffixes = () if options.disable_extension_filter else MANIFEST_SUFFIXES
    listed = Entry("listed", source.path, options.recurse, suffixes, options.include, options.exclude)
    if not chosen:
        # Nothing that counts keeps the directory itself in being.
        listed = Entry("listed", source.path)
    linked = (Entry("linked", place) for file in chosen for place in file.linked)
    return bounded([listed, *linked])


def _choose(files: Sequence[SourceFile], source: Source, bounds: RenderBounds) -> tuple[SourceFile, ...]:
    chosen = sorted(files, key=lambda f: f.path)
    if len(chosen) > bounds.render_files_max:
        way_out = "narrow it with spec.source.directory.include, or split the Application"
        raise StalledError(f"{_where(source)} holds more than {bounds.render_files_max} manifest files; {way_out}")
    return tuple(chosen)


def _where(source: Source) -> str:
    return f"spec.source.path {source.path or '.'!r}"


def _matcher(pattern: str, name: str, *, default: bool) -> Callable[[str], bool]:
    return compile_glob(pattern, name) if pattern else lambda _: default


def _digest(path: str, chosen: Sequence[SourceFile]) -> str:
    """Blob ids name contents, so this names the output: the options only choose among the files."""
    read = [RENDERER_VERSION, _printable(path), [[_printable(f.path), f.sha] for f in chosen]]
    return hashlib.sha256(orjson.dumps(read)).hexdigest()


def _printable(path: str) -> str:
    """Bytes of a path that are no UTF-8 arrive as surrogates, which neither JSON nor a log can carry."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _file_key(path: str, file: SourceFile) -> str:
    """What one file comes to depends on its content, and on its place for what is said of it."""
    read = [RENDERER_VERSION, _printable(path), _printable(file.path), file.sha]
    return hashlib.sha256(orjson.dumps(read)).hexdigest()


async def _parse(
    tree: SourceTree, path: str, missing: Sequence[SourceFile], bounds: RenderBounds
) -> dict[SourceFile, ParsedFile]:
    outcome = "failed"
    try:
        contents = await tree.read([f.sha for f in missing])
        files = {f: (_printable(posixpath.join(path, f.path)), contents[f.sha]) for f in missing}
        size = sum(len(content) for _, content in files.values())
        if size > bounds.render_bytes_max:
            raise _too_large(path, bounds)
        if size > PARSE_BYTES_INLINE_MAX:
            parsed = await asyncio.to_thread(_parse_files, files, bounds)
        else:
            parsed = _parse_files(files, bounds)
        outcome = "ok"
    finally:
        RENDERS.labels(outcome).inc()
    return parsed


def _parse_files(files: Mapping[SourceFile, tuple[str, bytes]], bounds: RenderBounds) -> dict[SourceFile, ParsedFile]:
    found, count = {}, 0
    for file, (path, content) in files.items():
        if SKIP_MARKER in content:
            parsed = Parsed((), (path,))
        else:
            parsed = parse_manifests([(path, content)], bounds=bounds.yaml, objects_max=bounds.objects_max)
        count += len(parsed.objects)
        if count > bounds.objects_max:
            raise _too_many(bounds)
        found[file] = ParsedFile(parsed, len(content))
    return found
