"""A cluster Secret leads to one cluster or says why not, whatever it holds and without a word of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.arbitrary import JSON
from trueup.clients.applications import parse_application
from trueup.domain.application import HOME_SERVER, Application
from trueup.domain.cluster_secret import ClusterSecret, parse_cluster_secret
from trueup.domain.clusters import Clusters, concerns
from trueup.domain.errors import InvalidSpecError
from trueup.domain.status import sync

SERVER = "https://10.0.0.1:6443"
PEM = base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode()


def secret(name: str, /, **data: Any) -> ClusterSecret:
    texts = {"name": name, **data}
    if isinstance(texts.get("config"), dict):
        texts["config"] = json.dumps(texts["config"])
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in texts.items()}
    return parse_cluster_secret({"metadata": {"namespace": "argocd", "name": f"secret-{name}"}, "data": encoded})


def application(
    destination: Mapping[str, str], compared: Mapping[str, str] | None = None, *, project: str = "default"
) -> Application:
    raw: dict[str, Any] = {
        "metadata": {"namespace": "argocd", "name": "shop"},
        "spec": {
            "project": project,
            "source": {"repoURL": "https://git.example.com/a.git", "path": "."},
            "destination": dict(destination),
        },
    }
    if compared is not None:
        resources = [{"kind": "ConfigMap", "namespace": "shop", "name": "one"}]
        raw["status"] = {"sync": {"comparedTo": {"destination": dict(compared)}}, "resources": resources}
    return parse_application(raw)


def test_everything_that_a_secret_may_say_of_a_login_is_kept() -> None:
    tls = {"serverName": "kube", "caData": PEM, "certData": PEM, "keyData": PEM, "insecure": False}
    config = {
        "username": "u",
        "password": "p",
        "bearerToken": "t\n",
        "tlsClientConfig": tls,
        "proxyUrl": "http://proxy:3128",
        "disableCompression": True,
        "execProviderConfig": None,
    }
    found = secret("east", server=f" {SERVER}/ ", project="web", config=config)
    assert (found.server, found.name, found.project, found.fault) == (SERVER, "east", "web", "")
    login = found.login
    assert (login.username, login.password, login.bearer_token) == ("u", "p", "t")
    assert (login.ca_data, login.certificate_data, login.key_data, login.tls_server_name) == (PEM, PEM, PEM, "kube")
    assert (login.insecure, login.proxy_url) == (False, "http://proxy:3128")
    assert repr(found) == "ClusterSecret(argocd/secret-east)"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "it has no server"),
        ({"server": "10.0.0.1"}, "not the URL of an API server"),
        ({"server": "https://user:hush@10.0.0.1"}, "not the URL of an API server"),
        ({"server": SERVER, "name": "in-cluster"}, "is the home cluster's"),
        ({"server": SERVER, "namespaces": "a,b"}, "bounds the cluster to some namespaces"),
        ({"server": SERVER, "config": "hush"}, "not JSON"),
        ({"server": SERVER, "config": "[]"}, "not a JSON object"),
        ({"server": SERVER, "config": {"execProviderConfig": {"command": "hush"}}}, "execProviderConfig"),
        ({"server": SERVER, "config": {"awsAuthConfig": {}}}, "awsAuthConfig"),
        ({"server": SERVER, "config": {"bearerToken": "hu\nsh"}}, "bearerToken"),
        ({"server": SERVER, "config": {"bearerToken": {"hush": 1}}}, "bearerToken"),
        ({"server": SERVER, "config": {"proxyUrl": "socks5://hush"}}, "proxyUrl"),
        ({"server": SERVER, "config": {"tlsClientConfig": {"caData": "hush!"}}}, "caData"),
        ({"server": SERVER, "config": {"tlsClientConfig": {"caData": PEM, "insecure": True}}}, "insecure"),
        ({"server": SERVER, "config": {"tlsClientConfig": {"certData": PEM}}}, "keyData"),
        ({"server": SERVER, "config": {"tlsClientConfig": {"insecure": "hush"}}}, "insecure"),
        ({"server": SERVER, "config": {"tlsClientConfig": "hush"}}, "tlsClientConfig"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence_that_quotes_nothing(data: dict[str, Any], words: str) -> None:
    fault = secret("east", **data).fault
    assert words in fault
    assert "hush" not in fault


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["metadata", "data", "kind"]), JSON))
def test_a_secret_of_any_shape_is_read(raw: Any) -> None:
    assert isinstance(parse_cluster_secret(raw).fault, str)


@settings(deadline=None)
@given(JSON, st.text(max_size=40), st.binary(max_size=40))
def test_a_config_of_any_shape_is_read_and_never_quoted(config: Any, token: str, noise: bytes) -> None:
    canary = "hush-hush-canary"
    for text in (
        json.dumps(config).encode(),
        json.dumps({"bearerToken": canary + token, "tlsClientConfig": config, "password": config}).encode(),
        canary.encode() + noise,
    ):
        data = {"server": SERVER, "name": "east"}
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        encoded["config"] = base64.b64encode(text).decode()
        found = parse_cluster_secret({"metadata": {"name": "x"}, "data": encoded})
        assert canary not in found.fault
        assert canary not in repr(found)


def test_the_home_cluster_is_reached_by_its_server_its_name_and_the_name_that_a_secret_gives_it() -> None:
    clusters = Clusters([secret("harbour", server=f"{HOME_SERVER}/", config={"awsAuthConfig": {}}, namespaces="a")])
    for destination in ({"server": HOME_SERVER}, {"name": "in-cluster"}, {"name": "harbour"}):
        found = clusters.placed(application(destination))
        assert clusters.secret_of(found) is None
        assert found.is_home_cluster
    assert clusters.of_server(HOME_SERVER) is None


def test_a_cluster_is_found_by_its_server_with_or_without_a_slash_and_by_its_name() -> None:
    east = secret("east", server=f"{SERVER}/")
    clusters = Clusters([east, secret("west", server="https://10.0.0.2")])
    for destination in ({"server": SERVER}, {"server": f"{SERVER}/"}, {"name": "east"}):
        found = clusters.placed(application(destination))
        assert clusters.secret_of(found) == east
        assert (found.server, found.is_home_cluster) == (SERVER, False)
        assert concerns(east, application(destination))
    assert not concerns(east, application({"name": "west"}))


@pytest.mark.parametrize(
    ("secrets", "destination", "words"),
    [
        ([], {"name": "east"}, '"east", and no cluster Secret has that name'),
        ([], {"server": "https://u:hush@10.0.0.1"}, "no cluster Secret has that server"),
        (
            [secret("east", server=SERVER), secret("other", name="east", server="https://b")],
            {"name": "east"},
            "2 cluster Secrets have that name",
        ),
        (
            [secret("east", server=SERVER), secret("twin", server=SERVER)],
            {"name": "east"},
            "2 cluster Secrets have that server",
        ),
        ([secret("east", server=SERVER, namespaces="a")], {"server": SERVER}, "bounds the cluster"),
        ([secret("east", server=SERVER, project="web")], {"name": "east"}, "another project"),
    ],
)
def test_a_destination_that_leads_nowhere_or_to_two_is_refused(
    secrets: list[ClusterSecret], destination: dict[str, str], words: str
) -> None:
    clusters = Clusters(secrets)
    with pytest.raises(InvalidSpecError) as refused:
        clusters.secret_of(clusters.placed(application(destination)))
    assert words in str(refused.value)
    assert "hush" not in str(refused.value)


def test_a_cluster_of_a_project_is_reached_by_the_applications_of_that_project() -> None:
    east = secret("east", server=SERVER, project="web")
    assert Clusters([east]).secret_of(application({"server": SERVER}, project="web")) == east


@pytest.mark.parametrize(
    ("compared", "destination", "moved"),
    [
        ({"server": HOME_SERVER}, {"name": "in-cluster"}, False),
        ({"server": HOME_SERVER}, {"server": SERVER}, True),
        ({"server": SERVER}, {"server": f"{SERVER}/"}, False),
        ({"name": "east", "server": SERVER}, {"name": "east"}, False),
        ({"name": "east", "server": SERVER}, {"server": SERVER}, False),
        # The name stands for another server than it did.
        ({"name": "east", "server": "https://b"}, {"name": "east"}, True),
        ({"name": "east", "server": SERVER}, {"name": "west"}, True),
        # As another tool records it: without the server.
        ({"name": "east"}, {"name": "east"}, False),
        ({"name": "west"}, {"name": "east"}, True),
    ],
)
def test_an_inventory_counts_on_the_cluster_that_it_was_made_of_and_on_no_other(
    compared: dict[str, str], destination: dict[str, str], moved: bool
) -> None:
    found = Clusters([secret("east", server=SERVER)]).placed(application(destination, compared))
    assert found.has_moved is moved
    assert len(found.inventory) == (not moved)
    # A run that could not compare leaves the record of what the inventory is of.
    assert sync(found, status="Unknown", revision="", is_compared=False)["comparedTo"]["destination"] == compared
    after = sync(found, status="Synced", revision="")["comparedTo"]["destination"]
    expected = {**destination, **({"server": SERVER} if destination.get("name") == "east" else {})}
    assert after == expected
