"""Trees that were read are kept within a bound, those asked for last the longest, and each for its own repository."""

from __future__ import annotations

from trueup.clients.git_trees import Entries, KeptTrees, TreeEntry


def tree(*names: str) -> Entries:
    return {name: TreeEntry("100644", "a" * 40, name) for name in names}


def test_a_tree_is_found_again_by_its_own_repository_alone() -> None:
    kept = KeptTrees()
    kept.put("one", "1", tree("a"))
    assert kept.get("one", "1") == tree("a")
    assert kept.get("other", "1") is None
    assert kept.get("one", "2") is None


def test_the_bound_holds_and_what_was_asked_for_last_stays() -> None:
    # Each takes the room of its entries and one more.
    kept = KeptTrees(tree_entries_kept_max=6)
    kept.put("r", "1", tree("a"))
    kept.put("r", "2", tree("a"))
    kept.put("r", "3", tree("a"))
    assert kept.get("r", "1") is not None
    kept.put("r", "4", tree("a"))
    assert [name for name in "1234" if kept.get("r", name) is not None] == ["1", "3", "4"]
    kept.put("r", "5", tree("a", "b", "c"))
    assert [name for name in "12345" if kept.get("r", name) is not None] == ["4", "5"]


def test_one_that_is_put_twice_counts_once() -> None:
    kept = KeptTrees(tree_entries_kept_max=4)
    for _ in range(10):
        kept.put("r", "1", tree("a"))
    kept.put("r", "2", tree("a"))
    assert kept.get("r", "1") == kept.get("r", "2") == tree("a")


def test_one_larger_than_the_bound_is_not_kept_and_drives_nothing_out() -> None:
    kept = KeptTrees(tree_entries_kept_max=4)
    kept.put("r", "1", tree("a"))
    kept.put("r", "2", tree("a", "b", "c", "d"))
    assert kept.get("r", "2") is None
    assert kept.get("r", "1") is not None
