"""What `trueup webhook` does: the Git host, the repository's Secret and the service, one after the other."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from trueup.cli.home import home
from trueup.cli.hook_secrets import HookSecrets, new_secret
from trueup.clients.githosts.github import GitHub
from trueup.clients.githosts.http import HostHook
from trueup.clients.githosts.open import open_host
from trueup.clients.webhook_sender import send
from trueup.domain.errors import StalledError
from trueup.domain.githost import git_host, hook_address, provider_of
from trueup.domain.repository import redact_url
from trueup.domain.webhook_delivery import Delivery, parse_recording, proved, sample_push
from trueup.domain.webhook_secret import WEBHOOK_PATH
from trueup.settings import Settings, read_settings

#: Room for the headers of a recording.
HEAD_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says; empty where it leaves it to be found."""

    repository: str
    url: str = ""
    provider: str = ""
    api_url: str = ""
    token_variable: str = ""


async def set_up(asked: Asked, *, rotate: bool) -> None:
    """Make the hook, or find it and put it right. What is there already of either half is used again."""
    host = git_host(
        asked.repository, provider=asked.provider, api_url=asked.api_url, token_variable=asked.token_variable
    )
    async with home() as reached:
        root = hook_address(_base(asked.url, reached.settings))
        kept = HookSecrets(reached.cluster, reached.namespace)
        secret = await kept.own(asked.repository)
        is_new = rotate or not secret.lines
        lines = (new_secret(), *secret.lines) if is_new else secret.lines
        text = _as_text(lines[0], secret.name)
        address = f"{root}/{host.provider}/{secret.name}"
        async with open_host(host, os.environ, hidden=(text,)) as there:
            # Asked first: a token that is no good leaves nothing behind.
            hook = _ours(await there.hooks(), root, address)
            # Before the host signs with it, the service must know it.
            if is_new:
                await kept.write(secret, asked.repository, lines)
            if hook is None:
                await there.create(address, text)
            else:
                await there.update(hook, address, text)
    print(
        f"webhook of {redact_url(asked.repository)} {'created' if hook is None else 'updated'}: {redact_url(address)}"
    )
    print(
        f"its secret: {'new' if is_new else 'as it was'}, key webhookSecret of Secret {reached.namespace}/{secret.name}"
    )
    if is_new and secret.lines:
        print("older secrets still count: take their lines away once deliveries with the new one have come")


async def try_out(asked: Asked) -> bool:
    """Send a sample; whether it was accepted."""
    provider = provider_of(asked.repository, asked.provider)
    async with home() as reached:
        base = _base(asked.url, reached.settings)
        hook = await HookSecrets(reached.cluster, reached.namespace).hook_for(asked.repository)
    delivery = sample_push(provider, asked.repository, hook.secrets[0], delivery_id=uuid4())
    return await _sent(hook_address(base, provider, hook.name), delivery)


async def replay_file(file: str, url: str) -> bool:
    """Send a recorded delivery as it is; whether it was accepted. `url` may be a hook's own address in full."""
    settings = read_settings()
    base = _base(url, settings)
    address = base if f"{WEBHOOK_PATH}/" in base else hook_address(base)
    return await _sent(address, parse_recording(_recorded(file, settings.webhook_body_bytes_max + HEAD_BYTES_MAX)))


async def replay_from_github(asked: Asked, name: str) -> bool:
    """Fetch what GitHub sent, sign it anew and send it to the hook; whether it was accepted."""
    host = git_host(
        asked.repository, provider=asked.provider, api_url=asked.api_url, token_variable=asked.token_variable
    )
    async with home() as reached:
        root = hook_address(_base(asked.url, reached.settings))
        hook = await HookSecrets(reached.cluster, reached.namespace).hook_for(asked.repository)
    address = f"{root}/{host.provider}/{hook.name}"
    async with open_host(host, os.environ) as there:
        found = _ours(await there.hooks(), root, address)
        if found is None or not isinstance(there, GitHub):
            raise StalledError(
                f"{redact_url(asked.repository)} has no webhook for {redact_url(root)}; `trueup webhook setup` makes it"
            )
        delivery = await there.delivery(found, name)
    return await _sent(address, proved(host.provider, delivery, hook.secrets[0]))


def _recorded(file: str, bytes_max: int) -> bytes:
    try:
        with Path(file).open("rb") as opened:
            recorded = opened.read(bytes_max + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "that is no path"
        raise StalledError(f"{file[:200]} cannot be read: {why}") from error
    if len(recorded) > bytes_max:
        raise StalledError(f"{file} is larger than a delivery may be (TRUEUP_WEBHOOK_BODY_BYTES_MAX)")
    return recorded


def _ours(hooks: Iterable[HostHook], root: str, address: str) -> HostHook | None:
    """The hook that delivers to this service: there already, to the address of all, or of another name."""
    ranks = [(0 if hook.url == address else 1 if hook.url.rstrip("/") == root else 2, hook.id, hook) for hook in hooks]
    ours = [(rank, number, hook) for rank, number, hook in ranks if rank < 2 or hook.url.startswith(f"{root}/")]
    return min(ours, key=lambda one: one[:2])[2] if ours else None


async def _sent(address: str, delivery: Delivery) -> bool:
    answer = await send(address, delivery)
    print(f"{redact_url(address)} answered {answer.status}: {answer.text}")
    return 200 <= answer.status < 300


def _base(url: str, settings: Settings) -> str:
    if not (url or settings.public_url):
        raise StalledError("say where the service is reached: --url https://…, or TRUEUP_PUBLIC_URL")
    return url or settings.public_url


def _as_text(secret: bytes, name: str) -> str:
    try:
        return secret.decode()
    except UnicodeDecodeError as error:
        raise StalledError(
            f"the first webhookSecret of Secret {name} is no text that a Git host takes; use --rotate"
        ) from error
