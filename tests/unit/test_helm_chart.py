"""What Chart.yaml and Chart.lock say of dependencies, and what hooks of Helm are to a delivery."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.helm_chart import Dependency, parse_chart
from trueup.domain.helm_hooks import is_never_delivered, is_ordinary
from trueup.domain.manifest import RawObject
from trueup.domain.object_options import refused_features

ASKED = [{"name": "cache", "version": "^2.0.0", "repository": "https://charts.example.org"}]
LOCKED = [{"name": "cache", "version": "2.1.0", "repository": "https://charts.example.org"}]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["dependencies", "name", "digest", "x"]), inner),
    max_leaves=8,
)


def test_dependencies_are_read_from_chart_and_lock() -> None:
    chart = {"apiVersion": "v2", "name": "web", "version": "1.0.0", "dependencies": ASKED}
    found = parse_chart(chart, None, {"digest": "sha256:of-something-else", "dependencies": LOCKED})
    assert found.dependencies == (Dependency("cache", "^2.0.0", "https://charts.example.org"),)
    assert found.lock is not None
    assert found.lock.dependencies == (Dependency("cache", "2.1.0", "https://charts.example.org"),)
    assert not found.lock.is_current


def test_a_chart_of_the_first_format_has_its_dependencies_in_a_file_of_their_own() -> None:
    assert parse_chart({"name": "web"}, {"dependencies": ASKED}, None).dependencies[0].name == "cache"


@given(JSON, JSON, JSON)
def test_whatever_stands_there_is_read(chart: Any, requirements: Any, lock: Any) -> None:
    parse_chart(chart, requirements, lock)


def hooked(**annotations: str) -> dict[str, Any]:
    names = {name.replace("__", "/"): value for name, value in annotations.items()}
    return {"kind": "Job", "metadata": {"name": "a", "annotations": names}}


@pytest.mark.parametrize("kind", ["test", "test-success", "test-failure", " test , test-success", "post-rollback"])
def test_tests_and_rollbacks_are_never_delivered(kind: str) -> None:
    assert is_never_delivered(hooked(**{"helm.sh/hook": kind}))


@pytest.mark.parametrize("kind", ["", "pre-install", "test,post-install", "crd-install"])
def test_other_hooks_stay(kind: str) -> None:
    assert not is_never_delivered(hooked(**{"helm.sh/hook": kind}))


def test_a_hook_of_argo_cd_goes_by_that() -> None:
    assert not is_never_delivered(hooked(**{"helm.sh/hook": "test", "argocd.argoproj.io/hook": "Sync"}))


@pytest.mark.parametrize("body", [{}, {"metadata": None}, {"metadata": {"annotations": []}}])
def test_an_object_without_annotations_is_no_hook(body: dict[str, Any]) -> None:
    assert not is_never_delivered(body)
    assert not is_ordinary(body)


def test_crd_install_says_nothing_and_other_hooks_are_refused() -> None:
    assert refused_features(RawObject(hooked(**{"helm.sh/hook": "crd-install"}), "a.yaml")) == ()
    (sentence,) = refused_features(RawObject(hooked(**{"helm.sh/hook": "pre-install"}), "a.yaml"))
    assert "Helm hooks are not supported yet" in sentence
