"""What `argocd-cm` says of differences that do not count, of kinds to leave alone, and of updates that wake nobody.

Keys and meanings are Argo CD's (docs/operator-manual/argocd-cm.yaml): `resource.customizations.<what>.<group>_<kind>`
or `.all`, the older `resource.customizations` that holds them all, `resource.exclusions`, `resource.inclusions`,
`resource.compareoptions` and `resource.ignoreResourceUpdatesEnabled`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trueup.domain.errors import StalledError
from trueup.domain.ignore_rules import IgnoreRule, glob_fault, matches, read_rule, shown
from trueup.domain.kubeyaml import YamlBounds, read_documents
from trueup.domain.lenient import as_list, as_mapping, as_text, as_texts

CONFIG_MAP = "argocd-cm"

_CUSTOMIZATIONS = "resource.customizations"
_EXCLUSIONS = "resource.exclusions"
_INCLUSIONS = "resource.inclusions"
_COMPARE_OPTIONS = "resource.compareoptions"
_UPDATES_ENABLED = "resource.ignoreResourceUpdatesEnabled"
_DIFFERENCES = "ignoreDifferences"
_UPDATES = "ignoreResourceUpdates"
#: A ConfigMap holds no more.
_BOUNDS = YamlBounds(file_bytes_max=1_048_576, documents_max=1, document_nodes_max=50_000)
_FILTER_LISTS = ("apiGroups", "kinds", "clusters")


@dataclass(frozen=True, slots=True)
class KindFilter:
    """One entry of `resource.exclusions` or `resource.inclusions`: kinds on clusters. An empty list is any."""

    groups: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()

    def covers(self, group: str, kind: str, server: str) -> bool:
        asked = ((self.groups, group), (self.kinds, kind), (self.clusters, server))
        return all(not patterns or any(matches(one, text) for one in patterns) for patterns, text in asked)


@dataclass(frozen=True, slots=True)
class ResourceSettings:
    """All of it."""

    differences: tuple[IgnoreRule, ...] = ()
    updates: tuple[IgnoreRule, ...] = ()
    updates_enabled: bool = True
    exclusions: tuple[KindFilter, ...] = ()
    #: None is every kind.
    inclusions: tuple[KindFilter, ...] | None = None
    #: `ignoreDifferencesOnResourceUpdates` of `resource.compareoptions`: whether what is ignored of differences wakes
    #: nobody either. Its other options need none: neither a status in Git nor the rules of an aggregated role count.
    differences_wake_nobody: bool = True
    #: Why it is not known which kinds are to be left alone, and the way out; empty where it is.
    fault: str = ""

    def excludes(self, group: str, kind: str, server: str) -> bool:
        """Whether objects of this kind on that cluster are to be left alone."""
        if any(one.covers(group, kind, server) for one in self.exclusions):
            return True
        return self.inclusions is not None and not any(one.covers(group, kind, server) for one in self.inclusions)

    @property
    def update_rules(self) -> tuple[IgnoreRule, ...]:
        """What of a change of an object is nobody's business."""
        if not self.updates_enabled:
            return ()
        also = self.differences if self.differences_wake_nobody else ()
        return (*self.updates, *also)


NO_SETTINGS = ResourceSettings()


def read_resource_settings(data: Mapping[str, Any]) -> ResourceSettings:
    """The settings of a ConfigMap's data. Never raises: what makes no sense is a fault of its own."""
    rules = {**_older_rules(data), **_rules(data)}
    exclusions, wrong_exclusions = _filters(data, _EXCLUSIONS)
    inclusions, wrong_inclusions = _filters(data, _INCLUSIONS)
    options, _ = _yaml(data, _COMPARE_OPTIONS)
    return ResourceSettings(
        tuple(rule for (what, _), rule in sorted(rules.items()) if what == _DIFFERENCES),
        tuple(rule for (what, _), rule in sorted(rules.items()) if what == _UPDATES),
        updates_enabled=as_text(data.get(_UPDATES_ENABLED)).strip().lower() != "false",
        exclusions=exclusions,
        inclusions=inclusions or None,
        differences_wake_nobody=as_mapping(options).get("ignoreDifferencesOnResourceUpdates") is not False,
        fault=wrong_exclusions or wrong_inclusions,
    )


