"""`trueup demo`: the main job on real parts, each step with its time, then a live view."""

from __future__ import annotations

from trueup.cli.demo.story import run_demo

__all__ = ["run_demo"]
