"""The `trueup` command: one word, many verbs. Heavy imports wait until a verb needs them."""

from __future__ import annotations

import io
import runpy
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from trueup import __version__
from trueup.cli import app as app_verbs
from trueup.cli import drift as drift_verbs
from trueup.cli import webhook as webhook_verbs
from trueup.cli.failure import EXIT_FAILED, plainly, said_plainly
from trueup.cli.flags import plain_flags

cli = typer.Typer(
    name="trueup",
    help="Keeps Kubernetes clusters true to Git.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.add_typer(app_verbs.verbs, name="app")
cli.add_typer(drift_verbs.verbs, name="drift")
cli.add_typer(webhook_verbs.verbs, name="webhook")


class ExplainOutput(StrEnum):
    wide = "wide"
    json = "json"
    yaml = "yaml"


class CompareOutput(StrEnum):
    text = "text"
    markdown = "markdown"
    json = "json"


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@cli.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Keeps Kubernetes clusters true to Git."""


@cli.command()
def service() -> None:
    """Receive webhooks, watch Applications, and turn both into jobs."""
    from trueup.cli import halves

    plainly(halves.checked_settings, exit_code=EXIT_FAILED)
    _run_edge("trueup.service")


@cli.command()
def worker(
    drain: Annotated[
        bool, typer.Option("--drain", help="End when nothing is due; 3 where jobs are left for later.")
    ] = False,
) -> None:
    """Turn jobs into a true cluster. TRUEUP_WORKERS says how many processes."""
    from trueup.cli import halves

    if plainly(halves.checked_settings, exit_code=EXIT_FAILED).workers > 1:
        raise typer.Exit(said_plainly(halves.run_workers(drain=drain), exit_code=EXIT_FAILED))
    _run_edge("trueup.workers", *(["--drain"] if drain else []))


@cli.command()
def standalone() -> None:
    """Run service and workers in one command, with a Valkey of its own unless TRUEUP_REDIS_URL is set."""
    from trueup.cli import halves

    said_plainly(halves.run_standalone(), exit_code=EXIT_FAILED)


@cli.command()
def sandbox(
    directory: Annotated[Path | None, typer.Option("--dir", help="Where its data and sandbox.json go.")] = None,
    build_only: Annotated[bool, typer.Option("--build-only", help="Build its programs and end.")] = False,
) -> None:
    """Run a real control plane, a Valkey and a Git server, for tests and laptops."""
    from trueup.sandbox import ensure_all, serve

    if build_only:
        said_plainly(ensure_all(), exit_code=EXIT_FAILED)
    elif directory is None:
        print("trueup: say where the sandbox may live: --dir DIR", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED)
    else:
        said_plainly(serve(directory), exit_code=EXIT_FAILED)


@cli.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the last step instead of staying open.")] = False,
) -> None:
    """Show the main job on real parts: a push is delivered, an edit by hand is seen, told of and put right."""
    from trueup.cli.demo import run_demo

    said_plainly(run_demo(stay=not once), exit_code=EXIT_FAILED)


@cli.command()
def explain(
    name: app_verbs.Name,
    path: Annotated[str, typer.Option("--path", help="A file, from the repository's root.", show_default=False)],
    output: Annotated[ExplainOutput, typer.Option("--output", "-o")] = ExplainOutput.wide,
    namespace: app_verbs.Namespace = "",
) -> None:
    """Say why a change of a file makes an application look again (exit 1) or not (0); 2 is an error."""
    from trueup.cli import explaining

    affected = said_plainly(
        explaining.print_explanation(name, path, output.value, namespace=namespace), exit_code=app_verbs.EXIT_DIFF_ERROR
    )
    if affected:
        raise typer.Exit(app_verbs.EXIT_DIFF)


@cli.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="An application.", show_default=False)],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one.", show_default=False)],
    live: Annotated[
        bool,
        typer.Option("--live/--desired", help="What the clusters have, or what Git wants.", show_default="desired"),
    ] = False,
    strip_prefix: Annotated[
        list[str] | None, typer.Option("--strip-prefix", help="What names begin with on a side, repeatable.")
    ] = None,
    strip_suffix: Annotated[
        list[str] | None, typer.Option("--strip-suffix", help="What names end in on a side, repeatable.")
    ] = None,
    output: Annotated[CompareOutput, typer.Option("--output", "-o")] = CompareOutput.text,
    color: Annotated[app_verbs.Color, typer.Option("--color")] = app_verbs.Color.auto,
    namespace: app_verbs.Namespace = "",
) -> None:
    """Show what differs between two applications (exit 1), such as staging and production; 2 is an error.

    Objects are matched by kind and name. Namespaces and what a cluster assigns are no difference; values of
    Secrets are masked.
    """
    from trueup.cli import compare_two
    from trueup.domain.two_sides import Strip

    strip = Strip(tuple(strip_prefix or ()), tuple(strip_suffix or ()))
    asked = compare_two.Asked(live, strip, output.value, color.value)
    work = compare_two.print_comparison(first, second, asked, namespace=namespace)
    if said_plainly(work, exit_code=app_verbs.EXIT_DIFF_ERROR):
        raise typer.Exit(app_verbs.EXIT_DIFF)


@cli.command()
def render(
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="PATH", help="The source's directory; not needed with --file.", show_default=False),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="A file with an Application: its sources are rendered, with their options."),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Of the application; else that of PATH, or the file's.")] = "",
    namespace: Annotated[str, typer.Option("--namespace", help="Where it is delivered to.")] = "",
    project: Annotated[str, typer.Option("--project", help="Its AppProject.")] = "",
    kube_version: Annotated[str, typer.Option("--kube-version", help="What charts are told of the cluster.")] = "",
    api_versions: Annotated[
        list[str] | None,
        typer.Option("--api-versions", help="GROUP/VERSION or GROUP/VERSION/KIND, repeatable."),
    ] = None,
    local_repo_root: Annotated[
        Path | None, typer.Option("--local-repo-root", help="The root of the repository, if not the working tree's.")
    ] = None,
    output: Annotated[
        app_verbs.ManifestsOutput, typer.Option("--output", "-o", help="Documents of YAML, or one List in JSON.")
    ] = app_verbs.ManifestsOutput.yaml,
    show_secrets: Annotated[bool, typer.Option("--show-secrets", help="Do not mask the values of Secrets.")] = False,
) -> None:
    """Render a directory of this machine as a worker would, without a cluster; ends with 2 on an error.

    Git: the files are those of the working tree that PATH, or the current directory, is in.

    Charts: fetched only where a file names one that is published, and without a login.
    """
    from trueup.cli import render as rendering

    asked = rendering.Asked(
        directory, file, local_repo_root, name, namespace, project, kube_version, tuple(api_versions or ())
    )
    work = rendering.print_rendered(asked, output.value, show_secrets=show_secrets)
    said_plainly(work, exit_code=app_verbs.EXIT_DIFF_ERROR)


def _run_edge(module: str, *arguments: str) -> None:
    # The edges are nobody's import: they are run as modules, in this very process. Their logs are for machines:
    # what structlog would load to colour tracebacks stays away.
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        sys.modules.pop("rich", None)


def main() -> None:
    """The console script."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As stderr does it: a letter that the terminal does not have is spelled out and ends nothing.
        sys.stdout.reconfigure(errors="backslashreplace")
    command = typer.main.get_command(cli)
    command(args=plain_flags(command, sys.argv[1:]))
