"""What annotations on an object ask of a sync, and which of it Trueup refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trueup.domain.helm_hooks import is_ordinary
from trueup.domain.manifest import RawObject
from trueup.domain.resource import Body, Manifest

SYNC_OPTIONS_ANNOTATION = "argocd.argoproj.io/sync-options"
COMPARE_OPTIONS_ANNOTATION = "argocd.argoproj.io/compare-options"
SYNC_WAVE_ANNOTATION = "argocd.argoproj.io/sync-wave"
HOOK_ANNOTATION = "argocd.argoproj.io/hook"
HELM_HOOK_PREFIX = "helm.sh/hook"
HELM_RESOURCE_POLICY_ANNOTATION = "helm.sh/resource-policy"

_REFUSED_OPTIONS = {
    ("Replace", "true"): "would delete and create the object instead of applying it",
    ("Force", "true"): "would delete and create the object where applying it fails",
    ("Prune", "confirm"): "waits for a person's word; use Prune=false",
    ("Delete", "confirm"): "waits for a person's word; use Delete=false",
}
#: Known, and either what Trueup does anyway or of no effect on one object.
_IDLE_OPTIONS = frozenset(
    {"ApplyOutOfSyncOnly", "ClientSideApplyMigration", "Force", "PruneLast", "Replace", "SkipDryRunOnMissingResource"}
)


@dataclass(frozen=True, slots=True)
class ObjectOptions:
    """The `sync-options` and `compare-options` of one object; they overrule the Application's."""

    #: False: it is never pruned. Read from the live object, since Git has it no more.
    prune: bool = True
    #: False: it stays when the Application is deleted.
    delete: bool = True
    #: None leaves it to the Application.
    validate: bool | None = None
    #: None leaves it to the Application.
    server_side_apply: bool | None = None
    #: The Application is Synced even while it could be pruned.
    ignore_extraneous: bool = False
    #: Options that nobody knows: worth a warning, never a failure.
    unknown: tuple[str, ...] = ()


def object_options(body: Body) -> ObjectOptions:
    """What the object's annotations ask for; the later of two contradictory options wins."""
    annotations = _annotations(body)
    values = dict(_options(annotations.get(SYNC_OPTIONS_ANNOTATION, "")))
    known = {"Prune", "Delete", "Validate", "ServerSideApply", *_IDLE_OPTIONS}
    keep = annotations.get(HELM_RESOURCE_POLICY_ANNOTATION, "").strip() == "keep"
    return ObjectOptions(
        prune=values.get("Prune") not in ("false", "confirm"),
        delete=values.get("Delete") not in ("false", "confirm") and not keep,
        validate=_boolean(values.get("Validate")),
        server_side_apply=_boolean(values.get("ServerSideApply")),
        ignore_extraneous="IgnoreExtraneous" in dict(_options(annotations.get(COMPARE_OPTIONS_ANNOTATION, ""))),
        unknown=tuple(name for name in values if name not in known),
    )


def refused_features(manifest: Manifest | RawObject) -> tuple[str, ...]:
    """One sentence for each thing the object asks for that Trueup does not do yet; empty for a good one."""
    annotations = _annotations(manifest.body)
    sentences = []
    wave = annotations.get(SYNC_WAVE_ANNOTATION)
    if wave is not None and not _is_zero(wave):
        sentences.append(f"{SYNC_WAVE_ANNOTATION}: sync waves are not supported yet; remove the annotation")
    if HOOK_ANNOTATION in annotations:
        sentences.append(f"{HOOK_ANNOTATION}: hooks are not supported yet; remove the object or the annotation")
    elif any(name.startswith(HELM_HOOK_PREFIX) for name in annotations) and not is_ordinary(manifest.body):
        sentences.append(f"{HELM_HOOK_PREFIX}: Helm hooks are not supported yet; remove the object or the annotation")
    for option in _options(annotations.get(SYNC_OPTIONS_ANNOTATION, "")):
        reason = _REFUSED_OPTIONS.get(option)
        if reason is not None:
            sentences.append(f"{SYNC_OPTIONS_ANNOTATION}: {'='.join(option)} {reason}, which is not supported yet")
    subject = f"{manifest.origin}: {manifest.body['kind']} {manifest.body['metadata']['name']}"
    return tuple(f"{subject}: {sentence}" for sentence in sentences)


def _annotations(body: Body) -> dict[str, str]:
    found = (body.get("metadata") or {}).get("annotations")
    return {k: v for k, v in found.items() if isinstance(v, str)} if isinstance(found, dict) else {}


def _options(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if name:
            yield name.strip(), value.strip()


def _boolean(text: str | None) -> bool | None:
    return {"true": True, "false": False}.get(text or "")


def _is_zero(text: str) -> bool:
    try:
        return int(text) == 0
    except ValueError:
        return False
