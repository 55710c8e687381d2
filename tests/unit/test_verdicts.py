"""A verdict of one API server says nothing of what another one makes of the same manifest."""

from __future__ import annotations

from tests.support.diffing import config_map, manifest
from trueup.domain.diff import compare
from trueup.engine.verdicts import Verdicts


def test_a_verdict_is_of_one_cluster() -> None:
    """A cluster that was restored from another's copy has its objects' uids and versions."""
    desired = manifest(config_map(mood="calm"))
    live = config_map(mood="stormy")
    live["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    diff, verdicts = compare(desired, live), Verdicts()
    verdicts.put("https://east", desired, live, diff)
    assert verdicts.get("https://east", desired, live) == diff
    assert verdicts.get("https://west", desired, live) is None
