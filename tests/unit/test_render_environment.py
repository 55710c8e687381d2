"""The build environment is put into options as Argo CD does, which is as Go's `os.Expand` does."""

import pytest

from trueup.domain.source import Source
from trueup.engine.local_tree import LocalTree
from trueup.engine.render.environment import build_environment, expanded, names_the_revision
from trueup.engine.render.request import Files, Request, Target

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$ARGOCD_APP_NAME", "shop"),
        ("a-${ARGOCD_APP_NAME}-b", "a-shop-b"),
        ("$ARGOCD_APP_NAMES", ""),
        ("$UNKNOWN!", "!"),
        ("${UNKNOWN}!", "!"),
        ("price: $$5", "price: $5"),
        ("$5 off", " off"),
        ("5$ off", "5$ off"),
        ("a$", "a$"),
        ("${}x", "x"),
        ("${ARGOCD", "ARGOCD"),
        ("$$ARGOCD_APP_NAME", "$ARGOCD_APP_NAME"),
    ],
)
def test_variables_are_replaced_as_go_does(text: str, expected: str) -> None:
    assert expanded(text, {"ARGOCD_APP_NAME": "shop"}) == expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("$ARGOCD_APP_REVISION", True),
        ("x${ARGOCD_APP_REVISION_SHORT}", True),
        ("$ARGOCD_APP_REVISION_SHORT_8", True),
        ("$$ARGOCD_APP_REVISION", False),
        ("$ARGOCD_APP_NAME", False),
        ("ARGOCD_APP_REVISION", False),
    ],
)
def test_what_changes_with_every_commit_is_known(text: str, names: bool) -> None:
    assert names_the_revision(text) == names


def test_every_variable_that_argo_cd_documents_is_there(tmp_path) -> None:
    source = Source("https://user:secret@example.org/r.git", "apps/web", "main")
    target = Target("web", "team", "prod", "v1.36.3", ("v1", "apps/v1"))
    found = build_environment(Request(source, Files(LocalTree(tmp_path, file_bytes_max=1), "apps/web"), target, SHA))
    assert found == {
        "ARGOCD_APP_NAME": "web",
        "ARGOCD_APP_NAMESPACE": "prod",
        "ARGOCD_APP_PROJECT_NAME": "team",
        "ARGOCD_APP_REVISION": SHA,
        "ARGOCD_APP_REVISION_SHORT": SHA[:7],
        "ARGOCD_APP_REVISION_SHORT_8": SHA[:8],
        "ARGOCD_APP_SOURCE_PATH": "apps/web",
        "ARGOCD_APP_SOURCE_REPO_URL": "https://example.org/r.git",
        "ARGOCD_APP_SOURCE_TARGET_REVISION": "main",
        "KUBE_VERSION": "v1.36.3",
        "KUBE_API_VERSIONS": "v1,apps/v1",
    }
