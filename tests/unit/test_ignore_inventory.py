"""A sync touches nothing of a kind that is to be left alone, whoever owned it before."""

from __future__ import annotations

from trueup.domain.resource import ResourceKey
from trueup.engine.comparison import Comparison

WEB, ONE = ResourceKey("apps", "Deployment", "shop", "web"), ResourceKey("", "ConfigMap", "shop", "one")


def test_what_is_left_alone_is_not_in_question_and_what_git_dropped_is() -> None:
    comparison = Comparison("shop", "shop", "c" * 40, {}, {WEB: None}, {}, {}, left_alone=frozenset({ONE}))
    assert comparison.in_question([WEB, ONE]) == (WEB,)
