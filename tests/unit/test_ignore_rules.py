"""Rules of ignored differences are read as Argo CD reads them, and what makes no sense is named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.arbitrary import JSON
from trueup.domain.ignore_rules import matches, pointer_tokens, spec_rules
from trueup.domain.resource import ResourceKey

WEB = ResourceKey("apps", "Deployment", "shop", "web")
RULES = st.fixed_dictionaries(
    {},
    optional={
        name: JSON | st.text() | st.lists(st.text())
        for name in ("group", "kind", "name", "namespace", "jsonPointers", "jqPathExpressions", "managedFieldsManagers")
    },
)


def fault(**rule: Any) -> str:
    (read,) = spec_rules([{"kind": "ConfigMap", **rule}])
    return read.fault


@pytest.mark.parametrize(
    ("rule", "concerned"),
    [
        ({"group": "apps", "kind": "Deployment"}, True),
        ({"kind": "Deployment"}, False),
        ({"group": "*", "kind": "*"}, True),
        ({"group": "app?", "kind": "Deploy*"}, True),
        ({"group": "{apps,batch}", "kind": "[DS]*"}, True),
        ({"group": "apps", "kind": "Deployment", "name": "web"}, True),
        ({"group": "apps", "kind": "Deployment", "name": "we"}, False),
        ({"group": "apps", "kind": "Deployment", "name": "w*", "namespace": "sh*"}, True),
        ({"group": "apps", "kind": "Deployment", "namespace": "other"}, False),
        ({"group": "apps", "kind": "["}, True),
    ],
)
def test_a_rule_concerns_what_its_globs_match(rule: dict[str, Any], concerned: bool) -> None:
    (read,) = spec_rules([rule])
    assert read.concerns(WEB) is concerned


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"jsonPointers": ["data/a"]}, ("data/a", "slash")),
        ({"jsonPointers": ["/data", ""]}, ("whole object", "resource.exclusions")),
        ({"jsonPointers": ["/data/a~2"]}, ("~2", "~0")),
        ({"jsonPointers": ["/data/a~"]}, ("~1",)),
        ({"jsonPointers": "/data"}, ("jsonPointers", "list of strings")),
        ({"jsonPointers": ["/a", 1]}, ("jsonPointers", "list of strings")),
        ({"jqPathExpressions": ["  "]}, ("jq expression is empty",)),
        ({"jqPathExpressions": ["." + "a" * 20_000]}, ("longer than",)),
        ({"managedFieldsManagers": ["kubectl-[*"]}, ("kubectl-[*", "glob")),
        ({"name": "{a,b"}, ("{a,b", "glob")),
    ],
)
def test_a_rule_that_makes_no_sense_says_why_and_what_to_do(rule: dict[str, Any], words: tuple[str, ...]) -> None:
    said = fault(**rule)
    assert all(word in said for word in words), said


def test_a_rule_names_where_it_is_written() -> None:
    assert [rule.origin for rule in spec_rules([{"kind": "A"}, {"kind": "B"}])] == [
        "spec.ignoreDifferences[0]",
        "spec.ignoreDifferences[1]",
    ]


@pytest.mark.parametrize(
    ("pointer", "tokens"),
    [
        ("/spec/replicas", ("spec", "replicas")),
        ("/metadata/annotations/foo~1bar", ("metadata", "annotations", "foo/bar")),
        ("/a~01", ("a~1",)),
        ("/", ("",)),
        ("/a//b", ("a", "", "b")),
    ],
)
def test_a_pointer_has_the_steps_that_rfc_6901_gives_it(pointer: str, tokens: tuple[str, ...]) -> None:
    assert pointer_tokens(pointer) == tokens


@given(st.lists(st.text(), min_size=1))
def test_a_written_pointer_is_read_back(tokens: list[str]) -> None:
    written = "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)
    assert pointer_tokens(written) == tuple(tokens)


@given(st.one_of(JSON, st.lists(RULES)))
def test_nothing_in_a_spec_breaks_the_reading(listed: Any) -> None:
    for rule in spec_rules(listed):
        rule.concerns(WEB)
        if not rule.fault:
            for pointer in rule.pointers:
                pointer_tokens(pointer)


@given(st.text(max_size=30), st.text(max_size=30))
def test_every_text_is_a_glob_or_matches_everything(pattern: str, text: str) -> None:
    assert isinstance(matches(pattern, text), bool)
