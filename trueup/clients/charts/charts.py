"""What a chart's name and target revision stand for, and the chart itself: the one door to charts."""

from __future__ import annotations

import hashlib
import shutil
from asyncio import to_thread
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from trueup.clients.charts.archive import ArchiveRefusedError
from trueup.clients.charts.index import sha256_of
from trueup.clients.charts.indexed import Indexes, add, archive_url, asked_of, batches, writing
from trueup.clients.charts.model import Chart, ChartBounds, ChartRef
from trueup.clients.charts.registry import Registry
from trueup.clients.charts.store import ChartStore
from trueup.clients.charts.web import Web
from trueup.domain.chart_repository import (
    OCI,
    RegistryPlace,
    check_chart_name,
    check_chart_repository,
    is_loopback,
    is_registry,
    registry_host,
    registry_place,
)
from trueup.domain.chart_version import best_version, chart_range, is_name, newest
from trueup.domain.credentials import RepositoryCredentials
from trueup.domain.errors import InvalidSpecError, StalledError, TransientError
from trueup.domain.repository import REVISION_CHARS_MAX, normalize_url, redact_url, split_url

VERSIONS_SHOWN = 5


class Charts:
    """Finds and fetches charts. An async context manager; one for each process.

    Several processes may share the directory. `schemes` are those that a repository may have: plain http
    only where it is among them. What is handed out is on the disk, verified, and stays there for a while
    (`ChartBounds.in_use_seconds`).
    """

    def __init__(self, data_dir: Path, *, schemes: Collection[str], bounds: ChartBounds) -> None:
        self._schemes = frozenset(schemes)
        self._bounds = bounds
        self._store = ChartStore(data_dir, bounds)
        self._web = Web(schemes, bounds)
        self._indexes = Indexes(self._web, self._store.indexes)
        self._tokens: dict[tuple[str, str], tuple[float, str]] = {}

    async def __aenter__(self) -> Self:
        await to_thread(self._store.prepare)
        await self._web.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._web.__aexit__(kind, error, trace)

    async def resolve(
        self, repo_url: str, name: str, target_revision: str, *, credentials: RepositoryCredentials | None
    ) -> ChartRef:
        """What the target revision stands for now: a version, a range, nothing for the newest, of a registry a digest.

        In a registry the name may be empty: the URL is then that of the chart itself. Raises InvalidSpecError for
        what is never asked for, StalledError for a chart or version that is not there and whatever else time does
        not mend, TransientError where it may.
        """
        check_chart_repository(repo_url, self._schemes)
        target_revision = target_revision.strip()
        if len(target_revision) > REVISION_CHARS_MAX:
            raise InvalidSpecError(f"spec.source.targetRevision is longer than {REVISION_CHARS_MAX} characters")
        if is_registry(repo_url):
            if name:
                check_chart_name(name)
            return await self._resolve_in_registry(repo_url, name, target_revision, credentials)
        check_chart_name(name)
        if credentials is not None and credentials.enable_oci:
            raise InvalidSpecError(
                f"Secret {credentials.secret} says that {redact_url(repo_url)} is a registry; write the repository "
                "as oci://host/path, or take enableOCI out"
            )
        return await self._resolve_in_index(repo_url, name, target_revision, credentials)

    async def fetch(
        self, ref: ChartRef, *, credentials: RepositoryCredentials | None, pass_credentials: bool = False
    ) -> Chart:
        """The chart, from the disk where it is there and as it was, else from its repository.

        `pass_credentials` shows the repository's login to whatever host its index says the archive is at.
        Raises as `resolve` does.
        """
        check_chart_repository(ref.repo_url, self._schemes)
        source = _source(ref)
        if ref.digest and (kept := await self._store.get(ref.digest, source)):
            return kept
        async with self._store.locked(ref.digest or ref.url):
            if ref.digest and (kept := await self._store.get(ref.digest, source)):
                return kept
            making = await to_thread(self._store.making)
            try:
                archive = making / "archive"
                digest = await self._downloaded(ref, archive, credentials, pass_credentials=pass_credentials)
                return await self._store.put(archive, digest, source)
            except ArchiveRefusedError as error:
                raise StalledError(f"{_shown(ref)} is refused: {error}; make it anew with `helm package`") from None
            finally:
                await to_thread(shutil.rmtree, making, ignore_errors=True)

    async def _downloaded(
        self, ref: ChartRef, path: Path, credentials: RepositoryCredentials | None, *, pass_credentials: bool
    ) -> str:
        """Write the archive there, verified as far as its digest is known; its SHA-256 in hexadecimal."""
        url, shown = URL(ref.url), _shown(ref)
        if url.scheme == OCI:
            registry, reference = self._referenced(ref, url, credentials)
            expected = ref.digest if is_registry(ref.repo_url) else await self._listed(ref, registry, reference)
            answer = registry.blob(expected, shown=shown)
        else:
            passed, expected = pass_credentials, ref.digest
            asked = asked_of(url, ref.repo_url, credentials, shown=shown, pass_credentials=passed, is_raw=True)
            answer = self._web.get(asked)
        async with answer as response:
            digest = await self._written(path, response, shown)
        if expected and digest != expected:
            raise _other_digest(ref, digest, expected)
        return digest

    def _referenced(self, ref: ChartRef, url: URL, credentials: RepositoryCredentials | None) -> tuple[Registry, str]:
        """The registry that a URL leads to, opened with the login if it is the repository's own, and tag or digest."""
        path = url.path.strip("/")
        repository, at, digest = path.partition("@")
        head, slash, last = repository.rpartition("/")
        last, _, tag = last.partition(":")
        address = f"{OCI}://{url.authority}/{head}{slash}{last}"
        check_chart_repository(address, self._schemes)
        is_its_own = is_registry(ref.repo_url) and registry_host(ref.repo_url) == registry_host(address)
        login = credentials if is_its_own else None
        return self._registry(self._place(address, "", login), login), digest if at else tag.replace("+", "_")

    async def _listed(self, ref: ChartRef, registry: Registry, reference: str) -> str:
        """The digest of an archive that an index says lies in a registry."""
        manifest = await registry.manifest(reference)
        if manifest is None:
            raise StalledError(f"{_shown(ref)} is not there, though the index lists it; publish the index anew")
        if ref.digest and ref.digest not in {manifest.archive, manifest.digest}:
            raise _other_digest(ref, manifest.archive, ref.digest)
        return manifest.archive

    async def _written(self, path: Path, response: aiohttp.ClientResponse, shown: str) -> str:
        """Write the archive within its bound; its SHA-256 in hexadecimal."""
        bytes_max = self._bounds.chart_bytes_max
        digest, size = hashlib.sha256(), 0
        with writing(path) as file:
            async for batch in batches(response):
                size += len(batch)
                if size > bytes_max:
                    raise StalledError(
                        f"{shown} is longer than {bytes_max} bytes; make the chart smaller, or raise "
                        "TRUEUP_CHART_BYTES_MAX"
                    )
                await to_thread(add, file, digest, batch)
        return digest.hexdigest()

    async def _resolve_in_index(
        self, repo_url: str, name: str, target_revision: str, credentials: RepositoryCredentials | None
    ) -> ChartRef:
        entries = await self._indexes.entries(repo_url, name, credentials)
        if not entries:
            raise StalledError(
                f"{redact_url(repo_url)} has no chart {name}; correct spec.source.chart or the repository"
            )
        by_version = {entry.version: entry for entry in reversed(entries)}
        version = best_version(target_revision, by_version)
        if version is None:
            raise _unknown_version(name, redact_url(repo_url), target_revision, by_version)
        url = archive_url(repo_url, by_version[version])
        if url is None:
            raise StalledError(
                f"the index of {redact_url(repo_url)} does not say where {name} {version} is; publish it anew with "
                "`helm repo index`"
            )
        return ChartRef(repo_url, name, version, by_version[version].digest, str(url))

    async def _resolve_in_registry(
        self, repo_url: str, name: str, target_revision: str, credentials: RepositoryCredentials | None
    ) -> ChartRef:
        place = self._place(repo_url, name, credentials)
        registry = self._registry(place, credentials)
        version, manifest = target_revision, None
        if sha256_of(target_revision) or is_name(target_revision):
            manifest = await registry.manifest(target_revision.replace("+", "_"))
        if manifest is None:
            tags = None if sha256_of(target_revision) else await registry.tags()
            if not tags:
                raise StalledError(
                    f"{place.shown} has {'no such digest' if sha256_of(target_revision) else 'no versions'}; correct "
                    "spec.source.chart or the repository, or publish the chart there"
                )
            found = best_version(target_revision, tags)
            if found is None:
                raise _unknown_version(place.repository, f"{OCI}://{place.host}", target_revision, tags)
            version, manifest = found, await registry.manifest(found.replace("+", "_"))
        if manifest is None:
            raise TransientError(f"{place.shown}: its version {version} has gone while it was looked at")
        url = f"{place.shown}@sha256:{manifest.digest}"
        return ChartRef(repo_url, name or place.repository.rpartition("/")[2], version, manifest.archive, url)

    def _place(self, repo_url: str, name: str, credentials: RepositoryCredentials | None) -> RegistryPlace:
        is_forced = credentials is not None and credentials.force_http
        if credentials is not None and is_forced and "http" not in self._schemes:
            raise InvalidSpecError(
                f"Secret {credentials.secret} has insecureOCIForceHttp, and plain http is not allowed; take it out, or "
                "add http to TRUEUP_GIT_SCHEMES"
            )
        plain_http = "http" in self._schemes and (is_forced or is_loopback(split_url(repo_url).host))
        return registry_place(repo_url, name, plain_http=plain_http)

    def _registry(self, place: RegistryPlace, credentials: RepositoryCredentials | None) -> Registry:
        return Registry(self._web, place, credentials, self._tokens)


