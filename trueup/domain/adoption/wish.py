"""What somebody wants to accept of all that differs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from trueup.domain.diff import Change, ObjectDiff
from trueup.domain.errors import StalledError
from trueup.domain.fieldpath import show
from trueup.domain.resource import ResourceKey


@dataclass(frozen=True, slots=True)
class Named:
    """An object as a command line names it; None is any namespace."""

    group: str
    kind: str
    namespace: str | None
    name: str

    @classmethod
    def of(cls, text: str) -> Named:
        """From `GROUP:KIND:[NAMESPACE/]NAME`, as `argocd` takes it. Raises StalledError for anything else."""
        parts = text.split(":")
        if len(parts) != 3 or not parts[1] or not parts[2]:
            raise StalledError(
                f"--resource {text}: write it as GROUP:KIND:[NAMESPACE/]NAME, the group empty for core kinds"
            )
        namespace, slash, name = parts[2].partition("/")
        return cls(parts[0], parts[1], namespace if slash else None, name if slash else namespace)

    def selects(self, key: ResourceKey) -> bool:
        is_there = self.namespace is None or self.namespace == key.namespace
        return is_there and (self.group, self.kind, self.name) == (key.group, key.kind, key.name)

    def __str__(self) -> str:
        where = self.name if self.namespace is None else f"{self.namespace}/{self.name}"
        return f"{self.group}:{self.kind}:{where}"


@dataclass(frozen=True, slots=True)
class Wish:
    """Nothing named is everything that counts as a difference."""

    resources: tuple[Named, ...] = ()
    #: As differences print them, such as `spec.replicas`; one stands for all below it, too.
    fields: tuple[str, ...] = ()

    def wants(self, key: ResourceKey) -> bool:
        return not self.resources or self.names(key)

    def names(self, key: ResourceKey) -> bool:
        """Whether the object was named on its own account."""
        return any(named.selects(key) for named in self.resources)

    def wants_whole(self, key: ResourceKey) -> bool:
        """Whether an object that only one side has is meant: where fields are named, only by its own name."""
        return self.names(key) if self.fields else self.wants(key)

    def says(self, change: Change) -> bool:
        """Whether just this place was named."""
        return show(change.path) in self.fields

    def of(self, diff: ObjectDiff) -> tuple[Change, ...]:
        """The changes of an object that are meant; those that are only shown are only meant by name."""
        if not self.fields:
            return diff.counted
        return tuple(change for change in diff.changes if any(_is_within(show(change.path), f) for f in self.fields))

    def unmet(self, keys: Iterable[ResourceKey], paths: Collection[str]) -> tuple[str, ...]:
        """A sentence for each object and field that was named and does not differ."""
        known = list(keys)
        resources = [
            f"--resource {named}: no such object of the application differs"
            for named in self.resources
            if not any(named.selects(key) for key in known)
        ]
        fields = [
            f"--field {field}: nothing differs there; `trueup app diff` names what does"
            for field in self.fields
            if not any(_is_within(path, field) for path in paths)
        ]
        return (*resources, *fields)


def _is_within(path: str, field: str) -> bool:
    return path == field or path.startswith((f"{field}.", f"{field}["))
