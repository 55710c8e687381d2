"""A repository of charts with an index: the index, kept and asked for anew by its ETag, and archives.

An index is used only after its host has said, to whoever asks now and with his own login, that it is still the
one: what is kept saves the transfer, not the question.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import secrets
import time
from asyncio import to_thread
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import aiohttp
import orjson
from yarl import URL

from trueup.clients.charts.index import Entry, MalformedIndexError, SlowIndexError, entries_of
from trueup.clients.charts.store import disk_error
from trueup.clients.charts.web import Asked, Web
from trueup.domain.credentials import RepositoryCredentials
from trueup.domain.errors import StalledError, TransientError
from trueup.domain.repository import git_address, redact_url

#: Charts whose versions are remembered, by what their index holds.
REMEMBERED_MAX = 200
#: A header of this length and above is not sent back.
VALIDATOR_CHARS_MAX = 512
_BATCH_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Kept:
    """An index on the disk."""

    path: Path
    sha256: str
    #: What is asked with whether it is still the one.
    validators: Mapping[str, str]


class Indexes:
    """The indexes of all repositories, in a directory that processes share."""

    def __init__(self, web: Web, directory: Path) -> None:
        self._web = web
        self._directory = directory
        #: By what the index holds and the name of the chart; the oldest first.
        self._remembered: dict[tuple[str, str], tuple[Entry, ...] | None] = {}

    async def entries(
        self, repo_url: str, chart: str, credentials: RepositoryCredentials | None
    ) -> tuple[Entry, ...] | None:
        """The versions of a chart in the index of now; None where it lists no such chart."""
        shown = f"the index of {redact_url(repo_url)}"
        index = await self._current(repo_url, shown, credentials)
        key = (index.sha256, chart)
        if key not in self._remembered:
            found = await to_thread(self._read, index.path, chart, shown)
            while len(self._remembered) >= REMEMBERED_MAX:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[key] = found
        return self._remembered[key]

    async def _current(self, repo_url: str, shown: str, credentials: RepositoryCredentials | None) -> _Kept:
        url = index_url(repo_url)
        kept = await to_thread(self._kept, url)
        asked = asked_of(url, repo_url, credentials, shown=shown)
        if kept is not None:
            asked.headers.update(kept.validators)
        async with self._web.get(asked, accepted=(200, 304) if kept is not None else (200,)) as response:
            if response.status == 304 and kept is not None:
                return kept
            return await self._received(url, response, shown)

    async def _received(self, url: URL, response: aiohttp.ClientResponse, shown: str) -> _Kept:
        bytes_max = self._web.bounds.index_bytes_max
        fresh = self._directory / f"{secrets.token_hex(8)}.new"
        digest, size = hashlib.sha256(), 0
        try:
            with writing(fresh) as file:
                async for batch in batches(response):
                    size += len(batch)
                    if size > bytes_max:
                        raise StalledError(
                            f"{shown} is longer than {bytes_max} bytes; publish fewer versions there, or raise "
                            "TRUEUP_CHART_INDEX_BYTES_MAX"
                        )
                    await to_thread(add, file, digest, batch)
            validators = _validators(response)
            return await to_thread(self._keep, url, fresh, digest.hexdigest(), validators)
        finally:
            fresh.unlink(missing_ok=True)

    def _kept(self, url: URL) -> _Kept | None:
        """What is on the disk, verified; None where nothing is, or not as it was written."""
        name = _name(url)
        try:
            said = orjson.loads((self._directory / f"{name}.json").read_bytes())
            path = self._directory / f"{name}-{said['sha256']}.yaml"
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            validators = {str(key): str(value) for key, value in said["validators"].items()}
            os.utime(path)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return _Kept(path, digest, validators) if digest == said["sha256"] and validators else None

    def _keep(self, url: URL, fresh: Path, sha256: str, validators: Mapping[str, str]) -> _Kept:
        name = _name(url)
        path = self._directory / f"{name}-{sha256}.yaml"
        note = fresh.with_suffix(".note")
        try:
            fresh.replace(path)
            note.write_bytes(orjson.dumps({"sha256": sha256, "validators": validators}))
            note.replace(self._directory / f"{name}.json")
            self._make_room(path)
        except OSError as error:
            note.unlink(missing_ok=True)
            raise disk_error(error) from error
        return _Kept(path, sha256, validators)

    def _make_room(self, newest: Path) -> None:
        found = []
        for entry in os.scandir(self._directory):
            with contextlib.suppress(FileNotFoundError):
                stat = entry.stat()
                found.append((stat.st_mtime, stat.st_size, Path(entry.path)))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._web.bounds.indexes_bytes_max:
                return
            if path != newest:
                path.unlink(missing_ok=True)
                total -= size

    def _read(self, path: Path, chart: str, shown: str) -> tuple[Entry, ...] | None:
        late = time.monotonic() + self._web.bounds.index_seconds_max
        try:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
                return entries_of(text, chart, is_late=lambda: time.monotonic() > late)
        except MalformedIndexError as error:
            raise StalledError(f"{shown} cannot be read: {error}; publish it anew with `helm repo index`") from None
        except SlowIndexError:
            raise StalledError(
                f"{shown} takes longer than {self._web.bounds.index_seconds_max:g} s to read, for it is large and not "
                "laid out as Helm does it; publish it anew with `helm repo index`"
            ) from None
        except ValueError as error:
            # An empty file cannot be mapped.
            raise StalledError(f"{shown} is empty; publish it anew with `helm repo index`") from error
        except OSError as error:
            # Others have made room meanwhile.
            raise TransientError(f"{shown} is gone from the disk; it is asked for again") from error


def index_url(repo_url: str) -> URL:
    """Where the index of a repository is."""
    return URL(git_address(repo_url).rstrip("/") + "/index.yaml")


def archive_url(repo_url: str, entry: Entry) -> URL | None:
    """Where the archive of a version is, relative to its repository; None where the index names no such place."""
    base = URL(git_address(repo_url).rstrip("/") + "/")
    for text in entry.urls:
        try:
            url = base.join(URL(text))
        except ValueError:
            continue
        if url.scheme in {"https", "http", "oci"} and url.raw_host:
            return url.with_user(None).with_fragment(None)
    return None


def asked_of(
    url: URL,
    repo_url: str,
    credentials: RepositoryCredentials | None,
    *,
    shown: str,
    pass_credentials: bool = False,
    is_raw: bool = False,
) -> Asked:
    """Ask for `url` on behalf of a repository: its login goes to its own host, elsewhere only if it is passed on."""
    own = URL(git_address(repo_url)).origin()
    login = credentials.authorization if credentials is not None else ""
    sent = {"Authorization": login} if login else {}
    is_its_own = url.origin() == own
    # What came by https does not go by http, whoever it is passed on to.
    is_weaker = own.scheme == "https" and url.scheme != "https"
    origin = url.origin() if is_its_own or (pass_credentials and not is_weaker) else None
    return Asked(url, shown=shown, credentials=credentials, origin=origin, headers=sent, is_raw=is_raw)


async def batches(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The body in parts that are worth a thread each."""
    batch = bytearray()
    async for chunk in response.content.iter_any():
        batch += chunk
        if len(batch) >= _BATCH_BYTES:
            yield bytes(batch)
            batch.clear()
    yield bytes(batch)


def add(file: IO[bytes], digest: Any, batch: bytes) -> None:
    """Write and hash. Blocks; TransientError for a full disk."""
    try:
        file.write(batch)
    except OSError as error:
        raise disk_error(error) from error
    digest.update(batch)


def writing(path: Path) -> IO[bytes]:
    """A new file, open; TransientError for a full disk."""
    try:
        return path.open("xb")
    except OSError as error:
        raise disk_error(error) from error


def _validators(response: aiohttp.ClientResponse) -> dict[str, str]:
    said = {"If-None-Match": response.headers.get("ETag"), "If-Modified-Since": response.headers.get("Last-Modified")}
    return {name: value for name, value in said.items() if value and len(value) < VALIDATOR_CHARS_MAX}


def _name(url: URL) -> str:
    return hashlib.sha256(str(url).encode()).hexdigest()[:40]
