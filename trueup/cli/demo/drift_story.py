"""The plot's second half: what is edited by hand is known at once; a person puts it right, or self-heal does."""

from __future__ import annotations

import time
from typing import Any

from trueup.cli.comparing import write_diff
from trueup.cli.demo.channel import told
from trueup.cli.demo.narrator import Narrator
from trueup.cli.demo.stage import DELIVERED_TO, NAMESPACE, Stage
from trueup.cli.demo.watch import is_out_of_sync, is_synced
from trueup.domain.errors import StalledError
from trueup.sandbox import render_text
from trueup.settings import read_settings

HAND = "kubectl-edit"
#: Without self-heal its drift waits for a person.
WAITS = "tides"
HEALS = "lighthouse"


async def drift(scene: Stage, narrator: Narrator) -> None:
    """An edit that waits for a person, the person, and an edit that heals by itself."""
    await _edit_that_waits(scene, narrator)
    await _sync(scene, narrator)
    await _edit_that_heals(scene, narrator)


async def _edit_that_waits(scene: Stage, narrator: Narrator) -> None:
    narrator.step(f"Bob edits the Service of {WAITS} as `kubectl edit` does: port 80 becomes 8081")
    ports = [{"name": "http", "port": 8081, "targetPort": "http"}]
    answered, took = await _edit(scene, WAITS, "", "Service", {"spec": {"ports": ports}})
    narrator.fact(f"{WAITS} is OutOfSync by a watch event, measured from the answer that Bob got", took)
    narrator.fact(f"trueup app diff {WAITS} says what, and who:")
    settings = read_settings().model_copy(update={"namespace": NAMESPACE, "git_schemes": ("http",)})
    await write_diff(scene.cluster, scene.applications.seen[WAITS], narrator.console, settings=settings)
    message = await told(scene.slack, WAITS, f"{WAITS} drifted from Git", by=f"bob with {HAND}")
    narrator.fact("Slack says so, after a moment in which it might have healed:", _since(answered))
    narrator.quote(render_text(message))
    narrator.fact("that it was Bob says the API server's audit log: a field manager is a name that anybody can give")
    status = scene.applications.seen[WAITS]["status"]["sync"]["status"]
    narrator.fact(f"{WAITS} is still {status}: without self-heal, drift waits for a person")


async def _sync(scene: Stage, narrator: Narrator) -> None:
    narrator.step("A sync that somebody asks for brings back exactly what Git says")
    started = time.monotonic()
    applications = await scene.cluster.resource("argoproj.io", "Application")
    operation = {"sync": {}, "initiatedBy": {"username": "you"}}
    await scene.cluster.merge_patch(applications, NAMESPACE, WAITS, {"operation": operation})
    took = await _until_synced(scene, WAITS, since=started)
    spec = await _live_spec(scene, WAITS, "", "Service")
    narrator.fact(f"{WAITS} is Synced; its ports are {[port['port'] for port in spec['ports']]}", took)
    message = await told(scene.slack, WAITS, f"{WAITS} is Synced again")
    narrator.fact("the same message in Slack, not a second one, says now:", _since(started))
    narrator.quote(render_text(message))


async def _edit_that_heals(scene: Stage, narrator: Narrator) -> None:
    narrator.step(f"Bob scales {HEALS}, which has self-heal, down to no replicas")
    answered, took = await _edit(scene, HEALS, "apps", "Deployment", {"spec": {"replicas": 0}})
    narrator.fact(f"{HEALS} is OutOfSync", took)
    took = await _until_synced(scene, HEALS, since=answered)
    spec = await _live_spec(scene, HEALS, "apps", "Deployment")
    narrator.fact(f"{HEALS} is Synced again; its replicas are {spec['replicas']}; both measured from Bob's edit", took)
    message = await told(scene.slack, HEALS, f"{HEALS} is Synced again")
    narrator.fact("Slack has one message for it, which says how it ended:", _since(answered))
    narrator.quote(render_text(message))


async def _edit(scene: Stage, name: str, group: str, kind: str, patch: dict[str, Any]) -> tuple[float, float]:
    """Bob's edit: the moment (monotonic) of its answer, and the milliseconds from there to OutOfSync."""
    lookout = scene.applications.look_out(f"{name} is out of sync", lambda seen: is_out_of_sync(seen.get(name)))
    resource = await scene.bob.resource(group, kind)
    await scene.bob.merge_patch(resource, DELIVERED_TO, name, patch, field_manager=HAND)
    answered = time.monotonic()
    return answered, await lookout.after(answered)


async def _until_synced(scene: Stage, name: str, *, since: float) -> float:
    """The milliseconds until it is Synced at the revision that it drifted from, and nothing more is asked of it."""
    revision = str(scene.applications.seen[name]["status"]["sync"]["revision"])
    return await scene.applications.until(
        f"{name} is synced",
        lambda seen: is_synced(seen.get(name), revision) and not seen[name].get("operation"),
        since=since,
    )


async def _live_spec(scene: Stage, name: str, group: str, kind: str) -> dict[str, Any]:
    live = await scene.cluster.get(await scene.cluster.resource(group, kind), DELIVERED_TO, name)
    if live is None:
        raise StalledError(f"the {kind} of {name} is gone")
    spec: dict[str, Any] = live["spec"]
    return spec


def _since(moment: float) -> float:
    return (time.monotonic() - moment) * 1000
