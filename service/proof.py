"""Who has proved to have sent a delivery, and for which repositories that counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trueup.domain.webhook_secret import EVERY_REPOSITORY, Candidates, Reach

from .webhooks.event import Headers, Parse, UnauthorizedError, WebhookEvent


@dataclass(frozen=True, slots=True)
class Proven:
    """A genuine delivery, and whom its sender may speak for."""

    event: WebhookEvent
    reaches: tuple[Reach, ...]

    def speaks_for(self, repository: str) -> bool:
        """`repository` is a normalised URL."""
        return any(reach.covers(repository) for reach in self.reaches)


def prove(parse: Parse, headers: Headers, body: bytes, candidates: Sequence[Candidates]) -> Proven:
    """Try all candidates; whoever among them signs this body lends the delivery his reach.

    `parse` verifies before it parses, so a body that nobody signed is not looked into. Raises what
    `parse` raises; UnauthorizedError where none of the candidates proves anything.
    """
    event: WebhookEvent | None = None
    reaches: list[Reach] = []
    refused = UnauthorizedError("No webhook secret is set for this Git host, so its deliveries are refused.")
    for candidate in candidates:
        try:
            event = parse(headers, body, candidate.secrets)
        except UnauthorizedError as error:
            refused = error
            continue
        reaches += candidate.reaches
        if EVERY_REPOSITORY in candidate.reaches:
            break
    if event is None:
        raise refused
    return Proven(event, tuple(reaches))
