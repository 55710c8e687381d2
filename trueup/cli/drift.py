"""`trueup drift …`: the incidents on record, straight from the Kubernetes API."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trueup.cli.app import GetOutput, ListOutput, Namespace
from trueup.cli.failure import EXIT_FAILED, plainly, said_plainly

if TYPE_CHECKING:
    from trueup.domain.incident_choice import Choice

verbs = typer.Typer(
    no_args_is_help=True, help="Drift: list, watch, show and stats of what is on record; adopt what is live."
)

OfApplication = Annotated[
    str, typer.Argument(metavar="APPNAME", help="Only those of this application.", show_default=False)
]
Application = Annotated[str, typer.Option("--application", "-a", help="Only those of this application.")]
By = Annotated[str, typer.Option("--by", help="Only what this user, or this field manager, wrote a part of.")]
Since = Annotated[
    str,
    typer.Option("--since", help="Only those that were not over by then: 2h ago, yesterday 14:00, RFC 3339. In UTC."),
]


class AdoptOutput(StrEnum):
    patch = "patch"
    yaml = "yaml"


class WatchOutput(StrEnum):
    wide = "wide"
    json = "json"


@verbs.command("list")
def list_(
    name: OfApplication = "",
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are not over.")] = False,
    application: Application = "",
    since: Since = "",
    by: By = "",
    output: Annotated[ListOutput, typer.Option("--output", "-o")] = ListOutput.wide,
    namespace: Namespace = "",
) -> None:
    """List incidents, newest first. Times are in UTC."""
    from trueup.cli import incidents

    choice = _choice(name, application, only_open=only_open, since=since, by=by)
    said_plainly(incidents.list_incidents(choice, output.value, namespace=namespace))


@verbs.command()
def watch(
    name: OfApplication = "",
    application: Application = "",
    by: By = "",
    output: Annotated[
        WatchOutput, typer.Option("--output", "-o", help="For people, or an object of JSON in each line.")
    ] = WatchOutput.wide,
    namespace: Namespace = "",
) -> None:
    """Print a line for each incident that opens, changes or ends, as it happens; Ctrl-C ends it with 0."""
    from trueup.cli import incident_watch

    said_plainly(incident_watch.watch_incidents(_one_of(name, application), by, output.value, namespace=namespace))


@verbs.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Of an incident, or of an application for its latest one.", show_default=False
        ),
    ],
    output: Annotated[GetOutput, typer.Option("--output", "-o")] = GetOutput.wide,
    namespace: Namespace = "",
) -> None:
    """Show all that is on record of one incident, and how it went. Values of Secrets are masked."""
    from trueup.cli import incidents

    said_plainly(incidents.show_incident(name, output.value, namespace=namespace))


@verbs.command()
def stats(
    name: OfApplication = "",
    application: Application = "",
    since: Since = "",
    by: By = "",
    output: Annotated[GetOutput, typer.Option("--output", "-o")] = GetOutput.wide,
    namespace: Namespace = "",
) -> None:
    """Show how often live moved away from Git, and the mean time until it was put right, over what is on record."""
    from trueup.cli import incident_stats

    choice = _choice(name, application, only_open=False, since=since, by=by)
    said_plainly(incident_stats.print_stats(choice, output.value, namespace=namespace))


@verbs.command()
def adopt(
    name: Annotated[str, typer.Argument(metavar="APPNAME", show_default=False)],
    resource: Annotated[
        list[str] | None,
        typer.Option("--resource", help="Only this object: GROUP:KIND:[NAMESPACE/]NAME, repeatable."),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option("--field", help="Only this place and what is below it, as differences print it; repeatable."),
    ] = None,
    output: Annotated[
        AdoptOutput, typer.Option("--output", "-o", help="A patch for `git apply`, or the files as they would be.")
    ] = AdoptOutput.patch,
    branch: Annotated[str, typer.Option("--branch", help="Make a branch of it instead of printing it.")] = "",
    push: Annotated[bool, typer.Option("--push", help="Push the branch with the repository's credentials.")] = False,
    into: Annotated[
        Path, typer.Option("--into", help="The clone that gets the branch, where it is not pushed.")
    ] = Path(),
    author: Annotated[str, typer.Option("--author", help="Who commits: `NAME <ADDRESS>`.")] = "",
    revision: Annotated[str, typer.Option("--revision", help="Compare with this revision, not the target.")] = "",
    namespace: Namespace = "",
) -> None:
    """Accept what is live: the change to the manifest files, comments and order kept. Exits 1 if not all can be had."""
    from trueup.cli import adopt as adoption
    from trueup.cli.adopt import Way

    work = adoption.adopt(
        name,
        resources=resource or (),
        fields=field or (),
        way=Way(output.value, branch, push, into, author),
        revision=revision or None,
        namespace=namespace,
    )
    if not said_plainly(work):
        raise typer.Exit(EXIT_FAILED)


def _choice(name: str, application: str, *, only_open: bool, since: str, by: str) -> Choice:
    from trueup.cli.moments import moment_asked
    from trueup.domain.incident_choice import Choice

    moment = plainly(lambda: moment_asked(since, "--since")) if since else None
    return Choice(True if only_open else None, _one_of(name, application), moment, by)


def _one_of(name: str, application: str) -> str:
    """The application may be named in either way."""
    from trueup.domain.errors import StalledError

    def chosen() -> str:
        if name and application and name != application:
            raise StalledError(f"{name} and --application {application} are two applications; name one")
        return name or application

    return plainly(chosen)
