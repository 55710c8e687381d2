"""One order for everything that is written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.order import apply_order
from trueup.domain.resource import ResourceKey

KEYS = st.builds(
    ResourceKey,
    st.sampled_from(["", "apps", "example.com"]),
    st.sampled_from(["Namespace", "Secret", "Deployment", "Widget", "Gadget"]),
    st.sampled_from(["", "n", "m"]),
    st.sampled_from(["a", "b"]),
)


def sorted_kinds(*kinds: str) -> list[str]:
    return [key.kind for key in sorted((ResourceKey("", kind, "n", "a") for kind in kinds), key=apply_order)]


def test_what_others_stand_on_comes_first_and_unknown_kinds_last() -> None:
    kinds = ["Widget", "APIService", "Ingress", "Deployment", "Service", "ConfigMap", "CustomResourceDefinition"]
    assert sorted_kinds(*kinds, "ServiceAccount", "Namespace", "Role") == [
        "Namespace",
        "ServiceAccount",
        "ConfigMap",
        "CustomResourceDefinition",
        "Role",
        "Service",
        "Deployment",
        "Ingress",
        "APIService",
        "Widget",
    ]


def test_within_a_kind_it_goes_by_namespace_and_name() -> None:
    names = [("n", "b"), ("m", "c"), ("n", "a")]
    keys = sorted((ResourceKey("", "Secret", namespace, name) for namespace, name in names), key=apply_order)
    assert [(key.namespace, key.name) for key in keys] == [("m", "c"), ("n", "a"), ("n", "b")]


@given(one=KEYS, other=KEYS)
def test_the_order_is_total(one: ResourceKey, other: ResourceKey) -> None:
    assert (apply_order(one) == apply_order(other)) == (one == other)
