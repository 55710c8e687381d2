"""Charts over TLS: whose certificate is accepted, and that nothing goes from https to http."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web as http

from tests.support.certificates import local_identity
from tests.support.charts import SCHEMES, ChartHost, chart_host, chart_secret, charts, publish
from tests.support.fixtures import in_own_task
from trueup.clients.charts import ChartBounds
from trueup.clients.charts.registry import Registry
from trueup.clients.charts.web import Web
from trueup.domain.chart_repository import RegistryPlace
from trueup.domain.errors import StalledError


@asynccontextmanager
async def tls_host(directory: Path) -> AsyncIterator[ChartHost]:
    """A host of charts at https://127.0.0.1, whose certificate stands in `directory/ca.pem`."""
    context = local_identity("charts", directory / "ca.pem")
    host = ChartHost()
    application = http.Application()
    application.router.add_get("/{path:.*}", host.answer)
    runner = http.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await http.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        host.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        yield host
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session")
async def host(tmp_path: Path) -> AsyncIterator[ChartHost]:
    async with in_own_task(tls_host(tmp_path)) as it:
        publish(it, ("shop", "1.0.0"))
        yield it


async def test_a_certificate_of_nobodys_is_refused_unless_its_secret_says_otherwise(
    host: ChartHost, tmp_path: Path
) -> None:
    repository = host.url + "/charts"
    async with charts(tmp_path) as it:
        with pytest.raises(StalledError, match=r"TLS certificate .* SSL_CERT_FILE"):
            await it.resolve(repository, "shop", "1.0.0", credentials=chart_secret(repository))
        assert host.asked == []
        login = chart_secret(repository, insecure="true")
        ref = await it.resolve(repository, "shop", "1.0.0", credentials=login)
        assert (await it.fetch(ref, credentials=login)).version == "1.0.0"


async def test_an_authority_of_the_systems_is_accepted(
    host: ChartHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with charts(tmp_path) as it:
        assert (await it.resolve(host.url + "/charts", "shop", "1", credentials=None)).version == "1.0.0"


async def test_what_a_secret_says_of_its_host_holds_for_no_other(host: ChartHost, tmp_path: Path) -> None:
    async with in_own_task(chart_host()) as plain, charts(tmp_path) as it:
        plain.redirect("/charts/index.yaml", host.url + "/charts/index.yaml")
        login = chart_secret(plain.url + "/charts", insecure="true")
        with pytest.raises(StalledError, match="TLS certificate"):
            await it.resolve(plain.url + "/charts", "shop", "1.0.0", credentials=login)


async def test_nothing_goes_from_https_to_http(host: ChartHost, tmp_path: Path) -> None:
    async with in_own_task(chart_host()) as plain, charts(tmp_path) as it:
        publish(plain, ("shop", "1.0.0"))
        host.redirect("/charts/index.yaml", plain.url + "/charts/index.yaml")
        repository = host.url + "/charts"
        login = chart_secret(repository, insecure="true")
        with pytest.raises(StalledError, match="redirects from https to http"):
            await it.resolve(repository, "shop", "1.0.0", credentials=login)
        assert plain.asked == []


async def test_a_login_that_is_passed_on_does_not_go_in_the_clear(host: ChartHost, tmp_path: Path) -> None:
    async with in_own_task(chart_host()) as plain, charts(tmp_path) as it:
        publish(plain, ("shop", "1.0.0"))
        publish(host, ("shop", "1.0.0"), url=plain.url + "/charts/")
        repository = host.url + "/charts"
        login = chart_secret(repository, insecure="true")
        ref = await it.resolve(repository, "shop", "1.0.0", credentials=login)
        await it.fetch(ref, credentials=login, pass_credentials=True)
        assert [one.authorization for one in plain.asked] == [""]


async def test_the_token_service_of_a_registry_over_tls_is_over_tls(host: ChartHost) -> None:
    async with in_own_task(chart_host()) as plain, Web(SCHEMES, ChartBounds()) as web:
        host.login = "Bearer never"
        host.challenge = f'Bearer realm="{plain.url}/token"'
        place = RegistryPlace("https", host.url.removeprefix("https://"), "team/shop")
        login = chart_secret(f"oci://{place.host}/team", type="oci", insecure="true")
        with pytest.raises(StalledError, match="token service is not reached by https"):
            await Registry(web, place, login, {}).manifest("1.0.0")
        assert plain.asked == []
