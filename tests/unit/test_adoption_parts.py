"""What is asked for, where it stands, and what the commit says of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.cli.adopt import AUTHOR, Way
from trueup.clients.git_commit import Author
from trueup.domain.adoption import reasons
from trueup.domain.adoption.message import about, subject
from trueup.domain.adoption.place import Place
from trueup.domain.adoption.wish import Named, Wish
from trueup.domain.attribution import Attribution, Person
from trueup.domain.diff import Change, ObjectDiff
from trueup.domain.errors import StalledError
from trueup.domain.managedfields import FieldOwner
from trueup.domain.resource import ResourceKey

KEY = ResourceKey("apps", "Deployment", "shop", "web")
EDITED = FieldOwner("kubectl-edit", "Update", time="2026-01-02T03:04:05Z")


def change(*path: str, counts: bool = True) -> Change:
    return Change(path, "changed", 1, 2, "", (EDITED,), counts=counts)


DIFF = ObjectDiff(KEY, "OutOfSync", (change("spec", "replicas"), change("spec", "template", "x", counts=False)))


def test_everything_that_counts_is_meant_where_nothing_is_named() -> None:
    assert [str(each) for each in Wish().of(DIFF)] == ["spec.replicas"]


@pytest.mark.parametrize(
    ("field", "meant"),
    [
        ("spec.replicas", ["spec.replicas"]),
        ("spec", ["spec.replicas", "spec.template.x"]),
        ("spec.template", ["spec.template.x"]),
        ("spec.rep", []),
    ],
)
def test_a_field_stands_for_all_below_it(field: str, meant: list[str]) -> None:
    assert [str(each) for each in Wish(fields=(field,)).of(DIFF)] == meant


def test_where_fields_are_named_an_object_that_one_side_lacks_is_meant_by_its_own_name_only() -> None:
    named = (Named.of("apps:Deployment:web"),)
    assert Wish().wants_whole(KEY)
    assert Wish(named).wants_whole(KEY)
    assert not Wish(fields=("spec.replicas",)).wants_whole(KEY)
    assert Wish(named, ("spec.replicas",)).wants_whole(KEY)


def test_only_the_place_itself_is_named_by_its_own_path() -> None:
    assert Wish(fields=("spec.replicas",)).says(change("spec", "replicas"))
    assert not Wish(fields=("spec",)).says(change("spec", "replicas"))


def test_an_object_is_named_as_argocd_names_it() -> None:
    assert Named.of("apps:Deployment:web").selects(KEY)
    assert Named.of("apps:Deployment:shop/web").selects(KEY)
    assert not Named.of("apps:Deployment:other/web").selects(KEY)
    assert not Named.of(":Deployment:web").selects(KEY)
    for text in ("web", "apps:Deployment", "apps::web", "a:b:c:d"):
        with pytest.raises(StalledError, match="write it as GROUP:KIND"):
            Named.of(text)


def test_what_was_named_and_does_not_differ_is_said() -> None:
    wish = Wish((Named.of("apps:Deployment:db"),), ("spec.paused",))
    resource, field = wish.unmet([KEY], ["spec.replicas"])
    assert resource.startswith("--resource apps:Deployment:db: no such object")
    assert field.startswith("--field spec.paused: nothing differs there")


@given(st.text(min_size=1, max_size=40), st.integers(1, 99), st.lists(st.integers(1, 99), max_size=3))
def test_an_origin_is_read_back(path: str, document: int, items: list[int]) -> None:
    origin = f"{path}, document {document}" + "".join(f", item {number}" for number in items)
    assert Place.of(origin) == Place(path, document, tuple(items))


def test_a_member_of_a_list_of_objects_is_changed_in_its_place() -> None:
    document = {"kind": "List", "items": [{"a": 1}, {"kind": "List", "items": [{"b": 1}, {"c": 1}]}]}
    place = Place("x.yaml", 1, (2, 2))
    assert place.body(document) == {"c": 1}
    changed = place.with_body(document, {"c": 2})
    assert changed["items"][1]["items"] == [{"b": 1}, {"c": 2}]
    assert place.with_body(document, None)["items"][1]["items"] == [{"b": 1}]
    with pytest.raises(StalledError, match="does not have the object where it had it"):
        Place("x.yaml", 1, (3,)).body(document)


def test_the_message_names_a_person_where_the_record_does_and_else_the_field_manager() -> None:
    words = about(KEY, "app/web.yaml", (change("spec", "replicas"),), {})
    assert words == (
        "Deployment.apps shop/web, in app/web.yaml:\n"
        "- spec.replicas: changed by the field manager kubectl-edit at 2026-01-02T03:04:05Z"
    )
    alice = Attribution("kubectl-edit", "Update", "", EDITED.time, Person("alice"))
    words = about(KEY, "app/web.yaml", (change("spec", "replicas"),), {(KEY, "spec.replicas"): alice})
    assert words.endswith("changed by alice with kubectl-edit at 2026-01-02T03:04:05Z")
    assert about(KEY, "app/web.yaml", (), {}).endswith("it is no longer in the cluster.")


def test_no_name_of_a_file_or_a_field_manager_adds_a_line_to_the_message() -> None:
    owner = FieldOwner("me\n\nSigned-off-by: ada", "Update")
    field = Change(("data", "a\nb"), "changed", 1, 2, "", (owner,))
    words = about(KEY, "app/\udce9\n.yaml", (field,), {})
    assert len(words.splitlines()) == 2
    assert words.encode()


def test_a_subject_is_short() -> None:
    assert subject("shop", [KEY]) == "Accept the drift of shop: Deployment web"
    assert subject("shop", [ResourceKey("", "Service", "", f"s{n}") for n in range(30)]) == (
        "Accept the drift of shop (30 objects)"
    )


@pytest.mark.parametrize(
    ("way", "words"),
    [
        (Way(push=True), "--push is of a branch"),
        (Way(branch="a b"), "Git has no such name for a branch"),
        (Way(branch="HEAD"), "Git has no such name for a branch"),
        (Way(branch="-x"), "Git has no such name for a branch"),
        (Way(author="me"), "write it as `NAME <ADDRESS>`"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_read(way: Way, words: str) -> None:
    with pytest.raises(StalledError) as refused:
        way.check()
    assert words in str(refused.value)


SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hush"}}
SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}


def test_what_cannot_be_written_says_why() -> None:
    place = Place("app/x.yaml", 1)
    assert reasons.of_object("Directory", "app", SETTINGS, place) == ""
    assert reasons.of_object("Directory", "app", SECRET, place).startswith("values of Secrets are never written")
    assert "made by Helm of charts/x" in reasons.of_object("Helm", "charts/x", SETTINGS, place)
    assert "made by Kustomize of app" in reasons.of_object("Kustomize", "app", SETTINGS, place)
    assert "the Jsonnet program app/x.jsonnet" in reasons.of_object(
        "Directory", "app", SETTINGS, Place("app/x.jsonnet", 1)
    )
    assert reasons.of_document({**SETTINGS, "sops": {"mac": "x"}}) == reasons.SOPS
    assert reasons.of_document(SETTINGS) == ""
    assert reasons.of_place(("status", "replicas")) == reasons.STATUS
    assert reasons.of_place(("spec", "status")) == ""


def test_the_one_who_commits_is_who_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIT_AUTHOR_NAME", raising=False)
    assert Way().committer() == AUTHOR
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Ada Example")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "ada@example.org")
    assert Way().committer() == Author("Ada Example", "ada@example.org")
    assert Way(author="Bo Example <bo@example.org>").committer() == Author("Bo Example", "bo@example.org")
