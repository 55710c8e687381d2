"""Whether an object moved in a way that anybody delivered or edits: a digest instead of the object."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from trueup.domain.lenient import as_list, as_mapping
from trueup.domain.resource import Body

DIGEST_BYTES = 16
#: What every write moves, whoever makes it and whatever it is about.
_MOVES_ALWAYS = frozenset({"resourceVersion", "generation", "managedFields"})
_STATUS_FIELDS = "f:status"


def fingerprint(body: Body) -> str:
    """The same for two versions of an object that differ in no more than what controllers report.

    That is status and who owns it, resourceVersion, generation and the times in managedFields.
    """
    metadata = as_mapping(body.get("metadata"))
    content = {name: value for name, value in body.items() if name not in ("status", "metadata")}
    names = {name: value for name, value in metadata.items() if name not in _MOVES_ALWAYS}
    owners = [_owner(entry) for entry in as_list(metadata.get("managedFields")) if not _is_of_status(entry)]
    raw = orjson.dumps([content, names, owners], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(raw, digest_size=DIGEST_BYTES).hexdigest()


def _is_of_status(entry: Any) -> bool:
    """Of a kind without a status subresource the entry owns nothing else."""
    if as_mapping(entry).get("subresource") == "status":
        return True
    fields = as_mapping(as_mapping(entry).get("fieldsV1"))
    return bool(fields) and fields.keys() <= {_STATUS_FIELDS}


def _owner(entry: Any) -> Mapping[str, Any]:
    kept = {name: value for name, value in as_mapping(entry).items() if name != "time"}
    fields = as_mapping(kept.get("fieldsV1"))
    if _STATUS_FIELDS in fields:
        kept["fieldsV1"] = {name: value for name, value in fields.items() if name != _STATUS_FIELDS}
    return kept
