"""What does not count in the objects of one comparison, by the rules of the Application and of `argocd-cm`.

The one place where rules meet objects. The domain knows what a rule means; jq expressions are asked of their process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from trueup.clients.jq import Jq, JqError, Paths
from trueup.domain.application import Application
from trueup.domain.errors import StalledError
from trueup.domain.fieldpath import Path
from trueup.domain.ignore_cut import cut
from trueup.domain.ignore_held import NOTHING_HELD, Held, Rules
from trueup.domain.ignore_mask import NO_MASK, Mask, folded, mask_of, tree_in
from trueup.domain.ignore_respect import respected
from trueup.domain.ignore_rules import IgnoreRule
from trueup.domain.ignore_settings import ResourceSettings
from trueup.domain.manifest import desired_hash
from trueup.domain.resource import Body, Manifest, ResourceKey
from trueup.engine.observe import Observed


class Ignoring:
    """Applies rules to objects. Holds no state of an application."""

    def __init__(self, settings: Callable[[], ResourceSettings], jq: Jq) -> None:
        """`settings` are those of now."""
        self.settings = settings
        self._jq = jq

    def excludes(self, server: str) -> Callable[[str, str], bool]:
        """Whether a kind, by group and name, is to be left alone on that cluster.

        Raises StalledError where that cannot be told: nothing is compared then, and nothing pruned.
        """
        settings = self.settings()
        if settings.fault:
            raise StalledError(settings.fault)
        return lambda group, kind: settings.excludes(group, kind, server)

    async def prepared(self, application: Application, observed: Observed) -> Held:
        """What does not count in what was observed. Raises TransientError where jq cannot be asked."""
        rules = (*application.ignore_rules, *self.settings().differences)
        if not rules:
            return NOTHING_HELD
        concerning = _Concerning(rules)
        manifests = {manifest.key: manifest for manifest in observed.manifests}
        held, unknown = {}, {}
        for key, body in observed.live.items():
            found = concerning(key) if body is not None else ()
            if found and key in manifests:
                held[key] = found
            elif fault := _fault(found):
                unknown[key] = fault
        return await self._masked(Held(held, {}, unknown), manifests, observed.live)

    async def again(
        self, held: Held, manifests: Mapping[ResourceKey, Manifest], applied: Mapping[ResourceKey, Body | None]
    ) -> Held:
        """The same for objects as writes have left them."""
        return await self._masked(held, manifests, applied)

    async def _masked(
        self, held: Held, manifests: Mapping[ResourceKey, Manifest], live: Mapping[ResourceKey, Body | None]
    ) -> Held:
        masks, unknown = dict(held.masks), dict(held.unknown)
        for key, rules in held.rules.items():
            body = live.get(key)
            if body is None or key not in manifests:
                continue
            try:
                masks[key] = await self.mask(rules, manifests[key], body)
            except StalledError as error:
                unknown[key] = str(error)
        return replace(held, masks=masks, unknown=unknown)

    async def mask(self, rules: Rules, manifest: Manifest, live: Body) -> Mask:
        """Where the rules lead in an object. Raises StalledError, naming the rule, where that cannot be told."""
        if fault := _fault(rules):
            raise StalledError(fault)
        desired_jq: Mapping[str, Paths] = {}
        live_jq: Mapping[str, Paths] = {}
        if any(rule.jq for rule in rules):
            desired_jq = await self._jq_paths(rules, folded(manifest), f"{manifest.key} {desired_hash(manifest)}")
            live_jq = await self._jq_paths(rules, live, _version(live))
        return mask_of(rules, manifest, live, desired_jq=desired_jq, live_jq=live_jq)

    async def without_ignored(self, rules: Rules, mask: Mask, answered: Body) -> Body:
        """What the API server answered to an apply, without what is ignored of the object that it is about."""
        if not rules:
            return answered
        return cut(answered, tree_in(rules, answered, await self._jq_paths(rules, answered, ""), mask.owned))

    async def _jq_paths(self, rules: Iterable[IgnoreRule], body: Body, version: str) -> dict[str, Paths]:
        found: dict[str, Paths] = {}
        for rule in rules:
            for expression in rule.jq:
                try:
                    found[expression] = await self._jq.paths(expression, body, version=version)
                except JqError as error:
                    raise JqError(f"{rule.origin}: {error}") from error
        return found


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one object is applied, by the rules that concern it."""

    ignoring: Ignoring
    rules: Rules
    #: Whether what is ignored keeps live's value.
    respects: bool

    async def body(self, manifest: Manifest, body: Body, live: Body | None) -> Body:
        """What is applied on top of that live object."""
        if live is None or not self.respects or not self.rules:
            return body
        return respected(body, manifest.key, live, await self.ignoring.mask(self.rules, manifest, live))

    async def removals(self, manifest: Manifest, live: Body | None) -> tuple[Path, ...]:
        """What must go from live beyond what an apply does by itself."""
        mask = await self.ignoring.mask(self.rules, manifest, live) if live is not None and self.rules else NO_MASK
        return mask.compared(manifest, live).removals


class _Concerning:
    """The rules that concern an object, looked through once for each kind."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._of_kind: dict[tuple[str, str], Rules] = {}

    def __call__(self, key: ResourceKey) -> Rules:
        kind = (key.group, key.kind)
        if kind not in self._of_kind:
            self._of_kind[kind] = tuple(rule for rule in self._rules if rule.concerns_kind(*kind))
        return tuple(rule for rule in self._of_kind[kind] if rule.concerns(key))


def _fault(rules: Rules) -> str:
    """Why one of the rules makes no sense, naming it; empty where all do."""
    return next((f"{rule.origin}: {rule.fault}" for rule in rules if rule.fault), "")


def _version(live: Body) -> str:
    """What is never the same for two states of an object, or two versions of its API."""
    metadata = live.get("metadata") or {}
    uid, version = metadata.get("uid"), metadata.get("resourceVersion")
    return f"{live.get('apiVersion')} {uid} {version}" if uid and version else ""
