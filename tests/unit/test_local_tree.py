"""Files on this machine in the place of a commit's: what is no name there is nothing, and a bad link is a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from trueup.domain.errors import StalledError
from trueup.engine.local_tree import LocalTree


def tree(root: Path) -> LocalTree:
    (root / "app").mkdir()
    (root / "app/a.yaml").write_text("a: b\n")
    return LocalTree(root, file_bytes_max=100)


@pytest.mark.parametrize(
    "place",
    ["app/" + "x" * 300, "app/a\0b", "app/\ud800", "app/a.yaml/b", "app/gone"],
    ids=["too long", "zero byte", "half a character", "below a file", "gone"],
)
async def test_a_name_that_no_file_can_have_is_that_of_nothing(tmp_path: Path, place: str) -> None:
    files = tree(tmp_path)
    assert await files.find(place) is None
    assert await files.files(place) == []


@pytest.mark.parametrize(
    ("leads", "sentence"),
    [
        ("bad", "the link app/bad leads in a ring"),
        ("gone", "the link app/bad leads to app/gone, which is not there"),
        ("../../out", "app/bad leads out of"),
        ("/etc/hostname", "app/bad leads out of"),
    ],
)
async def test_a_link_that_leads_nowhere_good_is_named(tmp_path: Path, leads: str, sentence: str) -> None:
    files = tree(tmp_path)
    (tmp_path / "app/bad").symlink_to(leads)
    for look in (files.find("app/bad"), files.files("app")):
        with pytest.raises(StalledError, match=sentence):
            await look
