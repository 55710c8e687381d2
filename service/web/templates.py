"""The page's templates.

Whatever they are given is text, and stays text: HTML is made in a template or by the one renderer of diffs.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from trueup.domain.attribution import described
from trueup.domain.diffview.html import html_of
from trueup.domain.diffview.model import ObjectView
from trueup.domain.diffview.record import view_of_record
from trueup.domain.duration import spoken
from trueup.domain.incident import DriftedObject
from trueup.domain.repair import seconds_to_repair

from .assets import Assets
from .facts import cluster_name, short

FOLDER = Path(__file__).parent / "templates"
#: After a look that nobody answered, a page that is live looks again.
AGAIN_SECONDS = 10
ENDINGS = {
    "SelfHealed": "healed by itself",
    "Synced": "put right by a sync",
    "Reverted": "taken back by hand",
    "Accepted": "accepted: Git says so now",
    "": "over",
}


class Templates:
    """Renders a template by its name."""

    def __init__(self, assets: Assets) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals |= {
            "again_seconds": AGAIN_SECONDS,
            "asset": assets.url,
            "described": described,
            "endings": ENDINGS,
            "short": short,
        }
        self._environment.filters |= {
            "cluster": cluster_name,
            "diff": _diff,
            "duration": spoken,
            "iso": iso,
            "moment": moment,
            "repair_seconds": seconds_to_repair,
        }

    def render(self, name: str, /, **facts: object) -> str:
        return self._environment.get_template(name).render(facts)


def _diff(item: ObjectView | DriftedObject) -> Markup:
    """Side by side and one below the other: the style sheet shows what there is room for.

    The one place where HTML comes from outside of the templates; `html_of` escapes every value in it.
    """
    view = view_of_record(item) if isinstance(item, DriftedObject) else item
    return Markup(html_of(view, side_by_side=True) + html_of(view, side_by_side=False))  # noqa: S704 -- see above


def moment(time: datetime | str) -> str:
    """`2026-03-01 14:05:09 UTC`; a text that is no time stays what it is."""
    try:
        known = datetime.fromisoformat(time) if isinstance(time, str) else time
        return known.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError):
        return str(time)


def iso(time: datetime | str) -> str:
    """As the attribute `datetime` takes it."""
    if isinstance(time, str):
        return time
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
