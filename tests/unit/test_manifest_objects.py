"""Files become objects that are named, cleaned and in their namespace; anything doubtful is refused by place."""

from __future__ import annotations

import orjson
import pytest

from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.manifest import RawObject, desired_hash, parse_manifests, settle_namespaces
from trueup.domain.object_options import ObjectOptions, object_options, refused_features
from trueup.domain.resource import ResourceKey

SCOPES = {("", "ConfigMap"): True, ("", "Namespace"): False, ("rbac.authorization.k8s.io", "ClusterRole"): False}


def parse(text: str, path: str = "app/f.yaml") -> tuple[RawObject, ...]:
    return parse_manifests([(path, text.encode())]).objects


def refusal(text: str, path: str = "app/f.yaml") -> str:
    with pytest.raises(StalledError) as caught:
        parse(text, path)
    return str(caught.value)


def config_map(name: str = "a", metadata: str = "", rest: str = "") -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n{metadata}{rest}"


def test_every_object_knows_where_it_stands():
    found = parse(config_map("a") + "---\n" + config_map("b"))
    assert [(o.name, o.origin) for o in found] == [("a", "app/f.yaml, document 1"), ("b", "app/f.yaml, document 2")]


def test_files_keep_their_order():
    files = [("b.yaml", config_map("b").encode()), ("a.yaml", config_map("a").encode())]
    assert [o.name for o in parse_manifests(files).objects] == ["b", "a"]


def test_a_list_is_taken_apart_in_order():
    found = parse(
        "apiVersion: v1\nkind: List\nitems:\n"
        "- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n"
        "- apiVersion: v1\n  kind: List\n  items:\n"
        "  - {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n"
        "- {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}\n"
    )
    assert [(o.name, o.origin) for o in found] == [
        ("a", "app/f.yaml, document 1, item 1"),
        ("b", "app/f.yaml, document 1, item 2, item 1"),
        ("c", "app/f.yaml, document 1, item 3"),
    ]


def test_a_typed_list_lends_its_items_their_kind():
    (found,) = parse("apiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: a}\n")
    assert (found.group, found.version, found.kind, found.name) == ("", "v1", "ConfigMap", "a")


@pytest.mark.parametrize("items", ["items: []", "items:", "items: null"])
def test_an_empty_list_holds_nothing(items):
    assert parse(f"apiVersion: v1\nkind: ConfigMapList\n{items}\n") == ()


def test_a_kind_that_only_ends_in_list_is_an_object():
    (found,) = parse("apiVersion: example.org/v1\nkind: AllowList\nmetadata: {name: a}\nspec: {items: [1]}\n")
    assert (found.kind, found.group) == ("AllowList", "example.org")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("kind: ConfigMap\nmetadata: {name: a}\n", "apiVersion is missing"),
        ("apiVersion: v1\nmetadata: {name: a}\n", "kind is missing"),
        ("apiVersion: 1\nkind: ConfigMap\nmetadata: {name: a}\n", "apiVersion is not a string"),
        ("apiVersion: a/b/c\nkind: ConfigMap\nmetadata: {name: a}\n", "apiVersion is not one"),
        ("apiVersion: v1\nkind: true\nmetadata: {name: a}\n", "kind is not a string"),
        ("apiVersion: v1\nkind: Config/Map\nmetadata: {name: a}\n", "kind is not one"),
        ("apiVersion: v1\nkind: ConfigMap\n", "no metadata"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: [a]\n", "no metadata"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n", "metadata.name is missing"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 5}\n", "metadata.name is not a string"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a/b}\n", "metadata.name is not one"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ..}\n", "metadata.name is not one"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: 5}\n", "metadata.namespace is not a string"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: a/b}\n", "metadata.namespace is not one"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {x: 5}}\n", "'x' is not a string"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {on: yes}}\n", "'true' is not a string"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: [x]}\n", "metadata.labels is not a mapping"),
        ("- a\n- b\n", "not an object"),
        ("just text\n", "not an object"),
        ("apiVersion: v1\nkind: List\n", "needs `items`"),
        ("apiVersion: v1\nkind: List\nitems: [5]\n", "item 1: it is not an object"),
    ],
)
def test_an_object_that_is_none_is_refused_by_name(text, named):
    message = refusal(text)
    assert named in message
    assert message.startswith("app/f.yaml, document 1")


def test_a_generated_name_is_refused_as_not_supported():
    with pytest.raises(InvalidSpecError, match="generateName"):
        parse("apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n")


def test_yaml_that_is_no_manifest_is_passed_over_and_named():
    parsed = parse_manifests([("values.yaml", b"replicas: 2\n"), ("a.yaml", config_map().encode())])
    assert parsed.unrelated == ("values.yaml",)
    assert [o.name for o in parsed.objects] == ["a"]


@pytest.mark.parametrize("text", ["replicas: 2\n---\n" + config_map(), "kind: x\n", "{{ .Values.x }}: {{ y\n", "a: ["])
def test_a_file_that_may_be_a_broken_manifest_is_never_passed_over(text):
    assert "app/f.yaml" in refusal(text)


def test_json_files_are_read_as_json():
    (found,) = parse('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}', "app/f.json")
    assert found.name == "a"
    assert "one JSON value" in refusal("apiVersion: v1\n", "app/f.json")


def test_more_objects_than_the_bound_are_refused():
    with pytest.raises(StalledError, match="more than 1 objects"):
        parse_manifests([("f.yaml", (config_map("a") + "---\n" + config_map("b")).encode())], objects_max=1)


