"""`spec.syncPolicy`: automation, sync options and retries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from trueup.clients.crds.sentences import quoted
from trueup.domain.application import Automated, RetryPolicy, SyncOptions
from trueup.domain.duration import parse_duration
from trueup.domain.lenient import as_list, as_mapping, as_whole

_NOT_YET = "is not supported in this version of Trueup"

#: Options that are on or off, and what that means here. A way out: refused. A sentence after `~`: a warning.
#: Nothing: Trueup does so anyway, or it is the default.
_SWITCHES: Mapping[str, Mapping[str, str]] = {
    "ApplyOutOfSyncOnly": {"true": "", "false": ""},
    "ClientSideApplyMigration": {
        "true": "",
        "false": "~Trueup takes over exactly the fields that it manages, whoever owned them.",
    },
    "CreateNamespace": {"true": "", "false": ""},
    "Delete": {"true": "", "false": "remove it, or keep the resources by deleting without the finalizer"},
    "FailOnSharedResource": {"true": "", "false": ""},
    "Force": {"true": "remove it; to recreate an object, delete it and it comes back", "false": ""},
    "Prune": {"true": "", "false": ""},
    "PruneLast": {"true": "", "false": ""},
    "Replace": {"true": "remove it; Trueup applies server-side, which has no size limit", "false": ""},
    "RespectIgnoreDifferences": {"true": "", "false": ""},
    "ServerSideApply": {"true": "", "false": "~Trueup always applies server-side."},
    "SkipDryRunOnMissingResource": {"true": "", "false": ""},
    "Validate": {"true": "", "false": ""},
}
_CONFIRM = frozenset({"Delete", "Prune"})
#: A larger one reaches any maximum at the second wait.
RETRY_FACTOR_MAX = 1_000
_PROPAGATION = frozenset({"foreground", "background", "orphan"})


@dataclass(slots=True)
class Remarks:
    """What was found while reading: reasons to refuse, and things that have no effect."""

    refusals: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_automated(policy: Mapping[str, Any]) -> Automated | None:
    """None is manual: the block is absent, or says `enabled: false`."""
    block = policy.get("automated")
    if not isinstance(block, Mapping) or block.get("enabled") is False:
        return None
    return Automated(
        prune=block.get("prune") is True,
        self_heal=block.get("selfHeal") is True,
        allow_empty=block.get("allowEmpty") is True,
    )


def read_options(listed: object, path: str, remarks: Remarks) -> SyncOptions:
    """A list of `Name=value`."""
    values: dict[str, str] = {}
    for item in as_list(listed):
        if isinstance(item, str) and item.strip():
            name, _, value = item.strip().partition("=")
            if values.setdefault(name, value) == value:
                _remark_option(name, value, path, remarks)
            else:
                remarks.refusals.append(f"{path} says {quoted(name)} twice and differently; keep one of them.")
    options = SyncOptions(
        create_namespace=values.get("CreateNamespace") == "true",
        prune=values.get("Prune") != "false",
        validate=values.get("Validate") != "false",
        fail_on_shared_resource=values.get("FailOnSharedResource") == "true",
        respect_ignore_differences=values.get("RespectIgnoreDifferences") == "true",
    )
    propagation = values.get("PrunePropagationPolicy")
    if propagation in _PROPAGATION:
        policy = cast("Literal['foreground', 'background', 'orphan']", propagation)
        options = replace(options, prune_propagation_policy=policy)
    return options


def _remark_option(name: str, value: str, path: str, remarks: Remarks) -> None:
    shown = quoted(f"{name}={value}" if value else name)
    if name == "PrunePropagationPolicy":
        if value not in _PROPAGATION:
            remarks.refusals.append(f"{path} {shown} is unknown; use foreground, background or orphan.")
        return
    if name not in _SWITCHES:
        remarks.warnings.append(f"{path} {shown} is not a sync option that Trueup knows; it has no effect.")
    elif name in _CONFIRM and value == "confirm":
        remarks.refusals.append(f"{path} {shown} {_NOT_YET}; use {name}=false and remove such objects by hand.")
    elif value not in _SWITCHES[name]:
        remarks.refusals.append(f"{path} {shown} is neither {name}=true nor {name}=false; correct it.")
    else:
        consequence = _SWITCHES[name][value]
        if consequence.startswith("~"):
            remarks.warnings.append(f"{path} {shown} has no effect: {consequence[1:]}")
        elif consequence:
            remarks.refusals.append(f"{path} {shown} {_NOT_YET}; {consequence}.")


def read_retry(block: object, path: str, remarks: Remarks) -> RetryPolicy | None:
    """None where nothing is said of retries."""
    if not isinstance(block, Mapping):
        return None
    backoff = as_mapping(block.get("backoff"))
    factor = as_whole(backoff.get("factor"), 2)
    if factor < 1:
        remarks.refusals.append(f"{path}.backoff.factor is {factor}; use 1 or more.")
    return RetryPolicy(
        limit=max(-1, as_whole(block.get("limit"))),
        duration_seconds=_seconds(backoff.get("duration"), f"{path}.backoff.duration", 5.0, remarks),
        factor=float(max(1, min(factor, RETRY_FACTOR_MAX))),
        duration_seconds_max=_seconds(backoff.get("maxDuration"), f"{path}.backoff.maxDuration", 180.0, remarks),
    )


def _seconds(value: object, path: str, default: float, remarks: Remarks) -> float:
    if not isinstance(value, str) or not value:
        return default
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        remarks.refusals.append(f"{path} {quoted(value)} is {error}.")
        return default
    if seconds <= 0:
        remarks.refusals.append(f"{path} {quoted(value)} is not more than nothing; use a duration such as 5s or 3m.")
        return default
    return seconds
