"""Files as people really have them: links, line ends of Windows, a byte order mark, lists, comments in brackets."""

from __future__ import annotations

import json

from tests.support.adopting import applied, by_hand, delivered, lines_of, plain
from tests.support.bad_input import fresh
from tests.support.commands import refused, said
from tests.support.git import git
from tests.support.product import Installation, is_synced

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: 1
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
        -   name: web # the server
            image: example.invalid/web:1
            args: [
              "--level=1", # how much it says
              # Where it listens.
              "--port=80", # plain
              "--slow" # for now
            ]
            env:
              -   {{name: A, value: "1"}} # one
              -   {{name: B, value: "2"}} # two
            volumeMounts:
              - {{name: v, mountPath: /a}} # first
              - {{name: v, mountPath: /b}} # second
      volumes: [{{name: v, emptyDir: {{}}}}]
"""


async def test_comments_in_brackets_stay_with_what_they_are_about(running: Installation) -> None:
    web = fresh("web")
    name, repository = await delivered(running, {"web.yaml": WEB.format(name=web)})
    container = {
        "name": "web",
        "args": ["--level=1", "--port=80"],
        "env": [{"name": "C", "value": "3"}],
    }
    await by_hand(running, "deployment", web, {"spec": {"template": {"spec": {"containers": [container]}}}})
    mount = "/spec/template/spec/containers/0/volumeMounts/1/mountPath"
    await by_hand(running, "deployment", web, [{"op": "replace", "path": mount, "value": "/c"}], "json")
    patch = said(await running.trueup("drift", "adopt", name))
    assert sorted(lines_of(patch)) == sorted(
        [
            '-              "--port=80", # plain',
            '-              "--slow" # for now',
            '+              "--port=80" # plain',
            '+              -   {name: C, value: "3"}',
            "-              - {name: v, mountPath: /b} # second",
            "+              - {name: v, mountPath: /c} # second",
        ]
    ), patch
    tip = await applied(repository, patch)
    assert await running.webhook(repository.url) == 202
    await running.until(name, is_synced(tip), "synced by the commit")


async def test_the_file_that_a_link_leads_to_is_changed_and_the_link_stays(running: Installation) -> None:
    one = fresh("one")
    name, repository = await delivered(running, {"one.yaml": plain(one, a="1")})
    real, link = repository.work / "shared" / "one.yaml", repository.work / "app" / "one.yaml"
    real.parent.mkdir()
    text = "\ufeff# Shared.\r\n" + plain(one, a="1").replace("\n", "\r\n")
    real.write_bytes(text.encode())
    link.unlink()
    link.symlink_to("../shared/one.yaml")
    await git(repository.work, "add", "-A")
    await git(repository.work, "commit", "-q", "-m", "Share it")
    await git(repository.work, "push", "-q", "origin", "HEAD:refs/heads/main")
    await by_hand(running, "configmap", one, {"data": {"a": "2", "b": "x"}})
    patch = said(await running.trueup("drift", "adopt", name))
    assert "+++ b/shared/one.yaml" in patch
    await applied(repository, patch)
    assert real.read_bytes() == text.replace('"1"', '"2"').encode() + b"  b: x\r\n"
    assert link.is_symlink()


async def test_an_object_in_a_list_of_json_is_changed_there_and_the_last_one_takes_the_file_along(
    running: Installation,
) -> None:
    one, two, three = fresh("one"), fresh("two"), fresh("three")
    objects = [
        json.loads(
            json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": each}, "data": {"a": "1"}})
        )
        for each in (one, two)
    ]
    whole = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}, indent=4) + "\n"
    name, repository = await delivered(running, {"all.json": whole, "three.yaml": plain(three, a="1")})
    await by_hand(running, "configmap", two, {"data": {"a": "2"}})
    await running.kubectl("delete", "configmap", one, three, "-n", running.delivered_to)
    named = [part for each in (one, two, three) for part in ("--resource", f":ConfigMap:{each}")]
    patch = said(await running.trueup("drift", "adopt", name, *named))
    tip = await applied(repository, patch)
    left = {**objects[1], "data": {"a": "2"}}
    assert json.loads((repository.work / "app" / "all.json").read_text())["items"] == [left]
    assert not (repository.work / "app" / "three.yaml").exists()
    assert await running.webhook(repository.url) == 202
    await running.until(name, is_synced(tip), "synced by the commit")


async def test_the_last_object_of_an_application_is_not_taken_out(running: Installation) -> None:
    one = fresh("one")
    name, _ = await delivered(running, {"one.yaml": plain(one, a="1")})
    await running.kubectl("delete", "configmap", one, "-n", running.delivered_to)
    words = refused(await running.trueup("drift", "adopt", name, "--resource", f":ConfigMap:{one}"))
    assert words.startswith("the change would take the last file out of app, and an Application cannot be without")


async def test_a_branch_that_is_checked_out_is_not_moved_under_anybodys_feet(running: Installation) -> None:
    one = fresh("one")
    name, repository = await delivered(running, {"one.yaml": plain(one, a="1")})
    await by_hand(running, "configmap", one, {"data": {"a": "2"}})
    before = await git(repository.work, "rev-parse", "main")
    words = refused(await running.trueup("drift", "adopt", name, "--branch", "main", "--into", str(repository.work)))
    assert words.startswith(f"the clone {repository.work} has branch main checked out; name another one")
    assert await git(repository.work, "rev-parse", "main") == before
    assert await git(repository.work, "status", "--porcelain") == ""
