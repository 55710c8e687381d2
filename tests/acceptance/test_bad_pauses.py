"""A worker that was paused past its lease has nothing to say any more, wherever the pause caught it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.api_proxy import proxy_to
from tests.support.bad_input import fresh, healed
from tests.support.product import AUTOMATED, Installation, config_map, kubeconfig
from tests.support.sandbox import SandboxFacts
from tests.support.tcp_proxy import Fault, FaultyProxy
from tests.support.wait import wait_until
from trueup.clients.process import Child

SECONDS = 30.0


@pytest.mark.parametrize("caught", ["at the fence", "before an object", "between two objects"])
async def test_a_worker_that_wakes_after_another_took_over_changes_nothing(
    trueup: Installation, sandbox: SandboxFacts, tmp_path: Path, caught: str
) -> None:
    trueup.settings |= {"TRUEUP_LEASE_SECONDS": "2", "TRUEUP_OBJECTS_IN_FLIGHT_MAX": "1"}
    repository, name = await trueup.repository(), fresh("paused")
    early, late = fresh("a-early"), fresh("b-late")
    await trueup.start("service")
    async with proxy_to(sandbox) as proxy:
        sleeper = await _start_through(trueup, proxy, tmp_path)
        first = await repository.push({"app/b.yaml": config_map(late, at="first")})
        await trueup.apply(name, repository.url, syncPolicy=AUTOMATED)
        await healed(trueup, name, first)

        held = _catch(proxy, caught, name, early, late)
        await repository.push({"app/a.yaml": config_map(early), "app/b.yaml": config_map(late, at="second")})
        assert await trueup.webhook(repository.url) == 202
        await wait_until(lambda: held.used, SECONDS, "the first worker is caught")
        sleeper.signal(signal.SIGSTOP)

        await trueup.start("worker")
        third = await repository.push({"app/b.yaml": config_map(late, at="third")})
        assert await trueup.webhook(repository.url) == 202
        raw = await healed(trueup, name, third)
        live = await trueup.live("ConfigMap", late)

        proxy.lift(held)
        await wait_until(lambda: held.black_hole or held.answered, SECONDS, "what was held has been answered")
        sleeper.signal(signal.SIGCONT)
        log = trueup.log("worker")
        await wait_until(lambda: "this run is void" in log.read_text(), SECONDS, "the first one gives up")
        await trueup.at_rest()
        after = await trueup.application(name)
        assert after is not None
        assert after["status"] == raw["status"]
        assert await trueup.live("ConfigMap", late) == live
        assert live is not None
        assert live["data"] == {"at": "third"}


async def _start_through(trueup: Installation, proxy: FaultyProxy, directory: Path) -> Child:
    """A worker behind the proxy, set aside so that another can be started beside it."""
    file = kubeconfig(directory / "through-proxy", proxy.url, trueup.sandbox.users["trueup"])
    await trueup.start("worker", KUBECONFIG=str(file))
    sleeper = trueup.children.pop("worker")
    trueup.log("sleeper").touch()
    trueup.children["sleeper"] = sleeper
    return sleeper


def _catch(proxy: FaultyProxy, caught: str, name: str, early: str, late: str) -> Fault:
    place = {
        "at the fence": f"/applications/{name}",
        "before an object": f"/configmaps/{late}",
        "between two objects": f"/configmaps/{early}",
    }[caught]
    # A write that is on its way cannot be called back; so the one before the object never arrives.
    catch = proxy.black_hole if caught == "before an object" else proxy.hold
    return catch(lambda seen: seen.method == "PATCH" and place in seen.target, times=1)
