"""Who changed what: the person where the API server's audit log is sent to Trueup, the field manager where not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from time import time
from typing import Any

import aiohttp
import pytest_asyncio
from redis.asyncio import Redis

from tests.support.audit import audit_url, audited
from tests.support.bad_input import fresh
from tests.support.commands import said
from tests.support.drift import DEPLOYMENT, HEALING, incident, incidents, is_healed, person
from tests.support.fixtures import in_own_task
from tests.support.product import AUTOMATED, STEP_SECONDS, Installation, config_map, is_synced
from tests.support.wait import wait_until
from trueup.domain.incident import Incident


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def _audit(running: Installation) -> AsyncIterator[None]:
    async with in_own_task(audited(running)):
        yield


async def delivered(running: Installation, *texts: str, **spec: object) -> tuple[str, str]:
    """An automated application of these manifests, Synced; its name and revision."""
    repository, name = await running.repository(), fresh("app")
    revision = await repository.push({f"app/{number}.yaml": text for number, text in enumerate(texts)})
    await running.apply(name, repository.url, **{"syncPolicy": AUTOMATED, **spec})
    await running.until(name, is_synced(revision), "synced")
    await running.all_watched()
    return name, revision


async def edit_as(
    running: Installation, who: str, kind: str, name: str, patch: Any, *, group: str = "", manager: str = "kubectl-edit"
) -> dict[str, Any]:
    async with person(running, who) as cluster:
        resource = await cluster.resource(group, kind)
        return await cluster.merge_patch(resource, running.delivered_to, name, patch, field_manager=manager)


ALICE = "alice with kubectl-edit"


def names(*people: str) -> Callable[[Incident], bool]:
    return lambda one: one.people == people


async def test_the_user_of_an_edit_is_named_with_all_that_the_api_server_knows(running: Installation) -> None:
    web = fresh("web")
    name, _ = await delivered(running, DEPLOYMENT.format(name=web, replicas=2, tag="1"))
    # A controller writes the status right after, which makes another version.
    await edit_as(running, "alice", "Deployment", web, {"spec": {"replicas": 1}}, group="apps")
    found = await incident(running, name, names("alice"), "names alice")
    (field,) = found.objects[0].fields
    assert (field.path, str(field.attribution), field.is_probable) == (
        "spec.replicas",
        "alice with kubectl-edit",
        False,
    )
    assert field.person is not None
    assert "system:authenticated" in field.person.groups
    assert field.person.address == "127.0.0.1"
    assert [(entry.what, entry.by) for entry in found.history] == [("Opened", ("alice with kubectl-edit",))]
    assert (found.times, [len(flip.times) for flip in found.flips]) == (1, [1])


async def test_a_diff_names_the_person_who_is_on_record(running: Installation) -> None:
    one = fresh("one")
    name, _ = await delivered(running, config_map(one, mood="calm", sea="flat"))
    await edit_as(running, "alice", "ConfigMap", one, {"data": {"mood": "stormy"}})
    await incident(running, name, names("alice"), "names alice")
    words = said(await running.trueup("app", "diff", name), code=1)
    assert "-   mood: stormy  # by alice with kubectl-edit, " in words


async def test_each_field_has_its_own_author(running: Installation) -> None:
    web, one = fresh("web"), fresh("one")
    name, _ = await delivered(
        running, DEPLOYMENT.format(name=web, replicas=2, tag="1"), config_map(one, mood="calm", sea="flat")
    )
    await edit_as(running, "alice", "ConfigMap", one, {"data": {"mood": "stormy"}})
    await incident(running, name, names("alice"), "names alice")
    # The same program, so that managedFields hold both in one entry with one time.
    await edit_as(running, "bob", "ConfigMap", one, {"data": {"sea": "rough"}})
    await edit_as(running, "bob", "Deployment", web, {"spec": {"replicas": 3}}, group="apps", manager="k9s")

    def by_field(found: Incident) -> dict[str, str]:
        return {field.path: str(field.attribution) for item in found.objects for field in item.fields}

    wanted = {
        "data.mood": "alice with kubectl-edit",
        "data.sea": "bob with kubectl-edit",
        "spec.replicas": "bob with k9s",
    }
    await incident(running, name, lambda found: by_field(found) == wanted, "names both")


async def test_two_people_in_one_second_are_told_apart(running: Installation) -> None:
    one, two = fresh("one"), fresh("two")
    name, _ = await delivered(running, config_map(one, mood="calm", sea="flat"), config_map(two, mood="calm"))
    async with person(running, "alice") as alice, person(running, "bob") as bob:
        resource = await alice.resource("", "ConfigMap")
        where = running.delivered_to
        # Most of a second is left for the three of them.
        await wait_until(lambda: time() % 1 < 0.2, STEP_SECONDS, "a second begins")
        await asyncio.gather(
            alice.merge_patch(resource, where, one, {"data": {"mood": "a"}}, field_manager="kubectl-edit"),
            bob.merge_patch(resource, where, one, {"data": {"sea": "b"}}, field_manager="kubectl-edit"),
            bob.merge_patch(resource, where, two, {"data": {"mood": "b"}}, field_manager="kubectl-edit"),
        )

    def by_field(found: Incident) -> dict[tuple[str, str], str]:
        return {(item.key.name, field.path): field.attribution.who for item in found.objects for field in item.fields}

    wanted = {(one, "data.mood"): "alice", (one, "data.sea"): "bob", (two, "data.mood"): "bob"}
    await incident(running, name, lambda found: by_field(found) == wanted, "tells them apart")


async def test_of_a_secret_the_log_has_no_object_and_the_name_is_probable(running: Installation) -> None:
    login = fresh("login")
    secret = config_map(login).replace("ConfigMap", "Secret").replace('"data":{}', '"stringData":{"password":"x1"}')
    name, _ = await delivered(running, secret)
    await edit_as(running, "bob", "Secret", login, {"stringData": {"password": "a-canary-in-a-secret"}})
    found = await incident(running, name, names("probably bob"), "probably names bob")
    assert found.objects[0].fields[0].is_probable
    for half in ("service", "worker"):
        assert "a-canary-in-a-secret" not in running.log(half).read_text()


async def test_who_scales_by_the_subresource_is_named(running: Installation) -> None:
    web = fresh("web")
    name, _ = await delivered(running, DEPLOYMENT.format(name=web, replicas=2, tag="1"))
    await running.kubectl("-n", running.delivered_to, "scale", "deployment", web, "--replicas", "1")
    found = await incident(running, name, names("bob"), "names bob")
    (field,) = found.objects[0].fields
    assert (field.subresource, field.manager, field.is_probable) == ("scale", "kubectl", False)


async def test_who_takes_a_label_away_is_named_though_nobody_owns_what_is_gone(running: Installation) -> None:
    one = fresh("one")
    labelled = config_map(one, mood="calm").replace('"metadata":{', '"metadata":{"labels":{"team":"red","tier":"one"},')
    name, _ = await delivered(running, labelled)
    await running.kubectl("-n", running.delivered_to, "label", "configmap", one, "team-")
    found = await incident(running, name, names("bob"), "names bob")
    (field,) = found.objects[0].fields
    assert (field.path, field.kind, field.manager, field.operation) == ("metadata.labels.team", "missing", "", "patch")


async def test_who_changes_what_lies_in_no_namespace_is_named(running: Installation) -> None:
    role, space = fresh("role"), fresh("space")
    role_text = (
        f"apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: {role}}}\n"
        "rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]\n"
    )
    space_text = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {space}, labels: {{team: red}}}}\n"
    name, _ = await delivered(running, role_text, space_text)
    await running.kubectl("label", "namespace", space, "team=blue", "--overwrite")
    await incident(running, name, names("bob"), "names bob")
    async with person(running, "alice") as alice:
        resource = await alice.resource("rbac.authorization.k8s.io", "ClusterRole")
        rules = {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]}
        await alice.merge_patch(resource, "", role, rules, field_manager="kubectl-edit")
    await incident(running, name, lambda one: set(one.people) == {"alice", "bob"}, "names both")


async def test_who_deletes_an_object_is_probably_named(running: Installation) -> None:
    one, two = fresh("one"), fresh("two")
    name, _ = await delivered(running, config_map(one, mood="calm"), config_map(two, mood="calm"))
    await running.kubectl("-n", running.delivered_to, "delete", "configmap", one)
    found = await incident(running, name, names("probably bob"), "probably names bob")
    (item,) = found.objects
    assert (item.status, item.deleted_by.operation, item.deleted_by.manager) == ("Missing", "delete", "")


async def test_a_spoofed_manager_is_no_person_and_hides_none(running: Installation) -> None:
    one = fresh("one")
    name, _ = await delivered(running, config_map(one, mood="calm"))
    await edit_as(running, "alice", "ConfigMap", one, {"data": {"mood": "stormy"}}, manager="bob")
    found = await incident(running, name, names("alice"), "names alice")
    assert str(found.objects[0].fields[0].attribution) == "alice with bob"
    # Even in the name of Trueup's own manager: it is told by its user.
    other = fresh("other")
    name, _ = await delivered(running, config_map(other, mood="calm"))
    await edit_as(running, "bob", "ConfigMap", other, {"data": {"mood": "stormy"}}, manager="trueup")
    await incident(running, name, names("bob"), "names bob")


async def test_a_client_that_calls_its_requests_alike_hides_none_and_does_not_choose_its_address(
    running: Installation,
) -> None:
    one = fresh("one")
    name, _ = await delivered(running, config_map(one, mood="calm", sea="flat"))
    place = f"/api/v1/namespaces/{running.delivered_to}/configmaps/{one}?fieldManager=kubectl-edit"
    headers = {
        "Authorization": f"Bearer {running.sandbox.users['alice']}",
        "Content-Type": "application/merge-patch+json",
        "Audit-ID": fresh("chosen"),
        "X-Forwarded-For": "203.0.113.9",
    }
    async with aiohttp.ClientSession(headers=headers) as session:
        for data in ({"mood": "stormy"}, {"sea": "rough"}):
            async with session.patch(
                f"{running.sandbox.server}{place}", json={"data": data}, headers=headers, ssl=False
            ) as answer:
                assert answer.status == 200
    found = await incident(
        running,
        name,
        lambda one: [str(each) for item in one.objects for each in item.attributions] == [ALICE] * 2,
        "both",
    )
    assert {each.person.address for item in found.objects for each in item.attributions if each.person} == {
        "127.0.0.1 for 203.0.113.9"
    }


async def test_who_scaled_before_is_not_named_for_the_scale_of_another(running: Installation) -> None:
    web = fresh("web")
    name, revision = await delivered(running, DEPLOYMENT.format(name=web, replicas=2, tag="1"), syncPolicy=HEALING)
    async with person(running, "alice") as alice:
        resource = await alice.resource("apps", "Deployment")
        await alice.merge_patch(
            resource, running.delivered_to, web, {"spec": {"replicas": 5}}, field_manager="kubectl", subresource="scale"
        )
    await incident(running, name, lambda one: names("alice")(one) and not one.is_open, "names alice")
    await running.until(name, is_healed(revision), "healed")
    await running.kubectl("-n", running.delivered_to, "scale", "deployment", web, "--replicas", "1")
    await incident(running, name, names("bob"), "names bob")


async def test_what_is_healed_at_once_is_named_all_the_same_in_one_incident(running: Installation) -> None:
    one = fresh("one")
    name, revision = await delivered(running, config_map(one, mood="calm"), syncPolicy=HEALING)
    await edit_as(running, "alice", "ConfigMap", one, {"data": {"mood": "stormy"}})
    await running.until(name, is_healed(revision), "healed")
    found = await incident(running, name, lambda one: names("alice")(one) and not one.is_open, "names alice")
    assert (found.ending, found.times) == ("SelfHealed", 1)
    assert [(entry.what, entry.by) for entry in found.history] == [
        ("Opened", ("alice with kubectl-edit",)),
        ("Closed", ()),
    ]
    assert len(await incidents(running, name)) == 1


async def test_a_service_that_was_restarted_goes_on_naming(running: Installation) -> None:
    one = fresh("one")
    name, _ = await delivered(running, config_map(one, mood="calm"))
    await running.kill("service")
    await running.start("service")
    running.sandbox.audit_target.write_text(audit_url(running))
    await running.all_watched()
    await edit_as(running, "alice", "ConfigMap", one, {"data": {"mood": "stormy"}})
    await incident(running, name, names("alice"), "names alice")


async def test_a_redis_that_was_emptied_goes_on_naming(running: Installation) -> None:
    one = fresh("one")
    name, _ = await delivered(running, config_map(one, mood="calm"))
    async with Redis.from_url(running.redis_url) as redis:
        await redis.flushall()
    await edit_as(running, "alice", "ConfigMap", one, {"data": {"mood": "stormy"}})
    await incident(running, name, names("alice"), "names alice")


async def test_a_worker_that_was_restarted_still_knows_who(running: Installation) -> None:
    one = fresh("one")
    name, _ = await delivered(running, config_map(one, mood="calm"))
    await running.kill("worker")
    await edit_as(running, "alice", "ConfigMap", one, {"data": {"mood": "stormy"}})
    await running.start("worker")
    await incident(running, name, names("alice"), "names alice")
