from __future__ import annotations

import pytest

from service.webhooks.detect import PROVIDERS, detect
from service.webhooks.event import Headers
from tests.support.github import delivery


def test_github_is_known_by_its_event_header() -> None:
    assert detect(Headers(delivery(b"").items())) == "github"
    assert detect(Headers([("x-gItHuB-event", "push")])) == "github"


@pytest.mark.parametrize(
    ("marks", "host"),
    [
        (["X-Forgejo-Event", "X-Gitea-Event", "X-Gogs-Event", "X-GitHub-Event"], "forgejo"),
        (["X-GitHub-Event", "X-Gogs-Event", "X-Gitea-Event"], "gitea"),
        (["X-GitHub-Event", "X-Gogs-Event"], "gogs"),
        (["X-Vss-ActivityId"], "azure"),
        (["X-Gitlab-Event"], "gitlab"),
        (["X-Event-Key", "X-Hook-UUID"], "bitbucket"),
        (["X-Event-Key"], "bitbucket-server"),
    ],
)
def test_no_other_host_is_taken_for_github(marks: list[str], host: str) -> None:
    assert detect(Headers((mark, "push") for mark in marks)) == host


def test_a_stranger_is_no_host() -> None:
    assert detect(Headers([("Host", "example.com")])) == ""


def test_each_provider_is_registered_by_its_own_name() -> None:
    assert {name: provider.name for name, provider in PROVIDERS.items()} == {name: name for name in PROVIDERS}