def test_what_was_exported_from_a_cluster_can_be_committed():
    exported = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  uid: u\n  resourceVersion: '5'\n  generation: 2\n"
        "  creationTimestamp: 2024-01-01T00:00:00Z\n  selfLink: /x\n  managedFields: [{manager: kubectl}]\n"
        "  labels: {empty: , app: x}\n  namespace:\n"
        "  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: '{}'\n    keep: me\n"
        "status: {phase: Active}\ndata: {x: v}\n"
    )
    (found,) = parse(exported)
    assert found.body == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "labels": {"empty": "", "app": "x"}, "annotations": {"keep": "me"}},
        "data": {"x": "v"},
    }


def test_namespaces_are_settled_by_the_scope_of_the_kind():
    objects = parse(
        config_map("plain")
        + "---\n"
        + config_map("placed", "  namespace: elsewhere\n")
        + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: team, namespace: wrong}\n"
        + "---\napiVersion: example.org/v1\nkind: Unheard\nmetadata: {name: of}\n"
    )
    settled = settle_namespaces(objects, namespaced=SCOPES, default_namespace="home").manifests
    assert [m.key for m in settled] == [
        ResourceKey("", "ConfigMap", "home", "plain"),
        ResourceKey("", "ConfigMap", "elsewhere", "placed"),
        ResourceKey("", "Namespace", "", "team"),
        ResourceKey("example.org", "Unheard", "home", "of"),
    ]
    assert [m.body["metadata"].get("namespace") for m in settled] == ["home", "elsewhere", None, "home"]
    assert "namespace" not in objects[0].body["metadata"]
    assert all(ResourceKey.of(m.body) == m.key for m in settled)


def test_an_object_described_twice_is_refused_with_both_places():
    objects = parse(config_map("a") + "---\n" + config_map("a", "  namespace: home\n"))
    with pytest.raises(StalledError) as caught:
        settle_namespaces(objects, namespaced=SCOPES, default_namespace="home")
    assert "document 1" in str(caught.value)
    assert "document 2" in str(caught.value)


def test_the_same_name_in_another_version_is_the_same_object():
    objects = parse(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n---\n"
        "apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: a}\n"
    )
    with pytest.raises(StalledError, match="described twice"):
        settle_namespaces(objects, namespaced={}, default_namespace="home")


def test_without_any_namespace_a_namespaced_object_is_refused():
    with pytest.raises(StalledError, match=r"spec\.destination\.namespace"):
        settle_namespaces(parse(config_map()), namespaced=SCOPES, default_namespace="")


def test_the_hash_sees_content_and_not_the_order_of_keys():
    def hashed(text: str) -> str:
        (manifest,) = settle_namespaces(parse(text), namespaced=SCOPES, default_namespace="home").manifests
        return desired_hash(manifest)

    one = hashed("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1', y: '2'}\n")
    assert one == hashed("data: {y: '2', x: '1'}\nmetadata: {name: a}\nkind: ConfigMap\napiVersion: v1\nstatus: {}\n")
    assert one != hashed("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1', y: '3'}\n")


def annotated(**annotations: str) -> RawObject:
    text = orjson.dumps({k.replace("__", "/").replace("_", "-"): v for k, v in annotations.items()}).decode()
    (found,) = parse(config_map("a", f"  annotations: {text}\n"))
    return found


@pytest.mark.parametrize("wave", ["0", " 0", "-0", "+0"])
def test_the_first_sync_wave_is_no_wave(wave):
    assert refused_features(annotated(**{"argocd.argoproj.io__sync_wave": wave})) == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("argocd.argoproj.io__sync_wave", "1"),
        ("argocd.argoproj.io__sync_wave", "-5"),
        ("argocd.argoproj.io__sync_wave", "first"),
        ("argocd.argoproj.io__hook", "PreSync"),
        ("argocd.argoproj.io__hook", "Skip"),
        ("helm.sh__hook", "pre-install"),
        ("helm.sh__hook_weight", "1"),
        ("argocd.argoproj.io__sync_options", "Replace=true"),
        ("argocd.argoproj.io__sync_options", "Validate=false, Force=true"),
        ("argocd.argoproj.io__sync_options", "Prune=confirm"),
        ("argocd.argoproj.io__sync_options", "Delete=confirm"),
    ],
)
def test_what_is_not_done_yet_is_refused_by_object_and_place(name, value):
    (sentence,) = refused_features(annotated(**{name: value}))
    assert sentence.startswith("app/f.yaml, document 1: ConfigMap a: ")


def test_every_refused_feature_has_its_own_sentence():
    found = annotated(
        **{"argocd.argoproj.io__sync_wave": "1", "argocd.argoproj.io__sync_options": "Replace=true,Force=true"}
    )
    assert len(refused_features(found)) == 3


def test_options_of_one_object():
    assert object_options(parse(config_map())[0].body) == ObjectOptions()
    found = annotated(
        **{
            "argocd.argoproj.io__sync_options": "Prune=false, Delete=false,Validate=false,ServerSideApply=true,New=1",
            "argocd.argoproj.io__compare_options": "IgnoreExtraneous",
        }
    )
    assert object_options(found.body) == ObjectOptions(
        prune=False, delete=False, validate=False, server_side_apply=True, ignore_extraneous=True, unknown=("New",)
    )
    assert refused_features(found) == ()
    assert not object_options(annotated(helm_sh="x", **{"helm.sh__resource_policy": "keep"}).body).delete


def test_options_of_a_live_object_that_has_no_annotations_are_the_usual_ones():
    assert object_options({"kind": "ConfigMap"}) == ObjectOptions()
    assert object_options({"metadata": {"annotations": None}}) == ObjectOptions()
