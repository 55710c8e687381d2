"""What may be secret in Jsonnet is masked in what is said of it, and the rest is left readable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.redact import MASK
from trueup.domain.source import JsonnetVariable
from trueup.engine.render.jsonnet_secrets import secrets_in

SECRET = "correct-horse-battery"


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("a.jsonnet", f"{{ password: '{SECRET}' }}"),
        ("a.libsonnet", f'{{ dbPasswordOfAda:: "{SECRET}" }}'),
        ("a.jsonnet", f"{{ token+: {SECRET} }}"),
        ("a.json", f'{{"apiKey": "{SECRET}"}}'),
        ("a.yaml", f"auth: {SECRET}\nother: {{\n"),
        ("a.txt", f"{SECRET}\n"),
        ("a.env", f"greeting=ahoy\nWORD\n{SECRET}\n"),
    ],
)
def test_a_secret_of_a_file_is_masked(place: str, text: str) -> None:
    said = secrets_in([(place, text.encode())], ()).text(f"Unknown variable: {SECRET}")
    assert said == f"Unknown variable: {MASK}"


def test_what_is_no_secret_stays_readable() -> None:
    text = "local greeting = import 'greeting.libsonnet'; { apiVersion: 'v1', name: greetng }"
    said = "Unknown variable: greetng in greeting.libsonnet"
    assert secrets_in([("a.jsonnet", text.encode())], (JsonnetVariable("name", "greetng"),)).text(said) == said


def test_a_variable_with_a_telling_name_is_masked() -> None:
    secrets = secrets_in((), (JsonnetVariable("dbPassword", SECRET), JsonnetVariable("host", "harbour.example.org")))
    assert secrets.text(f"{SECRET} at harbour.example.org") == f"{MASK} at harbour.example.org"


@given(st.lists(st.tuples(st.sampled_from(["a.jsonnet", "a.yaml", "a"]), st.binary(max_size=60)), max_size=5))
def test_any_files_are_gone_through(files: list[tuple[str, bytes]]) -> None:
    known = ("b.jsonnet", f"{{ password: '{SECRET}' }}".encode())
    assert SECRET not in secrets_in([*files, known], ()).text(f"it is {SECRET}")
