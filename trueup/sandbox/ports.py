"""Free ports on the loopback address."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

ADDRESS = "127.0.0.1"


@contextmanager
def shared_port() -> Iterator[int]:
    """A free port, kept from everybody but servers that bind it with SO_REUSEPORT.

    Our own socket stays bound without listening, so nobody can take the port
    before, during or after a restart of the server it is meant for.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((ADDRESS, 0))
        yield int(held.getsockname()[1])


def free_port() -> int:
    """A port that is free now, for a server that cannot share: be ready to try another."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])
