"""How a render comes by what its source depends on elsewhere: never by the tool itself, which has no network."""

from __future__ import annotations

from dataclasses import dataclass, field

from trueup.engine.render.helm_dependencies import ChartFetch
from trueup.engine.render.kustomize_elsewhere import BaseFetch, NothingElsewhere


@dataclass(frozen=True, slots=True)
class Fetch:
    """What may be fetched for one Application."""

    #: Charts that charts depend on.
    charts: ChartFetch
    #: Kustomizations in other repositories.
    bases: BaseFetch = field(default_factory=NothingElsewhere)
