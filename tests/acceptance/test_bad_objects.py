"""What the API server refuses of one object is said with the way out, and does not hold up the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from tests.support.bad_input import fresh, gone, healed, owned, phase, results, told
from tests.support.custom_kind import custom_object, definition, new_kind, remove
from tests.support.product import AUTOMATED, Installation, conditions, config_map, is_synced, sync_status


async def test_refused_objects_are_named_with_their_file_and_the_others_are_applied(running: Installation) -> None:
    repository, name = await running.repository(), fresh("refused")
    words = {word: fresh(word) for word in ("good", "leaves", "port", "field", "type", "named")}
    first = await repository.push(
        {"app/good.yaml": config_map(words["good"]), "app/leaves.yaml": config_map(words["leaves"])}
    )
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    await healed(running, name, first)

    bad = {
        "app/port.yaml": _service(words["port"], ports=[{"port": 0}]),
        "app/field.yaml": _service(words["field"], ports=[{"port": 80}], prots=[]),
        "app/type.yaml": _service(words["type"], ports="eighty"),
        "app/named.yaml": config_map(f"Not_A_Name_{words['named']}"),
    }
    second = await repository.push(
        {**bad, "app/good.yaml": config_map(words["good"], at="second"), "app/leaves.yaml": None}
    )
    assert await running.webhook(repository.url) == 202
    raw = await told(running, name, "SyncError", "4 of 6 objects failed")
    assert sync_status(raw) == "OutOfSync"
    assert raw["status"]["sync"]["revision"] == second
    found = results(raw)
    assert found[words["good"]][0] == "Synced"
    for word, said in {"port": "spec.ports[0].port", "field": "prots", "type": "ports"}.items():
        status, message = found[words[word]]
        assert status == "SyncFailed"
        assert said in message
        assert message.endswith(f"correct it in app/{word}.yaml, document 1"), message
    assert found[words["leaves"]] == ("PruneSkipped", found[words["leaves"]][1])
    assert "not everything could be applied" in found[words["leaves"]][1]
    assert await running.live("ConfigMap", words["leaves"]) is not None, "nothing is pruned beside a failure"
    live = await running.live("ConfigMap", words["good"])
    assert live is not None
    assert live["data"] == {"at": "second"}

    third = await repository.push(dict.fromkeys(bad))
    assert await running.webhook(repository.url) == 202
    await healed(running, name, third)
    await gone(running, "ConfigMap", words["leaves"])


async def test_a_field_that_cannot_change_says_what_to_do(running: Installation) -> None:
    repository, one, name = await running.repository(), fresh("fixed"), fresh("immutable")
    first = await repository.push({"app/one.yaml": _fixed(one, "first")})
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    await healed(running, name, first)
    await repository.push({"app/one.yaml": _fixed(one, "second")})
    assert await running.webhook(repository.url) == 202
    await told(running, name, "SyncError", f"ConfigMap {running.delivered_to}/{one}", "immutable", "delete the object")
    third = await repository.push({"app/one.yaml": _fixed(one, "first"), "app/two.yaml": config_map(fresh("two"))})
    assert await running.webhook(repository.url) == 202
    await healed(running, name, third)


async def test_a_namespace_that_is_not_there_is_named_and_is_made_on_request(running: Installation) -> None:
    repository, name, here = await running.repository(), fresh("homeless"), fresh("here")
    nowhere, one = fresh("nowhere"), fresh("one")
    elsewhere = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": here, "namespace": running.delivered_to}}
    revision = await repository.push(
        {"app/one.yaml": config_map(one), "app/here.yaml": orjson.dumps(elsewhere).decode()}
    )
    destination = {"server": "https://kubernetes.default.svc", "namespace": nowhere}
    await running.apply(name, repository.url, destination=destination, syncPolicy=AUTOMATED)
    raw = await told(running, name, "SyncError", f"namespace {nowhere} does not exist", "CreateNamespace=true")
    assert results(raw)[here][0] == "Synced"
    assert results(raw)[one][0] == "SyncFailed"
    await running.patch(name, {"spec": {"syncPolicy": {"syncOptions": ["CreateNamespace=true"]}}})
    await healed(running, name, revision)
    await remove(running, "", "Namespace", nowhere)


async def test_a_namespace_that_comes_later_is_delivered_to(running: Installation) -> None:
    repository, name, later, one = await running.repository(), fresh("patient"), fresh("later"), fresh("one")
    revision = await repository.push({"app/one.yaml": config_map(one)})
    destination = {"server": "https://kubernetes.default.svc", "namespace": later}
    await running.apply(name, repository.url, destination=destination, syncPolicy=_retrying())
    await told(running, name, "SyncError", f"namespace {later} does not exist")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": later}}
    await running.cluster.create(await running.cluster.resource("", "Namespace"), "", namespace)
    await healed(running, name, revision)
    await remove(running, "", "Namespace", later)


async def test_an_automated_sync_that_failed_is_tried_again_without_being_told_to(running: Installation) -> None:
    repository, name, one = await running.repository(), fresh("default"), fresh("one")
    await repository.push({"app/one.yaml": _service(one, ports=[{"port": 0}])})
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    raw = await told(running, name, "SyncError", "1 of 1 objects failed")
    assert phase(raw) == "Running"
    assert "trying again in 5 s" in raw["status"]["operationState"]["message"]
    assert raw["status"]["operationState"]["retryCount"] == 1
    second = await repository.push({"app/one.yaml": _service(one, ports=[{"port": -1}])})
    assert await running.webhook(repository.url) == 202
    raw = await running.until(name, lambda raw: raw["status"]["sync"].get("revision") == second, "tried anew")
    raw = await told(running, name, "SyncError", "1 of 1 objects failed")
    assert raw["status"]["operationState"]["retryCount"] == 1, "another commit starts to count anew"
    await running.patch(name, {"spec": {"syncPolicy": {"retry": {"limit": 0}}}})
    raw = await running.until(name, lambda raw: phase(raw) == "Failed", "a limit of none ends it")
    assert conditions(raw, "SyncError")


async def test_a_retry_waits_for_its_time_whatever_moves_meanwhile(running: Installation) -> None:
    repository, name, one, two = await running.repository(), fresh("pause"), fresh("one"), fresh("two")
    await repository.push(
        {"app/one.yaml": _service(one, ports=[{"port": 0}]), "app/two.yaml": config_map(two, at="first")}
    )
    rarely = {"limit": 5, "backoff": {"duration": "1h", "maxDuration": "1h"}}
    await running.apply(name, repository.url, syncPolicy={**AUTOMATED, "retry": rarely})
    raw = await told(running, name, "SyncError", "1 of 2 objects failed")
    assert "trying again in 3600 s" in raw["status"]["operationState"]["message"]
    before = await running.metrics("worker")
    resource = await running.cluster.resource("", "ConfigMap")
    await running.cluster.merge_patch(resource, running.delivered_to, two, {"data": {"at": "by hand"}})

    def seen(raw: Mapping[str, Any]) -> bool:
        entries = {entry["name"]: entry.get("status") for entry in raw["status"]["resources"]}
        return entries[two] == "OutOfSync"

    raw = await running.until(name, seen, "the edit is seen")
    assert raw["status"]["operationState"]["retryCount"] == 1
    assert conditions(raw, "SyncError"), "why it failed stays to be read"
    fetches = (await running.metrics("worker")).since(before).total("trueup_git_fetches_total")
    assert fetches == 0, "what moved in the cluster asks nothing of Git"
    await running.patch(name, {"spec": {"syncPolicy": {"retry": {"limit": 0}}}})
    await running.until(name, lambda raw: phase(raw) == "Failed", "another policy does not wait for the old one")


async def test_a_kind_that_is_not_there_is_named_and_is_applied_once_it_is(running: Installation) -> None:
    repository, name, here = await running.repository(), fresh("unknown"), fresh("here")
    kind, group = new_kind()
    one = fresh("one")
    revision = await repository.push(
        {"app/one.yaml": custom_object(kind, group, one), "app/here.yaml": config_map(here, at="home")}
    )
    await running.apply(name, repository.url, syncPolicy=_retrying())
    raw = await told(running, name, "ComparisonError", f"no kind {kind} in {group}", "install the CRD")
    raw = await told(running, name, "SyncError", f"{kind}.{group}")
    assert results(raw)[one][0] == "SyncFailed"
    assert await running.live("ConfigMap", here) is not None
    await running.cluster.create(
        await running.cluster.resource("apiextensions.k8s.io", "CustomResourceDefinition"),
        "",
        orjson.loads(definition(kind, group)),
    )
    await healed(running, name, revision)
    assert await running.live(kind, one, group=group) is not None


async def test_a_kind_and_its_first_object_may_come_in_one_commit(running: Installation) -> None:
    repository, name, one = await running.repository(), fresh("together"), fresh("one")
    kind, group = new_kind()
    revision = await repository.push(
        {"app/a-object.yaml": custom_object(kind, group, one), "app/z-definition.yaml": definition(kind, group)}
    )
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    raw = await healed(running, name, revision)
    assert owned(raw) == {one, f"{kind.lower()}s.{group}"}
    assert await running.live(kind, one, group=group) is not None


async def test_a_kind_that_goes_away_prunes_nothing(running: Installation) -> None:
    repository, name, one, here = await running.repository(), fresh("gone"), fresh("one"), fresh("here")
    kind, group = new_kind()
    definitions = await running.cluster.resource("apiextensions.k8s.io", "CustomResourceDefinition")
    await running.cluster.create(definitions, "", orjson.loads(definition(kind, group)))
    await repository.push({"app/one.yaml": custom_object(kind, group, one), "app/here.yaml": config_map(here)})
    await running.apply(name, repository.url, syncPolicy=_retrying())
    await running.until(name, lambda raw: sync_status(raw) == "Synced" and phase(raw) == "Succeeded", "synced")
    await remove(running, "apiextensions.k8s.io", "CustomResourceDefinition", f"{kind.lower()}s.{group}")
    revision = await repository.push({"app/one.yaml": None, "app/new.yaml": config_map(fresh("n"))})
    assert await running.webhook(repository.url) == 202
    raw = await running.until(name, is_synced(revision), "synced: the definition took its objects along")
    assert one not in owned(raw)
    assert here in owned(raw)
    assert await running.live("ConfigMap", here) is not None


def _service(name: str, *, ports: Any, **more: Any) -> str:
    spec = {"selector": {"app": name}, "ports": ports, **more}
    return orjson.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}).decode()


def _fixed(name: str, at: str) -> str:
    return orjson.dumps({**orjson.loads(config_map(name, at=at)), "immutable": True}).decode()


def _retrying() -> Mapping[str, Any]:
    """Automated, tried again soon."""
    backoff = {"duration": "1s", "factor": 1}
    return {"automated": {"prune": True}, "retry": {"limit": 60, "backoff": backoff}}
