"""`trueup webhook …`: a repository's webhook, from its making to its trying."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from trueup.cli.failure import EXIT_FAILED, said_plainly

verbs = typer.Typer(no_args_is_help=True, help="Webhooks: setup, test, replay, status.")


class StatusOutput(StrEnum):
    wide = "wide"
    json = "json"
    yaml = "yaml"


Repository = Annotated[str, typer.Argument(metavar="REPO_URL", help="As Applications name it.", show_default=False)]
ServiceUrl = Annotated[
    str, typer.Option("--url", help="Where Git hosts reach the service; else TRUEUP_PUBLIC_URL.", show_default=False)
]
Provider = Annotated[
    str, typer.Option("--provider", help="github, gitlab, gitea or forgejo, where the host's name does not tell.")
]
ApiUrl = Annotated[str, typer.Option("--api-url", help="The API of the Git host, if not where it usually is.")]
TokenVariable = Annotated[
    str, typer.Option("--token-env", help="The variable that holds the host's token; else GITHUB_TOKEN and the like.")
]


@verbs.command()
def setup(
    repository: Repository,
    url: ServiceUrl = "",
    provider: Provider = "",
    api_url: ApiUrl = "",
    token_variable: TokenVariable = "",
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Make a new secret, though there is one; the old one counts too.")
    ] = False,
) -> None:
    """Make the webhook at the Git host, or put it right, with a random secret that the repository's Secret holds."""
    from trueup.cli import hooks

    asked = hooks.Asked(repository, url, provider, api_url, token_variable)
    said_plainly(hooks.set_up(asked, rotate=rotate))


@verbs.command("test")
def try_out(repository: Repository, url: ServiceUrl = "", provider: Provider = "") -> None:
    """Send the service a signed push that names no commit; it looks at the repository once, as after any push."""
    from trueup.cli import hooks

    _end(said_plainly(hooks.try_out(hooks.Asked(repository, url, provider))))


@verbs.command()
def replay(
    recording: Annotated[
        str,
        typer.Argument(
            metavar="FILE|REPO_URL",
            help="A file with headers, an empty line and the body; with --delivery the repository.",
            show_default=False,
        ),
    ],
    url: ServiceUrl = "",
    delivery: Annotated[
        str, typer.Option("--delivery", help="Id or GUID of a delivery that GitHub keeps; it is signed anew.")
    ] = "",
    api_url: ApiUrl = "",
    token_variable: TokenVariable = "",
) -> None:
    """Send the service a delivery once more. At worst that looks at a repository in vain."""
    from trueup.cli import hooks

    if delivery:
        asked = hooks.Asked(recording, url, "github", api_url, token_variable)
        _end(said_plainly(hooks.replay_from_github(asked, delivery)))
    else:
        _end(said_plainly(hooks.replay_file(recording, url)))


@verbs.command()
def status(
    repository: Annotated[
        str, typer.Argument(metavar="[REPO_URL]", help="Of this one alone.", show_default=False)
    ] = "",
    url: ServiceUrl = "",
    output: Annotated[StatusOutput, typer.Option("--output", "-o")] = StatusOutput.wide,
) -> None:
    """Say of which repositories webhooks come; ends with 1 where refs moved within 24 h and none came."""
    from trueup.cli import hook_status

    _end(said_plainly(hook_status.print_status(repository, output.value, url=url)))


def _end(accepted: bool) -> None:
    if not accepted:
        raise typer.Exit(EXIT_FAILED)
