"""Two sets of objects held against each other: matched by what they are, and alike but for what somebody meant."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.fieldpath import show
from trueup.domain.two_sides import Pair, Strip, Whose, difference, paired

STAGING, PRODUCTION = "staging", "production"
WHOSE = (Whose("shop-staging", STAGING), Whose("shop", PRODUCTION))


def deployment(namespace: str, name: str = "web", *, replicas: int = 1, **container: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "web", "image": "web:1", **container}]},
            },
        },
    }


def config(place: str, name: str = "settings", **data: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": place}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def pairs(
    before: list[Any], after: list[Any], *, strip: Strip | None = None, is_live: bool = False
) -> tuple[Pair, ...]:
    return paired(before, after, whose=WHOSE, strip=strip or Strip(), is_live=is_live)


def changes(pair: Pair) -> list[tuple[str, str, Any, Any]]:
    return [(show(change.path), change.kind, change.live, change.desired) for change in difference(pair).changes]


def test_objects_are_matched_by_kind_and_name_wherever_they_are() -> None:
    found = pairs(
        [deployment(STAGING), config(STAGING, mood="calm"), config(STAGING, "old")],
        [deployment(PRODUCTION, replicas=3), config(PRODUCTION, mood="calm"), config(PRODUCTION, "new")],
    )
    told = {(pair.key.kind, pair.key.name): (difference(pair).status, changes(pair)) for pair in found}
    assert told == {
        ("Deployment", "web"): ("OutOfSync", [("spec.replicas", "changed", 1, 3)]),
        ("ConfigMap", "settings"): ("Synced", []),
        ("ConfigMap", "old"): ("Missing", []),
        ("ConfigMap", "new"): ("Missing", []),
    }
    assert all(pair.key.namespace == "" for pair in found)


def test_what_either_side_has_and_the_other_lacks_is_told() -> None:
    before = deployment(STAGING, env=[{"name": "DEBUG", "value": "1"}, {"name": "SHARED", "value": "x"}])
    after = deployment(PRODUCTION, env=[{"name": "SHARED", "value": "x"}, {"name": "CACHE", "value": "on"}])
    (pair,) = pairs([before], [after])
    where = "spec.template.spec.containers[name=web].env"
    assert changes(pair) == [
        (f"{where}[name=CACHE]", "missing", None, {"name": "CACHE", "value": "on"}),
        (f"{where}[name=DEBUG]", "extra", {"name": "DEBUG", "value": "1"}, None),
    ]


def test_values_of_a_secret_are_one_place_however_they_are_written() -> None:
    def secret(**section: dict[str, str]) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hush"}, **section}

    (pair,) = pairs([secret(stringData={"key": "abc"})], [secret(data={"key": "YWJj"})])
    assert changes(pair) == []
    (pair,) = pairs([secret(stringData={"key": "abc"})], [secret(stringData={"key": "abd"})])
    assert changes(pair) == [("data.key", "changed", "YWJj", "YWJk")]


def test_a_namespace_of_its_own_is_no_difference_and_another_one_is() -> None:
    def binding(namespace: str, subject: str) -> dict[str, Any]:
        return {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "readers"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": subject}],
        }

    (pair,) = pairs([binding(STAGING, STAGING)], [binding(PRODUCTION, PRODUCTION)])
    assert changes(pair) == []
    (pair,) = pairs([binding(STAGING, STAGING)], [binding(PRODUCTION, STAGING)])
    assert difference(pair).status == "OutOfSync"
    (pair,) = pairs([config(STAGING, namespace=STAGING)], [config(PRODUCTION, namespace=PRODUCTION)])
    assert changes(pair) == [("data.namespace", "changed", STAGING, PRODUCTION)], "what people wrote is what they meant"


def test_the_label_with_an_applications_own_name_is_no_difference() -> None:
    def labelled(body: dict[str, Any], instance: str) -> dict[str, Any]:
        label = {"app.kubernetes.io/instance": instance}
        body["metadata"]["labels"] = label
        body["spec"]["selector"]["matchLabels"] |= label
        body["spec"]["template"]["metadata"]["labels"] |= label
        return body

    before = labelled(deployment(STAGING), "shop-staging")
    (pair,) = pairs([before], [labelled(deployment(PRODUCTION), "shop")])
    assert changes(pair) == []
    (pair,) = pairs([before], [labelled(deployment(PRODUCTION), "another")])
    assert len(changes(pair)) == 3
    (pair,) = pairs([labelled(deployment(STAGING), "another")], [labelled(deployment(PRODUCTION), "shop")])
    assert len(changes(pair)) == 3, "each once, also in a selector, which is one value as a whole"


def test_several_of_one_name_are_matched_by_the_namespace_and_never_across() -> None:
    before = [config(STAGING, mood="own"), config("shared", mood="same")]
    after = [config(PRODUCTION, mood="own"), config("shared", mood="same"), config("extra", mood="new")]
    found = pairs(before, after)
    assert sorted(difference(pair).status for pair in found) == ["Missing", "Synced", "Synced"]


def test_prefixes_and_suffixes_are_stripped_off_names_and_off_what_refers_to_them() -> None:
    def side(namespace: str, prefix: str, suffix: str) -> list[dict[str, Any]]:
        name = f"{prefix}settings{suffix}"
        web = deployment(namespace, f"{prefix}web{suffix}", envFrom=[{"configMapRef": {"name": name}}])
        return [config(namespace, name, mood="calm", other=f"{prefix}else"), web]

    sides = side(STAGING, "staging-", "-a"), side(PRODUCTION, "prod-", "-b")
    strip = Strip(("staging-", "prod-"), ("-a", "-b"))
    found = {pair.key.name: changes(pair) for pair in pairs(*sides, strip=strip)}
    assert found == {"settings": [("data.other", "changed", "staging-else", "prod-else")], "web": []}
    assert [difference(pair).status for pair in pairs(*sides)] == ["Missing"] * 4


def test_names_that_come_to_one_are_two_objects_still() -> None:
    both = [config(STAGING, "x-settings", n="1"), config(STAGING, "y-settings", n="2")]
    found = pairs(both, [], strip=Strip(("x-", "y-")))
    assert len(found) == 2


def test_a_name_that_is_all_prefix_stays() -> None:
    assert Strip(("web",), ("web",)).name("web") == "web"
    assert Strip(("",), ("",)).name("web") == "web"
    assert Strip(("a-", "b-"), ("-y", "-z")).name("a-b-web-z-y") == "b-web-z"


def live(body: dict[str, Any], number: int) -> dict[str, Any]:
    """As an API server would have it."""
    body = deepcopy(body)
    body["metadata"] |= {
        "uid": f"u{number}",
        "resourceVersion": str(number),
        "creationTimestamp": f"2026-01-0{number}T00:00:00Z",
        "generation": number,
        "annotations": {
            "argocd.argoproj.io/tracking-id": f"app{number}:x",
            "deployment.kubernetes.io/revision": str(number),
            "kubectl.kubernetes.io/last-applied-configuration": f"{number}",
        },
        "ownerReferences": [{"kind": "X", "name": "x", "uid": f"o{number}"}],
        "managedFields": [
            {
                "manager": "trueup" if number == 1 else "kubectl-edit",
                "operation": "Apply",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": {"f:replicas": {}}},
            }
        ],
    }
    return body | {"status": {"observedGeneration": number}}


def test_what_the_cluster_assigned_is_no_difference() -> None:
    (pair,) = pairs([live(deployment(STAGING), 1)], [live(deployment(PRODUCTION), 2)], is_live=True)
    assert changes(pair) == []

    def service(number: int, cluster_ip: str = "") -> dict[str, Any]:
        address = cluster_ip or f"10.0.0.{number}"
        ports = [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 80, "nodePort": 30_000 + number}]
        spec = {"clusterIP": address, "clusterIPs": [address], "ports": ports, "type": "NodePort"}
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}

    (pair,) = pairs([live(service(1), 1)], [live(service(2), 2)], is_live=True)
    assert changes(pair) == []
    (pair,) = pairs([live(service(1, "None"), 1)], [live(service(2), 2)], is_live=True)
    assert [change[0] for change in changes(pair)] == ["spec.clusterIP", "spec.clusterIPs"], "headless is meant"
    (pair,) = pairs([service(1)], [service(2)])
    assert len(changes(pair)) == 3, "what Git says is meant"


def test_who_owns_what_is_live_makes_no_difference() -> None:
    def widget(names: str, *, owned: bool) -> dict[str, Any]:
        items = {f'k:{{"name":"{name}"}}': {".": {}, "f:name": {}, "f:size": {}} for name in names}
        entry = {"manager": "trueup", "operation": "Apply", "fieldsType": "FieldsV1"}
        managed = [{**entry, "fieldsV1": {"f:spec": {"f:items": items}}}] if owned else []
        spec = {"items": [{"name": name, "size": 1} for name in names]}
        metadata = {"name": "w", "managedFields": managed}
        return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata, "spec": spec}

    for before, after in ((True, True), (True, False), (False, True)):
        (pair,) = pairs([widget("ab", owned=before)], [widget("bc", owned=after)], is_live=True)
        (plain,) = pairs([widget("ab", owned=False)], [widget("bc", owned=False)], is_live=True)
        assert changes(pair) == changes(plain)


def test_a_default_that_one_side_spells_out_is_no_difference() -> None:
    before = deployment(STAGING, ports=[{"containerPort": 80}])
    after = deployment(PRODUCTION, ports=[{"containerPort": 80, "protocol": "TCP"}], resources={})
    (pair,) = pairs([before], [after])
    assert changes(pair) == []


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)
bodies = st.fixed_dictionaries(
    {
        "apiVersion": st.sampled_from(["example.com/v1"]),
        "kind": st.just("Widget"),
        "metadata": st.fixed_dictionaries(
            {"name": st.just("w"), "labels": st.dictionaries(st.text("ab"), st.text("ab"))}
        ),
        "spec": values,
    }
)


@given(bodies)
def test_nothing_differs_from_itself(body: dict[str, Any]) -> None:
    (pair,) = pairs([body], [deepcopy(body)])
    assert difference(pair).status == "Synced"


@given(bodies, bodies)
def test_whether_two_differ_does_not_hang_on_which_is_first(one: dict[str, Any], other: dict[str, Any]) -> None:
    (forth,), (back,) = pairs([one], [other]), pairs([other], [one])
    assert difference(forth).status == difference(back).status


@pytest.mark.parametrize("is_live", [False, True])
@given(body=st.dictionaries(st.sampled_from(["apiVersion", "kind", "metadata", "spec"]), values, max_size=4))
def test_whatever_an_object_is_it_is_matched(body: dict[str, Any], is_live: bool) -> None:
    body = {**body, "kind": "Service", "apiVersion": "v1"}
    if not isinstance(body.get("metadata"), dict):
        body["metadata"] = {}
    assert pairs([body], [], is_live=is_live)
