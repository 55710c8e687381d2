"""A host that has asked for a pause is asked by nobody, until it is over."""

from __future__ import annotations

import pytest

from trueup.clients.git_pauses import PAUSES_MAX, Pauses
from trueup.domain.credentials import RepositoryCredentials
from trueup.domain.errors import TransientError

URL = "https://git.example.org/team/shore.git"


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def login(password: str) -> RepositoryCredentials:
    return RepositoryCredentials("argocd/login", "repo-creds", "https://git.example.org", password=password)


def is_paused(pauses: Pauses, url: str, credentials: RepositoryCredentials | None = None) -> bool:
    try:
        pauses.check(url, credentials)
    except TransientError:
        return True
    return False


def test_a_pause_counts_for_every_repository_of_the_host_and_for_no_other_host_or_login() -> None:
    clock = Clock()
    pauses = Pauses(now=clock)
    pauses.ask_for(URL, None, 60)
    assert is_paused(pauses, "https://git.example.org/other/harbour.git")
    for free in (
        "https://git.example.com/team/shore.git",
        "https://git.example.org:8443/a.git",
        "git@git.example.org:a",
    ):
        assert not is_paused(pauses, free)
    assert not is_paused(pauses, URL, login("one"))
    pauses.ask_for(URL, login("one"), 60)
    assert is_paused(pauses, URL, login("one"))
    assert not is_paused(pauses, URL, login("two"))
    clock.now += 60
    assert not is_paused(pauses, URL)


def test_it_says_how_long_it_lasts_and_shows_no_login() -> None:
    clock = Clock()
    pauses = Pauses(now=clock)
    pauses.ask_for(URL, login("open-sesame"), 60)
    clock.now += 20
    with pytest.raises(TransientError, match=r"repository https://git.example.org/team/shore.git: .* 40 s") as raised:
        pauses.check(URL, login("open-sesame"))
    assert raised.value.retry_after_seconds == 40
    assert "sesame" not in str(raised.value)


def test_a_longer_pause_is_not_cut_short_by_a_shorter_one() -> None:
    clock = Clock()
    pauses = Pauses(now=clock)
    pauses.ask_for(URL, None, 600)
    pauses.ask_for(URL, None, 1)
    clock.now += 599
    assert is_paused(pauses, URL)


def test_only_so_many_are_kept_and_those_that_end_last() -> None:
    pauses = Pauses(now=Clock())
    hosts = [f"https://host-{number}.example.org/a.git" for number in range(PAUSES_MAX + 5)]
    for number, url in enumerate(hosts):
        pauses.ask_for(url, None, 10 + number)
    assert [is_paused(pauses, url) for url in hosts] == [False] * 5 + [True] * PAUSES_MAX
