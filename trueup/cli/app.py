"""`trueup app …`: the verbs, flags and exit codes of `argocd app`, straight to the Kubernetes API."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from trueup.cli.failure import EXIT_ERROR, EXIT_FAILED, said_plainly

verbs = typer.Typer(no_args_is_help=True, help="Applications: list, get, diff, sync, wait, history.")

#: `argocd app diff`: 0 no difference, 1 some, 2 an error.
EXIT_DIFF = 1
EXIT_DIFF_ERROR = 2

Name = Annotated[str, typer.Argument(metavar="APPNAME", help="Name, or namespace/name.", show_default=False)]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="APPNAME…", help="Names, or namespace/name.", show_default=False)
]
Namespace = Annotated[
    str,
    typer.Option("--app-namespace", "-N", help="Where the application lives, if not in TRUEUP_NAMESPACE."),
]
Selector = Annotated[str, typer.Option("--selector", "-l", help="Label selector.")]
Timeout = Annotated[int, typer.Option("--timeout", help="Give up after this many seconds; 0 never does.", min=0)]


class ListOutput(StrEnum):
    wide = "wide"
    json = "json"
    yaml = "yaml"
    name = "name"


class GetOutput(StrEnum):
    wide = "wide"
    json = "json"
    yaml = "yaml"


class Color(StrEnum):
    always = "always"
    never = "never"
    auto = "auto"


class DiffOutput(StrEnum):
    text = "text"
    markdown = "markdown"
    json = "json"


class ManifestsOutput(StrEnum):
    yaml = "yaml"
    json = "json"


class ManifestsSource(StrEnum):
    git = "git"
    live = "live"


class HistoryOutput(StrEnum):
    wide = "wide"
    id = "id"


@verbs.command("list")
def list_(
    output: Annotated[ListOutput, typer.Option("--output", "-o")] = ListOutput.wide,
    selector: Selector = "",
    project: Annotated[
        list[str] | None, typer.Option("--project", "-p", help="Only those of this project, repeatable.")
    ] = None,
    repository: Annotated[str, typer.Option("--repo", "-r", help="Only those that follow this repository.")] = "",
    path: Annotated[str, typer.Option("--path", "-P", help="Only those that follow this path.")] = "",
    cluster: Annotated[
        str, typer.Option("--cluster", "-c", help="Only those delivered to this cluster, by name or URL.")
    ] = "",
    namespace: Namespace = "",
) -> None:
    """List applications."""
    from trueup.cli import reading

    filters = reading.Filters(selector, frozenset(project or ()), repository, path, cluster)
    said_plainly(reading.list_applications(output.value, filters, namespace=namespace))


@verbs.command()
def get(
    name: Name,
    output: Annotated[GetOutput, typer.Option("--output", "-o")] = GetOutput.wide,
    refresh: Annotated[bool, typer.Option("--refresh", help="Compare anew first.")] = False,
    hard_refresh: Annotated[bool, typer.Option("--hard-refresh", help="Compare anew, past every cache.")] = False,
    namespace: Namespace = "",
    timeout: Timeout = 60,
) -> None:
    """Show one application."""
    from trueup.cli import reading

    kind = "hard" if hard_refresh else "normal" if refresh else None
    said_plainly(
        reading.get_application(name, output.value, namespace=namespace, refresh=kind, timeout_seconds=timeout)
    )


@verbs.command()
def diff(
    name: Name,
    revision: Annotated[str, typer.Option("--revision", help="Compare with this revision instead.")] = "",
    local: Annotated[
        Path | None, typer.Option("--local", help="Compare with the files of this directory instead.")
    ] = None,
    local_repo_root: Annotated[
        Path | None, typer.Option("--local-repo-root", help="The root of its repository, if not the working tree's.")
    ] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="The remote is asked anyway.")] = False,  # noqa: ARG001 - argocd's flag
    hard_refresh: Annotated[bool, typer.Option("--hard-refresh", help="No cache is used anyway.")] = False,  # noqa: ARG001 - argocd's flag
    exit_code: Annotated[
        bool, typer.Option("--exit-code/--no-exit-code", help="Exit 1 where there is a difference.")
    ] = True,
    diff_exit_code: Annotated[int, typer.Option("--diff-exit-code", help="The code for a difference.")] = EXIT_DIFF,
    side_by_side: Annotated[
        bool | None,
        typer.Option(
            "--side-by-side/--unified", help="Live beside Git, or above it; by the terminal's width if neither."
        ),
    ] = None,
    color: Annotated[
        Color, typer.Option("--color", help="Colour; auto is at a terminal without NO_COLOR.")
    ] = Color.auto,
    output: Annotated[
        DiffOutput, typer.Option("--output", "-o", help="For a terminal, for a pull request, or for programs.")
    ] = DiffOutput.text,
    why: Annotated[bool, typer.Option("--why", help="Of every field: the rule that reported or ignored it.")] = False,
    namespace: Namespace = "",
) -> None:
    """Show what differs between Git and the cluster. Values of Secrets are masked."""
    from trueup.cli import comparing
    from trueup.cli.difference import Layout

    work = comparing.print_diff(
        name,
        namespace=namespace,
        revision=revision or None,
        directory=local,
        root=local_repo_root,
        layout=Layout(output.value, side_by_side),
        color=color.value,
        why=why,
    )
    differs = said_plainly(work, exit_code=EXIT_DIFF_ERROR)
    if differs and exit_code:
        raise typer.Exit(diff_exit_code)


@verbs.command()
def manifests(
    name: Name,
    source: Annotated[
        ManifestsSource, typer.Option("--source", help="What Git wants, or what is live of what was last compared.")
    ] = ManifestsSource.git,
    revision: Annotated[str, typer.Option("--revision", help="At this revision instead of the target.")] = "",
    output: Annotated[
        ManifestsOutput, typer.Option("--output", "-o", help="Documents of YAML, or one List in JSON.")
    ] = ManifestsOutput.yaml,
    namespace: Namespace = "",
) -> None:
    """Print the objects of an application. Values of Secrets are masked."""
    from trueup.cli.manifests import print_manifests

    said_plainly(print_manifests(name, source.value, output.value, namespace=namespace, revision=revision or None))


@verbs.command()
def sync(
    names: Names = None,
    selector: Selector = "",
    revision: Annotated[str, typer.Option("--revision", help="Sync to this revision instead of the target.")] = "",
    prune: Annotated[bool, typer.Option("--prune", help="Delete what Git no longer has.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Let the API server check it, change nothing.")] = False,
    resource: Annotated[
        list[str] | None, typer.Option("--resource", help="GROUP:KIND:[NAMESPACE/]NAME, repeatable.")
    ] = None,
    asynchronous: Annotated[bool, typer.Option("--async", help="Ask for it and return.")] = False,
    retry_limit: Annotated[
        int, typer.Option("--retry-limit", help="Attempts after a failure; -1 for ever.", min=-1)
    ] = 0,
    namespace: Namespace = "",
    timeout: Timeout = 0,
) -> None:
    """Bring the cluster to what Git says."""
    from trueup.cli import syncing

    request = syncing.Request(revision, prune, dry_run, tuple(resource or ()), retry_limit)
    work = syncing.sync(
        tuple(names or ()),
        request,
        selector=selector,
        namespace=namespace,
        wait=not asynchronous,
        timeout_seconds=timeout,
    )
    if not said_plainly(work):
        raise typer.Exit(EXIT_FAILED)


@verbs.command()
def wait(
    names: Names = None,
    selector: Selector = "",
    synced: Annotated[bool, typer.Option("--sync", help="Until Synced.")] = False,
    health: Annotated[bool, typer.Option("--health", help="Until Healthy.")] = False,
    operation: Annotated[bool, typer.Option("--operation", help="Until no operation is pending.")] = False,
    suspended: Annotated[bool, typer.Option("--suspended", help="Until Suspended.")] = False,
    degraded: Annotated[bool, typer.Option("--degraded", help="Until Degraded.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Until it is gone.")] = False,
    namespace: Namespace = "",
    timeout: Timeout = 0,
) -> None:
    """Wait until applications are as asked; without a flag: synced, healthy and at rest."""
    from trueup.cli import waiting

    wanted = waiting.Wanted(synced, health, operation, suspended, degraded, delete)
    work = waiting.wait(
        tuple(names or ()), wanted.or_default(), selector=selector, namespace=namespace, timeout_seconds=timeout
    )
    if not said_plainly(work):
        raise typer.Exit(EXIT_ERROR)


@verbs.command()
def history(
    name: Name,
    output: Annotated[HistoryOutput, typer.Option("--output", "-o")] = HistoryOutput.wide,
    namespace: Namespace = "",
) -> None:
    """Show what was deployed, and when."""
    from trueup.cli.history import print_history

    said_plainly(print_history(name, output.value, namespace=namespace))


@verbs.command("as-of")
def as_of(
    name: Name,
    moment: Annotated[
        str,
        typer.Argument(
            metavar="TIME",
            help="2026-01-31T14:00:00Z, '2026-01-31 14:00', 'yesterday 14:00', '2h ago'; in UTC.",
            show_default=False,
        ),
    ],
    with_diff: Annotated[
        bool, typer.Option("--diff", help="Show too what Git wants now and did not then; 1 where there is any.")
    ] = False,
    output: Annotated[GetOutput, typer.Option("--output", "-o")] = GetOutput.wide,
    namespace: Namespace = "",
) -> None:
    """Show what was deployed at a moment, by whom, and which incidents were open; unknown where no record says."""
    from trueup.cli.as_of import print_as_of

    work = print_as_of(name, moment, output.value, with_diff=with_diff, namespace=namespace)
    if said_plainly(work, exit_code=EXIT_DIFF_ERROR if with_diff else EXIT_ERROR):
        raise typer.Exit(EXIT_DIFF)
