"""What a command does not need it does not load: the help answers at once, on any terminal."""

from __future__ import annotations

import sys

import pytest

from trueup.clients.process import base_environment, run

#: Each takes longer to load than everything that the help needs; our own parts bring them along.
HEAVY = {"aiohttp", "kubernetes_asyncio", "pydantic_settings", "redis", "yaml", "structlog"}
OURS = ("trueup.clients", "trueup.engine", "trueup.sandbox", "trueup.settings")
SCRIPT = """
import sys
from trueup.cli.main import main
sys.argv = ["trueup", *{arguments!r}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("LOADED", *sorted(sys.modules))
"""


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["app", "--help"], ["app", "sync", "--help"], ["drift", "--help"]]
)
async def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    done = await run(
        [sys.executable, "-c", SCRIPT.format(arguments=arguments)],
        env=base_environment(),
        timeout_seconds=60,
        output_bytes_max=1_000_000,
    )
    assert done.returncode == 0, done.stderr.decode()
    loaded = set(done.stdout.decode().rpartition("LOADED ")[2].split())
    assert "trueup.cli.main" in loaded
    assert not loaded & HEAVY
    assert not [name for name in loaded if name.startswith(OURS)]


#: What only other commands, or single deliveries, have a use for.
NOT_THE_RECEIVERS = {
    "typer",
    "kubernetes_asyncio.client.models",
    "cryptography.hazmat.primitives.hashes",
    "trueup.clients.crds.schema",
    "trueup.clients.crds.appproject",
    "trueup.clients.crds.incident",
    "trueup.clients.git_mirror",
    "trueup.engine.engine",
}


async def test_the_receiver_starts_without_what_it_does_not_need() -> None:
    done = await run(
        [sys.executable, "-c", "import sys, trueup.service.__main__; print(*sys.modules)"],
        env=base_environment(),
        timeout_seconds=60,
        output_bytes_max=1_000_000,
    )
    loaded = set(done.stdout.decode().split())
    assert "trueup.service.receiver" in loaded, done.stderr.decode()
    assert not loaded & NOT_THE_RECEIVERS


async def test_a_letter_that_the_terminal_does_not_have_is_spelled_out() -> None:
    done = await run(
        [sys.executable, "-c", SCRIPT.format(arguments=["--version"]) + "print('│ Synced')"],
        env=base_environment() | {"PYTHONIOENCODING": "latin-1"},
        timeout_seconds=60,
        output_bytes_max=1_000_000,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode("latin-1").endswith("\\u2502 Synced\n")
