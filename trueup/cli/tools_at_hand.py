"""The tools that render, for commands that people run on machines where only the sandbox has them."""

from __future__ import annotations

import shutil

from trueup.sandbox import SandboxError, built_tools
from trueup.settings import Settings

_RENDERERS = ("helm", "kustomize", "jsonnet")


def with_tools_at_hand(settings: Settings) -> Settings:
    """The settings with what the sandbox has built for each tool that nobody has named and that is not on PATH."""
    missing = [name for name in _RENDERERS if getattr(settings, name) == name and shutil.which(name) is None]
    if not missing:
        return settings
    try:
        folder = built_tools()
    except SandboxError:
        return settings
    return settings.model_copy(update={name: str(folder / name) for name in missing}) if folder else settings
