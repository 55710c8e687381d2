"""By which names the page and the API show anything: none that a stranger could register."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.hosts import Hosts
from tests.support.arbitrary import HEADER_TEXT
from tests.support.pages import unstarted

READ = ("/", "/applications/shop", "/incidents", "/events?on=incidents", "/api/v1/applications", "/api/v1/incidents")
#: What a browser says of a link that somebody has followed, and of what a page of another site asks for.
FOLLOWED = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
DRAWN_IN = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}


@pytest.mark.parametrize(
    "host",
    [
        "",
        "127.0.0.1:8080",
        "10.96.0.7",
        "[::1]:8080",
        "[fd00::7]",
        "localhost",
        "LOCALHOST.:8080",
        "trueup.localhost:8080",
        "trueup-service",
        "trueup-service.argocd.svc:8080",
        "trueup-service.argocd.svc.cluster.local",
        "trueup.example.com",
        "Trueup.Example.com.:443",
        "a.other.example.com",
        "named.example.org",
    ],
)
def test_a_name_that_is_ours_is_known(host: str) -> None:
    assert Hosts("https://trueup.example.com/ui", ("*.other.example.com", "named.example.org")).know(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example.com",
        "evil.example.com:8080",
        "trueup.example.com.evil.example",
        "eviltrueup.example.com",
        "other.example.com",
        "127.0.0.1.evil.example",
        "127.0.0.1.nip.io",
        "svc.evil.example",
        "a.svc.cluster.local.evil.example",
        "localhost.evil.example",
    ],
)
def test_a_name_that_anybody_could_register_is_not(host: str) -> None:
    assert not Hosts("https://trueup.example.com/ui", ("*.other.example.com",)).know(host)
    assert not Hosts("trueup.example.com", ()).know(host)
    assert Hosts("", ("*",)).know(host)


@given(HEADER_TEXT, st.sampled_from(["", "no address", "//", "https://", "https://[broken"]))
def test_no_header_and_no_setting_breaks_the_door(host: str, public_url: str) -> None:
    Hosts(public_url, ()).know(host)


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
async def test_by_a_strangers_name_nothing_is_shown_and_it_says_what_to_do(tmp_path: Path, accept: str) -> None:
    async with unstarted(tmp_path) as (parts, http):
        parts.snapshots._loaded.set()
        parts.incidents.problem = ""
        for path in READ:
            answer = await http.get(path, headers={"Host": "evil.example.com", "Accept": accept})
            assert answer.status == 403, path
            assert "TRUEUP_PAGE_HOSTS" in await answer.text()
            assert (await http.head(path.partition("?")[0], headers={"Host": "evil.example.com"})).status in (403, 405)


async def test_probes_and_senders_come_by_any_name(tmp_path: Path) -> None:
    async with unstarted(tmp_path, page_hosts=()) as (_, http):
        by_name = {"Host": "hooks.example.com"}
        assert (await http.get("/readyz", headers=by_name)).status == 503
        assert (await http.get("/healthz", headers=by_name)).status == 200
        assert (await http.post("/api/webhook", data=b"{}", headers=by_name)).status != 403
        assert "TRUEUP_PAGE_HOSTS" not in await (await http.post("/api/audit", headers=by_name)).text()


async def test_a_page_of_another_site_may_lead_here_and_draw_nothing_from_here(tmp_path: Path) -> None:
    async with unstarted(tmp_path) as (parts, http):
        parts.snapshots._loaded.set()
        parts.incidents.problem = ""
        assert (await http.get("/", headers=FOLLOWED)).status == 200
        for path in READ:
            assert (await http.get(path, headers=DRAWN_IN)).status == 403
