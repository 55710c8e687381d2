"""Drift that is accepted: Git comes to say what live says, comments and order kept; the cluster is not written to."""

from __future__ import annotations

from tests.support.adopting import WEB, applied, by_hand, delivered, in_part, lines_of, plain
from tests.support.bad_input import fresh
from tests.support.commands import said
from tests.support.drift import incident
from tests.support.git import git
from tests.support.product import Installation, is_synced, sync_status


async def test_a_hand_edit_accepted_by_a_pushed_commit_closes_its_incident_without_a_write(
    running: Installation,
) -> None:
    web = fresh("web")
    name, repository = await delivered(running, {"web.yaml": WEB.format(name=web)})
    await by_hand(running, "deployment", web, {"spec": {"replicas": 5}})
    await running.until(name, lambda raw: sync_status(raw) == "OutOfSync", "out of sync")
    await incident(running, name, lambda one: one.is_open, "opened")
    await running.at_rest()
    before = await running.live("Deployment", web, group="apps")
    assert before is not None

    words = said(await running.trueup("drift", "adopt", name, "--branch", "main", "--push"))
    await git(repository.work, "fetch", "-q", "origin", "main")
    tip = await git(repository.work, "rev-parse", "FETCH_HEAD")
    assert words == f"pushed {tip} as branch main of {repository.url}\n"
    changed = await git(repository.work, "diff", "HEAD", "FETCH_HEAD")
    assert lines_of(changed) == [
        "-  replicas: 2  # two are enough at night",
        "+  replicas: 5  # two are enough at night",
    ]
    message = await git(repository.work, "log", "-1", "--format=%B", "FETCH_HEAD")
    assert message.startswith(f"Accept the drift of {name}: Deployment {web}\n")
    assert "- spec.replicas: changed by " in message
    assert "kubectl-patch" in message

    assert await running.webhook(repository.url) == 202
    await running.until(name, is_synced(tip), "synced by the commit")
    closed = await incident(running, name, lambda one: not one.is_open, "closed")
    assert closed.ending == "Accepted"
    after = await running.live("Deployment", web, group="apps")
    assert after is not None
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert [m for m in after["metadata"]["managedFields"] if not m.get("subresource")] == [
        m for m in before["metadata"]["managedFields"] if not m.get("subresource")
    ]


async def test_a_patch_takes_up_what_was_added_changed_and_taken_away_as_a_person_would_write_it(
    running: Installation,
) -> None:
    web = fresh("web")
    name, repository = await delivered(running, {"web.yaml": WEB.format(name=web)})
    probe = {"httpGet": {"path": "/ready", "port": 8080}}
    container = {
        "name": "web",
        "image": "example.invalid/web:2",
        "readinessProbe": probe,
        "ports": [{"containerPort": 8080}],
        "env": [{"name": "LEVEL", "value": "yes"}, {"name": "EXTRA", "value": "1e3"}],
    }
    sidecar = {"name": "proxy", "image": "example.invalid/proxy:1", "args": ["--level", "2"]}
    spec = {"template": {"spec": {"containers": [container, sidecar]}}}
    await by_hand(running, "deployment", web, {"spec": spec})
    await by_hand(running, "configmap", web, {"data": {"motd": "Hello,\nmoon.\n", "colour": None, "taste": "no"}})

    patch = said(await running.trueup("drift", "adopt", name))
    assert lines_of(patch) == [
        '-          image: "example.invalid/web:1"   # pinned',
        '+          image: "example.invalid/web:2"   # pinned',
        "-              value: 'info'",
        "+              value: 'yes'",
        "+            - name: EXTRA",
        '+              value: "1e3"',
        "+          ports:",
        "+            - containerPort: 8080",
        "+          readinessProbe:",
        "+            httpGet:",
        "+              path: /ready",
        "+              port: 8080",
        "+        - name: proxy",
        "+          image: example.invalid/proxy:1",
        "+          args:",
        "+            - --level",
        '+            - "2"',
        "-    world.",
        "-  colour: blue",
        "+    moon.",
        '+  taste: "no"',
    ], patch
    tip = await applied(repository, patch)
    assert said(await running.trueup("app", "diff", name, "--refresh")) == ""
    assert await running.webhook(repository.url) == 202
    await running.until(name, is_synced(tip), "synced by the commit")


async def test_only_what_is_named_is_taken_and_a_clone_gets_the_branch(running: Installation) -> None:
    one, two = fresh("one"), fresh("two")
    files = {
        "one.yaml": plain(one, a="1", b="1"),
        "two.json": f"""{{
  "apiVersion": "v1",
  "kind": "ConfigMap",
  "metadata": {{"name": "{two}"}},
  "data": {{
    "a": "1"
  }}
}}
""",
    }
    name, repository = await delivered(running, files)
    await by_hand(running, "configmap", one, {"data": {"a": "2", "b": "2"}})
    await by_hand(running, "configmap", two, {"data": {"a": "2", "c": "3"}})
    patch = said(await running.trueup("drift", "adopt", name, "--resource", f":ConfigMap:{one}", "--field", "data.a"))
    assert lines_of(patch) == ['-  a: "1"', '+  a: "2"'], patch
    whole = said(await running.trueup("drift", "adopt", name, "--resource", f":ConfigMap:{two}", "-o", "yaml"))
    assert whole == "--- # app/two.json\n" + files["two.json"].replace('"a": "1"', '"a": "2",\n    "c": "3"')

    before = await git(repository.work, "rev-parse", "HEAD")
    arguments = ("--branch", "accept", "--into", str(repository.work), "--author", "Ada Example <ada@example.org>")
    words = said(await running.trueup("drift", "adopt", name, *arguments))
    tip = await git(repository.work, "rev-parse", "accept")
    assert words == f"made branch accept at {tip}; push it: git push origin accept\n"
    assert await git(repository.work, "log", "-1", "--format=%an %P", "accept") == f"Ada Example {before}"
    assert await git(repository.work, "diff", "--stat", "--format=", f"{before}..accept")
    assert await git(repository.work, "rev-parse", "HEAD") == before


async def test_an_object_that_is_gone_goes_from_its_file_only_by_name(running: Installation) -> None:
    one, two = fresh("one"), fresh("two")
    both = f"# All of it.\n---\n{plain(one, a='1')}---\n# The second.\n{plain(two, a='1')}"
    name, repository = await delivered(running, {"both.yaml": both})
    await running.kubectl("delete", "configmap", two, "-n", running.delivered_to)
    printed, words = in_part(await running.trueup("drift", "adopt", name))
    assert printed == ""
    assert f"ConfigMap {running.delivered_to}/{two}: it is in Git and not in the cluster; to take it out of" in words
    patch = said(await running.trueup("drift", "adopt", name, "--resource", f":ConfigMap:{two}"))
    assert all(line.startswith("-") for line in lines_of(patch))
    tip = await applied(repository, patch)
    assert (repository.work / "app" / "both.yaml").read_text() == f"# All of it.\n---\n{plain(one, a='1')}"
    assert await running.webhook(repository.url) == 202
    await running.until(name, is_synced(tip), "synced by the commit")


async def test_where_nothing_differs_that_is_said(running: Installation) -> None:
    name, _ = await delivered(running, {"one.yaml": plain(fresh("one"), a="1")})
    done = await running.trueup("drift", "adopt", name)
    assert (done.returncode, done.stdout) == (0, b"")
    assert "has nothing to accept: live is as Git says at" in done.stderr.decode()
