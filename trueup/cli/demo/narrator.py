"""The demo's voice: numbered steps, and what came of each."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text


class Narrator:
    """Numbers the steps and prints what came of each."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._number = 0

    def step(self, text: str) -> None:
        self._number += 1
        self.console.print(f"\n[bold]{self._number}. {text}[/bold]")

    def fact(self, text: str, milliseconds: float | None = None) -> None:
        took = f"  [dim]{milliseconds:,.0f} ms[/dim]" if milliseconds is not None else ""
        self.console.print(f"   {text}{took}")

    def quote(self, text: str) -> None:
        """Somebody else's words, as they are."""
        for line in text.splitlines():
            self.console.print(Text.assemble(("   │ ", "dim"), line))

    def say(self, text: str) -> None:
        """A line of the set-up."""
        self.console.print(f"[dim]{text}[/dim]")
