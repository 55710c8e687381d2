"""Audit events: which of them count, what is kept of one, and that nothing in one is trusted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import unquote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.audit_kinds import AuditKinds
from service.audit_secrets import AuditTokens, given_token
from tests.support.arbitrary import HEADER_TEXT, JSON, paths, replaced
from tests.support.audit_writes import KEY, NOON, event, no_kinds, write
from trueup.clients.audit_stream import ENTRY_BYTES_FULL, ENTRY_BYTES_MAX, texts_of
from trueup.domain.audit import (
    GROUP_CHARS_MAX,
    GROUPS_MAX,
    USER_CHARS_MAX,
    AuditRecord,
    _asked,
    decode,
    encode,
    read_event,
)
from trueup.domain.audit_log import AuditLog, AuditLogBounds
from trueup.domain.audit_touch import CHAIN_NAMES_MAX, CHAINS_CHARS_MAX, CHAINS_MAX, Touched, touched_by
from trueup.domain.resource import ResourceKey

CANARY = "canary-in-a-body"


def read(**changed: Any) -> AuditRecord:
    found = read_event(event(**changed), lambda *_: "Deployment")
    assert isinstance(found, AuditRecord)
    return found


def test_of_a_write_is_kept_who_what_when_and_which_version() -> None:
    found = read(auditID="a-1")
    assert found.key == KEY
    assert (found.id, found.uid, found.version, found.verb, found.subresource) == ("a-1", "u-1", "12", "patch", "")
    assert found.manager == "kubectl-edit"
    assert (found.received_at, found.completed_at) == (NOON + 0.1, NOON + 0.12)
    assert (found.person.user, found.person.groups, found.person.address) == (
        "alice",
        ("dev", "system:authenticated"),
        "10.0.0.7",
    )
    assert found.person.agent.startswith("kubectl/v1.36.3")
    assert found.touched == Touched((("spec", "replicas"),))


@pytest.mark.parametrize(
    "changed",
    [
        {"stage": "RequestReceived"},
        {"stage": "ResponseStarted"},
        {"stage": "Panic"},
        {"verb": "get"},
        {"verb": "watch"},
        {"responseStatus": {"code": 409}},
        {"responseStatus": {"code": 500}},
        {"responseStatus": None},
        {"requestURI": "/apis/apps/v1/namespaces/shop/deployments/web?dryRun=All&fieldManager=x"},
        {"verb": "delete", "requestObject": {"kind": "DeleteOptions", "dryRun": ["All"]}},
        {"objectRef": {**event()["objectRef"], "subresource": "status"}},
        {"objectRef": {**event()["objectRef"], "subresource": "log"}},
        {"objectRef": None},
        {"verb": "update", "requestObject": {"metadata": {"resourceVersion": "12"}}},
        {"objectRef": {**event()["objectRef"], "resource": "widgets"}, "responseObject": None},
    ],
    ids=lambda changed: " ".join(f"{name}={value}"[:60] for name, value in changed.items()),
)
def test_what_is_no_write_of_a_known_object_is_ignored(changed: dict[str, Any]) -> None:
    kinds = {("apps", "deployments"): "Deployment"}
    assert read_event(event(**changed), lambda *place: kinds.get(place, "")) == "ignored"


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        "event",
        {},
        event(auditID=""),
        event(auditID=7),
        event(stage=None),
        event(user={}),
        event(stageTimestamp="yesterday"),
        event(stageTimestamp="2026-01-01T12:00:00"),
        event(requestReceivedTimestamp=NOON),
    ],
)
def test_what_is_no_event_is_malformed(raw: object) -> None:
    assert read_event(raw, no_kinds) == "malformed"


def test_the_manager_is_what_the_api_server_takes_it_for() -> None:
    uri = "/apis/apps/v1/namespaces/shop/deployments/web"
    assert read(requestURI=f"{uri}?fieldManager=my%20own").manager == "my own"
    assert read(requestURI=uri).manager == "kubectl"
    assert read(requestURI=uri, userAgent="k9\x07s\u0001/1 (x)").manager == "k9s"
    assert read(requestURI=uri, userAgent="Mozilla").manager == "Mozilla"
    assert len(read(requestURI=uri, userAgent="é" * 500).manager.encode()) == 128
    assert read(requestURI="http://[broken?fieldManager=x").manager == "x"
    assert read(requestURI=7).manager == "kubectl"


@pytest.mark.parametrize(
    "query",
    [
        "&".join([*(f"a{number}=b" for number in range(1_000)), "fieldManager=hidden"]),
        f"a={'b' * 20_000}&fieldManager=hidden",
        "field%4Danager=hidden",
        "fieldManager=hidden&fieldManager=other",
        "a;b&fieldManager=hidden",
    ],
    ids=["many", "long", "escaped", "twice", "semicolon"],
)
def test_no_query_hides_the_manager_or_a_dry_run(query: str) -> None:
    uri = f"/apis/apps/v1/namespaces/shop/deployments/web?{query}"
    assert read(requestURI=uri).manager == "hidden"
    dry = uri.replace("fieldManager=hidden", "dryRun=All").replace("field%4Danager=hidden", "dry%52un=All")
    assert read_event(event(requestURI=dry), no_kinds) == "ignored"


def test_the_address_is_the_one_that_the_api_server_saw_and_what_a_client_says_stands_behind_it() -> None:
    assert read(sourceIPs=["10.0.0.7"]).person.address == "10.0.0.7"
    # `X-Forwarded-For`, which anybody can send, comes first; the connection's own address comes last.
    assert read(sourceIPs=["203.0.113.9", "192.0.2.1", "10.0.0.7"]).person.address == "10.0.0.7 for 203.0.113.9"
    assert read(sourceIPs=[7, None]).person.address == ""


def test_what_a_scale_came_to_is_kept_and_a_custom_resource_may_lead_it_anywhere() -> None:
    def scale(group: str, **spec: int) -> AuditRecord:
        answered = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"resourceVersion": "5"}, "spec": spec}
        reference = {**event()["objectRef"], "apiGroup": group, "subresource": "scale"}
        found = read(objectRef=reference, responseObject=answered)
        assert decode(encode([found])) == (found,)
        return found

    assert (scale("apps", replicas=7).scaled_to, scale("apps").scaled_to) == (7, 0)
    assert scale("apps").touched == Touched((("spec", "replicas"),))
    assert scale("example.com", replicas=7).touched is None
    assert read().scaled_to is None
    assert read(objectRef={**event()["objectRef"], "subresource": "scale"}, responseObject=None).scaled_to is None


def test_the_uid_that_a_creation_asks_for_is_not_the_one_it_gets() -> None:
    reference = {**event()["objectRef"], "uid": "made-up"}
    assert read(verb="create", objectRef=reference, responseObject=None).uid == ""
    assert read(verb="update", objectRef=reference, responseObject=None).uid == "made-up"


def test_who_acts_as_somebody_else_is_named_with_both() -> None:
    assert read(impersonatedUser={"username": "admin"}).person.user == "alice as admin"


def test_everything_of_a_person_is_bounded_and_on_one_line() -> None:
    long = "x" * 10_000
    found = read(
        user={"username": f"ev\nil\x1b[31m{long}", "groups": [long] * 500 + [7]},
        sourceIPs=[long, "10.0.0.1"],
        userAgent=f"\r\n{long} ghp_0123456789abcdef0123",
        auditID=long,
    )
    assert found.person.user.startswith("ev?il?[31m")
    assert found.person.user.isprintable()
    assert len(encode([found])) < 5_000
    leaky = read(userAgent="curl/8 https://me:s3cr3t@host ghp_0123456789abcdef0123")
    assert "s3cr3t" not in leaky.person.agent
    assert "ghp_" not in leaky.person.agent


def test_nothing_of_what_was_sent_or_answered_is_kept() -> None:
    body = {"data": {"password": CANARY}, "metadata": {"annotations": {"note": CANARY}}}
    for kind in ("ConfigMap", "Secret"):
        answered = {"kind": kind, "apiVersion": "v1", "metadata": {"resourceVersion": "5", **body["metadata"]}, **body}
        reference = {"resource": f"{kind.lower()}s", "namespace": "shop", "name": "login", "apiVersion": "v1"}
        found = read(objectRef=reference, requestObject=body, responseObject={**answered, "metadata": {"uid": "u"}})
        assert CANARY not in encode([found])
        assert found.touched == (
            None if kind == "Secret" else Touched((("data", "password"), ("metadata", "annotations", "note")))
        )


def test_the_kind_is_learned_or_guessed_among_those_that_are_owned() -> None:
    kinds = AuditKinds()
    owned = {("", "ConfigMap"), ("networking.k8s.io", "Ingress"), ("", "Endpoints"), ("policy", "PodSecurityPolicy")}
    guesses = {
        ("", "configmaps"): "ConfigMap",
        ("networking.k8s.io", "ingresses"): "Ingress",
        ("", "endpoints"): "Endpoints",
        ("policy", "podsecuritypolicies"): "PodSecurityPolicy",
        ("apps", "deployments"): "",
    }
    assert {place: kinds.kind_of(*place, owned) for place in guesses} == guesses
    kinds.learn(event())
    assert kinds.kind_of("apps", "deployments", owned) == "Deployment"
    at_metadata = event(responseObject=None)
    found = read_event(at_metadata, lambda *place: kinds.kind_of(*place, owned))
    assert isinstance(found, AuditRecord)
    assert (found.key, found.version) == (KEY, "")


def test_a_namespace_does_not_lie_in_itself() -> None:
    reference = {"resource": "namespaces", "namespace": "shop", "name": "shop", "apiVersion": "v1"}
    answered = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "shop"}}
    assert read(objectRef=reference, responseObject=answered).key == ResourceKey("", "Namespace", "", "shop")


def test_a_patch_that_names_too_much_may_have_written_anything() -> None:
    assert touched_by({"data": {f"k{n}": "v" for n in range(CHAINS_MAX + 1)}}) is None
    assert touched_by({"data": {"k" * 10_000: "v"}}) is None
    assert touched_by({"apiVersion": "v1", "kind": "ConfigMap", "data": {}}) is None
    assert touched_by("no patch") is None
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"a": deep}
    found = touched_by(deep)
    assert found is not None
    assert [len(chain) for chain in found.written] == [CHAIN_NAMES_MAX]


@settings(max_examples=400)
@given(st.data())
def test_no_event_breaks_the_reader_and_what_it_keeps_passes_through_redis(data: st.DataObject) -> None:
    whole = event()
    at = data.draw(st.sampled_from(list(paths(whole))))
    found = read_event(replaced(whole, at, data.draw(JSON)), no_kinds)
    if isinstance(found, AuditRecord):
        assert len(encode([found])) < 20_000
        assert decode(encode([found])) == (found,)


def test_a_bound_on_entries_of_the_stream_is_a_bound_on_memory() -> None:
    long = {"users": "\U0001f600" * USER_CHARS_MAX, "names": "\U0001f600" * (CHAINS_CHARS_MAX // 2 - 1)}
    groups = tuple("\U0001f600" * GROUP_CHARS_MAX for _ in range(GROUPS_MAX))
    longest = write(long["users"], patch={"a": {long["names"]: 1}, "b": {long["names"]: None}})
    longest = replace(longest, person=replace(longest.person, groups=groups))
    for records in ([write("alice", str(number)) for number in range(3_000)], [longest] * 50):
        texts = list(texts_of(records))
        assert [record for text in texts for record in decode(text)] == records
        assert all(len(text.encode()) <= ENTRY_BYTES_MAX // 2 for text in texts)
        assert len(texts) <= 2 * sum(len(text.encode()) for text in texts) / ENTRY_BYTES_FULL + 1
    assert list(texts_of([])) == []


@settings(max_examples=300)
@given(JSON)
def test_no_patch_breaks_the_reader(patch: object) -> None:
    found = touched_by(patch)
    assert found is None or len(found.written) <= CHAINS_MAX


@settings(max_examples=300)
@given(st.text() | JSON.map(str))
def test_what_another_version_wrote_is_nothing(text: str) -> None:
    assert decode(text) == ()
    assert decode(encode([write("alice")]).replace('"v":2', '"v":3')) == ()


@settings(max_examples=300)
@given(HEADER_TEXT, st.sampled_from(["", "Bearer ", "Basic ", "basic ", "Negotiate "]))
def test_no_header_breaks_the_door_or_opens_it(text: str, scheme: str) -> None:
    tokens = AuditTokens()
    given_one = given_token(scheme + text)
    assert given_one is None or not tokens.opens("", given_one)


def test_a_log_knows_an_event_once_and_only_as_long_as_it_says_something() -> None:
    log = AuditLog(AuditLogBounds(events_max=100, events_per_object_max=3, age_seconds_max=60.0))
    first = write("alice")
    assert log.add("home", first, NOON)
    assert not log.add("home", first, NOON)
    assert log.add("elsewhere", first, NOON)
    assert not log.add("home", replace(first, id="old", completed_at=NOON - 61), NOON)
    assert log.of("home", KEY) == [first]
    assert log.of("home", replace(KEY, name="other")) == []


def test_a_write_is_not_taken_for_another_because_its_client_calls_it_by_the_same_id() -> None:
    log = AuditLog()
    first = write("mallory", "11")
    second = replace(first, version="12", received_at=NOON + 5, completed_at=NOON + 5.1)
    others = [replace(first, person=replace(first.person, user="alice")), replace(first, key=replace(KEY, name="db"))]
    assert [log.add("home", each, NOON) for each in (first, second, *others)] == [True] * 4
    assert [log.add("home", each, NOON) for each in (first, second, *others)] == [False] * 4


def test_one_object_that_is_written_all_the_time_does_not_push_the_others_out() -> None:
    log = AuditLog(AuditLogBounds(events_max=10, events_per_object_max=3))
    mine = write("alice", key=ResourceKey("", "ConfigMap", "shop", "one"))
    log.add("home", mine, NOON)
    for number in range(100):
        log.add("home", write("controller", str(number), at=NOON + number), NOON)
    assert log.of("home", mine.key) == [mine]
    assert [each.version for each in log.of("home", KEY)] == ["97", "98", "99"]
    for number in range(100):
        log.add("home", write("bob", key=replace(KEY, name=f"o{number}")), NOON)
    assert len(log) == 10
    assert log.of("home", mine.key) == []


def test_a_deletion_of_a_whole_kind_counts_for_each_of_its_objects() -> None:
    log = AuditLog()
    all_of_them = write("alice", "", verb="deletecollection", key=replace(KEY, name=""))
    log.add("home", all_of_them, NOON)
    assert log.of("home", KEY) == [all_of_them]
    assert log.of("home", replace(KEY, namespace="other")) == []


PARTS = st.sampled_from(
    [
        "dryRun",
        "dry%52un",
        "d%72yRun",
        "dryRu%6E",
        "dryRu%6e",
        "%64ryRun",
        "dryrun",
        "xdryRun",
        "dryRunx",
        "%",
        "%%",
        "+",
        "a",
    ]
)
QUERIES = st.lists(st.tuples(PARTS, st.sampled_from(["", "=", "=All", "=a=b", "=%41ll", "=a+b"])), max_size=5)


@given(QUERIES)
def test_a_name_in_a_query_is_found_as_a_server_finds_it(parts: list[tuple[str, str]]) -> None:
    query = "&".join(name + value for name, value in parts)
    decoded = [(unquote_plus(name), unquote_plus(value[1:])) for name, value in parts]
    wanted = next((value for name, value in decoded if name == "dryRun"), "")
    assert _asked({"requestURI": f"/api/v1/pods?{query}#dryRun=no"}, "dryRun") == wanted
