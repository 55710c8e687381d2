"""What of the objects of one comparison does not count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trueup.domain.diff import ObjectDiff
from trueup.domain.explain import Explanation
from trueup.domain.ignore_cut import cut
from trueup.domain.ignore_mask import NO_MASK, Compare, Mask
from trueup.domain.ignore_rules import IgnoreRule
from trueup.domain.resource import Body, Manifest, ResourceKey
from trueup.domain.rules import IGNORED

Rules = tuple[IgnoreRule, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """What of the objects of one comparison does not count."""

    #: The rules that concern each object; objects without any are left out.
    rules: Mapping[ResourceKey, Rules] = field(default_factory=dict)
    masks: Mapping[ResourceKey, Mask] = field(default_factory=dict)
    #: Objects of which it is not known what counts, and why: there is no verdict on them.
    unknown: Mapping[ResourceKey, str] = field(default_factory=dict)

    def compared(self, manifest: Manifest, live: Body | None, by: Compare) -> ObjectDiff:
        """The comparison without what is ignored."""
        return self.mask_of(manifest.key).compared(manifest, live, by)

    def rules_of(self, key: ResourceKey) -> Rules:
        return self.rules.get(key, ())

    def mask_of(self, key: ResourceKey) -> Mask:
        return self.masks.get(key, NO_MASK)

    def of_live(self, key: ResourceKey, body: Body) -> Body:
        """The live object that the masks were made of, without what is ignored."""
        return cut(body, self.mask_of(key).live)

    def ignored(self, key: ResourceKey) -> tuple[Explanation, ...]:
        """Every place of the object that does not count, and the rule that says so."""
        return tuple(
            Explanation(one.path, "ignored", IGNORED, f"{one.origin} names it") for one in self.mask_of(key).ignored
        )


NOTHING_HELD = Held()
