"""What can go wrong with the sandbox, in words for whoever started it."""

from __future__ import annotations

from trueup.domain.errors import TrueupError


class SandboxError(TrueupError):
    """The sandbox cannot be started or cannot go on; the message is one clear sentence or two."""
