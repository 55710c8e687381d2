"""What passes between two looks has been seen all the same, with its moment."""

from __future__ import annotations

from trueup.cli.demo.watch import Applications, Raw, is_out_of_sync


def application(sync: str) -> Raw:
    return {"metadata": {"name": "tides"}, "status": {"sync": {"status": sync}}}


async def test_what_the_next_event_takes_back_has_been_seen() -> None:
    applications = Applications()
    synced, drifted = application("Synced"), application("OutOfSync")
    applications.see(None, synced)
    lookout = applications.look_out("tides is out of sync", lambda seen: is_out_of_sync(seen.get("tides")))
    applications.see(synced, drifted)
    applications.see(drifted, synced)
    assert await lookout.after(0.0) > 0


async def test_what_holds_already_is_not_waited_for() -> None:
    applications = Applications()
    applications.see(None, application("OutOfSync"))
    assert await applications.until("tides is out of sync", lambda seen: is_out_of_sync(seen["tides"]), since=0.0) > 0
