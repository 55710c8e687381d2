"""`trueup app history` says what was deployed, and when, as `argocd app history` lays it out."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.support.bad_input import fresh
from tests.support.commands import refused, said
from tests.support.product import Installation, config_map, is_synced


async def test_each_deployment_has_a_line_with_its_id_date_and_revision(running: Installation) -> None:
    repository, name, one = await running.repository(), fresh("harbour"), fresh("one")
    revisions = []
    await running.apply(name, repository.url)
    for mood in ("calm", "stormy"):
        revisions.append(await repository.push({"app/one.yaml": config_map(one, mood=mood)}))
        said(await running.trueup("app", "sync", name))
        raw = await running.until(name, is_synced(revisions[-1]), "synced")
    deployed = [datetime.fromisoformat(entry["deployedAt"]) for entry in raw["status"]["history"]]
    dates = [f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} +0000 UTC" for time in deployed]
    words = said(await running.trueup("app", "history", name, COLUMNS="40", TZ="Asia/Tokyo"))
    assert words.splitlines() == [
        f"SOURCE  {repository.url}",
        "ID      DATE                           REVISION",
        f"0       {dates[0]}  main ({revisions[0][:7]})",
        f"1       {dates[1]}  main ({revisions[1][:7]})",
    ]
    assert words == said(await running.trueup("app", "history", f"{running.namespace}/{name}", "-o", "wide"))
    assert said(await running.trueup("app", "history", name, "-o", "id", "-N", running.namespace)) == "0\n1\n"


async def test_an_application_that_was_never_deployed_has_an_empty_history(running: Installation) -> None:
    repository, name = await running.repository(), fresh("buoy")
    await repository.push({"app/one.yaml": config_map(fresh("one"), mood="calm")})
    await running.apply(name, repository.url)
    for flags in ([], ["-o", "id"]):
        done = await running.trueup("app", "history", name, *flags)
        assert (done.returncode, done.stdout) == (0, b"")
        assert done.stderr.decode() == f"trueup: {running.namespace}/{name} has no deployment on record\n"


async def test_an_application_that_is_not_there_is_named(running: Installation) -> None:
    assert f"there is no Application nope in namespace {running.namespace};" in refused(
        await running.trueup("app", "history", "nope")
    )
