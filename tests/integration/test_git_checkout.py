"""An Application's source is a tree of the commit that its target revision stands for, or a sentence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.git import Repository, git
from trueup.clients.charts import ChartBounds, Charts
from trueup.domain.application import Application, ApplicationId, RetryPolicy, SyncOptions
from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.source import Source
from trueup.engine import sources
from trueup.engine.chart_shelf import ChartShelf
from trueup.engine.checkout import Checkout, MirrorPool, at
from trueup.engine.sources import Where
from trueup.sandbox import GitServer, git_server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitServer]:
    async with git_server(tmp_path / "served") as running:
        yield running


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    made = await Repository.make(tmp_path, "r")
    await made.commit(
        {"apps/web/a.yaml": "a: 1\n", "apps/web/sub/b.yaml": "b: 1\n", "shared/s.yaml": "s: 1\n", "f": "x"}
    )
    return made


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[MirrorPool]:
    async with MirrorPool(tmp_path / "data", schemes={"http"}) as opened:
        yield opened


def application(url: str, path: str = "apps/web", revision: str = "main") -> Application:
    return Application(
        id=ApplicationId("argocd", "web"),
        uid="1",
        resource_version="1",
        project="default",
        sources=(Source(url, path, revision),),
        server="",
        cluster="in-cluster",
        namespace="web",
        automated=None,
        options=SyncOptions(),
        retry=RetryPolicy(),
        history_limit=10,
        operation=None,
        refresh=None,
        deleting=False,
        finalizers=(),
        skip_reconcile=False,
        refusals=(),
        raw={},
    )


async def resolve(app: Application, pool: MirrorPool, *, tip: str = "") -> Checkout:
    """The one source that the Application has."""
    charts = Charts(Path("/nonexistent"), schemes=(), bounds=ChartBounds())
    where = Where(pool, ChartShelf(charts, Path("/nonexistent")), lambda _: None)
    (found,) = (await sources.resolve(app, where, tip=tip)).each
    assert found.checkout is not None
    return found.checkout


async def link(repository: Repository, **links: str) -> str:
    """Commit links, `name=target` with `__` for a slash in the name."""
    for name, target in links.items():
        path = repository.work / "apps/web" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    return await repository.commit({})


async def read(checkout: Checkout, *names: str) -> tuple[dict[str, bytes], set[str]]:
    entries = [entry for entry in await checkout.entries() if not names or entry.path in names]
    contents = await checkout.read(entries)
    return dict(contents.files), set().union(*contents.linked.values())


async def test_files_are_those_of_the_commit(pool: MirrorPool, server: GitServer, repository: Repository) -> None:
    first = await resolve(application(server.repository_url("r")), pool)
    assert first.revision == await repository.head()
    await repository.commit({"apps/web/a.yaml": "a: 2\n"})
    second = await resolve(application(server.repository_url("r")), pool)
    assert (await read(first))[0] == {"a.yaml": b"a: 1\n", "sub/b.yaml": b"b: 1\n"}
    assert (await read(second))[0] == {"a.yaml": b"a: 2\n", "sub/b.yaml": b"b: 1\n"}
    assert first.tree != second.tree


async def test_the_same_files_are_the_same_tree(pool: MirrorPool, server: GitServer, repository: Repository) -> None:
    first = await resolve(application(server.repository_url("r")), pool)
    await repository.commit({"elsewhere": "x"})
    second = await resolve(application(server.repository_url("r")), pool)
    assert first.revision != second.revision
    assert first.tree == second.tree


async def test_nothing_is_asked_where_the_mirror_stands_at_the_tip(
    pool: MirrorPool, server: GitServer, repository: Repository
) -> None:
    app = application(server.repository_url("r"))
    tip = (await resolve(app, pool)).revision
    server.counters.clear()
    assert (await resolve(app, pool, tip=tip)).revision == tip
    pinned = application(server.repository_url("r"), revision=tip)
    assert (await resolve(pinned, pool)).revision == tip
    assert not server.counters


async def test_a_remote_that_went_back_is_asked_though_the_mirror_is_ahead(
    pool: MirrorPool, server: GitServer, repository: Repository
) -> None:
    app = application(server.repository_url("r"))
    old = await repository.head()
    new = await repository.commit({"apps/web/a.yaml": "a: 2\n"})
    assert (await resolve(app, pool)).revision == new
    await git(repository.work, "reset", "-q", "--hard", old)
    await repository.push("main")
    assert (await resolve(app, pool, tip=old)).revision == old


@pytest.mark.parametrize("tip", ["0" * 40, "nonsense", "--x"])
async def test_a_wrong_tip_costs_a_fetch_and_nothing_else(
    pool: MirrorPool, server: GitServer, repository: Repository, tip: str
) -> None:
    app = application(server.repository_url("r"))
    assert (await resolve(app, pool, tip=tip)).revision == await repository.head()


async def test_what_does_not_exist_is_a_sentence_and_never_an_empty_source(
    pool: MirrorPool, server: GitServer, repository: Repository
) -> None:
    url, head = server.repository_url("r"), await repository.head()
    cases = [
        (application(url, path="apps/none"), f"path 'apps/none' does not exist at revision {head} of {url}"),
        (application(url, path="f"), "path 'f' is not a directory"),
        (application(url, revision="nope"), "has no branch or tag nope"),
        (application(url, revision="f" * 40), "has no commit " + "f" * 40),
    ]
    for app, words in cases:
        with pytest.raises(StalledError, match=words):
            await resolve(app, pool)
    for path in ("../x", "/etc", "apps/../../x", "a\0b"):
        with pytest.raises(InvalidSpecError):
            await resolve(application(url, path=path), pool)
    assert (await resolve(application(url, path="./apps//web/"), pool)).path == "apps/web"
    assert (await resolve(application(url, path=""), pool)).tree


async def test_a_path_that_is_a_link_or_goes_through_one_is_where_it_leads(
    pool: MirrorPool, server: GitServer, repository: Repository
) -> None:
    await link(repository, current="sub", up="..", out="../../..", gone="nowhere", file="a.yaml")
    url = server.repository_url("r")
    found = await resolve(application(url, path="apps/web/current"), pool)
    assert (found.path, found.linked) == ("apps/web/sub", {"apps/web/current"})
    assert (await read(found))[0] == {"b.yaml": b"b: 1\n"}
    through = await resolve(application(url, path="apps/web/up/web/sub"), pool)
    assert (through.path, through.tree) == (found.path, found.tree)
    assert "apps/web/up" in through.linked
    for path, words in [
        ("apps/web/out", "leads out of the repository"),
        ("apps/web/gone", "leads to apps/web/nowhere, which is not at"),
        ("apps/web/file", "path 'apps/web/file' is not a directory"),
        ("apps/web/up/none", "the link apps/web/up leads to apps/none, which is not at"),
    ]:
        with pytest.raises(StalledError, match=words):
            await resolve(application(url, path=path), pool)


async def test_links_inside_the_repository_are_followed_and_named(
    pool: MirrorPool, server: GitServer, repository: Repository
) -> None:
    await link(
        repository,
        out="../../shared/s.yaml",
        same="a.yaml",
        chain="out",
        through="dir/s.yaml",
        dir="../../shared",
        sub__up="../a.yaml",
        dots="./sub/.././/a.yaml",
    )
    checkout = await resolve(application(server.repository_url("r")), pool)
    names = ["out", "same", "chain", "through", "sub/up", "dots", "a.yaml"]
    files, linked = await read(checkout, *names)
    assert files == {
        "out": b"s: 1\n",
        "same": b"a: 1\n",
        "chain": b"s: 1\n",
        "through": b"s: 1\n",
        "sub/up": b"a: 1\n",
        "dots": b"a: 1\n",
        "a.yaml": b"a: 1\n",
    }
    assert linked >= {"shared/s.yaml", "apps/web/a.yaml", "apps/web/out", "apps/web/dir"}


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("/etc/passwd", "is absolute"),
        ("../../../etc/passwd", "leads out of the repository"),
        ("../../../apps/web/a.yaml", "leads out of the repository"),
        ("none.yaml", "which is not at"),
        ("a.yaml/x", "which is not at"),
        ("../../shared", "leads to a directory"),
        ("evil", "leads in a ring"),
        (".", "leads to a directory"),
    ],
)
async def test_a_link_that_leads_astray_is_refused_when_it_is_read(
    pool: MirrorPool, server: GitServer, repository: Repository, target: str, words: str
) -> None:
    await link(repository, evil=target)
    checkout = await resolve(application(server.repository_url("r")), pool)
    with pytest.raises(StalledError, match=f"the link apps/web/evil {words}|{words}"):
        await read(checkout)
    assert (await read(checkout, "a.yaml"))[0] == {"a.yaml": b"a: 1\n"}


async def test_a_link_to_a_submodule_is_refused_and_the_mirror_is_not_blamed(
    pool: MirrorPool, server: GitServer, repository: Repository
) -> None:
    await git(repository.work, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},modules/m")
    await git(repository.work, "commit", "-q", "-m", "A submodule")
    for name in ("m", "m/inside.yaml"):
        (repository.work / "apps/web/evil").unlink(missing_ok=True)
        (repository.work / "apps/web/evil").symlink_to(f"../../modules/{name}")
        await git(repository.work, "add", "apps/web/evil")
        await git(repository.work, "commit", "-q", "-m", "A link into it")
        await repository.push("main")
        checkout = await resolve(application(server.repository_url("r")), pool)
        with pytest.raises(StalledError, match="the link apps/web/evil leads into the submodule modules/m"):
            await read(checkout)
        assert checkout.mirror.directory.exists(), "it was not put aside as damaged"


async def test_one_mirror_for_all_spellings_and_at_most_so_many_readers(
    tmp_path: Path, server: GitServer, repository: Repository
) -> None:
    url = server.repository_url("r")
    async with MirrorPool(tmp_path / "data", schemes={"http"}, reading_max=1) as pool:
        first = await pool.mirror(url)
        assert await pool.mirror(url.removesuffix(".git") + "/") is first
        checkout = await resolve(application(url), pool)
        await Repository.make(tmp_path, "other")
        other = await pool.mirror(server.repository_url("other"))
        await other.fetch(["main"], credentials=None)
        await (await Repository.make(tmp_path, "third")).commit({"a": "1"})
        third = await pool.mirror(server.repository_url("third"))
        await third.fetch(["main"], credentials=None)
        assert (first.is_reading, third.is_reading) == (True, True)
        await pool.mirror(third.url)
        assert (first.is_reading, third.is_reading) == (False, True)
        assert await read(checkout, "a.yaml")
        with pytest.raises(InvalidSpecError):
            await pool.mirror("file:///etc")
    assert not first.is_reading


async def test_a_commit_can_be_looked_at_by_itself(pool: MirrorPool, server: GitServer, repository: Repository) -> None:
    mirror = await pool.mirror(server.repository_url("r"))
    commit = (await mirror.fetch(["main"], credentials=None))["main"]
    assert isinstance(commit, str)
    assert (await read(await at(mirror, commit, "shared")))[0] == {"s.yaml": b"s: 1\n"}


async def test_the_data_directory_is_for_us_alone(
    tmp_path: Path, pool: MirrorPool, server: GitServer, repository: Repository
) -> None:
    mirror = await pool.mirror(server.repository_url("r"))
    await mirror.fetch(["main"], credentials=None)
    assert mirror.directory.parent.stat().st_mode & 0o077 == 0
