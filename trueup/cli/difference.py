"""A difference as people read it: `-` is live, `+` is what Git says."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from trueup.cli.printing import one_line, printable
from trueup.domain.incident import REMARKS, Field
from trueup.domain.resource import ResourceKey


def print_object(key: ResourceKey, status: str, console: Console) -> None:
    """The line above an object's fields, with what its status says beyond their difference."""
    console.print(Text(one_line(f"===== {key} {REMARKS.get(status, '')}"), style="bold"))


def print_field(field: Field, written_by: str, console: Console) -> None:
    """One place of an object; `written_by` is empty where nobody can tell."""
    console.print(Text(printable(f"  {field.path}" + (f"  (last written by {written_by})" if written_by else ""))))
    if field.kind != "missing":
        console.print(Text(printable(f"    - {field.live}"), style="red"))
    if field.kind != "extra":
        console.print(Text(printable(f"    + {field.desired}"), style="green"))
