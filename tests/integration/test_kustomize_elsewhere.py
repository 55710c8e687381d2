"""Bases in other repositories: where they are allowed, what comes out is what kustomize makes of them by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.git import Repository, git
from tests.support.jails import jail
from tests.support.kustomizations import Kustomizations, concerned, config_map, kustomizations
from trueup.clients.process import base_environment, run
from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.engine.checkout import MirrorPool
from trueup.engine.remote_bases import RemoteBases
from trueup.engine.render.kustomize_elsewhere import REMOTES_MAX
from trueup.engine.render.kustomize_graph import graph
from trueup.engine.render.request import OWN
from trueup.sandbox import git_server

BASE = {
    "base/kustomization.yaml": "resources: [cm.yaml, ../shared]\nconfigMapGenerator: [{name: g, files: [a.conf]}]\n",
    "base/cm.yaml": config_map("there", version="1"),
    "base/a.conf": "of the base",
    "shared/kustomization.yaml": "resources: [cm.yaml]\n",
    "shared/cm.yaml": config_map("shared"),
    "part/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamePrefix: part-\n",
    "kustomization.yaml": "resources: [base]\n",
}


@dataclass
class Place:
    repository: Kustomizations
    other: Repository
    mirrors: MirrorPool

    @property
    def url(self) -> str:
        return f"file://{self.other.bare}"

    def site(self, *resources: str, rest: str = "") -> dict[str, str]:
        listed = "".join(f"  - {text}\n" for text in resources)
        return {
            "site/kustomization.yaml": f"namePrefix: my-\nresources:\n{listed}{rest}",
            "site/cm.yaml": config_map("own"),
        }

    def allowing(self, *patterns: str, fresh: bool = False) -> Kustomizations:
        return replace(self.repository, bases=RemoteBases(self.mirrors, patterns, lambda _: None, fresh))

    async def by_hand(self, files: dict[str, str]) -> bytes:
        """What the bare tool makes of it where it may clone for itself."""
        done = await run(
            [str(self.repository.tool.path), "build", "site"],
            cwd=self.repository.clone(files),
            env=base_environment(),
            timeout_seconds=60,
            output_bytes_max=1_000_000,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout


@pytest.fixture
async def place(tools: Path, tmp_path: Path) -> AsyncIterator[Place]:
    other = await Repository.make(tmp_path, "other")
    await other.commit(BASE)
    await git(other.work, "tag", "v1")
    await other.push("refs/tags/v1")
    async with (
        jail(memory_bytes_max=1 << 30) as runner,
        kustomizations(tools, tmp_path, runner) as repository,
        MirrorPool(tmp_path / "pool", schemes={"file"}) as mirrors,
    ):
        yield Place(repository, other, mirrors)


@pytest.mark.parametrize("path", ["//base", "//", "//shared/../base"])
async def test_a_base_elsewhere_comes_out_as_from_the_tool_itself(place: Place, path: str) -> None:
    files = place.site("cm.yaml", f"{place.url}{path}?ref=v1")
    made = await place.allowing("file://*").render(files, "site")
    assert made.manifests == await place.by_hand(files)
    assert b"name: my-there" in made.manifests


@pytest.mark.parametrize("field", ["resources", "bases"])
async def test_a_base_at_an_address_of_the_web_comes_out(place: Place, tmp_path: Path, field: str) -> None:
    async with git_server(tmp_path / "served") as server, MirrorPool(tmp_path / "web", schemes={"http"}) as mirrors:
        url = server.repository_url("other")
        bases = RemoteBases(mirrors, (url.removesuffix(".git"),), lambda _: None)
        files = {"site/kustomization.yaml": f"{field}: ['{url}//base?ref=v1']\n"}
        made = await replace(place.repository, bases=bases).render(files, "site")
        assert b"name: there" in made.manifests
        with pytest.raises(InvalidSpecError, match="REMOTE_BASES does not allow"):
            await place.allowing("https://*").render(files, "site")
        files = {"site/kustomization.yaml": f"{field}: ['{url}//base']\n"}
        with pytest.raises(InvalidSpecError, match="only bases with a ref are fetched"):
            await replace(place.repository, bases=bases).render(files, "site")


async def test_one_by_its_commit_and_a_component_come_out_too(place: Place) -> None:
    sha = await place.other.head()
    part = f"components: ['{place.url}//part?ref={sha}']\n"
    files = place.site(f"{place.url}//base?ref={sha}", rest=part)
    made = await place.allowing("file://*").render(files, "site")
    assert b"name: part-my-there" in made.manifests or b"name: my-part-there" in made.manifests


async def test_a_base_elsewhere_may_have_one_elsewhere_again(place: Place) -> None:
    nested = {"far/kustomization.yaml": f"resources: ['{place.url}//base?ref=v1']\nnameSuffix: -far\n"}
    await place.other.commit(nested)
    await git(place.other.work, "tag", "v2")
    await place.other.push("refs/tags/v2")
    files = place.site(f"{place.url}//far?ref=v2")
    made = await place.allowing("file://*").render(files, "site")
    assert made.manifests == await place.by_hand(files)
    assert b"name: my-there-far" in made.manifests


async def test_nothing_is_fetched_that_is_not_allowed(place: Place) -> None:
    files = place.site(f"{place.url}//base?ref=v1")
    for patterns in ((), ("https://*",), ("file:///elsewhere/*",)):
        with pytest.raises(InvalidSpecError, match=r"site/kustomization\.yaml: resources names .*REMOTE_BASES"):
            await place.allowing(*patterns).render(files, "site")
    mirror = await place.mirrors.mirror(place.url)
    assert not mirror.directory.exists()


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("//base", "it has no ref; pin it to a tag or a commit"),
        ("//base?ref=main", "pin it to a tag or a commit that is there"),
        ("//base?ref=v9", "pin it to a tag or a commit that is there"),
        ("//nowhere?ref=v1", "there is no such directory at v1"),
        ("//base/cm.yaml?ref=v1", "there is no such directory at v1"),
    ],
)
async def test_what_is_not_pinned_or_not_there_says_so(place: Place, rest: str, words: str) -> None:
    files = place.site(f"{place.url}{rest}")
    with pytest.raises((InvalidSpecError, StalledError), match=words):
        await place.allowing("file://*").render(files, "site")


@pytest.mark.parametrize("name", ["../../site/cm.yaml", "../../secret.yaml"])
async def test_a_base_elsewhere_cannot_name_a_file_of_ours(place: Place, name: str) -> None:
    await place.other.commit({"spy/kustomization.yaml": f"resources: ['{name}']\n"})
    files = place.site(f"{place.url}//spy?ref={await place.other.head()}") | {"secret.yaml": config_map("secret")}
    with pytest.raises(StalledError, match="which is not in the repository"):
        await place.allowing("file://*").render(files, "site")


async def test_we_cannot_name_a_file_of_another_repository_by_itself(place: Place) -> None:
    allowed, files = place.allowing("file://*"), place.site(f"{place.url}//base?ref=v1")
    tree = await allowed.tree(await allowed.revision(files))
    made = await graph(tree, "site", override=None, bases=allowed.bases, said="spec.source", bounds=allowed.bounds)
    (hidden,) = made.elsewhere.tree.addresses
    files = place.site(f"{place.url}//base?ref=v1", f"../{hidden}/shared")
    with pytest.raises(StalledError, match="which is not in the repository"):
        await allowed.render(files, "site")


@pytest.mark.parametrize("rest", ["/../other.git//base?ref=v1", "/%2e%2e/other.git//base?ref=v1"])
async def test_an_address_cannot_lead_around_what_is_allowed(place: Place, rest: str) -> None:
    files = place.site(f"file://{place.other.bare.parent}/allowed{rest}")
    with pytest.raises(InvalidSpecError):
        await place.allowing(f"file://{place.other.bare.parent}/allowed/*").render(files, "site")


async def test_what_lies_elsewhere_is_no_part_of_the_read_set(place: Place) -> None:
    made = await place.allowing("file://*").render(place.site(f"{place.url}//base?ref=v1"), "site")
    assert concerned(made.reads[OWN], "site/kustomization.yaml")
    assert not concerned(made.reads[OWN], "base/cm.yaml", "README.md")


async def test_a_tag_that_was_moved_counts_once_it_is_asked_for_anew(place: Place) -> None:
    files = place.site(f"{place.url}//base?ref=v1")
    first = await place.allowing("file://*").render(files, "site")
    await place.other.commit({"base/cm.yaml": config_map("there", version="2")})
    await git(place.other.work, "tag", "-f", "v1")
    await place.other.push("refs/tags/v1")
    assert (await place.allowing("file://*").render(files, "site")).manifests == first.manifests
    moved = await place.allowing("file://*", fresh=True).render(files, "site")
    assert b'version: "2"' in moved.manifests


async def test_there_may_be_only_so_many(place: Place) -> None:
    names = []
    for number in range(REMOTES_MAX + 1):
        await git(place.other.work, "tag", f"t{number}")
        names.append(f"{place.url}//shared?ref=t{number}")
    await place.other.push("--tags")
    with pytest.raises(InvalidSpecError, match=f"more than {REMOTES_MAX} repositories"):
        await place.allowing("file://*").render(place.site(*names), "site")


async def test_an_error_in_it_names_the_address_and_no_directory_of_ours(place: Place) -> None:
    await place.other.commit({"bad/kustomization.yaml": "resources: [gone.yaml]\n"})
    sha = await place.other.head()
    with pytest.raises(StalledError) as caught:
        await place.allowing("file://*").render(place.site(f"{place.url}//bad?ref={sha}"), "site")
    assert ".elsewhere-" not in str(caught.value)
    assert "gone.yaml" in str(caught.value)
