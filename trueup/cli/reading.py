"""`trueup app list` and `trueup app get`: what the Applications say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import yaml
from rich.console import Console
from rich.table import Table

from trueup.cli.home import home
from trueup.cli.waiting import until
from trueup.domain.application import REFRESH_ANNOTATION
from trueup.domain.errors import StalledError
from trueup.domain.repository import normalize_url

Raw = Mapping[str, Any]


def _print(value: Any, output: str) -> None:
    if output == "json":
        print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
    else:
        print(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), end="")


async def list_applications(output: str, selector: str, projects: frozenset[str], repository: str) -> None:
    """Print the Applications of the namespace that match every filter."""
    async with home() as reached:
        found = await reached.everything(label_selector=selector)
    wanted = normalize_url(repository) if repository else ""
    chosen = [
        raw
        for raw in sorted(found, key=lambda raw: str(raw["metadata"]["name"]))
        if (not projects or raw.get("spec", {}).get("project") in projects)
        and (not wanted or normalize_url((raw.get("spec", {}).get("source") or {}).get("repoURL") or "") == wanted)
    ]
    if output in ("json", "yaml"):
        _print(chosen, output)
    elif output == "name":
        for raw in chosen:
            print(f"{raw['metadata']['namespace']}/{raw['metadata']['name']}")
    else:
        Console(soft_wrap=True).print(_table(chosen))


def _table(applications: Iterable[Raw]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in (
        "NAME",
        "NAMESPACE",
        "PROJECT",
        "STATUS",
        "HEALTH",
        "SYNC POLICY",
        "CONDITIONS",
        "REPO",
        "PATH",
        "TARGET",
    ):
        table.add_column(column, no_wrap=True)
    for raw in applications:
        spec, status = raw.get("spec") or {}, raw.get("status") or {}
        source = spec.get("source") or {}
        conditions = ",".join(sorted({c.get("type", "") for c in status.get("conditions") or ()}))
        table.add_row(
            raw["metadata"]["name"],
            (spec.get("destination") or {}).get("namespace") or "",
            spec.get("project") or "",
            (status.get("sync") or {}).get("status") or "Unknown",
            (status.get("health") or {}).get("status") or "Unknown",
            policy(spec),
            conditions or "<none>",
            source.get("repoURL") or "",
            source.get("path") or "",
            source.get("targetRevision") or "HEAD",
        )
    return table


def policy(spec: Mapping[str, Any]) -> str:
    """`Manual`, `Auto`, or `Auto-Prune`, as Argo CD's list names them."""
    automated = (spec.get("syncPolicy") or {}).get("automated")
    if automated is None or automated.get("enabled") is False:
        return "Manual"
    return "Auto-Prune" if automated.get("prune") else "Auto"


async def get_application(name: str, output: str, *, refresh: str | None, timeout_seconds: float) -> None:
    """Print one Application, compared anew first where a refresh is asked for."""
    async with home() as reached:
        application = reached.named(name)
        raw: Raw | None = await reached.read(application)
        if refresh is not None:
            await reached.patch(application, {"metadata": {"annotations": {REFRESH_ANNOTATION: refresh}}})
            try:
                raw = await until(reached, application, _refreshed, timeout_seconds=timeout_seconds)
            except TimeoutError:
                raise StalledError(
                    f"{application} was not refreshed within {timeout_seconds} s; is a worker running?"
                ) from None
    if raw is None:
        raise StalledError(f"{application} was deleted meanwhile")
    if output in ("json", "yaml"):
        _print(raw, output)
    else:
        _describe(raw)


def _refreshed(raw: Raw | None) -> bool:
    return raw is None or REFRESH_ANNOTATION not in (raw["metadata"].get("annotations") or {})


def _describe(raw: Raw) -> None:
    spec, status, metadata = raw.get("spec") or {}, raw.get("status") or {}, raw["metadata"]
    source, destination = spec.get("source") or {}, spec.get("destination") or {}
    sync, health = status.get("sync") or {}, status.get("health") or {}
    revision = f" ({str(sync.get('revision'))[:7]})" if sync.get("revision") else ""
    facts = [
        ("Name", f"{metadata['namespace']}/{metadata['name']}"),
        ("Project", spec.get("project")),
        ("Server", destination.get("server") or destination.get("name")),
        ("Namespace", destination.get("namespace")),
        ("Repo", source.get("repoURL")),
        ("Target", source.get("targetRevision") or "HEAD"),
        ("Path", source.get("path")),
        ("Sync Policy", policy(spec)),
        ("Sync Status", f"{sync.get('status') or 'Unknown'}{revision}"),
        ("Health Status", " ".join(filter(None, [health.get("status") or "Unknown", health.get("message")]))),
    ]
    state = status.get("operationState") or {}
    if state:
        facts.append(("Operation", f"{state.get('phase')}: {state.get('message') or ''}"))
    for title, fact in facts:
        print(f"{title + ':':16}{fact or ''}")
    for condition in status.get("conditions") or ():
        print(f"\n{condition.get('type')}: {condition.get('message')}")
    resources = status.get("resources") or ()
    if resources:
        print()
        Console(soft_wrap=True).print(_resources(resources))


def _resources(resources: Iterable[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("GROUP", "KIND", "NAMESPACE", "NAME", "STATUS", "HEALTH", "NOTE"):
        table.add_column(column, no_wrap=True)
    for item in resources:
        note = "to be pruned" if item.get("requiresPruning") else (item.get("health") or {}).get("message") or ""
        table.add_row(
            item.get("group") or "",
            item.get("kind") or "",
            item.get("namespace") or "",
            item.get("name") or "",
            item.get("status") or "",
            (item.get("health") or {}).get("status") or "",
            note,
        )
    return table
