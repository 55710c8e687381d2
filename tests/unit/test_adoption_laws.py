"""Whatever somebody did to a workload: once it is accepted, nothing differs any more."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.diffing import deployment
from tests.unit.test_adoption_intent import accepted, differing

Object = dict[str, Any]
KEYS = ("name", "containerPort", "mountPath")


def workload(draw: random.Random) -> Object:
    """With lists of every kind: by a key, by two keys with one left out, of plain values, as one value."""
    containers = []
    for number in range(draw.randint(1, 3)):
        ports: list[Object] = [{"containerPort": 80 + n} for n in range(draw.randint(0, 3))]
        for n, port in enumerate(ports):
            port.update(draw.choice(({}, {"name": f"p{n}"})) | draw.choice(({}, {"protocol": "UDP"})))
        containers.append(
            {
                "name": f"c{number}",
                "image": f"i{number}:1",
                "env": [{"name": f"E{n}", "value": str(n)} for n in range(draw.randint(0, 4))],
                "ports": ports,
                "args": [f"--a{n}" for n in range(draw.randint(0, 3))],
                "volumeMounts": [{"name": "v", "mountPath": f"/m{n}"} for n in range(draw.randint(0, 3))],
            }
        )
    containers = [{name: value for name, value in each.items() if value != []} for each in containers]
    tolerations = [{"key": f"k{n}", "operator": "Exists"} for n in range(draw.randint(0, 2))]
    return deployment(containers=containers, volumes=[{"name": "v", "emptyDir": {}}], tolerations=tolerations)


def lists(value: Any) -> Iterator[list[Any]]:
    if isinstance(value, list):
        yield value
    for below in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from lists(below)


def scalars(value: Any) -> Iterator[tuple[Any, Any]]:
    for name, below in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(below, dict | list):
            yield from scalars(below)
        else:
            yield value, name


def edit(body: Object, draw: random.Random) -> None:
    """One thing that somebody does to it."""
    holder, name = draw.choice(list(scalars(body["spec"])))
    longer = [members for members in lists(body["spec"]) if len(members) > 1]
    what = draw.choice(("set", "set", "unset", "drop", "shuffle"))
    if what == "set":
        value = holder[name]
        holder[name] = f"{value}x" if isinstance(value, str) else value + 1
        if name == "protocol":
            holder[name] = "SCTP"
    elif what == "unset" and isinstance(holder, dict) and name not in KEYS:
        del holder[name]
    elif what == "drop" and longer:
        members = draw.choice(longer)
        members.pop(draw.randrange(len(members)))
    elif what == "shuffle" and longer:
        draw.shuffle(draw.choice(longer))


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=True), st.integers(1, 4))
def test_what_is_accepted_differs_no_longer(draw: random.Random, edits: int) -> None:
    desired = workload(draw)
    live = copy.deepcopy(desired)
    for _ in range(edits):
        edit(live, draw)
    if differing(desired, live).counted:
        accepted(desired, live)


def mounts(*paths: str) -> Object:
    found = [{"name": "v", "mountPath": path} for path in paths]
    return deployment(containers=[{"name": "x", "image": "x:1", "volumeMounts": found}])


def mounted(body: Object) -> list[str]:
    (container,) = body["spec"]["template"]["spec"]["containers"]
    return [mount["mountPath"] for mount in container["volumeMounts"]]


def test_two_mounts_of_one_volume_are_told_apart_by_where_they_were() -> None:
    assert mounted(accepted(mounts("/a", "/b"), mounts("/a", "/c"))) == ["/a", "/c"]
    assert mounted(accepted(mounts("/a", "/b"), mounts("/b", "/c"))) == ["/b", "/c"]


def test_what_got_another_name_and_another_place_has_both_afterwards() -> None:
    one, two, three = ({"name": name, "value": name} for name in "abc")
    desired = deployment(containers=[{"name": "x", "image": "x:1", "env": [one, two, three]}])
    live = deployment(containers=[{"name": "x", "image": "x:1", "env": [three, one, {**two, "name": "z"}]}])
    (container,) = accepted(desired, live)["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in container["env"]] == ["c", "a", "z"]
