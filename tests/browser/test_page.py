"""What a person sees: drift that appears and vanishes by itself, in every light, on every screen, without script."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.support.bad_input import fresh
from tests.support.browser import opened
from tests.support.commands import said
from tests.support.drift import DEPLOYMENT, SERVICE, edit, incident, person
from tests.support.product import AUTOMATED, Installation, config_map, is_synced, sync_status

TRUE = "Live is what Git says."
HOSTILE = "</code></td><script>document.title='gotcha'</script><img src=x onerror=\"document.title='gotcha'\">"
#: The contrast of every text with what is behind it, where that is below what WCAG 2.2 asks for (1.4.3, AA).
_FAINT = """
() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const scale = (text) => (text.startsWith("color(") ? 255 : 1);
  const light = ([r, g, b]) => {
    const part = (value) => { const c = value / 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const text = getComputedStyle(each).backgroundColor;
      const [r, g, b, a = 1] = parse(text);
      if (a === 1) return [r, g, b].map((value) => value * scale(text));
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest(".hidden, .skip, thead")) continue;
    const text = getComputedStyle(element).color;
    const [one, other] = [light(parse(text).slice(0, 3).map((v) => v * scale(text))), light(behind(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const what = `${element.tagName}.${element.className} ${element.textContent.trim()}`;
    if (ratio < 4.5) faint.push(`${what}: ${ratio.toFixed(2)}`);
  }
  return faint;
}
"""


@dataclass(frozen=True)
class Delivered:
    name: str
    service: str
    deployment: str
    revision: str


def host(trueup: Installation) -> str:
    address: str = trueup.addresses("service")["listen"]
    return address


async def delivered(trueup: Installation) -> Delivered:
    """An application with a Service and a Deployment, Synced and at rest."""
    repository, name, service, deployment = await trueup.repository(), fresh("app"), fresh("web"), fresh("run")
    files = {
        "app/service.yaml": SERVICE.format(name=service),
        "app/deployment.yaml": DEPLOYMENT.format(name=deployment, replicas=1, tag="1"),
    }
    revision = await repository.push(files)
    await trueup.apply(name, repository.url, syncPolicy=AUTOMATED)
    await trueup.until(name, is_synced(revision), "synced")
    await trueup.all_watched()
    return Delivered(name, service, deployment, revision)


async def drift(trueup: Installation, place: Delivered, port: int = 8081) -> None:
    """Alice edits the Service as `kubectl edit` does."""
    async with person(trueup, "alice") as alice:
        resource = await alice.resource("", "Service")
        body = {"spec": {"ports": [{"name": "http", "port": port}]}}
        await alice.merge_patch(resource, trueup.delivered_to, place.service, body, field_manager="kubectl-edit")


async def is_out(trueup: Installation, place: Delivered) -> None:
    await trueup.until(place.name, lambda raw: sync_status(raw) == "OutOfSync", "out of sync")
    await incident(trueup, place.name, lambda one: one.is_open, "opened")


async def mark(page: Page) -> None:
    """What a reload would wipe away."""
    await page.evaluate("window.mark = 'here since before'")


async def was_not_reloaded(page: Page) -> None:
    assert await page.evaluate("window.mark") == "here since before"


async def test_drift_appears_on_its_application_and_vanishes_without_a_reload(
    running: Installation, browser: Browser
) -> None:
    place = await delivered(running)
    async with opened(browser, host(running), f"/applications/{place.name}") as seen:
        page = seen.page
        await expect(page.get_by_text(TRUE)).to_be_visible()
        await expect(page.get_by_role("status")).to_have_text("live")
        await mark(page)

        await drift(running, place)
        changed = page.locator(".diff-side-by-side .diff-changed")
        await expect(changed).to_be_visible()
        await expect(changed.locator(".diff-live")).to_have_text("port: 8081")
        await expect(changed.locator(".diff-git")).to_have_text("port: 80")
        await expect(changed.locator(".diff-who")).to_contain_text("kubectl-edit")
        await expect(page.get_by_role("heading", level=1).locator("..")).to_contain_text("OutOfSync")
        await expect(page.get_by_role("link", name=f"{place.name}.1")).to_be_visible()
        await was_not_reloaded(page)

        # Another edit of a field that differs already moves no status, and shows all the same.
        await drift(running, place, 8082)
        await expect(changed.locator(".diff-live")).to_have_text("port: 8082")

        said(await running.trueup("app", "sync", place.name))
        await expect(page.get_by_text(TRUE)).to_be_visible()
        await expect(page.locator(".diff")).to_have_count(0)
        await expect(page.locator("main")).to_contain_text("put right by a sync")
        await was_not_reloaded(page)
        await seen.check()


async def test_drift_appears_in_the_list_and_among_the_incidents(running: Installation, browser: Browser) -> None:
    place = await delivered(running)
    async with (
        opened(browser, host(running), f"/?q={place.name}") as listed,
        opened(browser, host(running), "/incidents") as incidents,
    ):
        row = listed.page.get_by_role("row", name=place.name)
        await expect(row).to_contain_text("Synced")
        for seen in (listed, incidents):
            await expect(seen.page.get_by_role("status")).to_have_text("live")
            await mark(seen.page)
        await drift(running, place)
        await expect(row).to_contain_text("OutOfSync")
        await expect(row.get_by_role("link", name=f"{place.name}.1")).to_be_visible()
        entry = incidents.page.locator("section", has_text="Open").get_by_role("row", name=f"{place.name}.1")
        await expect(entry).to_contain_text("kubectl-edit")
        await expect(incidents.page.locator(".count")).to_be_visible()

        said(await running.trueup("app", "sync", place.name))
        await expect(row).not_to_contain_text("OutOfSync")
        await expect(entry).to_contain_text("put right by a sync")
        for seen in (listed, incidents):
            await was_not_reloaded(seen.page)
            await seen.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
async def test_every_page_is_readable_in_every_light_and_on_every_screen(
    running: Installation, browser: Browser, width: int, scheme: str
) -> None:
    place = await delivered(running)
    await drift(running, place)
    await is_out(running, place)
    for path in (f"/applications/{place.name}", "/", "/incidents", f"/incidents/{place.name}.1", "/nowhere"):
        async with opened(browser, host(running), path, width=width, scheme=scheme) as seen:
            page = seen.page
            assert await page.evaluate("document.scrollingElement.scrollWidth") <= width, path
            assert await page.evaluate(_FAINT) == [], path
            red, *_ = await page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
            assert (red < 128) == (scheme == "dark")
            shown = page.locator(".diff-unified" if width == 375 else ".diff-side-by-side")
            if place.name in path:
                await expect(shown.first).to_be_visible()
            if path != "/nowhere":
                await seen.check()


async def test_without_script_the_page_shows_all_the_same(running: Installation, browser: Browser) -> None:
    place = await delivered(running)
    await drift(running, place)
    await is_out(running, place)
    async with opened(browser, host(running), f"/applications/{place.name}", script=False) as seen:
        await expect(seen.page.locator(".diff-side-by-side .diff-changed")).to_contain_text("port: 8081")
        await seen.page.get_by_role("link", name="Incidents", exact=False).first.click()
        await seen.page.get_by_role("link", name=f"{place.name}.1").click()
        await expect(seen.page.locator(".diff-side-by-side")).to_contain_text("8081")
        assert not seen.complaints


async def test_a_hostile_value_is_text(running: Installation, browser: Browser) -> None:
    repository, name, one = await running.repository(), fresh("app"), fresh("one")
    revision = await repository.push({"app/one.yaml": config_map(one, mood="calm", notes=HOSTILE)})
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    await running.until(name, is_synced(revision), "synced")
    await running.all_watched()
    async with opened(browser, host(running), f"/applications/{name}") as seen:
        await expect(seen.page.get_by_role("status")).to_have_text("live")
        await edit(running, "ConfigMap", one, {"data": {"mood": HOSTILE}})
        changed = seen.page.locator(".diff-side-by-side .diff-changed .diff-live")
        await expect(changed).to_contain_text("<script>document.title='gotcha'</script>")
        await seen.page.goto(f"http://{host(running)}/incidents/{name}.1")
        await expect(seen.page.locator(".diff-side-by-side")).to_contain_text("<script>")
        assert "gotcha" not in await seen.page.title()
        assert await seen.page.locator("main script, main img").count() == 0
        await seen.check()


#: Playwright has Chromium tell every page that it is in front (`Emulation.setFocusEmulationEnabled`), whatever other
#: tab is there, and no other session can take that back. So the page is told here.
HIDE = """
(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  Object.defineProperty(document, "visibilityState", { value: hidden ? "hidden" : "visible", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""


async def test_a_hidden_page_holds_no_stream_and_catches_up_when_it_is_looked_at(
    running: Installation, browser: Browser
) -> None:
    place = await delivered(running)
    async with opened(browser, host(running), f"/applications/{place.name}") as seen:
        page = seen.page
        await expect(page.get_by_role("status")).to_have_text("live")
        await mark(page)
        await page.evaluate(HIDE, True)
        await expect(page.get_by_role("status")).to_have_text("paused")
        await drift(running, place)
        await is_out(running, place)
        await expect(page.get_by_text(TRUE)).to_be_visible()
        await page.evaluate(HIDE, False)
        await expect(page.locator(".diff-side-by-side .diff-changed")).to_contain_text("port: 8081")
        await expect(page.get_by_role("status")).to_have_text("live")
        await was_not_reloaded(page)
        await seen.check()


async def test_a_page_that_was_opened_behind_others_catches_up_when_it_is_looked_at(
    running: Installation, browser: Browser
) -> None:
    place = await delivered(running)
    async with opened(browser, host(running), "/incidents") as seen:
        page, streams = seen.page, list[str]()
        await expect(page.get_by_role("status")).to_have_text("live")
        page.on("request", lambda request: streams.append(request.url) if "/events" in request.url else None)
        await page.add_init_script(f"({HIDE})(true)")
        await page.goto(f"http://{host(running)}/applications/{place.name}")
        await expect(page.get_by_text(TRUE)).to_be_visible()
        await expect(page.get_by_role("status")).to_have_text("paused")
        await mark(page)
        await drift(running, place)
        await is_out(running, place)
        await expect(page.get_by_text(TRUE)).to_be_visible()
        assert not streams
        await page.evaluate(HIDE, False)
        await expect(page.locator(".diff-side-by-side .diff-changed")).to_contain_text("port: 8081")
        await expect(page.get_by_role("status")).to_have_text("live")
        await was_not_reloaded(page)
        await seen.check()


async def test_what_changes_before_the_stream_of_a_page_begins_is_seen(running: Installation, browser: Browser) -> None:
    place = await delivered(running)
    async with opened(browser, host(running), "/incidents") as seen:
        page, begun, may_begin = seen.page, asyncio.Event(), asyncio.Event()

        async def hold(route: Route) -> None:
            begun.set()
            await may_begin.wait()
            await route.continue_()

        await page.route("**/events?*", hold)
        await page.goto(f"http://{host(running)}/applications/{place.name}")
        await expect(page.get_by_text(TRUE)).to_be_visible()
        async with asyncio.timeout(30):
            await begun.wait()
        await mark(page)
        await drift(running, place)
        await is_out(running, place)
        await expect(page.get_by_text(TRUE)).to_be_visible()
        may_begin.set()
        await expect(page.locator(".diff-side-by-side .diff-changed")).to_contain_text("port: 8081")
        await expect(page.get_by_role("status")).to_have_text("live")
        await was_not_reloaded(page)
        await seen.check()


async def test_more_pages_than_there_may_be_are_not_live_and_say_so(running: Installation, browser: Browser) -> None:
    place = await delivered(running)
    address = host(running)
    await running.children.pop("service").terminate(grace_seconds=10)
    bounds = {"TRUEUP_EVENT_STREAMS_MAX": "1", "TRUEUP_EVENT_HEARTBEAT_SECONDS": "0.2"}
    await running.start("service", TRUEUP_LISTEN=address, **bounds)
    async with opened(browser, address, f"/applications/{place.name}") as first:
        await expect(first.page.get_by_role("status")).to_have_text("live")
        async with opened(browser, address, f"/applications/{place.name}") as second:
            await expect(second.page.get_by_text(TRUE)).to_be_visible()
            await expect(second.page.get_by_role("status")).to_have_text("not live")
            await first.page.close()
            # As soon as the other has gone it is live by itself.
            await expect(second.page.get_by_role("status")).to_have_text("live")


async def test_a_page_that_could_not_be_had_once_is_asked_for_again(running: Installation, browser: Browser) -> None:
    place = await delivered(running)
    async with opened(browser, host(running), f"/applications/{place.name}") as seen:
        page, refused = seen.page, []
        await expect(page.get_by_role("status")).to_have_text("live")
        await mark(page)

        async def refuse(route: Route) -> None:
            if route.request.resource_type == "fetch" and len(refused) < 3:
                refused.append(route.request.url)
                await route.fulfill(status=503, body="busy")
            else:
                await route.continue_()

        await page.route("**/applications/*", refuse)
        await drift(running, place)
        await expect(page.locator(".diff-side-by-side .diff-changed")).to_contain_text("port: 8081")
        await expect(page.get_by_role("status")).to_have_text("live")
        assert len(refused) == 3
        await was_not_reloaded(page)


async def test_a_look_that_nobody_answered_is_made_again_once_a_worker_is_there(
    running: Installation, browser: Browser
) -> None:
    place = await delivered(running)
    await running.children.pop("worker").terminate(grace_seconds=10)
    async with opened(browser, host(running), f"/applications/{place.name}") as seen:
        await expect(seen.page.locator("main")).to_contain_text("No worker answered")
        await mark(seen.page)
        await running.start("worker")
        await expect(seen.page.get_by_text(TRUE)).to_be_visible()
        await was_not_reloaded(seen.page)


async def test_after_the_service_was_away_the_page_catches_up(running: Installation, browser: Browser) -> None:
    place = await delivered(running)
    address = host(running)
    async with opened(browser, address, f"/applications/{place.name}") as seen:
        await expect(seen.page.get_by_text(TRUE)).to_be_visible()
        await expect(seen.page.get_by_role("status")).to_have_text("live")
        await mark(seen.page)
        await running.kill("service")
        await expect(seen.page.get_by_role("status")).to_have_text("not live")
        await drift(running, place)
        await running.start("service", TRUEUP_LISTEN=address)
        await expect(seen.page.locator(".diff-side-by-side .diff-changed")).to_contain_text("port: 8081")
        await expect(seen.page.get_by_role("status")).to_have_text("live")
        await was_not_reloaded(seen.page)
