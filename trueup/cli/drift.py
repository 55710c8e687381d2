"""`trueup drift …`: the incidents on record, straight from the Kubernetes API."""

from __future__ import annotations

from typing import Annotated

import typer

from trueup.cli.app import GetOutput, ListOutput, Namespace
from trueup.cli.failure import said_plainly

verbs = typer.Typer(no_args_is_help=True, help="Drift on record: list, show.")


@verbs.command("list")
def list_(
    name: Annotated[
        str, typer.Argument(metavar="APPNAME", help="Only those of this application.", show_default=False)
    ] = "",
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are not over.")] = False,
    output: Annotated[ListOutput, typer.Option("--output", "-o")] = ListOutput.wide,
    namespace: Namespace = "",
) -> None:
    """List incidents, newest first. Times are in UTC."""
    from trueup.cli import incidents

    said_plainly(incidents.list_incidents(name, output.value, only_open=only_open, namespace=namespace))


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
    """Show all that is on record of one incident. Values of Secrets are masked."""
    from trueup.cli import incidents

    said_plainly(incidents.show_incident(name, output.value, namespace=namespace))
