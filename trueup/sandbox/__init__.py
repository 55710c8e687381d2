"""A real local control plane, Git server and Valkey for the demo, tests and laptops."""

from __future__ import annotations

from trueup.sandbox.assets import built_tools, ensure_all, ensure_binaries, ensure_tools, search_path
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
    "built_tools",
    "create_repository",
    "ensure_all",
    "ensure_binaries",
    "ensure_tools",
    "git_server",
    "render_text",
    "running",
    "search_path",
    "serve",
    "slack_server",
    "valkey_server",
]
