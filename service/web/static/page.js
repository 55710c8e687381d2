// Keeps the page true while it is open. Everything works without it; it is then as old as its last load.
"use strict";

(() => {
  const QUIET_MS = 60_000; // Longer without a word means that the stream is dead, whatever the browser thinks.
  const RETRY_MS = 2_000;
  const RETRY_MAX_MS = 60_000;
  const topics = (document.body.dataset.topics || "").split("\n").filter(Boolean);
  const sign = document.querySelector("[data-live]");
  const shown = new Map();
  let fetching = false;
  let again = false;
  let retry = 0;
  let wait = RETRY_MS;

  const parts = (root) => new Map([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
  for (const [name, part] of parts(document)) shown.set(name, part.outerHTML);

  function say(word, live) {
    sign.hidden = false;
    sign.textContent = word;
    sign.classList.toggle("on", live);
  }

  // What is open, and where the keyboard is, stays as it was.
  function replace(old, fresh) {
    const focus = old.contains(document.activeElement) ? document.activeElement : null;
    const href = focus && focus.getAttribute("href");
    for (const details of old.querySelectorAll("details[id]")) {
      const twin = fresh.querySelector(`#${CSS.escape(details.id)}`);
      if (twin) twin.open = details.open;
    }
    const mark = old.classList.contains("rows") ? 0 : old.scrollLeft;
    old.replaceWith(fresh);
    fresh.scrollLeft = mark;
    if (href) [...fresh.querySelectorAll("a[href]")].find((link) => link.getAttribute("href") === href)?.focus();
  }

  function take(html) {
    const next = new DOMParser().parseFromString(html, "text/html");
    const main = document.getElementById("main");
    const nextMain = next.getElementById("main");
    if (!nextMain) return;
    const before = parts(document);
    const after = parts(next);
    const texts = new Map([...after].map(([name, part]) => [name, part.outerHTML]));
    document.title = next.title;
    if ([...before.keys()].join() === [...after.keys()].join()) {
      for (const [name, part] of after) {
        if (shown.get(name) !== texts.get(name)) replace(before.get(name), document.adoptNode(part));
      }
    } else {
      // A section has come or gone: everything but the heading of the document is taken anew.
      replace(main, document.adoptNode(nextMain));
      if (before.has("nav") && after.has("nav")) replace(before.get("nav"), document.adoptNode(after.get("nav")));
      search();
    }
    shown.clear();
    for (const [name, text] of texts) shown.set(name, text);
    soften();
    lookAgain();
  }

  async function refresh() {
    if (fetching) {
      again = true;
      return;
    }
    fetching = true;
    clearTimeout(retry);
    try {
      do {
        again = false;
        const address = location.href;
        const signal = AbortSignal.timeout(QUIET_MS);
        const answer = await fetch(address, { headers: { Accept: "text/html" }, cache: "no-store", signal });
        if (!answer.ok && answer.status !== 404) throw new Error(String(answer.status));
        const html = await answer.text();
        if (address === location.href) take(html);
      } while (again);
      wait = RETRY_MS;
      if (stream && stream.readyState === EventSource.OPEN) say("live", true);
    } catch {
      // What was told will not be told again: the page is old until it has asked once more.
      say("not reached", false);
      retry = setTimeout(refresh, wait);
      wait = Math.min(2 * wait, RETRY_MAX_MS);
    } finally {
      fetching = false;
    }
  }

  // What could not be looked at is looked at again, though nothing need change until then.
  function lookAgain() {
    const note = document.querySelector("[data-again]");
    clearTimeout(retry);
    if (note) retry = setTimeout(refresh, 1000 * Number(note.dataset.again));
  }

  // Times as people say them; the exact one is what one points at.
  function soften() {
    for (const element of document.querySelectorAll("time[datetime]")) {
      const then = Date.parse(element.dateTime);
      if (Number.isNaN(then)) continue;
      element.title ||= element.textContent;
      const seconds = Math.max(0, Math.round((Date.now() - then) / 1000));
      element.textContent =
        seconds < 5 ? "just now"
        : seconds < 90 ? `${seconds} s ago`
        : seconds < 5400 ? `${Math.round(seconds / 60)} min ago`
        : seconds < 129_600 ? `${Math.round(seconds / 3600)} h ago`
        : `${Math.round(seconds / 86_400)} days ago`;
    }
  }

  // One stream while somebody looks: a browser has few connections to one host, and a hidden page needs none.
  let stream = null;
  let timer = 0;
  let missed = false;
  let pause = RETRY_MS;

  function leave(word) {
    clearTimeout(timer);
    clearTimeout(retry);
    if (stream) stream.close();
    stream = null;
    missed = true;
    say(word, false);
  }

  function lose() {
    leave("not live");
    timer = setTimeout(follow, pause);
    pause = Math.min(2 * pause, RETRY_MAX_MS);
  }

  function hear() {
    clearTimeout(timer);
    timer = setTimeout(lose, QUIET_MS);
  }

  function follow() {
    if (stream || document.hidden) return;
    const query = topics.map((topic) => `on=${encodeURIComponent(topic)}`);
    // The first stream goes on from before the page was made. A later one need not: what was missed is fetched anew.
    if (!missed) query.push(`last=${encodeURIComponent(document.body.dataset.last)}`);
    stream = new EventSource(`/events?${query.join("&")}`);
    stream.addEventListener("hello", () => {
      hear();
      pause = RETRY_MS;
      say("live", true);
      if (missed) refresh();
      missed = false;
    });
    stream.addEventListener("beat", hear);
    stream.addEventListener("changed", () => {
      hear();
      refresh();
    });
    stream.addEventListener("error", () => {
      missed = true;
      // A browser tries again by itself, but not where it was refused.
      if (stream && stream.readyState === EventSource.CLOSED) lose();
      else say("not live", false);
    });
  }

  function search() {
    const box = document.querySelector("[data-search]");
    if (!box) return;
    box.hidden = false;
    box.querySelector("input").addEventListener("input", (event) => {
      const address = new URL(location.href);
      address.searchParams.delete("page");
      if (event.target.value) address.searchParams.set("q", event.target.value);
      else address.searchParams.delete("q");
      history.replaceState(null, "", address);
      refresh();
    });
  }

  document.addEventListener("visibilitychange", () => {
    if (!topics.length) return;
    if (document.hidden) leave("paused");
    else follow();
  });
  addEventListener("pagehide", () => leave("paused"));
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  soften();
  setInterval(soften, 15_000);
  search();
  // In a tab behind others it may be an hour before anybody looks.
  if (topics.length && document.hidden) leave("paused");
  else if (topics.length) {
    follow();
    lookAgain();
  }
})();
