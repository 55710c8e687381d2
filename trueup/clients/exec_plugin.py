"""Credential plugins of a kubeconfig (`client.authentication.k8s.io`), run like every other process.

kubernetes_asyncio's own runner waits without end and leaves the plugin behind when it is cancelled.
"""

from __future__ import annotations

from typing import Any

import orjson

from trueup.clients.kubernetes_light import ConfigException, ExecProvider, run_exec_plugins_with
from trueup.clients.process import ProcessError, run

PLUGIN_SECONDS_MAX = 30.0
PLUGIN_OUTPUT_BYTES_MAX = 1024 * 1024


class PluginError(ConfigException):  # type: ignore[misc]  # the library is untyped
    """A plugin failed; the message says how, and quotes nothing of what it wrote."""


class _BoundedExecProvider(ExecProvider):  # type: ignore[misc]  # the library is untyped
    """The library's reading of the `exec` stanza, with an end to the patience."""

    async def run(self, previous_response: str | None = None) -> Any:  # noqa: ARG002  the library's signature
        """The `status` of the plugin's ExecCredential. Raises PluginError."""
        asked = {"apiVersion": self.api_version, "kind": "ExecCredential", "spec": {"interactive": False}}
        env = {**self.env, "KUBERNETES_EXEC_INFO": orjson.dumps(asked).decode()}
        try:
            done = await run(
                self.args, env=env, timeout_seconds=PLUGIN_SECONDS_MAX, output_bytes_max=PLUGIN_OUTPUT_BYTES_MAX
            )
        except ProcessError as error:
            raise PluginError(f"exec: {error}") from error
        if done.returncode != 0:
            raise PluginError(f"exec: {self.args[0]} ended with exit status {done.returncode}")
        try:
            credential = orjson.loads(done.stdout)
            if credential["apiVersion"] != self.api_version:
                raise PluginError(f"exec: {self.args[0]} does not speak {self.api_version}")
            return credential["status"]
        except (orjson.JSONDecodeError, LookupError, TypeError) as error:
            raise PluginError(f"exec: {self.args[0]} wrote no ExecCredential") from error


def install() -> None:
    """Run plugins this way from now on."""
    run_exec_plugins_with(_BoundedExecProvider)
