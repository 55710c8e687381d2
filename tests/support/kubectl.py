"""The real kubectl, with a home of its own so that it leaves nothing in the checkout."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from trueup.clients.process import base_environment, run

SECONDS_MAX = 120.0
OUTPUT_BYTES_MAX = 16 * 1024 * 1024


def kubectl_binary() -> str:
    """The one of the virtual environment, else one on PATH."""
    found = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")
    assert found, "kubectl is missing: install the extra `dev`"
    return found


async def kubectl(
    kubeconfig: Path, *arguments: str, stdin: str | None = None, env: Mapping[str, str] | None = None
) -> str:
    """Run it as the user of the kubeconfig and return what it prints. Raises AssertionError where it fails."""
    environment = base_environment() | {"KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent)}
    done = await run(
        [kubectl_binary(), *arguments],
        env=environment | dict(env or {}),
        stdin=stdin.encode() if stdin is not None else None,
        timeout_seconds=SECONDS_MAX,
        output_bytes_max=OUTPUT_BYTES_MAX,
    )
    assert done.returncode == 0, (arguments, done.stderr.decode())
    return done.stdout.decode()
