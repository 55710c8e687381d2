"""What the kernel says about processes."""

from __future__ import annotations

from pathlib import Path


def _stat(pid: int) -> tuple[str, str, int] | None:
    """Name, state and parent."""
    try:
        before, _, after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, parent = after.split()[:2]
    return before.partition("(")[2], state, int(parent)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended but was not asked for its exit status does not."""
    found = _stat(pid)
    return found is not None and found[1] not in "ZX"


def children_of(parent: int, name: str = "") -> list[int]:
    """The processes that `parent` started itself and that run, of that name only when there is one."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    found = ((pid, _stat(pid)) for pid in pids)
    return [
        pid
        for pid, stat in found
        if stat is not None and stat[2] == parent and stat[1] not in "ZX" and name in ("", stat[0])
    ]
