"""What is said of a repository of charts that does not answer as it should: who, what, and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from trueup.domain.credentials import RepositoryCredentials
from trueup.domain.errors import StalledError, TransientError

#: The pause after a host that does not say how long it wants to be left alone.
AWAY_SECONDS = 10.0
LIMITED_SECONDS = 60.0


def refused(
    shown: str, status: int, headers: Mapping[str, str], credentials: RepositoryCredentials | None, seconds_max: float
) -> StalledError | TransientError:
    """Why an answer with this status is none. `shown` is what was asked for, without secrets."""
    pause = retry_after_seconds(headers.get("Retry-After", ""), seconds_max)
    if status == 429 or (status == 403 and pause is not None):
        seconds = LIMITED_SECONDS if pause is None else pause
        text = f"{shown}: its host limits requests and asks to wait {seconds:.0f} s; it is asked again then"
        return TransientError(text, retry_after_seconds=seconds)
    if status >= 500:
        text = f"{shown}: its host answers {status}; it is asked again later"
        return TransientError(text, retry_after_seconds=AWAY_SECONDS if pause is None else pause)
    if status in {401, 403}:
        return StalledError(f"{shown}: its host answers {status}; {_login(credentials)}")
    if status in {404, 410}:
        return StalledError(f"{shown}: there is nothing there ({status}); correct the URL, the chart or the version")
    return StalledError(f"{shown}: its host answers {status}; correct the URL")


def _login(credentials: RepositoryCredentials | None) -> str:
    if credentials is None:
        return (
            "give a Secret with its URL, a username and a password, type: helm (and enableOCI: 'true' for a registry), "
            "and the label argocd.argoproj.io/secret-type: repository"
        )
    if not credentials.has_login:
        return f"Secret {credentials.secret} has no login; put a username and a password there"
    return f"the login in Secret {credentials.secret} is not accepted there; correct it, or give it the right to read"


def retry_after_seconds(text: str, seconds_max: float) -> float | None:
    """The seconds of a `Retry-After` header, a number or a date (RFC 9110); None without one that can be read."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), seconds_max)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    # One without a zone is in UTC, as every date of HTTP is.
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, (aware - datetime.now(UTC)).total_seconds()), seconds_max)