_Named = tuple[str, str]


def _rules(data: Mapping[str, Any]) -> dict[_Named, IgnoreRule]:
    found = {}
    for key in data:
        for what in (_DIFFERENCES, _UPDATES):
            prefix = f"{_CUSTOMIZATIONS}.{what}."
            if key.startswith(prefix):
                name = key.removeprefix(prefix)
                said, fault = _yaml(data, key)
                found[what, _kind_named(name)] = _rule(said, fault, f"{CONFIG_MAP} {key}", _kind_named(name))
    return found


def _kind_named(name: str) -> str:
    """`apps_Deployment` as `apps/Deployment`; `all` as `*/*`."""
    return "*/*" if name == "all" else name.replace("_", "/", 1)


def _older_rules(data: Mapping[str, Any]) -> dict[_Named, IgnoreRule]:
    """The rules of the one key that holds all customizations; where it is not YAML they may be about anything."""
    said, fault = _yaml(data, _CUSTOMIZATIONS)
    if fault or not isinstance(said, Mapping | None):
        origin = f"{CONFIG_MAP} {_CUSTOMIZATIONS}"
        everything = _rule(None, fault or "it is no mapping of <group>/<kind>; correct it", origin, "*/*")
        # Under a name of its own, which no good rule for everything takes away.
        return {(_DIFFERENCES, ""): everything}
    found = {}
    for name, customization in as_mapping(said).items():
        for what in (_DIFFERENCES, _UPDATES):
            inner = as_mapping(customization).get(what)
            if inner is not None:
                origin = f"{CONFIG_MAP} {_CUSTOMIZATIONS} {shown(name)} {what}"
                value, wrong = _text_of_yaml(inner, origin) if isinstance(inner, str) else (inner, "")
                found[what, name] = _rule(value, wrong, origin, name)
    return found


def _rule(said: Any, fault: str, origin: str, name: str) -> IgnoreRule:
    group, _, kind = name.rpartition("/")
    if not fault and said is not None and not isinstance(said, Mapping):
        fault = "it is no mapping with jsonPointers, jqPathExpressions or managedFieldsManagers; correct it"
    if fault:
        return IgnoreRule(group, kind, origin=origin, fault=fault)
    return read_rule(as_mapping(said), origin, group=group, kind=kind)


def _filters(data: Mapping[str, Any], key: str) -> tuple[tuple[KindFilter, ...], str]:
    listed, fault = _yaml(data, key)
    if not fault and listed is not None and not isinstance(listed, list):
        fault = "it is no list of entries with apiGroups, kinds and clusters; correct it"
    fault = fault or next(_filter_faults(as_list(listed)), "")
    if fault:
        return (), f"{CONFIG_MAP} {key}: {fault}"
    return tuple(
        KindFilter(*(as_texts(as_mapping(entry).get(name)) for name in _FILTER_LISTS)) for entry in as_list(listed)
    ), ""


def _filter_faults(listed: Any) -> Iterator[str]:
    for entry in listed:
        if not isinstance(entry, Mapping):
            yield "an entry is no mapping of apiGroups, kinds and clusters; correct it"
            return
        for name in _FILTER_LISTS:
            texts = as_texts(entry.get(name))
            if len(texts) != len(as_list(entry.get(name))) or not isinstance(entry.get(name), list | None):
                yield f"{name} is no list of strings; quote what is in it"
            yield from filter(None, map(glob_fault, texts))


def _yaml(data: Mapping[str, Any], key: str) -> tuple[Any, str]:
    """The value under the key, and why it cannot be read."""
    return _text_of_yaml(as_text(data.get(key)), "it")


def _text_of_yaml(text: str, name: str) -> tuple[Any, str]:
    try:
        documents = read_documents(name, text.encode(errors="replace"), _BOUNDS)
    except StalledError as error:
        return None, f"{error}; correct it"
    return (documents[0].value if documents else None), ""
