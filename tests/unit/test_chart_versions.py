"""Which version of a chart a target revision stands for, and which names of repositories mean the same."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.webhooks.oci import addresses
from tests.support.git import secret
from trueup.domain.chart_repository import (
    chart_key,
    check_chart_name,
    check_chart_repository,
    is_loopback,
    is_refused_address,
    registry_place,
)
from trueup.domain.chart_version import best_version, newest
from trueup.domain.credentials import RepositoryCredentials, parse_secrets, select, select_for_charts
from trueup.domain.errors import InvalidSpecError
from trueup.domain.repository import normalize_url

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
VERSIONS = ["v1.2.3", "1.2.4", "1.3.0", "2.0.0-rc.1", "2.0.0", "2.1.0-beta", "1.3.0+a", "1.3.0+b", "nightly"]
part = st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True)


@pytest.mark.parametrize(
    ("target", "version"),
    [
        ("", "2.0.0"),
        ("*", "2.0.0"),
        ("x", "2.0.0"),
        ("1.2", "1.2.4"),
        ("1", "1.3.0+b"),
        ("1.2.3", "v1.2.3"),
        ("v1.2.4", "1.2.4"),
        ("^1.2 <1.3", "1.2.4"),
        ("1.3.0", "1.3.0"),
        ("1.3.0+a", "1.3.0+a"),
        ("v1.3.0+a", "1.3.0+a"),
        ("1.3.0+c", None),
        ("*-0", "2.1.0-beta"),
        ("2.0.0-rc.1", "2.0.0-rc.1"),
        (">2", None),
        ("nightly", "nightly"),
        ("latest", None),
        (" 1.2.4 ", "1.2.4"),
    ],
)
def test_a_target_revision_stands_for(target: str, version: str | None) -> None:
    assert best_version(target, VERSIONS) == version
    assert best_version(target, reversed(VERSIONS)) == version


@UNHURRIED
@given(st.text(max_size=20), st.lists(st.text("0123.v-a+", max_size=9), max_size=5))
def test_any_text_stands_for_one_of_them_or_none(target: str, versions: list[str]) -> None:
    found = best_version(target, versions)
    assert found is None or found in versions
    assert set(newest(versions, 3)) <= set(versions)


@UNHURRIED
@given(part, st.lists(part, max_size=3), part)
def test_a_push_that_a_registry_announces_is_the_charts(host: str, path: list[str], name: str) -> None:
    announced = {normalize_url(url) for url in addresses(f"{host}.example", "/".join([*path, name]))}
    parent = "/".join([f"{host}.example", *path])
    spellings = {
        chart_key(f"oci://{parent}", name),
        chart_key(parent, name),
        chart_key(f"oci://{host}.EXAMPLE:443/" + "/".join(path), name + "/"),
        chart_key(f"oci://{parent}/{name}", ""),
        chart_key(f"{host}.example", "/".join([*path, name])),
    }
    assert len(spellings) == 1
    assert spellings <= announced
    assert normalize_url(f"oci://{parent}") in announced or not path


def test_a_repository_with_an_index_is_one_for_all_of_its_charts() -> None:
    assert chart_key("https://charts.example/stable/", "a") == chart_key("https://charts.example/stable", "b")


def test_docker_hub_has_several_names() -> None:
    names = ("docker.io", "index.docker.io", "registry-1.docker.io")
    assert len({chart_key(f"oci://{name}/a", "b") for name in names}) == 1
    assert {registry_place(f"oci://{name}/a", "b", plain_http=False).host for name in names} == {"registry-1.docker.io"}


@pytest.mark.parametrize(
    "url",
    [
        "https://h",
        "https://h/p",
        "http://h:8080/p",
        "oci://h",
        "oci://h:5000/p",
        "h",
        "h:5000/p/q",
        "https://10.0.0.1/p",
    ],
)
def test_a_repository_of_charts(url: str) -> None:
    check_chart_repository(url, {"http", "https", "ssh"})


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ssh://git@h/p",
        "git@h:p",
        "file:///p",
        "ftp://h/p",
        "https://u:p@h/p",
        "oci://u@h/p",
        "https://h/p?x=y",
        "https://h/../p",
        "oci://169.254.169.254/p",
        "https://[fe80::1]/p",
        "https://[64:ff9b::a9fe:a9fe]/p",
        "https://[2002:a9fe:a9fe::]/p",
        "http://h/p",
        "https://h/p\nx",
        "-h/p",
    ],
)
def test_what_is_no_repository_of_charts(url: str) -> None:
    with pytest.raises(InvalidSpecError):
        check_chart_repository(url, {"https"})


@pytest.mark.parametrize("name", ["", "..", "a/../b", "/a", "a/", "a b", "a?b", "-a", "a\n", "x" * 251])
def test_what_no_chart_is_called(name: str) -> None:
    with pytest.raises(InvalidSpecError):
        check_chart_name(name)


def test_addresses() -> None:
    refused = ["169.254.0.1", "fe80::1%eth0", "224.0.0.1", "0.0.0.0", "::", "fd00:ec2::254", "::ffff:169.254.1.1"]  # noqa: S104
    assert all(map(is_refused_address, refused))
    assert not any(map(is_refused_address, ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "fd00::1", "93.184.216.34"]))
    assert [is_loopback(host) for host in ("localhost:5000", "127.0.0.2", "[::1]:5000", "10.0.0.1", "h")] == [
        *[True] * 3,
        *[False] * 2,
    ]


def parsed(kind: str = "repository", **data: str) -> RepositoryCredentials:
    (one,), faults = parse_secrets([secret("s", kind, **({"password": "word"} | data))])
    assert not faults
    return one


def test_a_login_for_charts_is_shown_to_no_git_host_and_the_other_way_round() -> None:
    url = "https://host.example/path"
    git = parsed(url=url)
    named = parsed(url=url, type="git")
    helm = parsed(url=url, type="helm")
    registry = parsed(url="host.example/path", type="helm", enableOCI="true")
    oci = parsed("repo-creds", url="oci://host.example", type="oci")
    for template in ("repository", "repo-creds"):
        assert select(url, [parsed(template, url=url, type="helm"), parsed(template, url=url, type="oci")]) is None
        assert select_for_charts(url, [parsed(template, url=url)]) is None
    everything = [git, named, helm, registry, oci]
    assert select(url, everything) in {git, named}
    assert select_for_charts(url, everything) == helm
    assert select_for_charts("oci://host.example/path", everything) == registry
    assert select_for_charts("host.example/path", everything) == registry
    assert select_for_charts("oci://host.example/other", everything) == oci
    assert select_for_charts("oci://other.example/path", everything) is None
    assert select_for_charts("http://host.example/path", everything) is None


def test_switches_of_a_registry() -> None:
    one = parsed(
        url="h.example/p",
        type="helm",
        enableOCI="true",
        insecureOCIForceHttp="true",
        forceHttpBasicAuth="true",
    )
    assert (one.enable_oci, one.force_http, one.type) == (True, True, "helm")
    assert set(one.secret_values) >= {"word"}


@pytest.mark.parametrize("key", ["tlsClientCertData", "sshPrivateKey", "gcpServiceAccountKey"])
def test_what_opens_no_charts_is_a_sentence(key: str) -> None:
    good, (fault,) = parse_secrets([secret("s", "repository", url="https://h", type="helm", **{key: "CANARY"})])
    assert not good
    assert key in fault
    assert "CANARY" not in fault
