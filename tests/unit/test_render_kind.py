"""How a source is rendered: as its Application says, else as its files tell, after what they say over it."""

from pathlib import Path
from typing import Any

import pytest

from trueup.clients.crds.read_source import read_source
from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.engine.local_tree import LocalTree
from trueup.engine.render.kind import kind_of, overridden


def tree(root: Path, files: dict[str, str]) -> LocalTree:
    for place, content in files.items():
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return LocalTree(root, file_bytes_max=10_000)


@pytest.mark.parametrize(
    ("files", "options", "kind"),
    [
        (["a.yaml"], {}, "Directory"),
        (["Chart.yaml"], {}, "Helm"),
        (["kustomization.yaml"], {}, "Kustomize"),
        (["kustomization.yml"], {}, "Kustomize"),
        (["Kustomization"], {}, "Kustomize"),
        (["Chart.yaml", "Kustomization"], {}, "Kustomize"),
        (["sub/Chart.yaml", "sub/kustomization.yaml"], {}, "Directory"),
        (["kustomization.yaml"], {"directory": {}}, "Directory"),
        (["kustomization.yaml"], {"helm": {}}, "Helm"),
        (["Chart.yaml"], {"kustomize": {}}, "Kustomize"),
    ],
)
async def test_the_application_decides_and_then_the_files(
    tmp_path: Path, files: list[str], options: dict[str, Any], kind: str
) -> None:
    source = read_source({"repoURL": "https://example.org/r", "path": "app", **options})
    found, told = await kind_of(source, tree(tmp_path, {f"app/{name}": "" for name in files}), "app")
    assert found == kind
    assert bool(told) == (not options), "where the files decide, a change of what decides concerns it"


async def test_a_repository_may_set_the_options_of_its_renderers_and_nothing_else(tmp_path: Path) -> None:
    raw = {"repoURL": "https://example.org/r", "path": "app", "kustomize": {"namePrefix": "a-", "images": ["x:1"]}}
    files = {
        "app/.argocd-source.yaml": "kustomize: {images: ['x:2']}\nrepoURL: https://evil.example.org/r\n",
        "app/.argocd-source-shop.yaml": "kustomize: {namePrefix: null, nameSuffix: -b}\npath: elsewhere\n",
        "app/.argocd-source-other.yaml": "kustomize: {namePrefix: never-}\n",
    }
    source, looked = await overridden(
        read_source(raw), raw, tree(tmp_path, files), "app", application="shop", said="spec.source"
    )
    assert source.kustomize is not None
    assert (source.kustomize.name_prefix, source.kustomize.name_suffix) == ("", "-b")
    assert source.kustomize.images == ("x:2",)
    assert (source.repo_url, source.path) == ("https://example.org/r", "app")
    assert {entry.place for entry in looked} == {"app/.argocd-source.yaml", "app/.argocd-source-shop.yaml"}


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        ("- a list\n", StalledError, "app/.argocd-source.yaml"),
        ("helm: {}\n---\nhelm: {}\n", StalledError, "not one object"),
        ("plugin: {name: x}\n", InvalidSpecError, "plugin"),
        ("kustomize: {}\n", InvalidSpecError, "directory and kustomize"),
        ("helm: [\n", StalledError, "app/.argocd-source.yaml"),
    ],
)
async def test_overrides_that_are_no_good_are_refused(
    tmp_path: Path, content: str, error: type[Exception], said: str
) -> None:
    raw = {"repoURL": "https://example.org/r", "path": "app", "directory": {}}
    files = tree(tmp_path, {"app/.argocd-source.yaml": content})
    with pytest.raises(error, match=said):
        await overridden(read_source(raw), raw, files, "app", application="shop", said="spec.source")
