"""An Application full of rubbish is told so or does no harm; the others go on."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.bad_input import fresh, healed, told
from tests.support.product import AUTOMATED, Installation, conditions, config_map, is_synced
from trueup.clients.api_errors import ApiError

RUBBISH: tuple[Any, ...] = (
    "",
    " ",
    "-",
    "../..",
    "\u202e\x7f",
    "a\nb: c",
    "☃" * 300,
    "x" * 10_000,
    "{{ .Values }}",
    "$(id)",
    "null",
    "*",
    "https://[::1",
    "git@:x",
    {},
    [],
    {"": {"": [{}]}},
    [[[[]]]],
    -1,
    2**31,
    True,
    None,
)
SEED = 20_260_101
POISONED = 100


async def test_rubbish_at_every_place_stops_nobody_else(running: Installation) -> None:
    repository, name, one = await running.repository(), fresh("sound"), fresh("one")
    first = await repository.push({"app/one.yaml": config_map(one)})
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    await healed(running, name, first)
    before = await running.metrics("worker")

    taken = 0
    applications = await running.cluster.resource("argoproj.io", "Application")
    for number, body in enumerate(_poison(running, repository.url)):
        body["metadata"]["name"] = f"poison-{number}-{name}"
        try:
            await running.cluster.create(applications, running.namespace, body)
        except ApiError:
            continue
        taken += 1
    assert taken > POISONED / 3, "most of it has to get past the API server to be a test"
    second = await repository.push({"app/one.yaml": config_map(one, at="second")})
    assert await running.webhook(repository.url) == 202
    raw = await running.until(name, is_synced(second), "synced in the midst of rubbish")
    assert all("poison-" in message for message in conditions(raw)), "those that claim its object are named, no more"
    await running.at_rest()
    since = (await running.metrics("worker")).since(before)
    assert since.total("trueup_jobs_run_total", outcome="broken") == 0
    for half in running.children:
        log = running.log(half).read_text()
        assert "handler failed" not in log
        assert "Traceback" not in log

    # What was rubbish can be put right, and deleted.
    listed = await running.cluster.list_all(applications, running.namespace)
    for item in listed.items:
        if item["metadata"]["name"].startswith("poison-"):
            await running.cluster.delete(
                applications, running.namespace, item["metadata"]["name"], uid=item["metadata"]["uid"]
            )
    third = await repository.push({"app/one.yaml": config_map(one, at="third")})
    assert await running.webhook(repository.url) == 202
    await healed(running, name, third)


async def test_one_that_spells_the_repository_in_a_way_that_is_not_allowed_stops_only_itself(
    running: Installation,
) -> None:
    """All spellings of an address are one repository, with one job."""
    repository, one = await running.repository(), fresh("one")
    revision = await repository.push({"app/one.yaml": config_map(one)})
    bad, name = fresh("a-bad-spelling"), fresh("sound")
    await running.apply(bad, "git" + repository.url.removeprefix("http"), syncPolicy=AUTOMATED)
    await told(running, bad, "InvalidSpecError", "the scheme git")
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    await healed(running, name, revision)
    second = await repository.push({"app/one.yaml": config_map(one, at="second")})
    assert await running.webhook(repository.url) == 202
    await healed(running, name, second)
    await told(running, bad, "InvalidSpecError", "the scheme git")


async def test_huge_annotations_and_a_status_from_elsewhere_do_no_harm(running: Installation) -> None:
    repository, name, one = await running.repository(), fresh("huge"), fresh("one")
    first = await repository.push({"app/one.yaml": config_map(one)})
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    await healed(running, name, first)
    foreign = {
        "metadata": {"annotations": {f"example.org/{n}": "x" * 25_000 for n in range(10)}},
        "status": {
            "conditions": [{"type": "ComparisonError", "message": "x" * 5_000} for _ in range(40)],
            "history": [{"id": n, "revision": "x", "deployedAt": "2020-01-01T00:00:00Z"} for n in range(50)],
            "operationState": {
                "operation": {"info": [{"name": "trueup.dev/token", "value": "not a token"}]},
                "phase": "Nonsense",
                "startedAt": "2020-01-01T00:00:00Z",
                "retryCount": -5,
            },
            "summary": {"images": ["x" * 100] * 100},
            "reconciledAt": "2020-01-01T00:00:00Z",
        },
    }
    await running.patch(name, foreign)
    second = await repository.push({"app/one.yaml": config_map(one, at="second")})
    assert await running.webhook(repository.url) == 202
    raw = await healed(running, name, second)
    assert len(raw["status"]["history"]) <= 10
    assert len(raw["metadata"]["annotations"]) == 10


def _poison(trueup: Installation, url: str) -> Iterator[dict[str, Any]]:
    """Applications with rubbish at one or two places each; the same ones each time."""
    chance = random.Random(SEED)  # noqa: S311 -- no secret
    for _ in range(POISONED):
        body = _whole(trueup, url)
        for _ in range(chance.choice((1, 1, 2))):
            places = list(_places(body))
            parent, key = chance.choice(places)
            # Of the same type for the most part, or the API server takes none of it.
            fitting = [rubbish for rubbish in RUBBISH if isinstance(rubbish, type(parent[key]))]
            parent[key] = chance.choice(fitting if fitting and chance.random() < 0.8 else RUBBISH)
        if isinstance(body.get("metadata"), dict):
            body["metadata"] |= {"namespace": trueup.namespace}
            yield body


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every member of every mapping and list below `value`, but for what says which object this is."""
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, inner in list(items):
        if key in {"apiVersion", "kind", "metadata"} and isinstance(value, Mapping) and "spec" in value:
            continue
        yield value, key
        if isinstance(inner, Mapping | list):
            yield from _places(inner)


def _whole(trueup: Installation, url: str) -> dict[str, Any]:
    """An Application with most of what one can say in it."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {},
        "spec": {
            "project": "default",
            "source": {
                "repoURL": url,
                "path": "app",
                "targetRevision": "main",
                "directory": {"recurse": True, "include": "*.yaml", "exclude": "{a,b}*", "jsonnet": {"libs": ["x"]}},
                "somethingNew": {"deep": ["er"]},
            },
            "destination": {"server": "https://kubernetes.default.svc", "namespace": trueup.delivered_to},
            "syncPolicy": {
                "syncOptions": ["CreateNamespace=false", "Validate=true", "Nonsense=1"],
                "retry": {"limit": 0, "backoff": {"duration": "1s", "factor": 2, "maxDuration": "1m"}},
            },
            "info": [{"name": "a", "value": "b"}],
            "revisionHistoryLimit": 3,
            "unknown": {"field": [1, "two", None]},
        },
        "status": {
            "conditions": [{"type": "ComparisonError", "message": "m", "lastTransitionTime": "2020-01-01T00:00:00Z"}],
            "health": {"status": "Healthy", "lastTransitionTime": "2020-01-01T00:00:00Z"},
            "history": [{"id": 1, "revision": "x", "deployedAt": "2020-01-01T00:00:00Z"}],
            "operationState": {
                "operation": {"info": [{"name": "trueup.dev/token", "value": "1.1"}], "retry": {"limit": 1}},
                "phase": "Running",
                "startedAt": "2020-01-01T00:00:00Z",
                "syncResult": {"revision": "x", "resources": []},
            },
            "resources": [{"kind": "ConfigMap", "name": "one", "namespace": trueup.delivered_to, "version": "v1"}],
            "summary": {"images": ["x"]},
            "sync": {
                "status": "OutOfSync",
                "revision": "x",
                "comparedTo": {"destination": {}, "source": {"repoURL": "x"}},
            },
        },
    }
