"""No value of a Secret is in a view, wherever it stands, and a difference in it is seen all the same."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.diffing import config_map, manifest
from tests.support.diffviews import view
from trueup.domain.attribution import Attribution, Person
from trueup.domain.diff import Change, ObjectDiff, compare
from trueup.domain.diffview.build import view_of
from trueup.domain.diffview.html import html_of
from trueup.domain.diffview.markdown import markdown_of
from trueup.domain.diffview.model import ObjectView, as_json
from trueup.domain.diffview.record import view_of_record
from trueup.domain.incident import DriftedObject
from trueup.domain.redact import Redactor
from trueup.domain.shown import shown_field

CANARIES = ("canary-in-git-0", "canary-in-live-01")
ENCRYPTED = "ENC[AES256_GCM,data:8qT0rA==,iv:abc=,tag:def=,type:str]"


def everything(shown: ObjectView) -> str:
    return (
        json.dumps(as_json(shown), ensure_ascii=False)
        + markdown_of(shown)
        + html_of(shown, True)
        + html_of(shown, False)
    )


def assert_hidden(text: str, *secrets: str) -> None:
    for secret in secrets or CANARIES:
        assert secret not in text
        assert base64.b64encode(secret.encode()).decode() not in text


def secret(**sections: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "n"}, **sections}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def noted(body: dict[str, Any]) -> dict[str, Any]:
    body["metadata"] = {
        **body["metadata"],
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": json.dumps(secret(stringData={"x": CANARIES[1]}))
        },
        "managedFields": [
            {
                "manager": "kubectl-edit",
                "operation": "Update",
                "fieldsV1": {"f:data": {f"v:{json.dumps(CANARIES[0])}": {}, "f:password": {}}},
            }
        ],
    }
    return body


SECTIONS = [
    {"stringData": {"password": CANARIES[0]}},
    {"data": {"password": encoded(CANARIES[0])}},
    {"data": {"password": CANARIES[0]}},
    {"data": [CANARIES[0]]},
    {"data": CANARIES[0]},
    {"data": {"password": {"deep": {"er": CANARIES[0]}}}},
    {"stringdata": {"password": CANARIES[0]}},
    {"dat": {"a": [{"b": CANARIES[0]}]}},
]


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("there", [True, False])
def test_of_a_secret_however_malformed_nothing_is_shown_but_its_names(section: dict[str, Any], there: bool) -> None:
    live = noted(secret(data={"password": encoded(CANARIES[1]), "other": encoded(CANARIES[1])}))
    diff = compare(manifest(secret(**section)), live if there else None)
    # By place alone: a redactor that has learnt nothing.
    shown = view_of(diff, manifest(secret(**section)), live if there else None, Redactor())
    assert any(line.differs for line in shown.lines)
    assert_hidden(everything(shown))
    fields = tuple(shown_field(change, diff.key, Redactor()) for change in diff.changes)
    record = view_of_record(DriftedObject(diff.key, "OutOfSync", fields))
    assert_hidden(everything(record) + repr(fields))


def test_a_secret_that_git_no_longer_has_is_shown_by_its_names() -> None:
    live = noted(secret(data={"password": encoded(CANARIES[1])}))
    shown = view_of(ObjectDiff(manifest(live).key, "OutOfSync"), None, live, Redactor())
    assert "password" in everything(shown)
    assert_hidden(everything(shown))


def test_a_changed_secret_is_seen_to_be_changed() -> None:
    _, shown = view(secret(stringData={"password": "a" * 24}), secret(data={"password": encoded("b" * 31)}))
    (line,) = (line for line in shown.lines if line.differs)
    assert (line.live, line.git) == ("password: •••• (31 bytes)", "password: •••• (changed, 31 → 24 bytes)")


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["{}", "x {} y", "https://me:{}@example.com/", "a\n{}\nb\n", '{{"k": "{}"}}']), st.booleans())
def test_a_value_of_another_secret_is_masked_wherever_it_stands(template: str, as_key: bool) -> None:
    redactor = Redactor()
    redactor.learn(secret(stringData={"a": CANARIES[0], "b": CANARIES[1]}))
    texts = [template.format(canary) for canary in CANARIES]
    git, live = (config_map(**({text: "x"} if as_key else {"k": text})) for text in texts)
    live["metadata"]["labels"] = {"by": CANARIES[0]}
    diff = compare(manifest(git), live)
    who = {
        (): Attribution(CANARIES[0]),
        **{change.path: Attribution(CANARIES[0], person=Person(CANARIES[1])) for change in diff.changes},
    }
    shown = view_of(diff, manifest(git), live, redactor, who)
    assert any(line.differs for line in shown.lines)
    assert_hidden(everything(shown))
    if not as_key:
        assert "differs in what is masked, " in everything(shown)


def test_what_only_differs_behind_the_mask_says_so() -> None:
    redactor = Redactor()
    redactor.learn(secret(stringData={"a": CANARIES[0], "b": CANARIES[1]}))
    git, live = (config_map(conf=f"user: me\npassword: {canary}\n") for canary in CANARIES)
    shown = view_of(compare(manifest(git), live), manifest(git), live, redactor)
    (line,) = (line for line in shown.lines if line.differs)
    assert line.git == line.live == "conf: |"
    sizes = [len(side["data"]["conf"]) for side in (live, git)]
    assert line.note == f"differs in what is masked, {sizes[0]} → {sizes[1]} bytes"


@pytest.mark.parametrize(
    ("git", "live"),
    [
        (ENCRYPTED, CANARIES[1]),
        (CANARIES[0], ENCRYPTED),
        ([ENCRYPTED], [CANARIES[1]]),
        ([ENCRYPTED], ["a", CANARIES[1]]),
        ({"x": ENCRYPTED}, CANARIES[1]),
    ],
)
def test_what_sops_encrypted_is_not_spelled_out_and_neither_is_what_it_became(git: Any, live: Any) -> None:
    head = {"apiVersion": "example.com/v1", "kind": "Vault", "metadata": {"name": "a", "namespace": "n"}}
    sops = {"mac": ENCRYPTED, "age": [{"enc": CANARIES[0]}]}
    desired = {**head, "spec": {"token": git}, "sops": sops}
    diff = compare(manifest(desired), {**head, "spec": {"token": live}})
    shown = view_of(diff, manifest(desired), {**head, "spec": {"token": live}}, Redactor())
    text = everything(shown)
    assert "(encrypted by SOPS)" in text
    assert "(metadata of SOPS)" in text
    assert_hidden(text, *CANARIES, "8qT0rA")
    fields = tuple(shown_field(change, diff.key, Redactor()) for change in diff.changes)
    assert_hidden(repr(fields), *CANARIES, "8qT0rA")


def test_of_the_metadata_of_sops_only_its_names_are_shown_where_it_differs() -> None:
    head = {"apiVersion": "example.com/v1", "kind": "Vault", "metadata": {"name": "a", "namespace": "n"}}
    git, live = ({**head, "sops": {"age": [{"enc": canary}], "mac": canary, "version": "3"}} for canary in CANARIES)
    diff = compare(manifest(git), live)
    shown = view_of(diff, manifest(git), live, Redactor())
    assert {line.path for line in shown.lines if line.differs} == {"sops.age[0].enc", "sops.mac"}
    fields = tuple(shown_field(change, diff.key, Redactor()) for change in diff.changes)
    assert_hidden(everything(shown) + repr(fields))


def test_a_secret_that_sops_encrypted_says_so() -> None:
    desired = secret(data={"password": ENCRYPTED}, sops={"mac": ENCRYPTED})
    _, shown = view(desired, secret(data={"password": encoded(CANARIES[1])}))
    text = everything(shown)
    assert "password: (encrypted by SOPS)" in text
    assert_hidden(text, CANARIES[1], "8qT0rA")


def test_a_change_inside_of_a_secrets_value_names_the_value_and_no_more() -> None:
    live = secret(data={"password": encoded(CANARIES[1])})
    change = Change(("data", "password", CANARIES[0]), "missing", CANARIES[0], None, "/data/password/-", ())
    shown = view_of(ObjectDiff(manifest(live).key, "OutOfSync", (change,)), manifest(live), live, Redactor())
    assert {line.path for line in shown.lines if line.differs} == {"data.password"}
    assert_hidden(everything(shown))


MIXED = st.lists(
    st.sampled_from([f"pw={CANARIES[0]} z", f"pw={CANARIES[1]} z", "plain", "another", "", f"\tkey: {CANARIES[0]}"]),
    min_size=2,
    max_size=6,
).map("\n".join)


@settings(max_examples=200, deadline=None)
@given(MIXED, MIXED)
def test_a_line_that_differs_behind_its_mask_differs_among_others_too(live: str, git: str) -> None:
    redactor = Redactor()
    for canary in CANARIES:
        redactor.add(canary)
    sides = config_map(k=git), config_map(k=live)
    shown = view_of(compare(manifest(sides[0]), sides[1]), manifest(sides[0]), sides[1], redactor)
    assert_hidden(everything(shown))
    assert "\\x00" not in everything(shown)
    assert "\0" not in everything(shown)
    kept = [line for line in shown.lines if line.kind == "same" and line.git in ("pw=•••• z", "\\tkey: ••••")]
    if not any("bytes" in line.note for line in shown.lines):
        unchanged = sum(
            min(live.split("\n").count(each), git.split("\n").count(each)) for each in set(live.split("\n"))
        )
        assert len(kept) <= unchanged, "no line is called unchanged that is not"


def test_what_is_behind_a_mask_is_said_to_differ_beside_its_line() -> None:
    redactor = Redactor()
    for canary in CANARIES:
        redactor.add(canary)
    git, live = (config_map(k=f"{word}\npw={canary} z\nq\n") for word, canary in zip("xy", CANARIES, strict=True))
    shown = view_of(compare(manifest(git), live), manifest(git), live, redactor)
    *_, last = ((line.live, line.git, line.note) for line in shown.lines if line.differs)
    assert last == ("pw=•••• z", "pw=•••• z", "differs in what is masked")
