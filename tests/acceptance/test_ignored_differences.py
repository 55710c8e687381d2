"""What an Application's `ignoreDifferences` names is no drift, is not healed, and hides nothing else."""

from __future__ import annotations

from typing import Any

from tests.support.bad_input import fresh, gone, told
from tests.support.commands import said
from tests.support.drift import DEPLOYMENT, HEALING, edit, incidents, is_healed
from tests.support.ignoring import ENDLESS, REPLICAS, kept, looked_at
from tests.support.product import (
    AUTOMATED,
    STEP_SECONDS,
    Installation,
    Raw,
    conditions,
    config_map,
    is_synced,
    sync_status,
)
from tests.support.wait import wait_until

SIDECAR = {"name": "proxy", "image": "example.invalid/proxy:1"}
INJECTED = {"spec": {"template": {"spec": {"containers": [SIDECAR]}}}}


async def inject(running: Installation, name: str, body: dict[str, Any], manager: str) -> None:
    """What a controller's own server-side apply does."""
    resource = await running.cluster.resource("apps", "Deployment")
    whole = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, **body}
    await running.cluster.apply(resource, running.delivered_to, name, whole, field_manager=manager)


async def deployment(running: Installation, name: str) -> dict[str, Any]:
    found = await running.live("Deployment", name, group="apps")
    assert found is not None
    return found


async def test_replicas_that_an_autoscaler_sets_are_no_drift_and_an_image_still_is(running: Installation) -> None:
    web = fresh("web")
    files = {"web.yaml": DEPLOYMENT.format(name=web, replicas=1, tag=1)}
    name, revision, _ = await kept(running, files, REPLICAS)
    await edit(running, "Deployment", web, {"spec": {"replicas": 3}}, group="apps", manager="horizontal-autoscaler")
    raw = await looked_at(running, name)
    assert sync_status(raw) == "Synced"
    assert not await incidents(running, name)
    assert said(await running.trueup("app", "diff", name)) == ""
    why = said(await running.trueup("app", "diff", name, "--why"))
    assert [line for line in why.splitlines() if "spec.replicas" in line and "spec.ignoreDifferences[0]" in line], why
    assert (await deployment(running, web))["spec"]["replicas"] == 3
    image = [{"name": "web", "image": "example.invalid/web:hacked"}]
    await edit(running, "Deployment", web, {"spec": {"template": {"spec": {"containers": image}}}}, group="apps")
    await running.until(name, is_healed(revision), "the image is healed")
    (incident,) = await incidents(running, name)
    assert [field.path for item in incident.objects for field in item.fields] == [
        "spec.template.spec.containers[name=web].image"
    ]
    # As in Argo CD, what is applied is what Git says, unless RespectIgnoreDifferences is set.
    assert (await deployment(running, web))["spec"]["replicas"] == 1


async def test_an_injected_sidecar_is_left_alone_by_its_name(running: Installation) -> None:
    web = fresh("web")
    rule = {
        "group": "apps",
        "kind": "Deployment",
        "jqPathExpressions": ['.spec.template.spec.containers[] | select(.name == "proxy")'],
    }
    name, _, _ = await kept(running, {"web.yaml": DEPLOYMENT.format(name=web, replicas=1, tag=1)}, rule)
    containers = [SIDECAR, {"name": "web", "image": "example.invalid/web:1"}]
    await edit(running, "Deployment", web, {"spec": {"template": {"spec": {"containers": containers}}}}, group="apps")
    assert sync_status(await looked_at(running, name)) == "Synced"
    found = await deployment(running, web)
    assert [one["name"] for one in found["spec"]["template"]["spec"]["containers"]] == ["proxy", "web"]
    assert said(await running.trueup("app", "diff", name)) == ""


async def test_what_a_named_manager_owns_is_its_own_affair(running: Installation) -> None:
    one = fresh("one")
    rule = {"group": "*", "kind": "*", "managedFieldsManagers": ["tuner-*"]}
    name, revision, _ = await kept(running, {"one.yaml": config_map(one, mood="calm", pace="slow")}, rule)
    await edit(running, "ConfigMap", one, {"data": {"pace": "fast"}}, manager="tuner-7")
    assert sync_status(await looked_at(running, name)) == "Synced"
    await edit(running, "ConfigMap", one, {"data": {"mood": "stormy"}}, manager="kubectl-edit")
    await running.until(name, is_healed(revision), "what somebody else wrote is healed")


async def test_wildcards_name_groups_kinds_names_and_namespaces(running: Installation) -> None:
    one, two = fresh("cache"), fresh("other")
    files = {"one.yaml": config_map(one, mood="calm"), "two.yaml": config_map(two, mood="calm")}
    rule = {
        "group": "*",
        "kind": "Config*",
        "name": "cache-*",
        "namespace": f"{running.delivered_to[:-2]}*",
        "jsonPointers": ["/data/mood"],
    }
    name, revision, _ = await kept(running, files, rule)
    await edit(running, "ConfigMap", one, {"data": {"mood": "stormy"}})
    await edit(running, "ConfigMap", two, {"data": {"mood": "stormy"}})
    await running.until(name, is_healed(revision), "the other one is healed")
    await looked_at(running, name)
    found = await running.live("ConfigMap", one)
    assert found is not None
    assert found["data"] == {"mood": "stormy"}


