"""The `kustomize` options of an Application, set over the kustomization that they are for.

Argo CD applies each by `kustomize edit`, in a fixed order and to the source's own kustomization alone; the same
fields come out here (https://argo-cd.readthedocs.io/en/stable/user-guide/kustomize/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.kustomization import members
from trueup.domain.source import Kustomize, KustomizePatch

#: In place of a name, tag or digest: that of the kustomization stays.
_KEPT = "*"
_KEEPING = ("newName", "newTag", "digest")

Expand = Callable[[str], str]


def overridden(
    kustomization: Mapping[str, Any], options: Kustomize, *, components: Sequence[str], expand: Expand, said: str
) -> dict[str, Any]:
    """The kustomization with the options set over it; `components` are those of the options that there are.

    `expand` puts in the build environment, and `said` names the options in sentences. InvalidSpecError for an option
    that makes no sense; StalledError where the kustomization has another value that may not be replaced.
    """
    made = dict(kustomization)
    for name, value in (
        ("namePrefix", options.name_prefix),
        ("nameSuffix", options.name_suffix),
        ("namespace", options.namespace),
    ):
        if value:
            _take(made, name)
            made[name] = value
    if options.images:
        made["images"] = _images(made, [expand(image) for image in options.images], f"{said}.images")
    if options.replicas:
        made["replicas"] = _replicas(made, options, f"{said}.replicas")
    _set_labels(made, options, expand, said)
    _set_annotations(made, options, expand, said)
    if options.patches:
        made["patches"] = [*_list(_take(made, "patches")), *map(_patch, options.patches)]
    if components:
        known = _list(_take(made, "components"))
        made["components"] = [*known, *dict.fromkeys(name for name in components if name not in known)]
    return made


def sets_anything(options: Kustomize) -> bool:
    """Whether the options change the kustomization at all."""
    return bool(
        options.name_prefix
        or options.name_suffix
        or options.namespace
        or options.images
        or options.replicas
        or options.common_labels
        or options.common_annotations
        or options.patches
        or options.components
    )


def texts_expanded(options: Kustomize) -> Iterable[str]:
    """The texts of the options that the build environment goes into."""
    yield from options.images
    yield from options.common_labels.values()
    if options.common_annotations_envsubst:
        yield from options.common_annotations.values()


def image(text: str, said: str) -> dict[str, str]:
    """`[old=]name[:tag][@digest]` as an item of `images`; InvalidSpecError where it sets nothing."""
    old, separator, new = text.partition("=")
    name, tag, digest = split_image(new if separator else text)
    if not separator and name == text:
        raise InvalidSpecError(
            f"{said}: {text!r} sets nothing; write what the image becomes: `name:tag`, `name@digest` or `name=other`"
        )
    fields = {"name": old, "newName": name} if separator else {"name": name}
    return {key: value for key, value in (fields | {"newTag": tag, "digest": digest}).items() if value}


def split_image(text: str) -> tuple[str, str, str]:
    """Name, tag and digest of an image; a port of its registry is no tag."""
    host_end = max(text.find("/"), 0)
    host, rest = text[:host_end], text[host_end:]
    colon, at = rest.find(":"), rest.find("@")
    if at >= 0 and not 0 <= colon < at:
        return host + rest[:at], "", rest[at + 1 :]
    if colon < 0:
        return text, "", ""
    tag, _, digest = rest[colon + 1 :].partition("@")
    return host + rest[:colon], tag, digest


def _images(made: dict[str, Any], wanted: Sequence[str], said: str) -> list[Any]:
    new: dict[str, Mapping[str, Any]] = {item.get("name", ""): item for item in (image(text, said) for text in wanted)}
    before = [*_list(_take(made, "images")), *_list(_take(made, "imageTags"))]
    for known in before:
        if not isinstance(known, Mapping):
            continue
        name = _text(known, "name")
        if name not in new:
            new[name] = known
            continue
        kept = {key: _text(known, key) for key, value in new[name].items() if key in _KEEPING and value == _KEPT}
        new[name] = {**new[name], **kept}
    # Kustomize refuses these, and says so.
    odd = [known for known in before if not isinstance(known, Mapping)]
    return [*(_without_kept(new[name]) for name in sorted(new)), *odd]


def _without_kept(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in _KEEPING or value not in {_KEPT, ""}}


def _replicas(made: dict[str, Any], options: Kustomize, said: str) -> list[Any]:
    new: dict[str, Any] = {}
    for replica in options.replicas:
        if not replica.name or "=" in replica.name:
            raise InvalidSpecError(f"{said}: {replica.name!r} is no name of an object")
        new[replica.name] = {"name": replica.name, "count": replica.count}
    for known in _list(_take(made, "replicas")):
        new.setdefault(_text(known, "name"), known)
    return [new[name] for name in sorted(new)]


def _set_labels(made: dict[str, Any], options: Kustomize, expand: Expand, said: str) -> None:
    if options.label_include_templates and not options.label_without_selector and options.common_labels:
        raise InvalidSpecError(f"{said}.labelIncludeTemplates needs {said}.labelWithoutSelector: true beside it")
    pairs = _pairs(options.common_labels, expand, f"{said}.commonLabels")
    if not pairs:
        return
    way_out = f"take it out of one of the two, or set {said}.forceCommonLabels"
    force = options.force_common_labels
    if not options.label_without_selector:
        made["commonLabels"] = _merged(_take(made, "commonLabels"), pairs, "commonLabels", way_out, force=force)
        return
    items = [*_list(_take(made, "labels"))]
    wanted = (False, options.label_include_templates)
    matching = (i for i, item in enumerate(items) if isinstance(item, Mapping) and _applies_to(item) == wanted)
    at = next(matching, len(items))
    if at == len(items):
        items.append({"pairs": {}, **({"includeTemplates": True} if options.label_include_templates else {})})
    item = dict(items[at])
    item["pairs"] = _merged(_take(item, "pairs"), pairs, "labels", way_out, force=force)
    items[at] = item
    made["labels"] = items


def _applies_to(item: object) -> tuple[bool, bool]:
    """Whether labels go into selectors and into templates."""
    selectors, templates = (any(members(item, f"include{name}")) for name in ("Selectors", "Templates"))
    return selectors, templates


def _set_annotations(made: dict[str, Any], options: Kustomize, expand: Expand, said: str) -> None:
    change = expand if options.common_annotations_envsubst else str
    pairs = _pairs(options.common_annotations, change, f"{said}.commonAnnotations")
    if pairs:
        way_out = f"take it out of one of the two, or set {said}.forceCommonAnnotations"
        known = _take(made, "commonAnnotations")
        force = options.force_common_annotations
        made["commonAnnotations"] = _merged(known, pairs, "commonAnnotations", way_out, force=force)


def _pairs(given: Mapping[str, str], change: Expand, said: str) -> dict[str, str]:
    pairs = {}
    for key, value in given.items():
        if not key or ":" in key:
            raise InvalidSpecError(f"{said}: {key!r} is no key")
        text = change(value)
        is_quoted = len(text) >= 2 and text[0] == text[-1] == '"'
        pairs[key] = text[1:-1] if is_quoted else text
    return pairs


def _merged(known: object, pairs: Mapping[str, str], field: str, way_out: str, *, force: bool) -> dict[str, Any]:
    before: dict[str, Any] = dict(known) if isinstance(known, Mapping) else {}
    if not force and (clashing := sorted(before.keys() & pairs.keys())):
        raise StalledError(f"the kustomization has {clashing[0]} in its {field} already; {way_out}")
    return {**before, **pairs}


def _patch(patch: KustomizePatch) -> dict[str, Any]:
    fields = {"path": patch.path, "patch": patch.patch, "target": patch.target, "options": patch.options}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in fields.items() if value}


def _take(mapping: dict[str, Any], name: str) -> Any:
    """Take the field out, in whatever case it is written; of several the last in order of their names counts."""
    found = None
    for key in sorted(key for key in mapping if key.casefold() == name.casefold()):
        found = mapping.pop(key)
    return found


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(item: object, name: str) -> str:
    return next((str(value) for value in members(item, name)), "")
