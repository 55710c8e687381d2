"""`trueup drift …` says what is on record of drift: what differed, who wrote it, how it went on and how it ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from tests.support.commands import refused, said
from tests.support.drift import SERVICE, edit, incident
from tests.support.fixtures import in_own_task
from tests.support.product import Installation, config_map, is_synced
from tests.support.sandbox import read_facts
from tests.support.service import create_application
from trueup.cli.incidents import OVERVIEW
from trueup.cli.moments import lasted
from trueup.clients.cluster import Cluster
from trueup.clients.credentials import KubeconfigSource
from trueup.domain.incident import Incident
from trueup.sandbox.sandbox import running as running_sandbox

SECRET_VALUE = "tide-and-time-0815"
ANOTHER_VALUE = "another-one-4711"
SECRET = f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: hush\nstringData:\n  password: {SECRET_VALUE}\n"


@dataclass(frozen=True)
class Drifted:
    """What is on record of `harbour`, oldest first, and of `pier`, and at which revision they were right."""

    closed: Incident
    open: Incident
    secret: Incident
    revision: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def drifted(running: Installation) -> Drifted:
    """`harbour` drifted twice, `pier` by its Secret; `buoy` never did."""
    repository = await running.repository()
    revision = await repository.push(
        {
            "harbour/web.yaml": SERVICE.format(name="web"),
            "harbour/one.yaml": config_map("one", mood="calm"),
            "pier/hush.yaml": SECRET,
            "buoy/two.yaml": config_map("two", mood="calm"),
        }
    )
    for name in ("harbour", "pier", "buoy"):
        await running.apply(name, repository.url, path=name)
        said(await running.trueup("app", "sync", name))
        await running.until(name, is_synced(revision), "synced")
    await incident(running, "harbour", lambda one: one.ending == "Synced", "its first delivery is over")
    await running.at_rest()
    await edit(running, "ConfigMap", "one", {"data": {"mood": "stormy"}}, manager="first-hand")
    await incident(running, "harbour", lambda one: one.is_open and one.cause == "Drift", "opened")
    await edit(running, "ConfigMap", "one", {"data": {"mood": "calm"}}, manager="first-hand")
    closed = await incident(running, "harbour", lambda one: one.ending == "Reverted", "taken back")
    ports = [{"name": "http", "port": 81, "targetPort": 80, "protocol": "TCP"}]
    await edit(running, "Service", "web", {"spec": {"ports": ports, "selector": {"app": "web"}}}, manager="second-hand")
    opened = await incident(running, "harbour", lambda one: one.is_open and one.name != closed.name, "opened")
    await edit(running, "Secret", "hush", {"stringData": {"password": ANOTHER_VALUE}}, manager="third-hand")
    secret = await incident(running, "pier", lambda one: one.is_open and one.cause == "Drift", "opened")
    return Drifted(closed, opened, secret, revision)


def rows(words: str) -> list[dict[str, str]]:
    """The lines below the header, by column: each begins where its name stands in the header."""
    header, *lines = words.splitlines()
    assert header.split() == list(OVERVIEW)
    starts = [header.index(name) for name in OVERVIEW]
    ends = [*starts[1:], None]
    return [{name: line[a:b].strip() for name, a, b in zip(OVERVIEW, starts, ends, strict=True)} for line in lines]


def qualified(running: Installation, one: Incident) -> str:
    return f"{running.namespace}/{one.name}"


async def test_list_has_a_line_for_each_incident_newest_first(running: Installation, drifted: Drifted) -> None:
    found = rows(said(await running.trueup("drift", "list", "harbour", COLUMNS="40")))
    opened, closed = found[:2]
    assert opened == {
        "NAME": qualified(running, drifted.open),
        "APPLICATION": "harbour",
        "CAUSE": "Drift",
        "OPENED": opened["OPENED"],
        "CLOSED": "Open",
        "ENDING": "<none>",
        "TIMES": "1",
        "BY": "manager second-hand",
        "OBJECTS": f"Service {running.delivered_to}/web",
    }
    assert (closed["NAME"], closed["ENDING"], closed["BY"]) == (
        qualified(running, drifted.closed),
        "Reverted",
        "manager first-hand",
    )
    assert drifted.closed.closed_at is not None
    assert datetime.fromisoformat(closed["CLOSED"]) == drifted.closed.closed_at
    for row in found:
        assert row["OPENED"].endswith("Z"), "UTC"
    assert [row["OPENED"] for row in found] == sorted((row["OPENED"] for row in found), reverse=True)
    assert found[-1]["BY"] == "unknown", "what is missing was written by nobody"


async def test_list_is_of_all_or_of_one_application_or_of_what_is_open(running: Installation, drifted: Drifted) -> None:
    async def names(*arguments: str) -> list[str]:
        return said(await running.trueup("drift", "list", "-o", "name", *arguments)).splitlines()

    assert await names("--open") == [qualified(running, one) for one in (drifted.secret, drifted.open)]
    assert await names("--open", "harbour") == [qualified(running, drifted.open)]
    assert await names("--open=true", f"{running.namespace}/pier") == [qualified(running, drifted.secret)]
    everything = await names()
    assert {name.rpartition("/")[2].rpartition(".")[0] for name in everything} == {"harbour", "pier", "buoy"}
    assert set(await names("harbour")) < set(everything)
    assert await names("harbour", "-N", running.namespace) == await names("harbour")


async def test_list_is_filtered_by_application_by_time_and_by_who_it_was(
    running: Installation, drifted: Drifted
) -> None:
    async def names(*arguments: str) -> list[str]:
        return said(await running.trueup("drift", "list", "-o", "name", *arguments)).splitlines()

    assert await names("--application", "harbour") == await names("harbour")
    assert await names("--by", "first-hand") == [qualified(running, drifted.closed)]
    assert await names("--by", "third-hand", "-a", "pier") == [qualified(running, drifted.secret)]
    everything = await names()
    assert await names("--since", "1 day ago") == everything
    assert drifted.closed.closed_at is not None
    later = (drifted.closed.closed_at + timedelta(milliseconds=1)).isoformat()
    assert qualified(running, drifted.closed) not in await names("--since", later)
    assert await names("--since", later, "--open") == await names("--open")
    done = await running.trueup("drift", "list", "--by", "first")
    assert (done.stdout, done.stderr) == (b"", b"trueup: no incident that is asked for is on record\n")
    assert "--since: 'yesterday' is no moment" in refused(await running.trueup("drift", "list", "--since", "yesterday"))
    assert "two applications" in refused(await running.trueup("drift", "list", "pier", "-a", "harbour"))


async def test_stats_tell_how_long_repairs_took(running: Installation, drifted: Drifted) -> None:
    assert drifted.closed.closed_at is not None
    seconds = (drifted.closed.closed_at - drifted.closed.opened_at).total_seconds()
    counted = json.loads(said(await running.trueup("drift", "stats", "--by", "first-hand", "-o", "json")))
    means = dict.fromkeys(("meanSeconds", "medianSeconds", "secondsMax"), pytest.approx(seconds, abs=0.01))
    times = {"count": 1, **means}
    account = {"since": counted["since"], "incidents": 1, "open": 0, "drifts": 1, "repairs": times}
    account["byEnding"] = {"Reverted": times}
    assert counted == {**account, "applications": [{"name": "harbour", **account}]}
    facts, endings, applications = said(await running.trueup("drift", "stats")).split("\n\n")
    assert "Mean To Repair: " in facts
    assert endings.splitlines()[0].split() == ["ENDING", "REPAIRS", "MEAN", "MEDIAN", "LONGEST"]
    # What `buoy` had was a revision that nobody delivered, and no drift.
    assert {line.split()[0] for line in applications.splitlines()[1:]} == {"harbour", "pier"}
    nobody = said(await running.trueup("drift", "stats", "--by", "nobody"))
    assert "On Record:      nothing\n" in nobody
    assert "Mean To Repair: unknown\n" in nobody


async def test_where_nothing_is_on_record_it_is_said(running: Installation, drifted: Drifted) -> None:
    done = await running.trueup("drift", "list", "buoy", "--open")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode() == "trueup: no open incident is on record\n"
    assert json.loads(said(await running.trueup("drift", "list", "buoy", "--open", "-o", "json"))) == []


async def test_list_and_show_give_whole_records_to_programs(running: Installation, drifted: Drifted) -> None:
    listed = json.loads(said(await running.trueup("drift", "list", "--open", "-o", "json")))
    assert [raw["metadata"]["name"] for raw in listed] == [drifted.secret.name, drifted.open.name]
    assert yaml.safe_load(said(await running.trueup("drift", "list", "--open", "-o", "yaml"))) == listed
    shown = json.loads(said(await running.trueup("drift", "show", drifted.open.name, "-o", "json")))
    assert (shown["kind"], shown["spec"], shown["status"]) == ("Incident", listed[1]["spec"], listed[1]["status"])
    assert yaml.safe_load(said(await running.trueup("drift", "show", drifted.open.name, "-o", "yaml"))) == shown


async def test_show_tells_all_of_an_incident(running: Installation, drifted: Drifted) -> None:
    words = said(await running.trueup("drift", "show", drifted.closed.name, COLUMNS="40"))
    facts, differences, history, flips = words.split("\n\n")
    about = {title: fact.strip() for title, _, fact in (line.partition(":") for line in facts.splitlines())}
    moments = {title: datetime.fromisoformat(about.pop(title)) for title in ("Opened", "Updated", "Closed")}
    assert moments["Opened"] < moments["Closed"] == moments["Updated"]
    assert about == {
        "Name": qualified(running, drifted.closed),
        "Application": f"{running.namespace}/harbour",
        "Cluster": "https://kubernetes.default.svc",
        "Cause": "Drift",
        "Revision": drifted.revision,
        "Ending": "Reverted",
        "Times": "1",
        "Self-Heal": "off",
        "Trouble": "<none>",
    }
    (field,) = drifted.closed.objects[0].fields
    assert field.time
    assert differences.splitlines() == [
        f"===== ConfigMap {running.delivered_to}/one",
        "  data.mood",
        f"-   stormy  # by manager first-hand, {field.time}",
        "+   calm",
    ]
    title, header, first, last = history.splitlines()
    assert (title, header.split()) == ("How it went:", ["TIME", "WHAT", "BY", "FIELDS", "AFTER"])
    assert drifted.closed.closed_at is not None
    seconds = (drifted.closed.closed_at - drifted.closed.opened_at).total_seconds()
    assert first.split()[1:] == ["Opened", "manager", "first-hand", "1"]
    assert last.split()[1:] == ["Closed:", "Reverted", *lasted(seconds).split()]
    title, header, flip = flips.splitlines()
    assert title == "How often each place moved away from Git, as far as it is on record:"
    assert header.split() == ["OBJECT", "PATH", "BY", "TIMES", "LAST"]
    named = ["ConfigMap", f"{running.delivered_to}/one", "data.mood", "manager", "first-hand", "1"]
    assert flip.split()[:6] == named


async def test_an_application_stands_for_its_latest_incident(running: Installation, drifted: Drifted) -> None:
    words = said(await running.trueup("drift", "show", "harbour"))
    assert words == said(await running.trueup("drift", "show", qualified(running, drifted.open)))
    assert "Closed:         Open\n" in words
    assert f"===== Service {running.delivered_to}/web\n" in words
    difference = said(await running.trueup("app", "diff", "harbour"), code=1)
    for shown in (words, difference):
        values = [line for line in shown.splitlines() if line[:1] in ("-", "+")]
        assert [line.split()[-1] for line in (values[0].partition("  #")[0], values[1])] == ["81", "80"], shown


async def test_of_a_secret_it_is_shown_who_changed_what_and_no_value(running: Installation, drifted: Drifted) -> None:
    for output in ("wide", "json", "yaml"):
        words = said(await running.trueup("drift", "show", "pier", "-o", output))
        assert "data.password" in words
        assert "third-hand" in words
        for value in (SECRET_VALUE, ANOTHER_VALUE, "dGlkZS1hbmQ", "YW5vdGhlci1v"):
            assert value not in words


async def test_what_a_record_says_is_not_obeyed_by_the_terminal(running: Installation, drifted: Drifted) -> None:
    resource = await running.cluster.resource("trueup.dev", "Incident")
    hostile = {
        "apiVersion": "trueup.dev/v1alpha1",
        "kind": "Incident",
        "metadata": {"name": "hostile", "namespace": running.namespace},
        "spec": {
            "application": "nobody\x1b[2J",
            "applicationUid": "-",
            "cluster": "a\x9bm",
            "cause": "Drift",
            "openedAt": "2000-01-01T00:00:00Z",
        },
        "status": {
            "phase": "Open",
            "updatedAt": "2000-01-01T00:00:00Z",
            "trouble": "over\ntwo lines",
            "objects": [
                {
                    "kind": "ConfigMap\x1b[1A",
                    "name": "x",
                    "status": "OutOfSync",
                    "fields": [
                        {
                            "path": "\x1b]0;p",
                            "change": "changed",
                            "live": "\u202el",
                            "desired": "\x07d",
                            "manager": "\r",
                        }
                    ],
                }
            ],
        },
    }
    created = await running.cluster.create(resource, running.namespace, hostile)
    try:
        for arguments in (["list"], ["show", "hostile"]):
            words = said(await running.trueup("drift", *arguments))
            assert r"ConfigMap\x1b[1A x" in words
            assert all(char.isprintable() or char == "\n" for char in words)
        for part in (r"\x1b]0;p", r"-   \u202el", r"+   \x07d", r"# by manager \r", r"a\x9bm", "over two lines"):
            assert part in words
    finally:
        await running.cluster.delete(resource, running.namespace, "hostile", uid=created["metadata"]["uid"])


async def test_what_is_not_there_is_named(running: Installation, drifted: Drifted) -> None:
    where = f"in namespace {running.namespace}; `trueup drift list` names the incidents there are"
    sentence = refused(await running.trueup("drift", "show", "nope"))
    assert f"there is neither an Incident nor an Application nope {where}" in sentence
    assert "nor an Application harbour in namespace elsewhere;" in refused(
        await running.trueup("drift", "show", "harbour", "-N", "elsewhere")
    )
    assert f"there is no Application nope in namespace {running.namespace};" in refused(
        await running.trueup("drift", "list", "nope")
    )
    assert "'a/b/c' names no Application" in refused(await running.trueup("drift", "show", "a/b/c"))


async def test_an_application_that_never_drifted_has_nothing_to_show(running: Installation, drifted: Drifted) -> None:
    empty = await running.repository()
    await empty.push({"app/readme.txt": "nothing to deliver"})
    await running.apply("empty", empty.url)
    assert refused(await running.trueup("drift", "show", "empty")) == (
        f"no incident of {running.namespace}/empty is on record; `trueup app diff` says how it stands now"
    )


async def test_an_account_without_the_right_is_told_which_one(running: Installation, tmp_path: Path) -> None:
    accounts = await running.cluster.resource("", "ServiceAccount")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "guest"}}
    await running.cluster.create(accounts, running.namespace, account)
    done = await running.kubectl("create", "token", "guest", "-n", running.namespace)
    content = yaml.safe_load(running.sandbox.kubeconfig.read_text())
    content["users"][0]["user"] = {"token": done.stdout.decode().strip()}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(content))
    for verb, asked in ((["list"], "LIST incidents"), (["show", "x"], "GET incidents")):
        sentence = refused(await running.trueup("drift", *verb, KUBECONFIG=str(file)))
        assert sentence.startswith(f"{asked} {running.namespace}")
        assert "403" in sentence


async def test_a_cluster_that_keeps_no_incidents_is_told_what_to_install(running: Installation, tmp_path: Path) -> None:
    async with in_own_task(running_sandbox(tmp_path / "sandbox", progress=lambda _: None)):
        file = read_facts(tmp_path / "sandbox").kubeconfig
        async with Cluster(KubeconfigSource(str(file))) as cluster:
            resource = await cluster.resource("apiextensions.k8s.io", "CustomResourceDefinition")
            definition = await cluster.get(resource, "", "incidents.trueup.dev")
            assert definition is not None
            await cluster.delete(resource, "", "incidents.trueup.dev", uid=definition["metadata"]["uid"])
            await create_application(cluster, "argocd", "buoy", "https://git.example.com/acme/deploy.git")
        for verb in (["list"], ["show", "x"], ["watch"], ["stats"]):
            assert refused(await running.trueup("drift", *verb, KUBECONFIG=str(file))) == (
                "the cluster has no kind Incident of trueup.dev, so no drift is on record; "
                "install it: kubectl apply -f deploy/crds"
            )
        words = said(await running.trueup("app", "as-of", "argocd/buoy", "now", KUBECONFIG=str(file)))
        assert "Deployed:       unknown: no deployment is on record\n" in words
        assert "Incidents:      unknown: the cluster has no kind Incident of trueup.dev" in words
