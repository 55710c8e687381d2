"""kubernetes_asyncio without its generated models.

`import kubernetes_asyncio` executes about 770 model modules of which a client of plain JSON uses
none. Its HTTP client, its configuration and its kubeconfig loaders stand on their own: they are
imported here from under package modules that are not executed. See ADR 0002.

The copies are private: nothing of them stays behind in `sys.modules`, so whoever imports the real
package, before or after, gets all of it and none of what is changed here.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

_PACKAGE = "kubernetes_asyncio"


class ModelsNotLoadedError(TypeError):
    """Somebody asked for the generated client, which Trueup does not load."""


class _NoApiClient:
    """Stands where the loaders' module expects the generated client, which nothing here calls."""

    def __init__(self, *_: object, **__: object) -> None:
        raise ModelsNotLoadedError("the generated client of kubernetes_asyncio is not loaded")


def _unexecuted(name: str, directory: Path) -> ModuleType:
    spec = ModuleSpec(name, loader=None, origin=str(directory / "__init__.py"), is_package=True)
    spec.submodule_search_locations = [str(directory)]
    return module_from_spec(spec)


def _registered() -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if name.split(".", 1)[0] == _PACKAGE}


@contextmanager
def _packages_unexecuted() -> Iterator[ModuleType]:
    """The package and its two subpackages in `sys.modules`, empty but able to find their submodules."""
    others = _registered()
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"{_PACKAGE} is not installed", name=_PACKAGE)
    root = Path(spec.submodule_search_locations[0])
    client = _unexecuted(f"{_PACKAGE}.client", root / "client")
    for name in others:
        del sys.modules[name]
    sys.modules[_PACKAGE] = _unexecuted(_PACKAGE, root)
    sys.modules[f"{_PACKAGE}.client"] = client
    sys.modules[f"{_PACKAGE}.config"] = _unexecuted(f"{_PACKAGE}.config", root / "config")
    try:
        yield client
    finally:
        for name in _registered():
            del sys.modules[name]
        sys.modules.update(others)


def _submodules() -> tuple[ModuleType, ...]:
    names = (
        "client.configuration",
        "client.rest",
        "config.config_exception",
        "config.incluster_config",
        "config.kube_config",
    )
    return tuple(importlib.import_module(f"{_PACKAGE}.{name}") for name in names)


def _load() -> tuple[ModuleType, ...]:
    with _packages_unexecuted() as client:
        configuration = importlib.import_module(f"{_PACKAGE}.client.configuration")
        client.__dict__.update(Configuration=configuration.Configuration, ApiClient=_NoApiClient)
        return _submodules()


_configuration, _rest, _exception, _incluster, _kube = _load()

Configuration = _configuration.Configuration
RESTClientObject = _rest.RESTClientObject
ConfigException = _exception.ConfigException
InClusterConfigLoader = _incluster.InClusterConfigLoader
SERVICE_TOKEN_FILENAME: str = _incluster.SERVICE_TOKEN_FILENAME
SERVICE_CERT_FILENAME: str = _incluster.SERVICE_CERT_FILENAME
KubeConfigLoader = _kube.KubeConfigLoader
KubeConfigMerger = _kube.KubeConfigMerger
ExecProvider = _kube.ExecProvider


def run_exec_plugins_with(provider: type[Any]) -> None:
    """Have the kubeconfig loader run plugins with this subclass of `ExecProvider`."""
    _kube.__dict__["ExecProvider"] = provider
