"""A real local control plane, Git server and Valkey for the demo, tests and laptops."""

from __future__ import annotations

from trueup.sandbox.assets import ensure_binaries
from trueup.sandbox.errors import SandboxError
from trueup.sandbox.git_http import GitServer, create_repository, git_server
from trueup.sandbox.sandbox import Sandbox, running, serve
from trueup.sandbox.slack_server import ChannelMessage, SlackServer, render_text, slack_server
from trueup.sandbox.valkey import Valkey, valkey_server

__all__ = [
    "ChannelMessage",
    "GitServer",
    "Sandbox",
    "SandboxError",
    "SlackServer",
    "Valkey",
    "create_repository",
    "ensure_binaries",
    "git_server",
    "render_text",
    "running",
    "serve",
    "slack_server",
    "valkey_server",
]
