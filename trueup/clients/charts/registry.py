"""An OCI registry as charts are published there: tags, manifests, blobs, and how one logs in.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md, and Helm's media types.

A login is shown to the registry itself, where it asks for Basic, or to the token service that it names (`realm`),
which may be on another host: whoever speaks for the registry's own address would get the login by asking
for Basic as well. What names a realm from anywhere else, after a redirect, is not listened to. For a registry
that is reached by https the realm is too.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import orjson
from yarl import URL

from trueup.clients.charts.challenge import Challenge, challenges
from trueup.clients.charts.index import sha256_of
from trueup.clients.charts.refusal import refused
from trueup.clients.charts.web import Asked, Web
from trueup.domain.chart_repository import RegistryPlace
from trueup.domain.credentials import RepositoryCredentials
from trueup.domain.errors import StalledError

CONFIG_TYPE = "application/vnd.cncf.helm.config.v1+json"
CHART_TYPES = frozenset(
    {"application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/tar+gzip"}  # the second is Helm 3.0's
)
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_BYTES_MAX = 4 * 1024 * 1024
TAGS_BYTES_MAX = 8 * 1024 * 1024
TOKEN_BYTES_MAX = 256 * 1024
TAGS_PER_PAGE = 1_000
PAGES_MAX = 100
TAGS_MAX = 50_000
TOKENS_KEPT_MAX = 1_000
#: What a token is good for where its service does not say so, and how long before its end it is renewed.
TOKEN_SECONDS = 60.0
TOKEN_MARGIN_SECONDS = 10.0

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/=-]+")


@dataclass(frozen=True, slots=True)
class ChartManifest:
    """One version of a chart in a registry."""

    #: SHA-256 in hexadecimal, of the manifest and of the archive.
    digest: str
    archive: str


class Registry:
    """One repository of a registry, asked on behalf of whoever has these credentials."""

    def __init__(
        self,
        web: Web,
        place: RegistryPlace,
        credentials: RepositoryCredentials | None,
        tokens: dict[tuple[str, str], tuple[float, str]],
    ) -> None:
        """`tokens` are kept by the caller: by repository and login, until when one is good, and the header."""
        self._web = web
        self._place = place
        self._credentials = credentials
        self._tokens = tokens
        self._origin = URL(place.origin).origin()

    async def manifest(self, reference: str) -> ChartManifest | None:
        """What a tag or a digest (`sha256:…`) stands for; None where there is no such thing.

        StalledError for what is no chart.
        """
        if not _TAG.fullmatch(reference) and not (reference.startswith("sha256:") and sha256_of(reference)):
            return None
        shown = f"{self._place.shown}{'@' if ':' in reference else ':'}{reference}"
        accept = ", ".join((*MANIFEST_TYPES, *INDEX_TYPES))
        async with self._get(f"manifests/{reference}", shown, {"Accept": accept}, accepted=(200, 404)) as response:
            if response.status == 404:
                return None
            body = await self._web.read(response, self._asked("", shown), MANIFEST_BYTES_MAX)
            media_type = response.content_type
        digest = hashlib.sha256(body).hexdigest()
        if ":" in reference and sha256_of(reference) != digest:
            raise StalledError(f"{shown}: the registry sent something else, with the digest sha256:{digest}")
        return ChartManifest(digest, _archive_of(body, media_type, shown))

    async def tags(self) -> list[str] | None:
        """Every tag, as versions: with `+` where tags carry `_`. None where there is no such repository."""
        found: list[str] = []
        path = f"tags/list?n={TAGS_PER_PAGE}"
        for _ in range(PAGES_MAX):
            async with self._get(path, self._place.shown, {}, accepted=(200, 404)) as response:
                if response.status == 404:
                    return None
                body = await self._web.read(response, self._asked("", self._place.shown), TAGS_BYTES_MAX)
                link = response.links.get("next")
            found += _tags_of(body, self._place.shown)
            if not link or "url" not in link:
                return [tag.replace("_", "+") for tag in found]
            base = URL(self._place.base + "/")
            further = URL(str(link["url"]), encoded=True)
            if len(found) > TAGS_MAX or further.origin() != self._origin or not further.path.startswith(base.path):
                break
            path = further.raw_path_qs.removeprefix(base.raw_path)
        raise StalledError(
            f"{self._place.shown} has more than {TAGS_MAX} tags, or pages of them that lead elsewhere; name one version"
        )

    @asynccontextmanager
    async def blob(self, digest: str, *, shown: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer that holds a blob, by its SHA-256 in hexadecimal; what it holds is for the caller to verify."""
        async with self._get(f"blobs/sha256:{digest}", shown, {}, accepted=(200,), is_raw=True) as response:
            yield response

    @asynccontextmanager
    async def _get(
        self, path: str, shown: str, headers: dict[str, str], *, accepted: tuple[int, ...], is_raw: bool = False
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        key = (self._place.base, self._credentials.authorization if self._credentials else "")
        until, login = self._tokens.get(key, (0.0, ""))
        if until < time.monotonic():
            login = ""
        asked = self._asked(path, shown, headers, login, is_raw=is_raw)
        async with self._web.get(asked, accepted=(*accepted, 401)) as response:
            if response.status != 401:
                yield response
                return
            is_its_own = response.url.origin() == self._origin
            asked_for = challenges(response.headers.getall("WWW-Authenticate", ())) if is_its_own else []
        login = await self._login(asked_for, shown, key)
        asked = self._asked(path, shown, headers, login, is_raw=is_raw)
        async with self._web.get(asked, accepted=accepted) as response:
            yield response

    def _asked(
        self, path: str, shown: str, headers: dict[str, str] | None = None, login: str = "", *, is_raw: bool = False
    ) -> Asked:
        url = URL(f"{self._place.base}/{path}", encoded=True)
        sent = {**(headers or {}), **({"Authorization": login} if login else {})}
        credentials, origin = self._credentials, self._origin
        return Asked(url, shown=shown, credentials=credentials, origin=origin, headers=sent, is_raw=is_raw)

    async def _login(self, asked_for: list[Challenge], shown: str, key: tuple[str, str]) -> str:
        """The header that opens the registry; StalledError where we have none to offer."""
        own = self._credentials.authorization if self._credentials else ""
        self._tokens.pop(key, None)
        for challenge in asked_for:
            if challenge.scheme == "bearer" and "realm" in challenge.parameters and not own.startswith("Bearer "):
                seconds, token = await self._token(challenge, own, shown)
                self._keep(key, time.monotonic() + seconds - TOKEN_MARGIN_SECONDS, f"Bearer {token}")
                return f"Bearer {token}"
            if own and challenge.scheme == own.partition(" ")[0].lower():
                # Not a token, yet good for as long as its Secret says so: one refusal less for each request.
                self._keep(key, float("inf"), own)
                return own
        raise refused(shown, 401, {}, self._credentials, self._web.bounds.pause_seconds_max)

    def _keep(self, key: tuple[str, str], until: float, login: str) -> None:
        while len(self._tokens) >= TOKENS_KEPT_MAX:
            del self._tokens[next(iter(self._tokens))]
        self._tokens[key] = (until, login)

    async def _token(self, challenge: Challenge, own: str, shown: str) -> tuple[float, str]:
        """How many seconds a new token is good for, and the token; without a login of ours an anonymous one."""
        try:
            realm = URL(challenge.parameters["realm"])
            origin = realm.origin()
        except ValueError:
            raise StalledError(f"{shown}: the registry names no token service that can be asked") from None
        if realm.scheme != "https" and self._place.scheme == "https":
            raise StalledError(f"{shown}: the registry's token service is not reached by https, which is refused")
        query = {name: value for name in ("service", "scope") if (value := challenge.parameters.get(name))}
        query.setdefault("scope", f"repository:{self._place.repository}:pull")
        asked = Asked(
            realm.update_query(query).with_user(None),
            shown=f"the token service of {shown}",
            credentials=self._credentials,
            origin=origin,
            headers={"Authorization": own} if own else {},
        )
        async with self._web.get(asked) as response:
            body = await self._web.read(response, asked, TOKEN_BYTES_MAX)
        said = _json(body, asked.shown)
        token = said.get("token") or said.get("access_token")
        if not isinstance(token, str) or not _TOKEN68.fullmatch(token):
            raise StalledError(f"{asked.shown} answers without a token that can be used")
        seconds = said.get("expires_in")
        return (float(seconds) if isinstance(seconds, int) and 0 < seconds < 10**6 else TOKEN_SECONDS), token


def _archive_of(body: bytes, media_type: str, shown: str) -> str:
    """The digest of the chart's archive. StalledError for a manifest of anything else."""
    manifest = _json(body, shown)
    said = manifest.get("mediaType") or media_type
    if said in INDEX_TYPES or "manifests" in manifest:
        raise StalledError(f"{shown} is an index of images, not a chart; name the repository of a chart")
    config, layers = manifest.get("config"), manifest.get("layers")
    config_type = config.get("mediaType") if isinstance(config, dict) else None
    if config_type != CONFIG_TYPE or not isinstance(layers, list):
        kind = f"a {str(config_type)[:80]}" if config_type else "no manifest of one"
        raise StalledError(f"{shown} is no Helm chart (it is {kind}); name the repository of a chart")
    charts = [one for one in layers if isinstance(one, dict) and one.get("mediaType") in CHART_TYPES]
    digest = sha256_of(charts[0].get("digest")) if len(charts) == 1 else ""
    if not digest:
        raise StalledError(f"{shown} has {len(charts)} archives that can be named by SHA-256, and a chart has one")
    return digest


def _tags_of(body: bytes, shown: str) -> list[str]:
    tags = _json(body, shown).get("tags") or []
    if not isinstance(tags, list):
        raise StalledError(f"{shown}: the registry's list of tags is none")
    return [tag for tag in tags if isinstance(tag, str) and _TAG.fullmatch(tag)]


def _json(body: bytes, shown: str) -> dict[str, object]:
    try:
        said = orjson.loads(body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise StalledError(f"{shown} answers no JSON object; is it an OCI registry?")
    return said
