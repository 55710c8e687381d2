"""What is kept of a watched object tells whether it moved, however odd the object is."""

from __future__ import annotations

from typing import Any

from service import sighting


def nested(levels: int, version: str) -> dict[str, Any]:
    inner: dict[str, Any] = {"value": version}
    for _ in range(levels):
        inner = {"more": inner}
    return {
        "apiVersion": "v1",
        "kind": "Chest",
        "metadata": {"name": "deep", "resourceVersion": version},
        "spec": inner,
    }


def test_an_object_nested_deeper_than_is_read_moves_with_every_version() -> None:
    one, again, other = (sighting.of_object(nested(5_000, version)) for version in ("1", "1", "2"))
    assert not sighting.has_moved(one, again)
    assert sighting.has_moved(one, other)
    assert sighting.SEEN_AT in one


def test_an_object_at_an_ordinary_depth_moves_with_what_it_says() -> None:
    one, other = nested(20, "1"), nested(20, "1")
    other["metadata"]["resourceVersion"] = "2"
    assert not sighting.has_moved(sighting.of_object(one), sighting.of_object(other))
    assert sighting.has_moved(sighting.of_object(one), sighting.of_object(nested(20, "2")))
