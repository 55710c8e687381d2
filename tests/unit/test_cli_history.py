"""The deployments on record are shown source by source, whoever recorded them."""

from __future__ import annotations

from trueup.cli.history import history_tables


def test_entries_of_several_sources_are_under_each_of_them() -> None:
    """Argo CD leaves such entries; the revision of a source is the one at its place."""
    git = {"repoURL": "https://git.example.com/a.git", "targetRevision": "main"}
    chart = {"repoURL": "https://charts.example.com", "targetRevision": "1.2"}
    one = {"id": 7, "deployedAt": "2026-01-02T03:04:05Z", "source": git, "revision": "a" * 40}
    both = {
        "id": 8,
        "deployedAt": "2026-01-02T05:04:05+01:00",
        "sources": [git, chart],
        "revisions": ["b" * 40, "1.2.3"],
    }
    assert history_tables([one, both]).splitlines() == [
        "SOURCE  https://git.example.com/a.git",
        "ID      DATE                           REVISION",
        "7       2026-01-02 03:04:05 +0000 UTC  main (aaaaaaa)",
        "8       2026-01-02 04:04:05 +0000 UTC  main (bbbbbbb)",
        "",
        "SOURCE  https://charts.example.com",
        "ID      DATE                           REVISION",
        "8       2026-01-02 04:04:05 +0000 UTC  1.2 (1.2.3)",
    ]


def test_what_an_entry_lacks_is_left_out_and_no_password_is_shown() -> None:
    entry = {"id": 0, "deployedAt": "yesterday", "source": {"repoURL": "https://u:s3cret@git.example.com/a.git"}}
    words = history_tables([entry])
    assert "s3cret" not in words
    assert words.splitlines()[0] == "SOURCE  https://git.example.com/a.git"
    assert words.splitlines()[2].split() == ["0", "yesterday", "HEAD"]
    assert history_tables([{}]).splitlines()[2].split() == ["0", "HEAD"]
