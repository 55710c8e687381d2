"""No value of a Secret leaves in any form; what is left still tells whether something changed."""

from __future__ import annotations

import base64
from urllib.parse import quote, quote_plus

import orjson
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from trueup.domain.manifest import LAST_APPLIED_ANNOTATION
from trueup.domain.redact import MASK, VALUE_CHARS_MIN, Redactor, mask, mask_pair

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
#: Upper-case letters that no key or sentence of these tests has, and all that is escaped somewhere.
SECRETS = st.text(alphabet='QXZJ0189 /+=&?%"\\\n\té€😀', min_size=VALUE_CHARS_MIN, max_size=40).filter(
    lambda s: len(s.strip()) >= VALUE_CHARS_MIN and len(set(s)) > 2
)


def b64(value: str | bytes) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def secret(data: object = None, **more: object) -> dict:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"}, **more}
    return body if data is None else {**body, "data": data}


def forms(value: str) -> list[str]:
    return [
        value,
        b64(value),
        base64.urlsafe_b64encode(value.encode()).decode(),
        quote(value, safe=""),
        quote(value),
        quote_plus(value),
        orjson.dumps(value).decode()[1:-1],
    ]


def texts_in(shown: object) -> str:
    """Every string of an object, told apart by a character that no secret holds."""
    if isinstance(shown, dict):
        return "\x00".join(f"{k}\x00{texts_in(v)}" for k, v in shown.items())
    if isinstance(shown, list):
        return "\x00".join(map(texts_in, shown))
    return str(shown)


def assert_hidden(value: str, shown: str) -> None:
    for form in forms(value):
        assert form not in shown


def holding(value: str) -> list[dict]:
    """A Secret with the value in every position that the API knows, and in those it does not."""
    applied = orjson.dumps(secret({"password": b64(value)})).decode()
    return [
        secret({"password": b64(value)}),
        secret({"password": value}),
        secret(value),
        secret([value]),
        secret({"password": {"inner": [value]}}),
        secret(stringData={"password": value}),
        secret(stringData=value),
        secret(strData={"password": value}),
        secret(spec=[{"password": value}]),
        secret({"config": b64(f"user: x\npassword: {value}\n")}),
        secret({"config": b64(orjson.dumps({"auths": {"r": {"password": value}}}))}),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s", "annotations": {LAST_APPLIED_ANNOTATION: applied}},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s", "annotations": {LAST_APPLIED_ANNOTATION: "broken " + value}},
        },
    ]


@UNHURRIED
@given(SECRETS)
def test_a_shown_secret_holds_no_value_wherever_it_stood(value):
    for body in holding(value):
        redactor = Redactor()
        assert_hidden(value, texts_in(redactor.body(body)))
        redactor.learn(body)
        assert_hidden(value, texts_in(redactor.body(body)))


@UNHURRIED
@given(SECRETS, st.text(alphabet="abc {}:,é", max_size=10), st.text(alphabet="abc {}:,é", max_size=10))
def test_a_learned_value_is_masked_in_every_text_in_every_form(value, before, after):
    assume("•" not in value)
    redactor = Redactor()
    redactor.learn(secret({"password": b64(value)}))
    for form in forms(value):
        shown = redactor.text(f"{before}{form}{after}")
        assert form not in shown
        assert MASK in shown


@UNHURRIED
@given(SECRETS)
def test_a_learned_value_is_masked_in_other_objects(value):
    redactor = Redactor()
    redactor.learn(secret(stringData={"password": value}))
    shown = redactor.body(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "c",
                "annotations": {"note": f"see {value}"},
                "managedFields": [{"fieldsV1": {f'v:"{value}"': {}}}],
            },
            "data": {"x": value, "list": [{"deep": f"url={quote(value)}"}], f"as-key-{value}": "x"},
        }
    )
    assert_hidden(value, texts_in(shown))
    assert shown["metadata"]["name"] == "c"


@UNHURRIED
@given(SECRETS, st.binary(max_size=7))
def test_a_value_inside_a_longer_base64_text_is_masked(value, before):
    assume(len(value.encode()) >= 8)
    redactor = Redactor()
    redactor.add(value)
    encoded = b64(before + b":" + value.encode() + b"@host")
    core = b64(value)[4:-8]
    assert redactor.text(encoded) != encoded
    assert not core or len(core) < 8 or core not in redactor.text(encoded)


@UNHURRIED
@given(st.lists(SECRETS, min_size=2, max_size=6), st.data())
def test_overlapping_values_leave_nothing_of_either(values, data):
    redactor = Redactor()
    for value in values:
        redactor.add(value)
    text = "".join(data.draw(st.permutations(values)))
    shown = redactor.text(text)
    for value in values:
        assert value not in shown


@UNHURRIED
@given(SECRETS.filter(lambda s: len(s) > 12), st.integers(min_value=6, max_value=12))
def test_a_value_cut_off_by_shortening_is_masked_too(value, kept):
    redactor = Redactor()
    redactor.add(value)
    assert value[:kept] not in redactor.text(f"the server said {value[:kept]}…")


def test_overlapping_values_are_masked_as_one():
    redactor = Redactor()
    redactor.add("abcdef")
    redactor.add("defghi")
    assert redactor.text("xabcdefghix") == f"x{MASK}x"


