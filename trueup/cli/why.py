"""`trueup app diff --why`: of every field that is reported, ignored or written otherwise the rule that did it."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from trueup.cli.difference import print_object
from trueup.cli.printing import one_line
from trueup.domain.explain import Explanation
from trueup.domain.fieldpath import show
from trueup.domain.redact import Redactor
from trueup.domain.resource import ResourceKey
from trueup.engine.comparison import Comparison

#: Of one object so many fields are explained; what is reported comes first.
EXPLANATIONS_SHOWN_MAX = 300
LINE_CHARS_MAX = 600


def print_reasons(comparison: Comparison, key: ResourceKey, redactor: Redactor, console: Console) -> None:
    """A line for each field of a desired object."""
    found = comparison.explanations(key)
    for explanation in found[:EXPLANATIONS_SHOWN_MAX]:
        console.print(Text(f"  {_line(explanation, redactor)}", style="dim"))
    if len(found) > EXPLANATIONS_SHOWN_MAX:
        console.print(Text(f"  and {len(found) - EXPLANATIONS_SHOWN_MAX} fields more", style="dim"))


def print_what_may_stay(comparison: Comparison, console: Console) -> None:
    """The objects that Git does not have and that say themselves that this is no difference."""
    unwanted = set(comparison.unwanted)
    for key in comparison.leftovers:
        if key not in unwanted:
            print_object(key, "Unwanted", console)
            console.print(Text("  ignored: IgnoreExtraneous: its compare-options say that it may stay", style="dim"))


def _line(explanation: Explanation, redactor: Redactor) -> str:
    where = f"{show(explanation.path)}: " if explanation.path else ""
    text = one_line(redactor.text(f"{where}{explanation.verdict}: {explanation.rule}: {explanation.detail}"))
    return text if len(text) <= LINE_CHARS_MAX else text[: LINE_CHARS_MAX - 1] + "…"
