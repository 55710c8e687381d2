"""`manifest-generate-paths` means what it means in Argo CD, and what makes no sense is looked at, not left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.histories import FOLLOWED, application
from trueup.domain.generate_paths import GENERATE_PATHS_CHARS_MAX, asked_for
from trueup.domain.go_pattern import compile_go_pattern


def concerned(annotation: str, path: str) -> bool:
    return any(
        entry.concerns(path) for entry in asked_for(application("web", "apps/web", annotation=annotation), FOLLOWED)
    )


@pytest.mark.parametrize(
    ("annotation", "yes", "no"),
    [
        (".", "apps/web/x", "apps/db/x"),
        ("", "", "apps/web/x"),
        ("../shared", "apps/shared/a/b", "shared/a"),
        ("/shared", "shared/a/b", "apps/web/shared/a"),
        ("/shared;.", "apps/web/a", "apps/other"),
        ("; /shared ;", "shared/a", "other"),
        ("/shared/*.yaml", "shared/a.yaml", "shared/deep/a.yaml"),
        ("/shared/*-secret.yaml", "shared/my-secret.yaml", "shared/my.yaml"),
        ("/env/*/values.yaml", "env/prod/values.yaml", "env/prod/deep/values.yaml"),
        ("/*", "a.yaml", "a/b.yaml"),
        ("values-?.yaml", "apps/web/values-1.yaml", "apps/web/values-10.yaml"),
        ("/a[0-9^]", "a5", "ab"),
        ("/a[^0-9]", "ab", "a5"),
        ("/a\\*", "a*", "ab"),
        ("../../../..", "anything/at/all", ""),
    ],
)
def test_each_form_adds_what_it_names(annotation: str, yes: str, no: str) -> None:
    assert not yes or concerned(annotation, yes)
    assert not no or not concerned(annotation, no)


@pytest.mark.parametrize("annotation", ["/shared/[", "/shared/[z-a]", "/shared/x\\", "/shared/[]a]"])
def test_a_pattern_that_makes_no_sense_adds_its_whole_directory(annotation: str) -> None:
    assert concerned(annotation, "shared/deep/a")
    assert not concerned(annotation, "other/a")


def test_one_that_is_too_long_adds_the_whole_repository() -> None:
    assert concerned("/a;" * GENERATE_PATHS_CHARS_MAX, "b")


@given(st.text("a*?[]^-\\/", max_size=12), st.text("a^-/", max_size=8))
def test_any_pattern_is_compiled_and_held_against_any_path(pattern: str, path: str) -> None:
    assert compile_go_pattern(pattern)(path) in {True, False}


def test_many_stars_cost_no_more_than_a_few() -> None:
    assert not compile_go_pattern("*a" * 200 + "b")("a" * 5_000)
