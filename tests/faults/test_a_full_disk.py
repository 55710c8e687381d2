"""A worker whose disk is full: said with the way out, nothing is pruned, what needs no room goes on, and it heals."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tests.support.bad_input import told
from tests.support.product import SCRIPT, START_SECONDS, Installation, installation, sync_status
from tests.support.sandbox import SandboxFacts
from tests.support.ships import PATIENT, Ship
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster

#: The data directory on a disk of 4 MiB, in a mount namespace of its own: nobody else sees it, and it goes with it.
TINY_DISK = (
    "unshare",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    'mount -t tmpfs -o size=4m,mode=700 trueup "$TRUEUP_DATA_DIR" && exec "$0" "$@"',
    SCRIPT,
)


async def test_a_full_disk_is_named_takes_nothing_with_it_and_stops_nobody_who_needs_no_room(
    sandbox: SandboxFacts, cluster: Cluster, valkey_url: str, tmp_path: Path
) -> None:
    async with installation(sandbox, cluster, tmp_path, valkey_url, **PATIENT) as trueup:
        await trueup.start("service")
        data = await _on_a_tiny_disk(trueup)
        ship, known, new = [await Ship.make(trueup, word) for word in ("ship", "known", "new")]
        await ship.sail()
        await known.sail()
        with (data / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(b"x" * 4096)

        second = await ship.second()
        await ship.announce()
        await new.first()
        await new.apply()
        for one, verdict in ((ship, "Synced"), (new, "Unknown")):
            raw = await told(trueup, one.name, "ComparisonError", one.url, "disk", "full", "give TRUEUP_DATA_DIR more")
            assert sync_status(raw) == verdict
        await ship.is_as_at_first()
        await _heals_an_edit(trueup, known)

        (data / "ballast").unlink()
        await ship.is_as_at_second(second)
        await new.is_as_at_second(await _pushed_on(new))


async def _on_a_tiny_disk(trueup: Installation) -> Path:
    """A worker on it; where its data directory is to be seen from here."""
    trueup.command = TINY_DISK
    worker = await trueup.start("worker", wait=False)
    data = Path(f"/proc/{worker.pid}/root", *(trueup.directory / "data").parts[1:])
    await wait_until(
        lambda: (data / "worker.json").exists() or worker.returncode is not None, START_SECONDS, "the worker is ready"
    )
    assert worker.returncode is None, trueup.log("worker").read_text()
    return data


async def _heals_an_edit(trueup: Installation, ship: Ship) -> None:
    policy = {"automated": {"prune": True, "selfHeal": True}}
    await trueup.patch(ship.name, {"spec": {"syncPolicy": policy}})
    await trueup.kubectl(
        "-n", trueup.delivered_to, "patch", "configmap", ship.stays, "--type=merge", "-p", '{"data":{"at":"sea"}}'
    )

    async def is_healed() -> bool:
        live = await trueup.live("ConfigMap", ship.stays)
        return live is not None and live["data"] == {"at": "first"}

    await wait_until(is_healed, START_SECONDS, "the edit is healed")


async def _pushed_on(ship: Ship) -> str:
    revision = await ship.second()
    await ship.announce()
    return revision
