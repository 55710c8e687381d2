"""The build environment: what Argo CD tells the options of a source about their Application.

Names as in Argo CD's documentation, "Build Environment".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from trueup.domain.repository import redact_url
from trueup.engine.render.request import Request

#: As Go's `os.Expand` reads them: `$NAME`, `${NAME}`, `$` before a sign of the shell, a brace that is never closed.
_VARIABLE = re.compile(r"\$(?:\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*)|([*#$@!?0-9-])|\{)")
#: What changes with every commit, whatever is in it.
_OF_THE_REVISION = frozenset({"ARGOCD_APP_REVISION", "ARGOCD_APP_REVISION_SHORT", "ARGOCD_APP_REVISION_SHORT_8"})


def build_environment(request: Request) -> dict[str, str]:
    """Every variable and its value."""
    source, target, revision = request.source, request.target, request.revision
    return {
        "ARGOCD_APP_NAME": target.application,
        "ARGOCD_APP_NAMESPACE": target.namespace,
        "ARGOCD_APP_PROJECT_NAME": target.project,
        "ARGOCD_APP_REVISION": revision,
        "ARGOCD_APP_REVISION_SHORT": revision[:7],
        "ARGOCD_APP_REVISION_SHORT_8": revision[:8],
        "ARGOCD_APP_SOURCE_PATH": source.path or ".",
        "ARGOCD_APP_SOURCE_REPO_URL": redact_url(source.repo_url),
        "ARGOCD_APP_SOURCE_TARGET_REVISION": source.target_revision,
        "KUBE_VERSION": target.kube_version,
        "KUBE_API_VERSIONS": ",".join(target.api_versions),
    }


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """The text with its variables replaced, one that is not known by nothing, and `$$` by a dollar. As in Argo CD."""

    def value(match: re.Match[str]) -> str:
        if match[3] == "$":
            return "$"
        return environment.get(match[1] or match[2] or "", "")

    return _VARIABLE.sub(value, text)


def names_the_revision(text: str) -> bool:
    """Whether what comes of the text is another one with every commit."""
    return any((match[1] or match[2]) in _OF_THE_REVISION for match in _VARIABLE.finditer(text))
