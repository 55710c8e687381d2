"""`trueup webhook status`: of which repositories webhooks come, and of which they should."""

from __future__ import annotations

from trueup.cli.printing import structured
from trueup.cli.table import table
from trueup.clients.service_reader import read_items
from trueup.domain.errors import StalledError
from trueup.domain.githost import repositories_address
from trueup.domain.repository import normalize_url, redact_url
from trueup.settings import read_settings

HEADER = ("REPOSITORY", "APPLICATIONS", "WEBHOOK")
MISSED = "missed"


async def print_status(repository: str, output: str, *, url: str) -> bool:
    """Print what the last day says of each repository's webhooks, or of one's; whether none was missed.

    Raises StalledError for a repository that nobody follows, TransientError where the service cannot be asked.
    """
    base = url or read_settings().public_url
    if not base:
        raise StalledError("say where the service is reached: --url https://…, or TRUEUP_PUBLIC_URL")
    items = await read_items(repositories_address(base))
    if repository:
        wanted = normalize_url(repository)
        items = [item for item in items if item.get("repository") == wanted]
        if not items:
            raise StalledError(f"no Application follows {redact_url(repository)}")
    missed = [item for item in items if item.get("webhook") == MISSED]
    if output != "wide":
        print(structured(items, output))
        return not missed
    print(table(HEADER, [(item.get("repository"), item.get("applications"), item.get("webhook")) for item in items]))
    if missed:
        print(
            f"{len(missed)} of {len(items)} repositories moved in the last 24 h and no webhook came: "
            "`trueup webhook setup REPO_URL` makes the hook, and the Git host shows how its deliveries were answered"
        )
    return not missed
