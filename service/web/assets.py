"""The page's own files: one style sheet, one script, one mark.

Each is served under a name with a digest of what it holds: a browser keeps it for ever and never has an old one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from .answers import ASSET_HEADERS

STATIC = Path(__file__).parent / "static"
PATH = "/assets/"
DIGEST_CHARS = 16
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    body: bytes
    content_type: str


class Assets:
    """Read once; there are three."""

    def __init__(self, directory: Path = STATIC) -> None:
        self._urls: dict[str, str] = {}
        self._assets: dict[str, Asset] = {}
        for file in sorted(directory.iterdir()):
            body = file.read_bytes()
            name = f"{file.stem}.{hashlib.sha256(body).hexdigest()[:DIGEST_CHARS]}{file.suffix}"
            self._urls[file.name] = PATH + name
            self._assets[name] = Asset(body, _TYPES[file.suffix])

    def url(self, name: str) -> str:
        """Where the file of this name is served. KeyError for one that is not there."""
        return self._urls[name]

    async def serve(self, request: web.Request) -> web.Response:
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        return web.Response(
            body=asset.body, content_type=asset.content_type, charset="utf-8", headers=dict(ASSET_HEADERS)
        )
