"""Where the sandbox's binaries come from: given, cached, or built once from pinned Go modules."""

from __future__ import annotations

import os
from pathlib import Path

from trueup.sandbox.errors import SandboxError
from trueup.sandbox.gobuild import GoModule, ensure_built, required_version
from trueup.sandbox.progress import Say, say_on_stderr

SOURCE = Path(__file__).parent / "controlplane"
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")

TOOLS_SOURCE = Path(__file__).parent / "tools"
#: What renders, and the registry that tests fill with charts.
TOOLS = ("helm", "kustomize", "jsonnet", "registry")

_HELM = "helm.sh/helm/v3"
_KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5"
_JSONNET = "github.com/google/go-jsonnet"


def cache_directory() -> Path:
    """Where what is built once is kept: TRUEUP_CACHE_DIR, else the user's cache folder."""
    if named := os.environ.get("TRUEUP_CACHE_DIR"):
        return Path(named)
    if caches := os.environ.get("XDG_CACHE_HOME"):
        return Path(caches) / "trueup"
    return Path.home() / ".cache" / "trueup"


def control_plane_module() -> GoModule:
    """The API server and what belongs to it, as one binary."""
    version = required_version(SOURCE / "go.mod", "k8s.io/kubernetes")
    major, minor, *_ = version.removeprefix("v").split(".")
    # Without a version the API server says v0.0.0, and charts that ask for one refuse it.
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return GoModule(
        name="controlplane",
        called="the control plane",
        titled=f"the Kubernetes {version} control plane",
        source=SOURCE,
        packages=(".",),
        programs=COMPONENTS,
        is_multi_call=True,
        stamps=tuple((f"k8s.io/component-base/version.{name}", value) for name, value in stamps.items()),
        variable="TRUEUP_CONTROLPLANE_DIR",
    )


def tools_module() -> GoModule:
    """What renders, a binary each: how fast one starts is a part of every render."""
    go_mod = TOOLS_SOURCE / "go.mod"
    helm, kustomize, jsonnet = (required_version(go_mod, module) for module in (_HELM, _KUSTOMIZE, _JSONNET))
    # As helm's own build has it: the Kubernetes that charts are rendered for where nobody says which.
    _, minor, *_ = required_version(go_mod, "k8s.io/client-go").split(".")
    capabilities = [
        (f"{_HELM}/pkg/{package}.k8sVersion{part}", value)
        for package in ("chartutil", "lint/rules")
        for part, value in (("Major", "1"), ("Minor", minor))
    ]
    return GoModule(
        name="tools",
        called="the render tools",
        titled=f"helm {helm}, kustomize {kustomize} and jsonnet {jsonnet}",
        source=TOOLS_SOURCE,
        packages=(f"{_HELM}/cmd/helm", _KUSTOMIZE, f"{_JSONNET}/cmd/jsonnet", "./registry"),
        programs=TOOLS,
        is_multi_call=False,
        # kustomize reads its own version from what Go writes into every binary.
        stamps=((f"{_HELM}/internal/version.version", helm), *capabilities),
        variable="TRUEUP_TOOLS_DIR",
    )


def _named(module: GoModule) -> Path | None:
    if not (named := os.environ.get(module.variable)):
        return None
    if missing := module.missing_from(Path(named)):
        raise SandboxError(f"{module.variable} is {named}, but {', '.join(missing)} cannot be run from there.")
    return Path(named)


def _kubebuilder_assets(module: GoModule, say: Say) -> Path | None:
    if not (named := os.environ.get("KUBEBUILDER_ASSETS")):
        return None
    if missing := module.missing_from(Path(named)):
        say(f"Not using KUBEBUILDER_ASSETS ({named}): it lacks {', '.join(missing)}")
        return None
    return Path(named)


async def ensure_binaries(say: Say = say_on_stderr) -> Path:
    """The folder that holds an executable for each of `COMPONENTS`, built now if it must be.

    `say` gets a line for whatever takes long. Raises SandboxError with what is
    missing when there is no such folder and none can be built.
    """
    module = control_plane_module()
    given = _named(module) or _kubebuilder_assets(module, say)
    return given or await ensure_built(module, cache_directory(), say)


async def ensure_tools(say: Say = say_on_stderr) -> Path:
    """The folder that holds an executable for each of `TOOLS`, found or built as `ensure_binaries` does it."""
    module = tools_module()
    return _named(module) or await ensure_built(module, cache_directory(), say)


def built_tools() -> Path | None:
    """The folder that `ensure_tools` would give, where nothing has to be built for it. Raises SandboxError."""
    module = tools_module()
    built = cache_directory() / f"{module.name}-{module.content_hash()}"
    return _named(module) or (built if built.is_dir() else None)


async def ensure_all(say: Say = say_on_stderr) -> None:
    """Build, where it must be, whatever a sandbox needs. Raises SandboxError."""
    await ensure_binaries(say)
    await ensure_tools(say)


def search_path(first: Path) -> str:
    """A PATH on which the programs of that folder are found before any others."""
    return os.pathsep.join((str(first), os.environ.get("PATH", os.defpath)))
