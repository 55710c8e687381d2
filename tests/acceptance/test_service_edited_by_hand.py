"""A Service whose port was edited with `kubectl edit` is brought back to exactly Git's ports by a sync."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

import pytest

from tests.support.commands import said
from tests.support.kubectl import kubectl
from tests.support.product import Installation, is_synced, sync_status

NAMED = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector: {{app: {name}}}
  ports:
    - {{name: http, port: 80, targetPort: http}}
    - {{name: metrics, port: 9090}}
"""
UNNAMED = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector: {{app: {name}}}
  ports:
    - port: 80
"""
BOTH_PROTOCOLS = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector: {{app: {name}}}
  ports:
    - {{name: dns, port: 53, protocol: UDP}}
    - {{name: dns-tcp, port: 53, protocol: TCP}}
"""
MANIFESTS = {"named": NAMED, "unnamed": UNNAMED, "both protocols": BOTH_PROTOCOLS}


async def edit(running: Installation, name: str, script: str) -> None:
    """What `kubectl edit` makes of it when the editor runs this sed script over the file."""
    editor = running.directory / f"editor-{secrets.token_hex(4)}"
    editor.write_text(f"#!/bin/sh\nexec sed -i -E '{script}' \"$1\"\n")
    editor.chmod(0o755)
    words = await kubectl(
        running.sandbox.kubeconfig_for("bob"),
        *("edit", "service", name, "-n", running.delivered_to),
        env={"KUBE_EDITOR": str(editor)},
    )
    assert "edited" in words, words


async def ports(running: Installation, name: str) -> list[dict[str, Any]]:
    live = await running.live("Service", name)
    assert live is not None
    found: list[dict[str, Any]] = live["spec"]["ports"]
    return found


async def deliver(running: Installation, name: str, manifest: str) -> str:
    """An application of that name with the Service, synced; the commit."""
    repository = await running.repository()
    revision = await repository.push({"app/service.yaml": manifest.format(name=name)})
    await running.apply(name, repository.url)
    said(await running.trueup("app", "sync", name))
    await running.until(name, is_synced(revision), "synced")
    return revision


@pytest.mark.parametrize(
    ("owned_by", "kind", "script", "path", "found", "wanted"),
    [
        ("trueup", "named", r"s/port: 80$/port: 81/", "spec.ports[name=http].port", "81", "80"),
        ("kubectl", "named", r"s/port: 80$/port: 81/", "spec.ports[name=http].port", "81", "80"),
        ("trueup", "named", r"s/port: 9090$/port: 9091/g", "spec.ports[name=metrics].port", "9091", "9090"),
        (
            "trueup",
            "named",
            r"s/name: http$/name: web/",
            "spec.ports[port=80,protocol=TCP].name",
            "web",
            "http",
        ),
        (
            "trueup",
            "unnamed",
            r"s/port: 80$/port: 81/",
            "spec.ports[port=81,protocol=TCP].port",
            "81",
            "80",
        ),
        (
            "kubectl",
            "unnamed",
            r"s/port: 80$/port: 81/",
            "spec.ports[port=81,protocol=TCP].port",
            "81",
            "80",
        ),
        ("trueup", "both protocols", r"0,/port: 53$/s//port: 54/", "spec.ports[name=dns].port", "54", "53"),
    ],
)
async def test_the_edited_port_is_shown_and_brought_back(
    running: Installation, owned_by: str, kind: str, script: str, path: str, found: str, wanted: str
) -> None:
    name = f"web-{secrets.token_hex(4)}"
    manifest = MANIFESTS[kind]
    if owned_by == "kubectl":
        await running.kubectl("apply", "-n", running.delivered_to, "-f", "-", stdin=manifest.format(name=name))
    await deliver(running, name, manifest)
    of_git = await ports(running, name)
    assert said(await running.trueup("app", "diff", name)) == ""

    await edit(running, name, script)
    assert await ports(running, name) != of_git
    words = said(await running.trueup("app", "diff", name), code=1)
    assert f"===== Service {running.delivered_to}/{name}" in words
    (view,) = json.loads(said(await running.trueup("app", "diff", name, "-o", "json"), code=1))
    (line,) = (line for line in view["lines"] if line.get("path") == path)
    assert [line[side].partition(": ")[2] for side in ("live", "git")] == [found, wanted]
    assert line["attribution"]["manager"] == "kubectl-edit"
    for sign, text in (("-", line["live"]), ("+", line["git"])):
        assert f"{sign} {'  ' * line['indent']}{text}" in words
    await running.patch(name, {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}})
    await running.until(name, lambda raw: sync_status(raw) == "OutOfSync", "out of sync")

    said(await running.trueup("app", "sync", name))
    assert await ports(running, name) == of_git, "exactly Git's ports, with whatever the API server gave them"
    assert said(await running.trueup("app", "diff", name)) == ""
    raw = await running.application(name)
    assert raw is not None
    assert sync_status(raw) == "Synced"


async def test_a_port_added_by_hand_beside_gits_own_goes(running: Installation) -> None:
    name = f"web-{secrets.token_hex(4)}"
    await deliver(running, name, NAMED)
    of_git = await ports(running, name)
    added = r"s/^  ports:$/  ports:\n  - name: debug\n    port: 6060\n    protocol: TCP\n    targetPort: 6060/"
    await edit(running, name, added)
    assert len(await ports(running, name)) == 3
    words = said(await running.trueup("app", "diff", name), code=1)
    (first,) = (line for line in words.splitlines() if line.startswith("-     - name: debug  # "))
    assert re.search(r"# by manager kubectl-edit, \S+; added by hand$", first), words
    said(await running.trueup("app", "sync", name))
    assert await ports(running, name) == of_git


async def test_a_port_that_a_controller_added_beside_gits_own_is_left_alone(running: Installation) -> None:
    name = f"web-{secrets.token_hex(4)}"
    await deliver(running, name, NAMED)
    of_git = await ports(running, name)
    debug = {"name": "debug", "port": 6060, "protocol": "TCP", "targetPort": 6060}
    resource = await running.cluster.resource("", "Service")
    await running.cluster.merge_patch(
        resource, running.delivered_to, name, {"spec": {"ports": [debug, *of_git]}}, field_manager="mesh"
    )
    assert said(await running.trueup("app", "diff", name)) == "", "it is another's, as in Argo CD"
    said(await running.trueup("app", "sync", name))
    assert [port["name"] for port in await ports(running, name)] == ["debug", *(port["name"] for port in of_git)]
