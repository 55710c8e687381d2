"""What of an object's changes is nobody's business, by `ignoreResourceUpdates` of `argocd-cm`.

JSON pointers alone are looked at here: a watcher waits for nothing, and a jq expression is asked of a process. What
only such an expression names wakes a worker as before, which costs a look and no more. Of Secrets nothing is left
unheeded: their contents are not read for it.
"""

from __future__ import annotations

from collections.abc import Callable

from trueup.domain.ignore_cut import cut, tree_of
from trueup.domain.ignore_places import place_of_pointer
from trueup.domain.ignore_rules import IgnoreRule
from trueup.domain.ignore_settings import NO_SETTINGS, ResourceSettings
from trueup.domain.resource import Body, ResourceKey

Kind = tuple[str, str]
_SECRET: Kind = ("", "Secret")


class Unheeded:
    """The rules of now, looked through once for each kind."""

    def __init__(self, settings: Callable[[], ResourceSettings]) -> None:
        self._settings = settings
        self._read = NO_SETTINGS
        self._rules: dict[Kind, tuple[IgnoreRule, ...]] = {}
        #: Called when other things are unheeded than before.
        self.on_change: set[Callable[[], None]] = set()

    def changed(self, before: ResourceSettings, after: ResourceSettings) -> None:
        """Told of every change of the settings."""
        if before.update_rules != after.update_rules:
            for listener in tuple(self.on_change):
                listener()

    def concerns(self, kind: Kind) -> bool:
        """Whether something of the kind's objects is not heeded, so that all of them has to be seen."""
        return kind != _SECRET and bool(self._of_kind(kind))

    def heeded(self, body: Body) -> Body:
        """The object without what is not heeded."""
        key = ResourceKey.of(body)
        rules = self._of_kind((key.group, key.kind))
        if not rules:
            return body
        pointers = (pointer for rule in rules if rule.concerns(key) for pointer in rule.pointers)
        places = (place for pointer in pointers if (place := place_of_pointer(pointer, body)) is not None)
        return cut(body, tree_of(places))

    def _of_kind(self, kind: Kind) -> tuple[IgnoreRule, ...]:
        settings = self._settings()
        if settings is not self._read:
            self._read, self._rules = settings, {}
        if kind not in self._rules:
            self._rules[kind] = tuple(
                rule for rule in settings.update_rules if rule.pointers and not rule.fault and rule.concerns_kind(*kind)
            )
        return self._rules[kind]