def _source(ref: ChartRef) -> str:
    """Whose chart it is, as the store writes it down."""
    in_registry, in_index = ref.url.partition("@")[0], f"{normalize_url(ref.repo_url)} {ref.name}"
    whose = in_registry if is_registry(ref.repo_url) else in_index
    return hashlib.sha256(whose.encode()).hexdigest()[:32]


def _shown(ref: ChartRef) -> str:
    return f"chart {ref.name} {ref.version} of {redact_url(ref.repo_url)}"


def _other_digest(ref: ChartRef, found: str, expected: str) -> StalledError:
    return StalledError(
        f"{_shown(ref)} is refused: its host sends an archive with the digest sha256:{found}, and what is listed has "
        f"sha256:{expected}; publish the version and its index anew"
    )


def _unknown_version(name: str, where: str, target_revision: str, known: Collection[str]) -> StalledError:
    shown = ", ".join(newest(known, VERSIONS_SHOWN))
    if chart_range(target_revision) is None:
        what = f"version {target_revision[:80]!r}, which is no range either"
    elif is_name(target_revision):
        what = f"version {target_revision[:80]}"
    else:
        what = f"version in the range {target_revision[:80]!r}" if target_revision else "version but pre-releases"
    return StalledError(f"chart {name} of {where} has no {what}; the newest there are {shown}")
