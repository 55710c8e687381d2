"""Azure DevOps' deliveries ("service hooks").

https://learn.microsoft.com/en-us/azure/devops/service-hooks/services/webhooks
https://learn.microsoft.com/en-us/azure/devops/service-hooks/events#git.push

Nothing is signed; the hook's user and password are all the proof there is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

from .event import Headers, Ignored, Lookup, Provider, PushEvent, WebhookEvent, printable
from .payload import Payload, decode
from .refs import change
from .signature import verify_basic

NAME = "azure"
USER_KEY = "webhook.azuredevops.username"
PASSWORD_KEY = "webhook.azuredevops.password"  # noqa: S105 -- the name of a key
ADDRESSES = ("remoteUrl", "sshUrl", "webUrl")
#: https://dev.azure.com/ORG/[PROJECT/]_git/NAME and the older https://ORG.visualstudio.com/…; without a
#: project the repository has its name.
HOSTED = re.compile(
    r"https://(?:[^/@]*@)?(?:dev\.azure\.com/(?P<org>[^/]+)|(?P<old_org>[^/.]+)\.visualstudio\.com)/"
    r"(?:DefaultCollection/)?(?:(?P<project>[^/]+)/)?_git/(?P<name>[^/?#]+)/?",
    re.IGNORECASE,
)


def parse(headers: Headers, body: bytes, secrets: Sequence[bytes]) -> WebhookEvent:
    """Verify, then decode, then build; UnauthorizedError or MalformedError and no other error.

    Each secret is `user:password`.
    """
    verify_basic(headers, secrets)
    payload = decode(headers, body)
    kind = payload.text("eventType")
    if kind != "git.push":
        return Ignored(f"The event {printable(kind)!r} moves no ref.")
    resource = payload.child("resource")
    return PushEvent(
        provider=NAME,
        repository_urls=_addresses(resource.child("repository")),
        changes=tuple(
            change(entry.text("name"), entry.text("oldObjectId", default=""), entry.text("newObjectId", default=""))
            for entry in resource.children("refUpdates")
        ),
        delivery_id=printable(payload.text("id", default="")),
    )


def _addresses(repository: Payload) -> tuple[str, ...]:
    """What the payload names, and the other names that Azure gives the same repository."""
    found = dict.fromkeys(repository.texts(ADDRESSES))
    for url in list(found):
        if match := HOSTED.fullmatch(url):
            organisation = match["org"] or match["old_org"]
            found |= dict.fromkeys(_spellings(organisation, match["project"] or match["name"], match["name"]))
    return tuple(found)


def _spellings(organisation: str, project: str, name: str) -> list[str]:
    old = f"https://{organisation}.visualstudio.com"
    places = [f"{project}/_git/{name}"] + ([f"_git/{name}"] if project == name else [])
    return [
        *(f"https://dev.azure.com/{organisation}/{place}" for place in places),
        *(f"{old}/{collection}{place}" for collection in ("", "DefaultCollection/") for place in places),
        f"git@ssh.dev.azure.com:v3/{organisation}/{project}/{name}",
        f"{organisation}@vs-ssh.visualstudio.com:v3/{organisation}/{project}/{name}",
    ]


def _secrets(lookup: Lookup) -> Sequence[bytes]:
    return [b":".join(pair) for pair in product(lookup(USER_KEY), lookup(PASSWORD_KEY))]


PROVIDER = Provider(name=NAME, secret_key=PASSWORD_KEY, parse=parse, find=_secrets)
