"""A credential that somebody put in plain beside its name is known for one, and what only sounds like one is not."""

from __future__ import annotations

from typing import Any

import pytest

from trueup.domain.adoption.credentials import credentials_in
from trueup.domain.fieldpath import Item, Path
from trueup.domain.resource import ResourceKey

WEB = ResourceKey("apps", "Deployment", "shop", "web")
SETTINGS = ResourceKey("", "ConfigMap", "shop", "one")
CONTAINER: Path = ("spec", "template", "spec", "containers", Item((("name", "web"),)))


def env(name: str) -> Path:
    return (*CONTAINER, "env", Item((("name", name),)))


FOUND: list[tuple[Any, Path, ResourceKey]] = [
    ("tide-0815", (*env("DB_PASSWORD"), "value"), WEB),
    ({"name": "API_TOKEN", "value": "tide-0815"}, env("API_TOKEN"), WEB),
    ([{"name": "A", "value": "1"}, {"name": "AWS_SECRET_ACCESS_KEY", "value": "tide-0815"}], (*CONTAINER, "env"), WEB),
    (
        {"name": "x", "env": [{"name": "dbPassword", "value": "tide-0815"}]},
        (*CONTAINER[:-1], Item((("name", "x"),))),
        WEB,
    ),
    ("tide-0815", ("data", "smtp.password"), SETTINGS),
    ({"api-key": "tide-0815", "other": "x"}, ("data",), SETTINGS),
    (["serve", "--admin-token=tide-0815"], (*CONTAINER, "args"), WEB),
    ({"name": "X-Auth-Token", "value": "tide-0815"}, (*CONTAINER, "httpHeaders", 0), WEB),
]


@pytest.mark.parametrize(("value", "path", "key"), FOUND)
def test_a_credential_is_known_by_the_name_beside_it(value: Any, path: Path, key: ResourceKey) -> None:
    assert list(credentials_in(value, path, key)) == ["tide-0815"]


NOTHING: list[tuple[Any, Path, ResourceKey]] = [
    ("600", (*env("TOKEN"), "value"), WEB),
    ("tide-0815", (*env("TOKEN_ISSUER"), "value"), WEB),
    ("/run/secrets/token", (*env("DB_PASSWORD"), "value"), WEB),
    ("$(OTHER)", (*env("DB_PASSWORD"), "value"), WEB),
    ("true", (*env("AUTH_TOKEN"), "value"), WEB),
    (
        {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
        env("DB_PASSWORD"),
        WEB,
    ),
    ("password", (*CONTAINER, "envFrom", 0, "secretRef", "name"), WEB),
    ("tide-0815", ("metadata", "labels", "token"), WEB),
    (["--token-file=/run/x", "--password=$(DB)"], (*CONTAINER, "args"), WEB),
    (3, ("spec", "replicas"), WEB),
    (None, (*env("DB_PASSWORD"), "value"), WEB),
]


@pytest.mark.parametrize(("value", "path", "key"), NOTHING)
def test_what_only_speaks_of_one_is_none(value: Any, path: Path, key: ResourceKey) -> None:
    assert list(credentials_in(value, path, key)) == []
