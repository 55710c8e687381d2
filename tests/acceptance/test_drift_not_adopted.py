"""What cannot be accepted into a file says why and what to do, nothing is half done, and no secret gets out."""

from __future__ import annotations

from tests.support.adopting import applied, by_hand, delivered, in_part, lines_of, plain
from tests.support.bad_input import fresh
from tests.support.commands import refused, said
from tests.support.git import git
from tests.support.product import Installation

VALUE = "tide-and-time-0815"


def secret(name: str) -> str:
    return f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\nstringData:\n  password: {VALUE}\n"


async def test_what_kustomize_makes_is_named_with_what_live_says(running: Installation) -> None:
    one = fresh("one")
    files = {"kustomization.yaml": "resources: [one.yaml]\n", "one.yaml": plain(one, a="1")}
    name, _ = await delivered(running, files)
    await by_hand(running, "configmap", one, {"data": {"a": "2"}})
    printed, words = in_part(await running.trueup("drift", "adopt", name))
    assert printed == ""
    assert f"ConfigMap {running.delivered_to}/{one}: it is made by Kustomize of app; change it there" in words
    assert '  data.a: "2"' in words.splitlines()


async def test_secrets_are_never_written_and_never_printed(running: Installation) -> None:
    hush, one = fresh("hush"), fresh("one")
    files = {"hush.yaml": secret(hush), "one.yaml": plain(one, a="1", b="1")}
    name, _ = await delivered(running, files)
    another = "another-one-4711"
    await by_hand(running, "secret", hush, {"stringData": {"password": another}})
    await by_hand(running, "configmap", one, {"data": {"a": f"see {another}", "b": "2"}})
    printed, words = in_part(await running.trueup("drift", "adopt", name))
    assert lines_of(printed) == ['-  b: "1"', '+  b: "2"'], printed
    assert f"Secret {running.delivered_to}/{hush}: values of Secrets are never written to Git in plain" in words
    assert f"ConfigMap {running.delivered_to}/{one}: the value holds what a Secret holds" in words
    for value in (VALUE, another):
        assert value not in printed + words


async def test_a_secret_beside_the_change_is_not_printed_but_goes_into_a_branch(running: Installation) -> None:
    hush, one = fresh("hush"), fresh("one")
    close_by = f'data:\n  a: "1"\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {one}}}\n'
    both = f"{secret(hush)}---\n{close_by}"
    name, repository = await delivered(running, {"both.yaml": both})
    await by_hand(running, "configmap", one, {"data": {"a": "2"}})
    for output in ("patch", "yaml"):
        done = await running.trueup("drift", "adopt", name, "-o", output)
        assert "beside the change the file holds a secret" in refused(done)
        assert VALUE not in done.stdout.decode() + done.stderr.decode()
    said(await running.trueup("drift", "adopt", name, "--branch", "accept", "--push"))
    await git(repository.work, "fetch", "-q", "origin", "accept")
    there = await git(repository.work, "show", "FETCH_HEAD:app/both.yaml")
    assert there == both.replace('a: "1"', 'a: "2"').removesuffix("\n")
    message = await git(repository.work, "log", "-1", "--format=%B", "FETCH_HEAD")
    assert VALUE not in message


async def test_what_is_no_longer_in_git_and_what_does_not_differ_are_said(running: Installation) -> None:
    one, two = fresh("one"), fresh("two")
    files = {"one.yaml": plain(one, a="1"), "two.yaml": plain(two, a="1")}
    name, repository = await delivered(running, files)
    await repository.push({"app/two.yaml": None})
    printed, words = in_part(await running.trueup("drift", "adopt", name))
    assert printed == ""
    assert f"ConfigMap {running.delivered_to}/{two}: it is in the cluster and not in Git; commit a manifest" in words
    printed, words = in_part(await running.trueup("drift", "adopt", name, "--resource", f":ConfigMap:{one}"))
    assert f"--resource :ConfigMap:{one}: no such object of the application differs" in words


async def test_an_alias_is_not_changed_behind_anybodys_back_and_the_rest_is_accepted(running: Installation) -> None:
    one, two = fresh("one"), fresh("two")
    shared = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {one}}}\ndata:\n  a: &same '1'\n  b: *same\n  c: x\n"
    name, repository = await delivered(running, {"one.yaml": shared, "two.yaml": plain(two, a="1")})
    await by_hand(running, "configmap", one, {"data": {"a": "2", "c": "z"}})
    await by_hand(running, "configmap", two, {"data": {"a": "2"}})
    printed, words = in_part(await running.trueup("drift", "adopt", name))
    assert lines_of(printed) == ["-  c: x", "+  c: z", '-  a: "1"', '+  a: "2"'], printed
    assert "app/one.yaml: the key a has the anchor &same, which other places repeat by an alias" in words
    await applied(repository, printed)
    assert f"ConfigMap {running.delivered_to}/{two}" not in (await running.trueup("app", "diff", name)).stdout.decode()


async def test_a_branch_that_has_moved_on_is_not_forced(running: Installation) -> None:
    one = fresh("one")
    name, repository = await delivered(running, {"one.yaml": plain(one, a="1")})
    await by_hand(running, "configmap", one, {"data": {"a": "2"}})
    await git(repository.work, "push", "-q", "origin", "HEAD:refs/heads/accept")
    await git(repository.work, "checkout", "-q", "-b", "accept")
    await git(repository.work, "commit", "-q", "--allow-empty", "-m", "Another")
    await git(repository.work, "push", "-q", "origin", "accept")
    words = refused(await running.trueup("drift", "adopt", name, "--branch", "accept", "--push"))
    assert words.startswith("branch accept of repository ")
    assert "has other commits than those that were compared; try again, or name another branch" in words


async def test_a_push_without_a_branch_is_refused_before_anything_is_read(running: Installation) -> None:
    assert refused(await running.trueup("drift", "adopt", "none", "--push")) == (
        "--push is of a branch; name it by --branch"
    )


async def test_a_value_that_is_called_a_credential_is_written_only_by_its_own_name(running: Installation) -> None:
    one = fresh("one")
    name, _ = await delivered(running, {"one.yaml": plain(one, a="1", b="1")})
    await by_hand(running, "configmap", one, {"data": {"smtp_password": "harbour-4711", "a": "2"}})
    printed, words = in_part(await running.trueup("drift", "adopt", name))
    assert lines_of(printed) == ['-  a: "1"', '+  a: "2"'], printed
    assert "its name says that it is a credential" in words
    assert "harbour-4711" not in printed + words
    printed = said(await running.trueup("drift", "adopt", name, "--field", "data.smtp_password"))
    assert lines_of(printed) == ["+  smtp_password: harbour-4711"], printed


async def test_an_object_that_went_meanwhile_is_not_taken_out_where_a_field_was_asked_for(
    running: Installation,
) -> None:
    one, two = fresh("one"), fresh("two")
    name, _ = await delivered(running, {"one.yaml": plain(one, a="1"), "two.yaml": plain(two, a="1")})
    await by_hand(running, "configmap", one, {"data": {"a": "2"}})
    await running.kubectl("delete", "configmap", two, "-n", running.delivered_to)
    printed, words = in_part(
        await running.trueup("drift", "adopt", name, "--resource", f":ConfigMap:{two}", "--field", "data.a")
    )
    assert printed == ""
    assert "it is not in the cluster, so that it has no fields to accept" in words
    printed = said(await running.trueup("drift", "adopt", name, "--field", "data.a"))
    assert lines_of(printed) == ['-  a: "1"', '+  a: "2"'], printed
