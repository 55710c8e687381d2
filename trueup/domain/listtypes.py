"""What the field managers of a live object say about its lists and maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.domain.fieldpath import Path
from trueup.domain.listkeys import SET, ListType, known_list_type
from trueup.domain.managedfields import Cursor, entries
from trueup.domain.resource import Body, ResourceKey


def list_type(key: ResourceKey, path: Path, cursor: Cursor) -> ListType:
    """How the members of the list at this place are told apart: as its owners say, else as is known of the kind."""
    if keys := cursor.list_keys:
        return ListType("map", keys)
    return SET if cursor.is_set else known_list_type(key, path)


def is_whole_map(path: Path, live: Mapping[str, Any], cursor: Cursor) -> bool:
    """Whether a map is one value: applied, it replaces every key that live has.

    Without an owner to say so, that is known of label selectors alone.
    """
    if not live or not path or path[0] == "metadata":
        return False
    if cursor.nodes:
        return cursor.is_whole
    name = path[-1]
    return isinstance(name, str) and (name == "selector" or name.endswith("Selector"))


def is_delivered(live: Body) -> bool:
    """Whether a delivering manager ever wrote this object, so that later edits can be told from its making.

    Without any `managedFields` nothing can, and the object counts as delivered.
    """
    found = entries(live)
    return not found or any(owner.delivers for owner, _ in found)


def is_edited(path: Path, value: Any, cursor: Cursor) -> bool:
    """Whether a value that is replaced as a whole was written by somebody else since its delivery.

    The members that the API server fills in by itself do not change who owns such a value; an edit
    does. So after an edit what desired lacks is drift, and before it is a default.
    """
    if isinstance(value, Mapping) and not is_whole_map(path, value, cursor):
        return False
    if not cursor.nodes:
        return isinstance(value, Mapping)
    return cursor.is_whole and not any(owner.delivers for owner in cursor.owners)
