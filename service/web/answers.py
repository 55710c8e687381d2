"""How the page's answers are headed: nothing from elsewhere, nothing inline, nothing kept."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

#: Content Security Policy Level 3 (W3C). Stricter than the page needs: what is added to it has to ask first.
#: Without `form-action` nothing can be posted away, whatever gets in.
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SAFE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
PAGE_HEADERS: Mapping[str, str] = {**SAFE_HEADERS, "Cache-Control": "no-store"}
#: A proxy must pass each event on as it comes; `X-Accel-Buffering` is nginx's word for that.
STREAM_HEADERS: Mapping[str, str] = {
    **PAGE_HEADERS,
    "Content-Type": "text/event-stream; charset=utf-8",
    "X-Accel-Buffering": "no",
}
#: An asset's name changes with what it holds.
ASSET_HEADERS: Mapping[str, str] = {**SAFE_HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}


def page(html: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A whole page."""
    return web.Response(
        status=status, text=html, content_type="text/html", charset="utf-8", headers={**PAGE_HEADERS, **(headers or {})}
    )
