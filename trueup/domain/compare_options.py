"""What people ask of a comparison: Argo CD's compare-options, and whether what is added by hand is drift.

The Application says it of all its objects, and an object of itself, in Git: what somebody writes on a live
object would else hide what that somebody changed. Source: Argo CD's documentation of "Compare Options" and
"Diff Strategies".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from trueup.domain.by_hand import BY_HAND_ANNOTATION, BY_HAND_MODES, ByHand, Hands
from trueup.domain.lenient import as_mapping, as_text
from trueup.domain.object_options import COMPARE_OPTIONS_ANNOTATION

_SERVER_SIDE: Final = "ServerSideDiff"
_WEBHOOKS: Final = "IncludeMutationWebhook"


@dataclass(frozen=True, slots=True)
class CompareSettings:
    """What the installation says by its own settings."""

    hands: Hands = field(default_factory=lambda: Hands.of(()))


@dataclass(frozen=True, slots=True)
class How:
    """How one object is compared."""

    hands: Hands = field(default_factory=lambda: Hands.of(()))
    by_hand: ByHand = "ignore"
    #: True: what the API server makes of the manifest decides, also where it is equal at first sight. False: it is
    #: not asked. None: it is asked where live differs.
    server_side: bool | None = None
    #: Whether what mutating webhooks would change counts too; only where `server_side` is true.
    webhooks: bool = False

    @property
    def mode(self) -> str:
        """Tells apart the verdicts of the API server that the options lead to."""
        return f"{self.server_side}{' with webhooks' if self.webhooks else ''}"


@dataclass(frozen=True, slots=True)
class HowToCompare:
    """How the objects of one application are compared."""

    of_application: How = field(default_factory=How)
    #: Each sentence about something that was asked for and makes no sense.
    problems: tuple[str, ...] = ()

    @classmethod
    def of(cls, raw: Mapping[str, Any], settings: CompareSettings) -> HowToCompare:
        """As the Application's annotations ask for it."""
        annotations = _annotations(raw)
        base = How(settings.hands, by_hand="drift")
        how, problems = _asked(base, annotations, "")
        return cls(how, problems)

    def of_object(self, body: Mapping[str, Any]) -> tuple[How, tuple[str, ...]]:
        """How this object of Git is compared, and what it asks for that makes no sense."""
        how = self.of_application
        annotations = _annotations(body)
        if BY_HAND_ANNOTATION not in annotations and COMPARE_OPTIONS_ANNOTATION not in annotations:
            return how, ()
        kind, name = as_text(body.get("kind")), as_text(as_mapping(body.get("metadata")).get("name"))
        return _asked(how, annotations, f"{kind} {name}: ")


def _asked(how: How, annotations: Mapping[str, Any], whose: str) -> tuple[How, tuple[str, ...]]:
    problems: tuple[str, ...] = ()
    if (asked := annotations.get(BY_HAND_ANNOTATION)) is not None:
        mode = next((mode for mode in BY_HAND_MODES if mode == asked), None)
        if mode is None:
            words = ", ".join(BY_HAND_MODES)
            problems = (f"{whose}{BY_HAND_ANNOTATION} is none of {words}; until then what is added by hand is shown",)
        how = replace(how, by_hand=mode or "report")
    options = _options(as_text(annotations.get(COMPARE_OPTIONS_ANNOTATION)))
    if (server_side := _boolean(options.get(_SERVER_SIDE))) is not None:
        how = replace(how, server_side=server_side)
    if (webhooks := _boolean(options.get(_WEBHOOKS))) is not None:
        how = replace(how, webhooks=webhooks)
    return how, problems


def _options(text: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in text.split(","))
    return {name.strip(): value.strip() for name, _, value in pairs if name}


def _boolean(text: str | None) -> bool | None:
    return {"true": True, "false": False}.get(text or "")


def _annotations(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return as_mapping(as_mapping(body.get("metadata")).get("annotations"))
