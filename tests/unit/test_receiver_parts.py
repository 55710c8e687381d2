"""The small parts of the service's edge."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.parts import assemble
from service.probes import Progress, ProgressBounds
from service.quiet import QuietLog
from service.receiver import UNTRIED, say_unproven
from service.webhook_secrets import WebhookSecrets
from tests.support.hooks import hook_secret
from tests.support.service import settings_for
from trueup.clients.audit_stream import AuditStream
from trueup.clients.cluster import Cluster
from trueup.clients.credentials import ServerAccess
from trueup.clients.ops_server import split_listen
from trueup.clients.queue import Queue
from trueup.clients.redis import connect
from trueup.clients.view_shelf import ViewShelf


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:8080", ("::1", 8080)),
        (":8080", ("0.0.0.0", 8080)),  # noqa: S104 -- compared, not bound
    ],
)
def test_listening_address_is_host_and_port(text: str, address: tuple[str, int]) -> None:
    assert split_listen(text) == address


@pytest.mark.parametrize("text", ["", "8080", "host", "host:", "host:x", "host:-1", "host:65536", "host:²"])
def test_what_is_no_listening_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        split_listen(text)


def test_strangers_cannot_fill_the_log() -> None:
    with capture_logs() as lines:
        log = QuietLog("test")
        for _ in range(1000):
            log.warning("a delivery is not genuine")
    assert len(lines) == 1


async def test_process_that_stands_still_says_which_part(tmp_path: Path) -> None:
    client = connect("redis://127.0.0.1:1/0")
    cluster = Cluster(ServerAccess("https://127.0.0.1:1", bearer_token="none"))
    parts = assemble(
        settings_for("argocd", "redis://127.0.0.1:1/0", tmp_path),
        cluster,
        Queue(client),
        AuditStream(client),
        ViewShelf(client),
    )
    assert await parts.progress.standstills() == []
    assert "still being loaded" in (await parts.progress.obstacles())[0]
    hasty = ProgressBounds(contact_seconds_max=0.0, turn_seconds_max=0.0)
    sentences = await Progress(parts.snapshots, parts.dispatcher, parts.sweep, bounds=hasty).standstills()
    assert [sentence.split(" has ")[0] for sentence in sentences] == [
        "The watch of Application",
        "The watch of Secret",
        "The watch of repository Secret",
        "The watch of cluster Secret",
        "The watch of audit Secret",
        "The watch of keys Secret",
        "The watch of argocd-cm",
    ]
    await client.aclose()


@pytest.mark.parametrize(
    ("hook", "untried", "said"),
    [
        (None, 2, {"secrets_untried": "2", "error": "why", "way_out": UNTRIED}),
        (None, 0, {"error": "why"}),
        ("shop", 0, {"hook": "shop", "error": "why"}),
        (
            "nob\nody",
            0,
            {"hook": "nobody", "error": "No repository Secret of this name has a url and a webhookSecret."},
        ),
    ],
)
def test_the_log_says_of_a_refused_delivery_what_its_answer_may_not(
    hook: str | None, untried: int, said: dict[str, str]
) -> None:
    secrets = WebhookSecrets(webhook_secrets_tried_max=20)
    secrets.observe_hook(None, hook_secret("shop", "https://git.example.com/acme/deploy", b"the secret itself"))
    with capture_logs() as lines:
        say_unproven(QuietLog("test"), secrets, "github", hook, "why", untried=untried, peer="::1")
    (line,) = lines
    assert line | said == line
    assert set(line) - set(said) == {"event", "log_level", "kept_back", "provider", "peer"}
    assert "the secret itself" not in str(line)