async def test_a_sync_keeps_what_is_ignored_where_it_is_to_be_respected(running: Installation) -> None:
    web = fresh("web")
    policy = {**HEALING, "syncOptions": ["RespectIgnoreDifferences=true"]}
    annotations = {"group": "apps", "kind": "Deployment", "jsonPointers": ["/metadata/annotations/tool.io~1pace"]}
    text = DEPLOYMENT.replace("  name: {name}\nspec", "  name: {name}\n  annotations: {{tool.io/pace: slow}}\nspec")
    files = {"web.yaml": text.format(name=web, replicas=1, tag=1)}
    name, revision, repository = await kept(running, files, REPLICAS, annotations, syncPolicy=policy)
    assert (await deployment(running, web))["spec"]["replicas"] == 1, "a new object gets what Git says"
    moved = {"spec": {"replicas": 4}, "metadata": {"annotations": {"tool.io/pace": None}}}
    await edit(running, "Deployment", web, moved, group="apps", manager="horizontal-autoscaler")
    revision = await repository.push({"app/web.yaml": text.format(name=web, replicas=2, tag=2)})
    assert await running.webhook(repository.url) == 202
    await running.until(name, is_synced(revision), "synced to the new image")
    found = await deployment(running, web)
    assert found["spec"]["replicas"] == 4
    assert "tool.io/pace" not in found["metadata"]["annotations"], "what live lacks is left out"
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "example.invalid/web:2"


async def test_without_that_option_a_sync_writes_what_git_says(running: Installation) -> None:
    web = fresh("web")
    files = {"web.yaml": DEPLOYMENT.format(name=web, replicas=1, tag=1)}
    name, revision, repository = await kept(running, files, REPLICAS, syncPolicy=AUTOMATED)
    await edit(running, "Deployment", web, {"spec": {"replicas": 4}}, group="apps", manager="horizontal-autoscaler")
    revision = await repository.push({"app/web.yaml": DEPLOYMENT.format(name=web, replicas=2, tag=2)})
    assert await running.webhook(repository.url) == 202
    await running.until(name, is_synced(revision), "synced")
    assert (await deployment(running, web))["spec"]["replicas"] == 2


async def test_a_rule_that_makes_no_sense_is_named_and_costs_the_verdict_on_its_objects_alone(
    running: Installation,
) -> None:
    one, two, three = fresh("one"), fresh("two"), fresh("three")
    files = {f"{each}.yaml": config_map(each, mood="calm") for each in (one, two, three)}
    name, revision, repository = await kept(running, files)
    bad = [
        {"kind": "ConfigMap", "name": one, "jsonPointers": ["data/mood"]},
        {"kind": "ConfigMap", "name": two, "jqPathExpressions": [".data[", ".data.pace"]},
    ]
    await running.patch(name, {"spec": {"ignoreDifferences": bad}})
    await told(running, name, "ComparisonError", one, "spec.ignoreDifferences[0]", "data/mood", "slash")
    raw = await told(running, name, "ComparisonError", two, "spec.ignoreDifferences[1]", ".data[", "compile", "correct")
    assert sync_status(raw) == "Unknown"
    for each in (one, two, three):
        await edit(running, "ConfigMap", each, {"data": {"mood": "stormy"}})

    async def moods() -> list[str | None]:
        found = [await running.live("ConfigMap", each) for each in (one, two, three)]
        return [body["data"]["mood"] if body is not None else None for body in found]

    async def is_healed_alone() -> bool:
        return await moods() == ["stormy", "stormy", "calm"]

    await wait_until(is_healed_alone, STEP_SECONDS, "the good object is healed, and no other is")
    await running.patch(name, {"spec": {"ignoreDifferences": bad[:1]}})
    revision = await repository.push({f"app/{one}.yaml": None})
    assert await running.webhook(repository.url) == 202

    def is_tried(raw: Raw) -> bool:
        result = raw["status"]["operationState"].get("syncResult") or {}
        return bool(result.get("revision") == revision and result.get("resources"))

    raw = await running.until(name, is_tried, "all but the one object is delivered")
    assert sync_status(raw) == "Unknown"
    assert await moods() == ["stormy", "calm", "calm"], "what Git dropped is not pruned while its rule makes no sense"
    await running.patch(name, {"spec": {"ignoreDifferences": None}})
    await running.until(name, lambda raw: is_synced(revision)(raw) and not conditions(raw), "healed once it is mended")
    await gone(running, "ConfigMap", one)
    assert await moods() == [None, "calm", "calm"]


async def test_an_expression_that_never_ends_or_eats_memory_harms_no_other_object_or_application(
    running: Installation,
) -> None:
    one, two, other = fresh("one"), fresh("two"), fresh("other")
    files = {"one.yaml": config_map(one, mood="calm"), "two.yaml": config_map(two, mood="calm")}
    rules = [
        {"kind": "ConfigMap", "name": one, "jqPathExpressions": [ENDLESS]},
        {"kind": "ConfigMap", "name": two, "jqPathExpressions": ['reduce range(60) as $i ("aaaa"; . + .) | .data']},
    ]
    name, _, _ = await kept(running, files)
    good = {"kind": "ConfigMap", "jqPathExpressions": [".data.pace"]}
    neighbour, revision, _ = await kept(running, {"one.yaml": config_map(other, mood="calm", pace="slow")}, good)
    await running.patch(name, {"spec": {"ignoreDifferences": rules}})
    await told(running, name, "ComparisonError", one, "spec.ignoreDifferences[0]", "runs for longer than 1 s")
    raw = await told(running, name, "ComparisonError", two, "spec.ignoreDifferences[1]", "MiB")
    assert sync_status(raw) == "Unknown"
    await edit(running, "ConfigMap", other, {"data": {"mood": "stormy", "pace": "fast"}})
    await running.until(neighbour, is_healed(revision), "the neighbour is healed")
    assert not conditions(raw, "InvalidSpecError")
    assert "correct it" in " ".join(conditions(raw))
