"""The example repositories of the documentation: each a directory that Git could hold, and its Application."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2] / "docs" / "examples"
#: What somebody types to get the same objects with the bare tools, in a clone of the example.
BY_HAND = "by-hand"


def examples() -> dict[str, Path]:
    """By name, such as `helm/values`."""
    return {path.parent.relative_to(ROOT).as_posix(): path.parent for path in sorted(ROOT.glob("*/*/application.yaml"))}


def application_of(example: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((example / "application.yaml").read_text())
    return found


def overrides_of(example: Path) -> list[Mapping[str, Any]]:
    """What files in the example say over the source."""
    return [yaml.safe_load(path.read_text()) for path in sorted(example.rglob(".argocd-source*.yaml"))]
