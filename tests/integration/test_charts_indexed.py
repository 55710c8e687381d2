"""Charts from a repository with an index: what is found, what is asked, and whom a login is shown to."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from tests.support.charts import (
    BASIC,
    PASSWORD,
    ChartHost,
    chart_host,
    chart_secret,
    charts,
    index,
    plain_chart,
    publish,
)
from tests.support.fixtures import in_own_task
from trueup.clients.charts import ChartBounds, ChartRef, Charts
from trueup.domain.errors import InvalidSpecError, StalledError, TransientError


@pytest_asyncio.fixture(loop_scope="session")
async def host() -> AsyncIterator[ChartHost]:
    async with in_own_task(chart_host()) as it:
        yield it


@pytest_asyncio.fixture(loop_scope="session")
async def other() -> AsyncIterator[ChartHost]:
    async with in_own_task(chart_host()) as it:
        yield it


async def test_a_range_becomes_a_chart_on_the_disk(host: ChartHost, tmp_path: Path) -> None:
    publish(host, ("shop", "1.0.0"), ("shop", "1.2.0"), ("shop", "2.0.0-rc.1"), ("bank", "9.0.0"))
    async with charts(tmp_path) as it:
        ref = await it.resolve(host.url + "/charts", "shop", "^1", credentials=None)
        assert (ref.version, ref.url) == ("1.2.0", f"{host.url}/charts/shop-1.2.0.tgz")
        chart = await it.fetch(ref, credentials=None)
    assert (chart.name, chart.version, chart.digest) == ("shop", "1.2.0", ref.digest)
    assert (chart.directory / "values.yaml").read_text() == "a: 1\n"
    assert (chart.directory / "values.yaml").stat().st_mode & 0o222 == 0


async def test_what_is_on_the_disk_is_not_fetched_again(host: ChartHost, tmp_path: Path) -> None:
    publish(host, ("shop", "1.0.0"))
    for _ in range(2):
        async with charts(tmp_path) as it:
            ref = await it.resolve(host.url + "/charts/", "shop", "", credentials=None)
            await it.fetch(ref, credentials=None)
    assert host.paths() == ["/charts/index.yaml", "/charts/shop-1.0.0.tgz", "/charts/index.yaml"]
    assert host.asked[-1].headers["If-None-Match"]


async def test_a_version_that_is_published_is_found_at_once(host: ChartHost, tmp_path: Path) -> None:
    async with charts(tmp_path) as it:
        for version in ("1.0.0", "1.1.0"):
            publish(host, ("shop", "1.0.0"), ("shop", version)) if version != "1.0.0" else publish(
                host, ("shop", "1.0.0")
            )
            assert (await it.resolve(host.url + "/charts", "shop", "1.*", credentials=None)).version == version


async def test_many_who_want_one_chart_fetch_it_once(host: ChartHost, tmp_path: Path) -> None:
    publish(host, ("shop", "1.0.0"))
    async with charts(tmp_path) as one, charts(tmp_path) as another:
        ref = await one.resolve(host.url + "/charts", "shop", "1.0.0", credentials=None)
        got = await asyncio.gather(*(it.fetch(ref, credentials=None) for it in (one, another) for _ in range(4)))
    assert len({chart.directory for chart in got}) == 1
    assert host.paths().count("/charts/shop-1.0.0.tgz") == 1


async def test_without_a_digest_in_the_index_the_archive_says_what_it_is(host: ChartHost, tmp_path: Path) -> None:
    publish(host, ("shop", "1.0.0"), digests=False)
    async with charts(tmp_path) as it:
        ref = await it.resolve(host.url + "/charts", "shop", "1.0.0", credentials=None)
        chart = await it.fetch(ref, credentials=None)
    assert ref.digest == ""
    assert chart.digest == hashlib.sha256(host.files["/charts/shop-1.0.0.tgz"]).hexdigest()


async def test_an_unknown_version_names_the_newest(host: ChartHost, tmp_path: Path) -> None:
    publish(host, *(("shop", f"1.{minor}.0") for minor in range(9)))
    async with charts(tmp_path) as it:
        with pytest.raises(StalledError, match=r"chart shop of http://.* has no version 3.0.0; .* 1.8.0, 1.7.0"):
            await it.resolve(host.url + "/charts", "shop", "3.0.0", credentials=None)
        with pytest.raises(StalledError, match="has no version in the range '>2'"):
            await it.resolve(host.url + "/charts", "shop", ">2", credentials=None)
        with pytest.raises(StalledError, match="has no chart bank"):
            await it.resolve(host.url + "/charts", "bank", "1", credentials=None)


async def test_a_login_opens_the_repository(host: ChartHost, tmp_path: Path) -> None:
    publish(host, ("shop", "1.0.0"))
    host.login = BASIC
    repository = host.url + "/charts"
    async with charts(tmp_path) as it:
        with pytest.raises(StalledError, match="give a Secret with its URL"):
            await it.resolve(repository, "shop", "1.0.0", credentials=None)
        wrong = chart_secret(repository, password="wrong-word")
        with pytest.raises(StalledError, match="the login in Secret argocd/charts is not accepted") as refused:
            await it.resolve(repository, "shop", "1.0.0", credentials=wrong)
        assert "wrong-word" not in str(refused.value)
        right = chart_secret(repository)
        ref = await it.resolve(repository, "shop", "1.0.0", credentials=right)
        assert (await it.fetch(ref, credentials=right)).version == "1.0.0"
        # What is kept of the index is for nobody who may not read it now.
        with pytest.raises(StalledError, match="401"):
            await it.resolve(repository, "shop", "1.0.0", credentials=None)


async def test_a_digest_opens_nothing_that_its_writer_may_not_fetch(
    host: ChartHost, other: ChartHost, tmp_path: Path
) -> None:
    publish(host, ("shop", "1.0.0"))
    host.login = BASIC
    login = chart_secret(host.url + "/charts")
    other.files["/charts/index.yaml"] = host.files["/charts/index.yaml"]
    async with charts(tmp_path) as it:
        ref = await it.resolve(host.url + "/charts", "shop", "1.0.0", credentials=login)
        chart = await it.fetch(ref, credentials=login)
        copied = await it.resolve(other.url + "/charts", "shop", "1.0.0", credentials=None)
        assert copied.digest == ref.digest
        with pytest.raises(StalledError, match="nothing there"):
            await it.fetch(copied, credentials=None)
        other.files |= host.files
        assert (await it.fetch(copied, credentials=None)).directory == chart.directory
        assert await it.fetch(ref, credentials=login) == chart


async def test_a_redirect_to_another_host_receives_no_login(host: ChartHost, other: ChartHost, tmp_path: Path) -> None:
    publish(other, ("shop", "1.0.0"))
    host.redirect("/charts/index.yaml", other.url + "/charts/index.yaml")
    host.redirect("/charts/shop-1.0.0.tgz", other.url + "/charts/shop-1.0.0.tgz", 307)
    repository = host.url + "/charts"
    login = chart_secret(repository)
    async with charts(tmp_path) as it:
        ref = await it.resolve(repository, "shop", "1.0.0", credentials=login)
        await it.fetch(ref, credentials=login, pass_credentials=True)
    assert [one.authorization for one in host.asked] == [BASIC, BASIC]
    assert [one.authorization for one in other.asked] == ["", ""]


async def test_an_index_that_leads_elsewhere_takes_no_login_along(
    host: ChartHost, other: ChartHost, tmp_path: Path
) -> None:
    publish(other, ("shop", "1.0.0"))
    publish(host, ("shop", "1.0.0"), url=other.url + "/charts/")
    repository = host.url + "/charts"
    login = chart_secret(repository)
    async with charts(tmp_path) as it:
        ref = await it.resolve(repository, "shop", "1.0.0", credentials=login)
        await it.fetch(ref, credentials=login)
    assert [one.authorization for one in other.asked] == [""]
    async with charts(tmp_path / "again") as it:
        await it.fetch(ref, credentials=login, pass_credentials=True)
    assert [one.authorization for one in other.asked] == ["", BASIC]


@pytest.mark.parametrize(
    "where",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/x",
        "http://[::ffff:169.254.169.254]/x",
        "http://2852039166/x",
        "http://0xa9fea9fe/x",
        "http://100.100.100.200/x",
        "http://0.0.0.0/x",
    ],
)
async def test_a_metadata_address_is_never_asked(host: ChartHost, tmp_path: Path, where: str) -> None:
    host.redirect("/charts/index.yaml", where)
    async with charts(tmp_path) as it:
        for repository in (host.url + "/charts", where):
            with pytest.raises(StalledError, match=r"refused|no address that can be asked"):
                await it.resolve(repository, "shop", "1.0.0", credentials=None)


async def test_redirects_end(host: ChartHost, tmp_path: Path) -> None:
    host.redirect("/charts/index.yaml", "/charts/index.yaml")
    async with charts(tmp_path) as it:
        with pytest.raises(StalledError, match="more than 5 redirects"):
            await it.resolve(host.url + "/charts", "shop", "1.0.0", credentials=None)
    assert len(host.asked) == 6


async def test_plain_http_only_where_it_is_allowed(host: ChartHost, tmp_path: Path) -> None:
    publish(host, ("shop", "1.0.0"))
    async with Charts(tmp_path, schemes={"https", "ssh"}, bounds=ChartBounds()) as it:
        with pytest.raises(InvalidSpecError, match="plain http"):
            await it.resolve(host.url + "/charts", "shop", "1.0.0", credentials=None)
        # An index by https may name an archive by http.
        ref = ChartRef("https://charts.invalid", "shop", "1.0.0", "", host.url + "/charts/shop-1.0.0.tgz")
        with pytest.raises(StalledError, match="leads to http, which is refused"):
            await it.fetch(ref, credentials=None)
    assert host.asked == []


@pytest.mark.parametrize(
    ("status", "headers", "kind", "said"),
    [
        (429, {"Retry-After": "7"}, TransientError, "asks to wait 7 s"),
        (429, {}, TransientError, "asks to wait 60 s"),
        (503, {"Retry-After": "3"}, TransientError, "answers 503"),
        (500, {}, TransientError, "answers 500"),
        (403, {}, StalledError, "give a Secret"),
        (404, {}, StalledError, "nothing there"),
        (302, {}, StalledError, "without saying where"),
        (400, {}, StalledError, "answers 400"),
    ],
)
async def test_each_bad_answer_is_a_sentence(
    host: ChartHost, tmp_path: Path, status: int, headers: dict[str, str], kind: type[Exception], said: str
) -> None:
    host.instead["/charts/index.yaml"] = web.Response(status=status, headers=headers)
    async with charts(tmp_path) as it:
        with pytest.raises(kind, match=said) as raised:
            await it.resolve(host.url + "/charts", "shop", "1.0.0", credentials=None)
        if status == 429:
            assert raised.value.retry_after_seconds == float(headers.get("Retry-After", 60))
            # Nobody here asks that host again until then.
            with pytest.raises(TransientError, match="asked for a pause"):
                await it.resolve(host.url + "/charts", "shop", "1.0.0", credentials=None)
            assert len(host.asked) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<!DOCTYPE html><html></html>", "it is a web page"),
        (b"", "empty"),
        (b"apiVersion: v1\n", "it has no entries"),
        (b"entries:\n  shop: [\n", "it is no YAML"),
        (b'{"entries": {', "it is no YAML"),
        (b"- a\n", "the index is no mapping"),
        (b"entries:\n  shop:\n  - version: 1.0.0\n", "does not say where"),
        (b'entries:\n  shop:\n  - version: 1.0.0\n    urls: ["ftp://h/x"]\n', "does not say where"),
    ],
)
async def test_what_is_no_index_is_a_sentence(host: ChartHost, tmp_path: Path, body: bytes, said: str) -> None:
    host.files["/charts/index.yaml"] = body
    async with charts(tmp_path) as it:
        with pytest.raises(StalledError, match=said):
            await it.resolve(host.url + "/charts", "shop", "1.0.0", credentials=None)


async def test_an_index_over_its_bound_is_given_up(host: ChartHost, tmp_path: Path) -> None:
    host.files["/charts/index.yaml"] = index(("shop", "1.0.0", b"")) + b"# " + b"x" * 60 * 1024 * 1024
    async with charts(tmp_path) as it:
        with pytest.raises(StalledError, match="longer than 52428800 bytes"):
            await it.resolve(host.url + "/charts", "shop", "1.0.0", credentials=None)
    assert not list((tmp_path / "data" / "charts" / "indexes").iterdir())


async def test_another_digest_than_the_indexs_is_refused(host: ChartHost, tmp_path: Path) -> None:
    publish(host, ("shop", "1.0.0"))
    host.files["/charts/shop-1.0.0.tgz"] = plain_chart("shop", "6.6.6")
    async with charts(tmp_path) as it:
        ref = await it.resolve(host.url + "/charts", "shop", "1.0.0", credentials=None)
        with pytest.raises(StalledError, match="what is listed has sha256:"):
            await it.fetch(ref, credentials=None)
    assert not list((tmp_path / "data" / "charts" / "store").iterdir())
    assert not list((tmp_path / "data" / "charts" / "making").iterdir())


async def test_an_archive_that_its_host_calls_encoded_is_taken_as_it_is(host: ChartHost, tmp_path: Path) -> None:
    publish(host, ("shop", "1.0.0"))
    body = host.files["/charts/shop-1.0.0.tgz"]
    host.instead["/charts/shop-1.0.0.tgz"] = web.Response(body=body, headers={"Content-Encoding": "gzip"})
    async with charts(tmp_path) as it:
        ref = await it.resolve(host.url + "/charts", "shop", "1.0.0", credentials=None)
        assert (await it.fetch(ref, credentials=None)).version == "1.0.0"


async def test_an_archive_over_its_bound_is_given_up(host: ChartHost, tmp_path: Path) -> None:
    publish(host, ("shop", "1.0.0"))
    async with charts(tmp_path, chart_bytes_max=100) as it:
        ref = await it.resolve(host.url + "/charts", "shop", "1.0.0", credentials=None)
        with pytest.raises(StalledError, match="longer than 100 bytes"):
            await it.fetch(ref, credentials=None)


async def test_a_host_that_is_away_may_come_back(host: ChartHost, tmp_path: Path) -> None:
    async with charts(tmp_path) as it:
        with pytest.raises(TransientError, match="cannot be reached"):
            await it.resolve("http://127.0.0.1:1/charts", "shop", "1.0.0", credentials=None)


async def test_a_host_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with charts(tmp_path, request_seconds_max=0.2) as it:
            with pytest.raises(TransientError, match="no whole answer came in time"):
                await it.resolve(f"http://127.0.0.1:{port}/charts", "shop", "1.0.0", credentials=None)
    finally:
        server.close()
        await server.wait_closed()


async def test_a_secrets_proxy_is_asked_except_for_what_it_is_not_for(host: ChartHost, tmp_path: Path) -> None:
    publish(host, ("shop", "1.0.0"))
    repository = "http://charts.invalid/charts"
    async with charts(tmp_path) as it:
        by_proxy = chart_secret(repository, proxy=host.url)
        assert (await it.resolve(repository, "shop", "1", credentials=by_proxy)).version == "1.0.0"
        assert host.asked[-1].headers["Host"] == "charts.invalid"
        past_it = chart_secret(repository, proxy=host.url, noProxy=".invalid")
        with pytest.raises(TransientError, match="cannot be reached"):
            await it.resolve(repository, "shop", "1", credentials=past_it)
        odd = chart_secret(repository, proxy="socks5://ada:CANARY@127.0.0.1:1080")
        with pytest.raises(StalledError, match=r"proxy socks5://127.0.0.1:1080 is no http") as raised:
            await it.resolve(repository, "shop", "1", credentials=odd)
    assert "CANARY" not in str(raised.value)
    assert len(host.asked) == 1


async def test_no_word_of_the_login_is_said(host: ChartHost, tmp_path: Path) -> None:
    host.instead["/charts/index.yaml"] = web.Response(status=401, body=PASSWORD.encode())
    async with charts(tmp_path) as it:
        with pytest.raises(StalledError) as raised:
            await it.resolve(host.url + "/charts", "shop", "1", credentials=chart_secret(host.url + "/charts"))
    assert PASSWORD not in str(raised.value)
