"""Charts from a real registry, pushed there by the real helm: open, behind a password and behind tokens."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientSession, web

from tests.support.charts import BASIC, ChartHost, chart_host, chart_secret, charts, helm, index, packaged
from tests.support.fixtures import in_own_task
from tests.support.registry import PASSWORD, USERNAME, Registry, registry
from trueup.clients.charts import ChartBounds, Charts
from trueup.domain.chart_repository import chart_key
from trueup.domain.errors import InvalidSpecError, StalledError, TransientError

VERSIONS = ("1.0.0", "1.2.0", "1.3.0+build.7", "2.0.0-rc.1")
CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
CONFIG = "application/vnd.cncf.helm.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def packages(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """One chart in several versions, as helm packs it."""
    directory = tmp_path_factory.mktemp("packages")
    return {version: await packaged(tools, directory, "shop", version) for version in VERSIONS}


@pytest_asyncio.fixture(loop_scope="session")
async def served(tools: Path, tmp_path: Path, packages: Mapping[str, Path]) -> AsyncIterator[Registry]:
    """An open registry with the chart at `team/shop`."""
    async with in_own_task(registry(tools, tmp_path)) as it:
        await push(tools, tmp_path, it, packages.values())
        yield it


async def push(tools: Path, directory: Path, it: Registry, packages, *login: str) -> None:
    for package in packages:
        await helm(tools, directory, "push", package, f"oci://{it.host}/team", "--plain-http", *login)


@pytest.mark.parametrize(
    ("target", "version"),
    [
        ("1.0.0", "1.0.0"),
        ("v1.0.0", "1.0.0"),
        ("1.*", "1.3.0+build.7"),
        ("1.2", "1.2.0"),
        ("1.3.0+build.7", "1.3.0+build.7"),
        ("", "1.3.0+build.7"),
        (">=2.0.0-0", "2.0.0-rc.1"),
    ],
)
async def test_what_helm_pushed_is_found_and_fetched(
    served: Registry, packages: Mapping[str, Path], tmp_path: Path, target: str, version: str
) -> None:
    async with charts(tmp_path) as it:
        for repo_url, name in ((f"oci://{served.host}/team", "shop"), (f"{served.host}", "team/shop")):
            ref = await it.resolve(repo_url, name, target, credentials=None)
            chart = await it.fetch(ref, credentials=None)
    assert (ref.version, chart.version) == (version, version)
    assert chart.digest == hashlib.sha256(packages[version].read_bytes()).hexdigest()
    assert (chart.directory / "templates" / "deployment.yaml").exists()
    assert sum("/blobs/" in request and "GET" in request for request in served.requests()) == 1


async def test_a_url_may_be_the_charts_own_and_a_revision_a_digest(served: Registry, tmp_path: Path) -> None:
    url = f"oci://{served.host}/team/shop"
    async with charts(tmp_path) as it:
        ref = await it.resolve(url, "", "1.2.0", credentials=None)
        digest = ref.url.partition("@")[2]
        again = await it.resolve(url, "", digest, credentials=None)
        assert (again.name, again.version, again.digest) == ("shop", digest, ref.digest)
        assert (await it.fetch(again, credentials=None)).version == "1.2.0"
        with pytest.raises(StalledError, match="no such digest"):
            await it.resolve(url, "", "sha256:" + "0" * 64, credentials=None)
    assert chart_key(url, "") == chart_key(f"{served.host}/team", "shop") == chart_key(served.host, "team/shop")


async def test_what_is_not_there_is_a_sentence(served: Registry, tmp_path: Path) -> None:
    async with charts(tmp_path) as it:
        with pytest.raises(
            StalledError, match=r"has no version 9.9.9; the newest there are 2.0.0-rc.1, 1.3.0\+build.7"
        ):
            await it.resolve(f"oci://{served.host}/team", "shop", "9.9.9", credentials=None)
        with pytest.raises(StalledError, match="/team/bank has no versions"):
            await it.resolve(f"oci://{served.host}/team", "bank", "1.0.0", credentials=None)
        with pytest.raises(InvalidSpecError, match="lower-case"):
            await it.resolve(f"oci://{served.host}/Team", "shop", "1.0.0", credentials=None)


@pytest.mark.parametrize("auth", ["basic", "token"])
async def test_a_login_opens_a_registry(tools: Path, tmp_path: Path, packages: Mapping[str, Path], auth: str) -> None:
    async with in_own_task(registry(tools, tmp_path, auth=auth)) as it:
        login = ("--username", USERNAME, "--password", PASSWORD)
        await push(tools, tmp_path, it, [packages["1.0.0"], packages["1.2.0"]], *login)
        url = f"{it.host}/team"
        async with charts(tmp_path) as door:
            with pytest.raises(StalledError, match=r"answers 401; give a Secret .*enableOCI"):
                await door.resolve(url, "shop", "1.0.0", credentials=None)
            wrong = chart_secret(url, username=USERNAME, password="another-word", enableOCI="true")
            with pytest.raises(StalledError, match="login in Secret argocd/charts is not accepted") as raised:
                await door.resolve(url, "shop", "1.0.0", credentials=wrong)
            assert "another-word" not in str(raised.value)
            right = chart_secret(url, username=USERNAME, password=PASSWORD, enableOCI="true")
            ref = await door.resolve(url, "shop", "^1", credentials=right)
            assert (await door.fetch(ref, credentials=right)).version == "1.2.0"
            # The token of one is no token of another's.
            with pytest.raises(StalledError, match="401"):
                await door.resolve(url, "shop", "1.0.0", credentials=None)


async def test_anybody_may_have_an_anonymous_token(tools: Path, tmp_path: Path, packages: Mapping[str, Path]) -> None:
    async with in_own_task(registry(tools, tmp_path, auth="token", username="")) as it:
        await push(tools, tmp_path, it, [packages["1.0.0"]])
        async with charts(tmp_path) as door:
            ref = await door.resolve(f"oci://{it.host}/team", "shop", "1.0.0", credentials=None)
            assert (await door.fetch(ref, credentials=None)).version == "1.0.0"


async def test_an_image_is_no_chart(served: Registry, tmp_path: Path) -> None:
    config = b"{}"
    digest = "sha256:" + hashlib.sha256(config).hexdigest()
    base = f"{served.url}/v2/team/shop"
    described = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(config)}
    image = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": []}
    media = "application/vnd.oci.image.index.v1+json"
    several = {"schemaVersion": 2, "mediaType": media, "manifests": []}
    async with ClientSession() as session:
        async with session.post(f"{base}/blobs/uploads/") as begun:
            place = begun.headers["Location"]
        await session.put(f"{served.url}{place}?digest={digest}", data=config)
        for tag, document, kind in (("image", image, MANIFEST), ("index", several, media)):
            answer = await session.put(f"{base}/manifests/{tag}", json=document, headers={"Content-Type": kind})
            assert answer.status == 201
    async with charts(tmp_path) as it:
        with pytest.raises(StalledError, match="is no Helm chart"):
            await it.resolve(f"oci://{served.host}/team", "shop", "image", credentials=None)
        with pytest.raises(StalledError, match="is an index of images"):
            await it.resolve(f"oci://{served.host}/team", "shop", "index", credentials=None)


async def test_an_index_may_lead_into_a_registry(
    served: Registry, tmp_path: Path, packages: Mapping[str, Path]
) -> None:
    body = packages["1.2.0"].read_bytes()
    async with in_own_task(chart_host()) as host, charts(tmp_path) as it:
        host.login = BASIC
        told = index(("shop", "1.2.0", body)).replace(
            b"- shop-1.2.0.tgz", f"- oci://{served.host}/team/shop:1.2.0".encode()
        )
        host.files["/charts/index.yaml"] = told
        login = chart_secret(host.url + "/charts")
        ref = await it.resolve(host.url + "/charts", "shop", "1.*", credentials=login)
        assert (await it.fetch(ref, credentials=login)).version == "1.2.0"
        host.files["/charts/index.yaml"] = told.replace(hashlib.sha256(body).hexdigest().encode(), b"0" * 64)
        ref = await it.resolve(host.url + "/charts", "shop", "1.*", credentials=login)
        with pytest.raises(StalledError, match="what is listed has sha256:0000"):
            await it.fetch(ref, credentials=login)


async def test_plain_http_is_for_those_who_say_so(served: Registry, tmp_path: Path) -> None:
    async with Charts(tmp_path, schemes={"https"}, bounds=ChartBounds()) as it:
        with pytest.raises((StalledError, TransientError)):
            await it.resolve(f"oci://{served.host}/team", "shop", "1.0.0", credentials=None)
        forced = chart_secret(f"{served.host}/team", enableOCI="true", insecureOCIForceHttp="true")
        with pytest.raises(InvalidSpecError, match="insecureOCIForceHttp"):
            await it.resolve(f"{served.host}/team", "shop", "1.0.0", credentials=forced)


@pytest_asyncio.fixture(loop_scope="session")
async def stand_in() -> AsyncIterator[ChartHost]:
    """Speaks as a registry that a test makes up."""
    async with in_own_task(chart_host()) as it:
        yield it


def make_up(host: ChartHost, body: bytes, *, digest: str = "") -> str:
    """A chart `team/shop:1.0.0` in the stand-in; the digest of its archive."""
    digest = digest or hashlib.sha256(body).hexdigest()
    manifest = {"config": {"mediaType": CONFIG}, "layers": [{"mediaType": CHART, "digest": f"sha256:{digest}"}]}
    host.files["/v2/team/shop/manifests/1.0.0"] = json.dumps(manifest).encode()
    host.files[f"/v2/team/shop/blobs/sha256:{digest}"] = body
    return digest


async def test_a_blob_with_another_digest_is_refused(stand_in: ChartHost, tmp_path: Path) -> None:
    make_up(stand_in, b"something else", digest="a" * 64)
    place = stand_in.url.removeprefix("http://")
    async with charts(tmp_path) as it:
        ref = await it.resolve(f"oci://{place}/team", "shop", "1.0.0", credentials=None)
        with pytest.raises(StalledError, match="what is listed has sha256:aaaa"):
            await it.fetch(ref, credentials=None)


async def test_a_manifest_with_another_digest_is_refused(stand_in: ChartHost, tmp_path: Path) -> None:
    make_up(stand_in, b"")
    wanted = "sha256:" + "b" * 64
    stand_in.files[f"/v2/team/shop/manifests/{wanted}"] = stand_in.files["/v2/team/shop/manifests/1.0.0"]
    place = stand_in.url.removeprefix("http://")
    async with charts(tmp_path) as it:
        with pytest.raises(StalledError, match="the registry sent something else"):
            await it.resolve(f"oci://{place}/team", "shop", wanted, credentials=None)


async def test_a_blob_that_lies_elsewhere_is_fetched_without_the_login(
    stand_in: ChartHost, tmp_path: Path, packages: Mapping[str, Path]
) -> None:
    stand_in.login = BASIC
    stand_in.challenge = 'Basic realm="charts"'
    body = packages["1.0.0"].read_bytes()
    digest = make_up(stand_in, body)
    async with in_own_task(chart_host()) as storage, charts(tmp_path) as it:
        storage.files["/blob"] = body
        stand_in.redirect(f"/v2/team/shop/blobs/sha256:{digest}", storage.url + "/blob", 307)
        place = stand_in.url.removeprefix("http://") + "/team"
        login = chart_secret(place, enableOCI="true")
        ref = await it.resolve(place, "shop", "1.0.0", credentials=login)
        assert (await it.fetch(ref, credentials=login)).digest == digest
        assert [one.authorization for one in storage.asked] == [""]
    assert stand_in.asked[0].authorization == ""
    assert {one.authorization for one in stand_in.asked[1:]} == {BASIC}


async def test_who_is_redirected_to_names_no_realm(stand_in: ChartHost, tmp_path: Path) -> None:
    async with in_own_task(chart_host()) as other, charts(tmp_path) as it:
        realm = web.Response(status=401, headers={"WWW-Authenticate": f'Bearer realm="{other.url}/token"'})
        other.instead["/elsewhere"] = realm
        stand_in.redirect("/v2/team/shop/manifests/1.0.0", other.url + "/elsewhere")
        place = stand_in.url.removeprefix("http://") + "/team"
        login = chart_secret(place, enableOCI="true")
        with pytest.raises(StalledError, match="401"):
            await it.resolve(place, "shop", "1.0.0", credentials=login)
        assert other.paths() == ["/elsewhere"]


@pytest.mark.parametrize("realm", ["http://169.254.169.254/token", "ftp://h/x", "nowhere", "http://[fe80::1]/t"])
async def test_a_realm_that_is_none_is_refused(stand_in: ChartHost, tmp_path: Path, realm: str) -> None:
    stand_in.login = BASIC
    stand_in.challenge = f'Bearer realm="{realm}",service="x"'
    place = stand_in.url.removeprefix("http://") + "/team"
    async with charts(tmp_path) as it:
        with pytest.raises(StalledError, match=r"refused|no token service"):
            await it.resolve(place, "shop", "1.0.0", credentials=chart_secret(place, enableOCI="true"))


async def test_tags_come_in_pages_and_none_of_them_from_elsewhere(stand_in: ChartHost, tmp_path: Path) -> None:
    make_up(stand_in, b"")
    place = stand_in.url.removeprefix("http://") + "/team"
    first = web.Response(
        body=b'{"tags": ["0.1.0", "0.2.0"]}', headers={"Link": '</v2/team/shop/tags/more?last=0.2.0>; rel="next"'}
    )
    stand_in.instead["/v2/team/shop/tags/list"] = first
    stand_in.files["/v2/team/shop/tags/more"] = b'{"tags": ["1.0.0"]}'
    async with charts(tmp_path) as it:
        assert (await it.resolve(place, "shop", "*", credentials=None)).version == "1.0.0"
        first.headers["Link"] = '<http://localhost:1/v2/team/shop/tags/more>; rel="next"'
        with pytest.raises(StalledError, match="lead elsewhere"):
            await it.resolve(place, "shop", "*", credentials=None)
