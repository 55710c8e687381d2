"""Every single-field mutation of an object that its schema allows."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.support.mutating.schemas import Schema, Schemas, inferred, kind_of
from tests.support.mutating.values import values
from trueup.domain.resource import TRACKING_ANNOTATION

Verb = Literal["changed", "removed", "added", "reordered"]
Operation = Mapping[str, Any]

#: The rest of it identifies the object, or is written by the API server alone.
_METADATA = frozenset({"labels", "annotations", "finalizers", "ownerReferences"})
_NOT_SPEC = frozenset({"apiVersion", "kind", "metadata", "status"})
#: Of the members of a list, and of the keys of a map, so many are mutated.
MEMBERS_MAX = 8
DEPTH_MAX = 24


@dataclass(frozen=True)
class Mutation:
    """One edit of one place, as a JSON patch; where there are several, the first that is accepted counts."""

    verb: Verb
    #: The place in the schema, such as `spec.template.spec.containers[].image`.
    field: str
    #: The place in the object, as a JSON pointer.
    pointer: str
    patches: tuple[tuple[Operation, ...], ...]

    def __str__(self) -> str:
        return f"{self.verb} {self.pointer}"

    @property
    def names(self) -> tuple[str, ...]:
        """The fields on the way to the place, without positions in lists."""
        return tuple(part for part in _tokens(self.pointer) if not part.isdigit() and part != "-")


@dataclass(frozen=True)
class _Place:
    field: str
    pointer: str
    #: The names of the schemas that lead here, to end recursion.
    within: tuple[str, ...] = ()

    def below(self, name: str) -> _Place:
        token = name.replace("~", "~0").replace("/", "~1")
        return _Place(f"{self.field}.{name}" if self.field else name, f"{self.pointer}/{token}", self.within)

    def key(self, name: str) -> _Place:
        token = name.replace("~", "~0").replace("/", "~1")
        return _Place(f"{self.field}{{}}", f"{self.pointer}/{token}", self.within)

    def item(self, index: int) -> _Place:
        return _Place(f"{self.field}[]", f"{self.pointer}/{index}", self.within)


def mutations(schemas: Schemas, schema: Schema, body: Mapping[str, Any]) -> Iterator[Mutation]:
    """Of every place of the live object `body`, and of every field that its schema has and it lacks."""
    walk = _Walk(schemas)
    top = _Place("", "")
    for name, below in schema["properties"].items():
        if name not in _NOT_SPEC:
            yield from walk.field(below, body, name, top, required=name in schema.get("required", ()))
    yield from walk.value(schema["properties"]["metadata"], body["metadata"], "metadata", top.below("metadata"))


class _Walk:
    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas

    def field(
        self, schema: Schema, body: Mapping[str, Any], name: str, at: _Place, *, required: bool = False
    ) -> Iterator[Mutation]:
        place = at.below(name)
        if name in body:
            yield from self.value(schema, body[name], name, place)
            if not required:
                yield _removed(place)
        elif found := values(self.schemas, schema, name):
            yield _one_of("added", place, found)

    def value(self, schema: Schema, value: Any, name: str, at: _Place) -> Iterator[Mutation]:
        schema = self.schemas.resolved(schema)
        own = str(schema.get("x-name", ""))
        if at.within.count(own) > 1 or len(at.within) > DEPTH_MAX:
            return
        at = _Place(at.field, at.pointer, (*at.within, own) if own else at.within)
        kind = kind_of(schema)
        if kind == "any" and isinstance(value, Mapping | list):
            schema = inferred(value)
            kind = kind_of(schema)
        if kind == "object" and isinstance(value, Mapping):
            required = schema.get("required", ())
            for below, its in schema["properties"].items():
                if own.endswith("ObjectMeta") and below not in _METADATA:
                    continue
                yield from self.field(its, value, below, at, required=below in required)
        elif kind == "map" and isinstance(value, Mapping):
            yield from self.map(schema, value, name, at)
        elif kind == "list" and isinstance(value, list):
            yield from self.list(schema, value, name, at)
        elif found := values(self.schemas, schema, name, value):
            yield _one_of("changed", at, found)

    def map(self, schema: Schema, value: Mapping[str, Any], name: str, at: _Place) -> Iterator[Mutation]:
        below = schema["additionalProperties"]
        for key in [key for key in value if key != TRACKING_ANNOTATION][:MEMBERS_MAX]:
            yield from self.value(below, value[key], name, at.key(key))
            yield _removed(at.key(key))
        key = next(key for key in ("added-by-hand", "added", "requests.memory") if key not in value)
        yield _one_of("added", at.key(key), [*list(value.values())[:1], *values(self.schemas, below, name)])

    def list(self, schema: Schema, value: list[Any], name: str, at: _Place) -> Iterator[Mutation]:
        below = schema["items"]
        for index, item in enumerate(value[:MEMBERS_MAX]):
            yield from self.value(below, item, name, at.item(index))
            yield _removed(at.item(index))
        place = _Place(f"{at.field}[]", f"{at.pointer}/-")
        found = [item for item in self.items(schema, value, name) if item not in value]
        if found:
            yield _one_of("added", place, found)
        # A set has no order.
        if len(value) > 1 and schema.get("x-kubernetes-list-type") != "set":
            turned = [value[-1], *value[1:-1], value[0]]
            yield Mutation("reordered", at.field, at.pointer, ((_operation("replace", at, turned),),))

    def items(self, schema: Schema, value: list[Any], name: str) -> Iterator[Any]:
        """New members: like the last one with other keys, then as the schema makes them."""
        keys = schema.get("x-kubernetes-list-map-keys", ())
        last = value[-1] if value else None
        if isinstance(last, Mapping):
            properties = self.schemas.resolved(schema["items"]).get("properties", {})
            for key in (*keys, "name", "path", "key", "topologyKey"):
                if key in last and key in properties:
                    for other in values(self.schemas, properties[key], key, last[key])[:2]:
                        yield {**copy.deepcopy(dict(last)), key: other}
        yield from values(self.schemas, schema["items"], name)


def _one_of(verb: Verb, at: _Place, found: list[Any]) -> Mutation:
    operation = "replace" if verb == "changed" else "add"
    return Mutation(verb, at.field, at.pointer, tuple((_operation(operation, at, value),) for value in found))


def _removed(at: _Place) -> Mutation:
    return Mutation("removed", at.field, at.pointer, (({"op": "remove", "path": at.pointer},),))


def _operation(verb: str, at: _Place, value: Any) -> Operation:
    return {"op": verb, "path": at.pointer, "value": value}


def _tokens(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
