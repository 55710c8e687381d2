"""What is measured is what it is called: objects that are true to Git, and the same edited by hand."""

from __future__ import annotations

import pytest

from benchmarks.compares import Case, application, cases
from trueup.domain.by_hand import Hands
from trueup.domain.compare_options import CompareSettings
from trueup.settings import HAND_MANAGERS


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
async def test_each_case_compares_as_its_name_says(case: Case) -> None:
    comparison = await case.compare(application(), CompareSettings(Hands.of(HAND_MANAGERS)))
    assert comparison.sync_status == ("OutOfSync" if "edited" in case.name else "Synced")
    rules = {change.rule for diff in comparison.diffs.values() for change in diff.changes}
    assert rules == ({"differs", "added by hand"} if "edited" in case.name else set())