def test_neither_newlines_nor_keys_of_a_certificate_leave():
    lines = ["-----BEGIN PRIVATE KEY-----", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "-----END PRIVATE KEY-----"]
    redactor = Redactor()
    redactor.learn(secret({"tls.key": b64("\n".join(lines) + "\n")}))
    assert lines[1] not in redactor.text(f"cannot parse: {lines[1]}")


def test_what_is_no_secret_is_left_alone():
    redactor = Redactor()
    redactor.learn({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"x": "plain-value"}})
    redactor.learn({"apiVersion": "example.org/v1", "kind": "Secret", "metadata": {}, "data": {"x": "plain-value"}})
    assert redactor.text("a plain-value stays") == "a plain-value stays"
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    assert redactor.body(body) == body


def test_short_values_do_not_blind_every_text_but_are_masked_in_their_place():
    redactor = Redactor()
    body = secret({"x": b64("abc")})
    redactor.learn(body)
    assert redactor.text("abcdef") == "abcdef"
    assert redactor.body(body)["data"] == {"x": f"{MASK} (3 bytes)"}


def test_a_secrets_own_names_stay_readable():
    body = secret({"password": b64("default-value")}, type="Opaque", immutable=True)
    body["metadata"]["labels"] = {"app": "shop"}
    shown = Redactor().body(body)
    assert shown == {**body, "data": {"password": f"{MASK} (13 bytes)"}}
    assert body["data"] == {"password": b64("default-value")}


def test_a_change_of_a_value_shows_and_the_value_does_not():
    old, new = (
        secret({"a": b64("x" * 24), "b": b64("same"), "c": b64("1111")}),
        secret({"a": b64("y" * 31), "b": b64("same"), "c": b64("2222")}),
    )
    before, after = Redactor().pair(old, new)
    assert before["data"]["a"] == f"{MASK} (24 bytes)"
    assert after["data"]["a"] == f"{MASK} (changed, 24 → 31 bytes)"
    assert before["data"]["b"] == after["data"]["b"] == f"{MASK} (4 bytes)"
    assert before["data"]["c"] != after["data"]["c"]


def test_string_data_is_compared_with_the_data_that_it_becomes():
    _, after = Redactor().pair(secret({"a": b64("old")}), secret(stringData={"a": "new!", "b": "x"}))
    assert after["stringData"] == {"a": f"{MASK} (changed, 3 → 4 bytes)", "b": f"{MASK} (1 byte)"}


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_masks_differ_exactly_when_the_values_do(old, new):
    left, right = mask_pair(old, new)
    assert (left == right) == (old == new)
    assert left == mask(old)


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("fatal: https://user:pa55word@example.org/r.git not found", "pa55word"),
        ("https://user:p@55@example.org/r", "p@55"),
        ("https://ghtoken@example.org/r and ssh://git:x1y2@h/r", "x1y2"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("{'authorization': 'Bearer abc.def'}", "abc.def"),
        ("token ghp_0123456789abcdefABCDEF was refused", "ghp_0123456789"),
        ("xoxb-123456789012-abcdef", "xoxb-1234"),
        ("glpat-0123456789abcdefghij", "glpat-01"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "eyJhbGci"),
    ],
)
def test_credentials_are_known_by_their_shape(text, gone):
    assert gone not in Redactor().text(text)


def test_ordinary_texts_pass_unchanged():
    text = "https://example.org/a@b?c=d and user@example.org:path, 12:30, Deployment.apps shop/web"
    assert Redactor().text(text) == text


def test_basic_credentials_are_masked_in_a_header_of_any_spelling():
    redactor = Redactor()
    redactor.add_credentials("git", "hunter2secret")
    encoded = b64("git:hunter2secret")
    assert encoded not in redactor.text(f"sent {encoded} to the server")
    assert "hunter2secret" not in redactor.text("hunter2secret")


def test_values_that_are_no_text_are_masked():
    redactor = Redactor()
    raw = bytes(range(200, 240))
    redactor.learn(secret({"key": b64(raw), "pin": 123456}))
    assert b64(raw) not in redactor.text(f"data {b64(raw)}")
    assert "123456" not in redactor.text("pin 123456")


def test_an_object_nested_beyond_reason_is_masked_where_it_is_too_deep():
    body: dict = {"leaf": "value"}
    for _ in range(400):
        body = {"a": body}
    assert "value" not in str(Redactor().body({"apiVersion": "v1", "kind": "X", "spec": body}))


def test_what_another_redactor_knows_is_masked_from_when_it_is_included():
    redactor, other, third = Redactor(), Redactor(), Redactor()
    for each, value in ((redactor, "own-value"), (other, "abc-defghi"), (third, "defghi-jkl")):
        each.add(value)
    other.include(third)
    redactor.include(other)
    redactor.add("later-value")
    assert redactor.text("own-value later-value abc-defghi-jkl") == f"{MASK} {MASK} {MASK}"
    assert redactor.text("said abc-def…") == f"said {MASK}…"
    assert other.text("own-value") == "own-value"


def test_a_value_that_is_known_is_not_gone_through_again():
    class Read(bytes):
        times = 0

        def decode(self, *args: str, **more: str) -> str:
            Read.times += 1
            return super().decode(*args, **more)

    redactor = Redactor()
    redactor.add(Read(b"first\nsecond-line"))
    once = Read.times
    redactor.add(Read(b"first\nsecond-line"))
    assert Read.times == once > 0
