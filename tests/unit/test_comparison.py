"""One object that cannot be compared costs its own verdict and no other."""

from __future__ import annotations

import json
from typing import Any

from tests.support.by_hand import application
from tests.support.diffing import config_map, manifest
from trueup.domain.fieldpath import OBJECT_DEPTH_MAX
from trueup.domain.normalize import LAST_APPLIED_ANNOTATION
from trueup.engine.comparison import Comparison, hold_against
from trueup.engine.observe import Observed

WIDGET = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "deep", "namespace": "n"}}


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"a": "x"}
    for _ in range(levels):
        value = {"a": value}
    return {**WIDGET, "spec": value}


def noted(body: dict[str, Any]) -> dict[str, Any]:
    note = {LAST_APPLIED_ANNOTATION: json.dumps(body)}
    return {**body, "metadata": {**body["metadata"], "annotations": note}}


async def compared(desired: dict[str, Any], live: dict[str, Any]) -> Comparison:
    """That object beside one that is easy to compare."""
    easy, hard = manifest(config_map(mood="calm")), manifest(desired)
    seen = {easy.key: config_map(mood="stormy"), hard.key: live}
    return await hold_against(application("n"), "c" * 40, Observed((easy, hard), seen, {}))


def said(comparison: Comparison) -> tuple[dict[str, str], list[str]]:
    statuses = {entry.key.kind: str(entry.status) for entry in comparison.entries()}
    return statuses, [f"{each.type}: {each.message}" for each in comparison.conditions()]


async def test_an_object_nested_too_deep_is_unknown_and_harms_no_other_verdict() -> None:
    too_deep = nested(OBJECT_DEPTH_MAX)
    shallow: dict[str, Any] = {**WIDGET, "spec": {}}
    for desired, live in ((too_deep, too_deep), (shallow, noted(too_deep))):
        statuses, (condition,) = said(await compared(desired, live))
        assert statuses == {"ConfigMap": "OutOfSync", "Widget": "Unknown"}
        assert condition.startswith("ComparisonError: Widget.example.com n/deep")
        assert condition.endswith("flatten it")


async def test_an_object_that_writes_have_nested_too_deep_is_unknown_then() -> None:
    shallow: dict[str, Any] = {**WIDGET, "spec": {}}
    before = await compared(shallow, shallow)
    key = manifest(shallow).key
    assert said(before.with_live({key: noted(nested(OBJECT_DEPTH_MAX))}))[0]["Widget"] == "Unknown"
