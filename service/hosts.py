"""By which names browsers may reach the page and the API that reads.

Whoever has a web page can let its name lead to this address (DNS rebinding), and a browser then takes what is here for
a part of that page. What it cannot choose is the name that the browser says in `Host`. So a name that anybody could
register has to be one that is known here. Webhooks and audit events prove themselves, and come by any name.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from trueup.clients.ops_server import PROBE_PATHS

from .answers import RefusedError
from .quiet import QuietLog

READING = frozenset({"GET", "HEAD"})
#: Endings that nobody can register: this machine (RFC 6761), and a cluster's own Services.
OWN_ENDINGS = (".localhost", ".svc", ".svc.cluster.local")
#: Every name, for where a proxy in front has looked at it.
EVERY = "*"
HOST_CHARS_SHOWN = 100
UNKNOWN = (
    "This service is not known by the name {name}. If it is, put the name into TRUEUP_PAGE_HOSTS, or the address by "
    "which people reach it into TRUEUP_PUBLIC_URL."
)
ELSEWHERE = "A page of another site may lead here, and may not ask for anything from here."


class Hosts:
    """The names that are known."""

    def __init__(self, public_url: str, names: Iterable[str]) -> None:
        """`names` as in `page_hosts`: a name, `*.` and what it ends in, or `*` for every name."""
        known = (*names, _name_of(public_url))
        self._names = frozenset(name.lower().rstrip(".") for name in known if name)
        self._endings = (*OWN_ENDINGS, *(name[1:] for name in self._names if name.startswith("*.")))

    def know(self, host: str) -> bool:
        """Whether a request may say this in `Host`; one without it comes from no browser."""
        name = _name_in(host)
        # A name without a dot is one of the network that the browser is in.
        is_own = "." not in name or name.endswith(self._endings) or _is_address(name)
        return is_own or name in self._names or EVERY in self._names


def only_known(hosts: Hosts) -> Middleware:
    """Refuses to show anything by a name that is not known, or to a page of another site."""
    log = QuietLog(__name__)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method not in READING or request.path in PROBE_PATHS:
            return await handler(request)
        host = request.headers.get("Host", "")
        if not hosts.know(host):
            shown = "".join(c if c.isprintable() else "?" for c in host[:HOST_CHARS_SHOWN])
            log.warning("asked for by a name that is not known", host=shown)
            raise RefusedError(403, UNKNOWN.format(name=shown))
        sent = request.headers
        if sent.get("Sec-Fetch-Site") == "cross-site" and sent.get("Sec-Fetch-Mode") != "navigate":
            raise RefusedError(403, ELSEWHERE)
        return await handler(request)

    return guard


def _name_of(url: str) -> str:
    """The name in an address, which may lack its scheme; empty where there is none."""
    try:
        return urlsplit(url if "//" in url else f"//{url}").hostname or ""
    except ValueError:
        return ""


def _name_in(host: str) -> str:
    """Without the port, in small letters; an address of IPv6 without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
