"""`trueup app list` and `trueup app get`: what the Applications say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from trueup.cli.home import home, identity
from trueup.cli.printing import facts, structured
from trueup.cli.table import table
from trueup.cli.waiting import until
from trueup.clients.crds.read_source import raw_sources
from trueup.domain.application import REFRESH_ANNOTATION, split
from trueup.domain.errors import StalledError
from trueup.domain.origin import revision_in
from trueup.domain.repository import normalize_url, redact_url

Raw = Mapping[str, Any]

OVERVIEW = (
    "NAME",
    "CLUSTER",
    "NAMESPACE",
    "PROJECT",
    "STATUS",
    "HEALTH",
    "SYNCPOLICY",
    "CONDITIONS",
    "REPO",
    "PATH",
    "TARGET",
)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which Applications to list; what is empty lets all pass."""

    selector: str = ""
    projects: frozenset[str] = frozenset()
    repository: str = ""
    path: str = ""
    #: Name or URL of the destination's cluster.
    cluster: str = ""

    def admits(self, raw: Raw) -> bool:
        """Whether all but the selector, which the API server sees to, let it pass."""
        spec = raw.get("spec") or {}
        sources, destination = raw_sources(spec), spec.get("destination") or {}
        return (
            (not self.projects or (spec.get("project") or "") in self.projects)
            and (not self.repository or normalize_url(self.repository) in map(_repository, sources))
            and (not self.path or self.path in [source.get("path") or "" for source in sources])
            and self.cluster in ("", destination.get("name"), destination.get("server"))
        )


async def list_applications(output: str, filters: Filters, *, namespace: str) -> None:
    """Print the Applications of the namespace that match every filter."""
    async with home(namespace) as reached:
        found = await reached.everything(label_selector=filters.selector)
    chosen = [raw for raw in found if filters.admits(raw)]
    if output in ("json", "yaml"):
        print(structured(chosen, output))
    elif output == "name":
        for raw in chosen:
            print(identity(raw))
    else:
        print(_overview(chosen))


def _overview(applications: Iterable[Raw]) -> str:
    return table(OVERVIEW, (_overview_row(raw) for raw in applications))


def _overview_row(raw: Raw) -> tuple[object, ...]:
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    sources, destination = raw_sources(spec), spec.get("destination") or {}
    return (
        identity(raw),
        destination.get("name") or destination.get("server"),
        destination.get("namespace"),
        spec.get("project"),
        (status.get("sync") or {}).get("status") or "Unknown",
        (status.get("health") or {}).get("status") or "Unknown",
        policy(spec),
        ",".join(sorted({c.get("type", "") for c in status.get("conditions") or ()})) or "<none>",
        ",".join(redact_url(source.get("repoURL") or "") for source in sources),
        ",".join(_within(source) for source in sources),
        ",".join(_target(source) for source in sources),
    )


def _repository(source: Mapping[str, Any]) -> str:
    return normalize_url(source.get("repoURL") or "")


def _within(source: Mapping[str, Any]) -> str:
    """What of the repository is used: the path, or the chart."""
    return str(source.get("chart") or source.get("path") or "")


def _target(source: Mapping[str, Any]) -> str:
    return str(source.get("targetRevision") or ("*" if source.get("chart") else "HEAD"))


def policy(spec: Mapping[str, Any]) -> str:
    """`Manual`, `Auto`, or `Auto-Prune`, as Argo CD's list names them."""
    automated = (spec.get("syncPolicy") or {}).get("automated")
    if automated is None or automated.get("enabled") is False:
        return "Manual"
    return "Auto-Prune" if automated.get("prune") else "Auto"


async def get_application(
    name: str, output: str, *, namespace: str, refresh: str | None, timeout_seconds: float
) -> None:
    """Print one Application, compared anew first where a refresh is asked for."""
    async with home(namespace) as reached:
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
        print(structured(raw, output))
    else:
        _describe(raw)


def _source_rows(source: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Where one source is; of several each begins anew."""
    return [
        ("Repo", redact_url(source.get("repoURL") or "")),
        ("Target", _target(source)),
        ("Chart" if source.get("chart") else "Path", _within(source)),
    ]


def _refreshed(raw: Raw | None) -> bool:
    return raw is None or REFRESH_ANNOTATION not in (raw["metadata"].get("annotations") or {})


def _describe(raw: Raw) -> None:
    spec, status, metadata = raw.get("spec") or {}, raw.get("status") or {}, raw["metadata"]
    sources, destination = raw_sources(spec), spec.get("destination") or {}
    sync, health = status.get("sync") or {}, status.get("health") or {}
    revisions = split(revision_in(sync))
    revision = f" ({', '.join(revision[:7] for revision in revisions)})" if any(revisions) else ""
    about = [
        ("Name", f"{metadata['namespace']}/{metadata['name']}"),
        ("Project", spec.get("project")),
        ("Server", destination.get("server") or destination.get("name")),
        ("Namespace", destination.get("namespace")),
        *(row for source in sources for row in _source_rows(source)),
        ("Sync Policy", policy(spec)),
        ("Sync Status", f"{sync.get('status') or 'Unknown'}{revision}"),
        ("Health Status", " ".join(filter(None, [health.get("status") or "Unknown", health.get("message")]))),
    ]
    state = status.get("operationState") or {}
    if state:
        about.append(("Operation", f"{state.get('phase')}: {state.get('message') or ''}"))
    print(facts(about))
    for condition in status.get("conditions") or ():
        print(f"\n{condition.get('type')}: {condition.get('message')}")
    resources = status.get("resources") or ()
    if resources:
        print()
        print(_resources(resources))


def _resources(resources: Iterable[Raw]) -> str:
    return table(
        ("GROUP", "KIND", "NAMESPACE", "NAME", "STATUS", "HEALTH", "MESSAGE"),
        (_resource_row(entry) for entry in resources),
    )


def _resource_row(entry: Raw) -> tuple[object, ...]:
    health = entry.get("health") or {}
    message = "to be pruned" if entry.get("requiresPruning") else health.get("message")
    keys = ("group", "kind", "namespace", "name", "status")
    return (*(entry.get(key) for key in keys), health.get("status"), message)
