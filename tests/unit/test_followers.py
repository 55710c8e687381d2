"""What a push asks of a repository's followers is kept, and is what a walk through all of them would find."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_plan_autosync import app
from trueup.domain.application import Application, ApplicationId
from trueup.domain.followers import Followers
from trueup.domain.source import Source
from trueup.domain.standing import is_uncertain

URLS = ("https://example.com/a.git", "git@example.com:a.git")
STATUSES = ({}, {"sync": {"status": "Unknown", "revision": "c"}}, {"sync": {"status": "Synced", "revision": "c"}})


@st.composite
def applications(draw: st.DrawFn) -> Application:
    name = draw(st.sampled_from("abcde"))
    source = Source(draw(st.sampled_from(URLS)), name, draw(st.sampled_from(("main", "v1"))))
    raw = {"spec": {}, "status": draw(st.sampled_from(STATUSES))}
    identity, project = ApplicationId("argocd", name), draw(st.sampled_from(("default", "shop")))
    return replace(app(), id=identity, sources=(source,), project=project, deleting=draw(st.booleans()), raw=raw)


@given(st.lists(st.one_of(applications(), st.sampled_from("abcde"))))
def test_the_views_are_what_a_walk_through_all_finds(steps: list[Application | str]) -> None:
    followers, model = Followers("example.com/a"), dict[ApplicationId, Application]()
    for step in steps:
        if isinstance(step, str):
            followers.drop(ApplicationId("argocd", step))
            model.pop(ApplicationId("argocd", step), None)
        else:
            followers.put(step)
            model[step.id] = step
    staying = {name: each for name, each in model.items() if not each.deleting}
    assert {each.id: each for each in followers} == model
    assert len(followers) == len(model)
    assert followers.uncertain == {name: each for name, each in staying.items() if is_uncertain(each)}
    by_revision: dict[str, dict[ApplicationId, Application]] = {}
    by_address: dict[tuple[str, str], dict[ApplicationId, Application]] = {}
    for name, each in staying.items():
        by_revision.setdefault(each.source.target_revision, {})[name] = each
        by_address.setdefault((each.source.repo_url, each.project), {})[name] = each
    assert followers.by_revision == by_revision
    assert followers.by_address == by_address
