"""An Application is read as Argo CD means it, and what Trueup cannot do is refused by name."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from trueup.clients.applications import parse_application, trigger_hash
from trueup.domain.application import ApplicationId, Automated, RetryPolicy, SyncOptions
from trueup.domain.resource import ResourceKey
from trueup.domain.source import Directory

SAMPLES = Path(__file__).parents[1] / "samples" / "applications"
SECRET = "hunter2hunter2"


def sample(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    return loaded


def changed(*path: str | int, to: Any, base: str = "web-shop") -> dict[str, Any]:
    raw = sample(base)
    node: Any = raw
    for step in path[:-1]:
        node = node.setdefault(step, {}) if isinstance(step, str) else node[step]
    node[path[-1]] = to
    return raw


def refusals(*path: str | int, to: Any, base: str = "web-shop") -> tuple[str, ...]:
    return parse_application(changed(*path, to=to, base=base)).refusals


def test_a_usual_application_is_read_whole() -> None:
    application = parse_application(sample("web-shop"))
    assert application.refusals == ()
    assert application.warnings == ()
    assert application.id == ApplicationId("argocd", "web-shop")
    assert application.source.repo_url == "https://git.example.com/storefront/deployments.git"
    assert application.source.path == "overlays/production"
    assert application.source.target_revision == "main"
    assert application.source.directory == Directory(recurse=True, include="{*.yaml,*.yml}", exclude="*.tmpl.yaml")
    assert (application.namespace, application.is_home_cluster) == ("shop", True)
    assert application.automated == Automated(prune=True, self_heal=True)
    assert application.options == SyncOptions(
        create_namespace=True, validate=False, fail_on_shared_resource=True, prune_propagation_policy="background"
    )
    assert application.retry == RetryPolicy(limit=5, duration_seconds=5, factor=2, duration_seconds_max=180)
    assert application.history_limit == 5
    assert application.finalizers == ("resources-finalizer.argocd.argoproj.io",)
    assert (application.operation, application.refresh, application.deleting) == (None, None, False)


def test_the_least_that_can_be_said_is_enough() -> None:
    application = parse_application(sample("minimal"))
    assert application.refusals == ()
    assert application.project == "default"
    assert application.source.path == ""
    assert application.source.target_revision == "HEAD"
    assert application.is_home_cluster
    assert application.automated is None
    assert application.options == SyncOptions()
    assert application.retry == RetryPolicy()
    assert application.history_limit == 10


def test_an_operation_is_read_and_unknown_fields_hurt_nobody() -> None:
    raw = sample("operated")
    application = parse_application(raw)
    assert application.refusals == ()
    assert application.automated is None
    assert application.refresh == "hard"
    assert [sentence for sentence in application.warnings if "OptionOfTomorrow=true" in sentence]
    operation = application.operation
    assert operation is not None
    assert operation.revisions == ("6a5c7a1f0f9be3e2d1c6d8a2b4f6e8a0c2d4e6f8",)
    assert (operation.prune, operation.dry_run, operation.initiated_by) == (True, False, "ada")
    assert operation.resources == (
        ResourceKey("apps", "Deployment", "operated", "front"),
        ResourceKey("", "Service", "", "front"),
    )
    assert operation.options == SyncOptions(prune_propagation_policy="orphan")
    assert operation.retry == RetryPolicy(limit=-1, duration_seconds=10)
    assert operation.raw == raw["operation"]
    assert application.revision == "1" * 40
    assert application.inventory == (
        ResourceKey("apps", "Deployment", "operated", "front"),
        ResourceKey("", "Namespace", "", "operated"),
    )


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("kustomize", ["managedNamespaceMetadata"]),
        ("hydrated", ["spec.sourceHydrator "]),
    ],
)
def test_what_is_not_done_yet_is_refused_by_name(name: str, named: list[str]) -> None:
    found = parse_application(sample(name)).refusals
    for part in named:
        assert [sentence for sentence in found if part in sentence], (part, found)
    for sentence in found:
        assert sentence.endswith("."), sentence
        assert "must be" not in sentence, "the sample itself is well typed"


@pytest.mark.parametrize(
    ("automated", "expected"),
    [
        ({}, Automated()),
        ({"enabled": True, "prune": True}, Automated(prune=True)),
        ({"enabled": None, "allowEmpty": True}, Automated(allow_empty=True)),
        ({"enabled": False, "prune": True, "selfHeal": True}, None),
        (None, None),
    ],
)
def test_automation_is_on_when_the_block_is_there_and_not_switched_off(automated: Any, expected: Any) -> None:
    application = parse_application(changed("spec", "syncPolicy", "automated", to=automated))
    assert application.refusals == ()
    assert application.automated == expected


@pytest.mark.parametrize(
    ("option", "field", "value"),
    [
        ("CreateNamespace=true", "create_namespace", True),
        ("CreateNamespace=false", "create_namespace", False),
        ("Prune=false", "prune", False),
        ("Validate=false", "validate", False),
        ("FailOnSharedResource=true", "fail_on_shared_resource", True),
        ("PrunePropagationPolicy=orphan", "prune_propagation_policy", "orphan"),
        ("Replace=false", "prune", True),
        ("Force=false", "prune", True),
        ("ClientSideApplyMigration=true", "prune", True),
        ("RespectIgnoreDifferences=true", "respect_ignore_differences", True),
        ("RespectIgnoreDifferences=false", "respect_ignore_differences", False),
    ],
)
def test_sync_options_that_are_done(option: str, field: str, value: object) -> None:
    application = parse_application(changed("spec", "syncPolicy", "syncOptions", to=[option]))
    assert (application.refusals, application.warnings) == ((), ())
    assert getattr(application.options, field) == value


@pytest.mark.parametrize(
    "option",
    [
        "Replace=true", "Force=true", "Prune=confirm", "Delete=confirm",
        "Delete=false", "PrunePropagationPolicy=sometimes", "PrunePropagationPolicy", "Prune=flase",
        "CreateNamespace=True",
    ],
)  # fmt: skip
def test_sync_options_that_are_refused(option: str) -> None:
    (sentence,) = refusals("spec", "syncPolicy", "syncOptions", to=[option])
    assert f'spec.syncPolicy.syncOptions "{option}"' in sentence


@pytest.mark.parametrize("option", ["Tomorrow=true", "ServerSideApply=false", "ClientSideApplyMigration=false", "="])
def test_sync_options_without_effect_are_a_warning_and_no_refusal(option: str) -> None:
    application = parse_application(changed("spec", "syncPolicy", "syncOptions", to=[option]))
    assert application.refusals == ()
    (warning,) = application.warnings
    assert "no effect" in warning


def test_an_option_that_contradicts_itself_is_refused() -> None:
    (sentence,) = refusals("spec", "syncPolicy", "syncOptions", to=["Prune=true", "Prune=true", "Prune=false"])
    assert "twice" in sentence


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("spec", "source"), None, "spec.source is missing"),
        (("spec", "source"), {}, "spec.source.repoURL is missing"),
        (("spec", "source", "repoURL"), "", "spec.source.repoURL is empty"),
        (("spec", "source", "repoURL"), " ", "spec.source.repoURL"),
        (("spec", "source", "repoURL"), "-uexec", "spec.source.repoURL"),
        (("spec", "source", "repoURL"), "ext::sh -c true", "spec.source.repoURL"),
        (("spec", "source", "repoURL"), "oci://registry.example.com/a", "OCI registry"),
        (("spec", "source", "repoURL"), 7, "spec.source.repoURL must be text"),
        (("spec", "source", "path"), "", "spec.source.path is missing"),
        (("spec", "source", "path"), None, "spec.source.path is missing"),
        (("spec", "source", "path"), "/etc", "is absolute"),
        (("spec", "source", "path"), "..", "leads out"),
        (("spec", "source", "path"), "a/../../b", "leads out"),
        (("spec", "source", "path"), "a\x00b", "is not a path"),
        (("spec", "source", "path"), "a" * 2_000, "is not a path"),
        (("spec", "source", "targetRevision"), "--upload-pack=x", "spec.source.targetRevision"),
        (("spec", "source", "targetRevision"), "a..b", "spec.source.targetRevision"),
        (("spec", "source", "targetRevision"), "a b", "spec.source.targetRevision"),
        (("spec", "source", "targetRevision"), "a\nb", "spec.source.targetRevision"),
        (("spec", "source", "targetRevision"), "1.2.*.y", "spec.source.targetRevision"),
        (("spec", "source", "targetRevision"), "main@{1}", "spec.source.targetRevision"),
        (("spec", "source", "tagPrefix"), "v 1", "spec.source.tagPrefix"),
        (("spec", "source", "plugin"), {}, "spec.source.plugin"),
        (("spec", "source", "helm"), {}, "spec.source has directory and helm"),
        (("spec", "source", "repoURL"), "https://git.example.com\u202e/a b", "spec.source.repoURL"),
        (("spec", "source", "repoURL"), "nowhere\u202e", "spec.source.repoURL"),
        (("spec", "destination"), {}, "neither server nor name"),
        (("spec", "destination"), None, "spec.destination must be an object"),
        (("spec", "destination", "name"), "in-cluster", "both server and name"),
        (("spec", "destination", "namespace"), "Not A Namespace", "spec.destination.namespace"),
        (("spec", "project"), 5, "spec.project must be text"),
        (("spec", "revisionHistoryLimit"), -1, "spec.revisionHistoryLimit is -1"),
        (("spec", "revisionHistoryLimit"), True, "spec.revisionHistoryLimit must be a whole number"),
        (("spec", "syncPolicy", "automated", "prune"), "yes", "spec.syncPolicy.automated.prune must be true or false"),
        (("spec", "syncPolicy", "automated"), True, "spec.syncPolicy.automated must be an object"),
        (("spec", "syncPolicy", "syncOptions"), "Prune=false", "spec.syncPolicy.syncOptions must be a list"),
        (("spec", "syncPolicy", "retry", "backoff", "duration"), "5 minutes", "not a duration"),
        (("spec", "syncPolicy", "retry", "backoff", "duration"), "-5s", "not more than nothing"),
        (("spec", "syncPolicy", "retry", "backoff", "maxDuration"), "0", "not more than nothing"),
        (("spec", "syncPolicy", "retry", "backoff", "maxDuration"), "99999999h", "too large"),
        (("spec", "syncPolicy", "retry", "backoff", "factor"), 0, "backoff.factor is 0"),
        (("spec", "syncPolicy", "managedNamespaceMetadata"), {"labels": {"a": "b"}}, "managedNamespaceMetadata"),
        (("spec", "ignoreDifferences"), [{"name": "a"}], "spec.ignoreDifferences[0].kind"),
        (("metadata", "name"), "", "metadata.name must be more than nothing"),
        (("spec",), None, "spec must be an object"),
        (("spec",), [], "spec must be an object"),
    ],
)
def test_what_is_wrong_is_said_by_field(path: tuple[str, ...], value: object, said: str) -> None:
    found = refusals(*path, to=value)
    assert any(said in sentence for sentence in found), found
    assert len(found) == 1, found
    assert found[0].isprintable()


@pytest.mark.parametrize(
    ("sync", "said"),
    [
        ({"manifests": ["kind: Service"]}, "operation.sync.manifests"),
        ({"source": {"repoURL": "https://git.example.com/other.git", "path": "."}}, "operation.sync.source "),
        ({"sources": [{"repoURL": "https://git.example.com/other.git"}]}, "operation.sync.sources"),
        ({"revisions": ["main"]}, "operation.sync.revisions"),
        ({"revision": "--all"}, "operation.sync.revision"),
        ({"syncStrategy": {"hook": {"force": True}}}, "syncStrategy.hook.force"),
        ({"syncStrategy": {"apply": {"force": True}}}, "syncStrategy.apply.force"),
        ({"resources": [{"kind": "*", "name": "*"}]}, "operation.sync.resources[0]"),
        ({"resources": [{"kind": "Service"}]}, "operation.sync.resources[0].name is missing"),
        ({"resources": [{"kind": "Service", "name": ""}]}, "operation.sync.resources[0] names no object"),
        ({"prune": "true"}, "operation.sync.prune must be true or false"),
        ({"syncOptions": ["Replace=true"]}, 'operation.sync.syncOptions "Replace=true"'),
        (None, "operation has no sync"),
    ],
)
def test_an_operation_that_cannot_be_done_is_refused_and_named_as_such(sync: Any, said: str) -> None:
    application = parse_application(changed("operation", to={"sync": sync}))
    assert application.operation is not None
    assert any(said in sentence for sentence in application.operation.refusals), application.operation.refusals
    assert application.refusals == application.operation.refusals
    assert application.spec_refusals == ()


def test_a_rollback_to_the_same_source_is_no_override() -> None:
    raw = sample("web-shop")
    raw["operation"] = {"sync": {"revision": "a" * 40, "source": copy.deepcopy(raw["spec"]["source"])}}
    assert parse_application(raw).refusals == ()


@pytest.mark.parametrize(
    ("value", "expected"), [("normal", "normal"), ("hard", "hard"), ("", "normal"), ("soft", "normal"), (None, None)]
)
def test_a_refresh_is_normal_unless_it_is_hard(value: Any, expected: Any) -> None:
    raw = changed("metadata", "annotations", to={} if value is None else {"argocd.argoproj.io/refresh": value})
    assert parse_application(raw).refresh == expected


def test_deletion_and_skipping_are_seen() -> None:
    assert parse_application(changed("metadata", "deletionTimestamp", to="2025-01-31T12:00:00Z")).deleting
    skip = changed("metadata", "annotations", to={"argocd.argoproj.io/skip-reconcile": "true"})
    assert parse_application(skip).skip_reconcile
    no = changed("metadata", "annotations", to={"argocd.argoproj.io/skip-reconcile": "false"})
    assert not parse_application(no).skip_reconcile


@pytest.mark.parametrize(
    "url",
    [
        f"https://ada:{SECRET}@git.example.com/a.git",
        f"https://ada:{SECRET}@git.example.com/a b.git",
        f"ssh://ada:{SECRET}@[::bad/a.git",
        f"https://ada:{SECRET}@exam\nple.com/a.git",
    ],
)
def test_a_password_in_a_url_is_refused_and_never_repeated(url: str) -> None:
    application = parse_application(changed("spec", "source", "repoURL", to=url))
    assert application.refusals
    assert SECRET not in "".join(application.refusals + application.warnings)


def test_sentences_are_bounded_and_free_of_control_characters() -> None:
    application = parse_application(changed("spec", "syncPolicy", "syncOptions", to=[{}] * 1_000))
    assert len(application.refusals) == 20
    assert "981 more" in application.refusals[-1]
    loud = parse_application(changed("spec", "source", "path", to="/\x1b[31m" + "x" * 500))
    assert all(sentence.isprintable() and len(sentence) < 400 for sentence in loud.refusals)


def test_a_name_of_any_length_is_shown_short() -> None:
    raw = changed("spec", "source", "kustomize", to={"commonLabels": {"a\n" * 5_000: 1, "a" * 5_000: 1}})
    found = parse_application(raw).refusals
    assert any("commonLabels" in sentence for sentence in found)
    assert all(sentence.isprintable() and len(sentence) < 400 for sentence in found)
    listed = changed("spec", "info", to=[{"name": "x", "value": 1}])
    assert parse_application(listed).refusals == ("spec.info[0].value must be text; correct it.",)


def test_the_home_cluster_may_be_written_with_a_slash() -> None:
    application = parse_application(changed("spec", "destination", "server", to="https://kubernetes.default.svc/"))
    assert application.refusals == ()
    assert application.is_home_cluster


def test_retries_have_bounds() -> None:
    retry = {"limit": -7, "backoff": {"factor": 10**12}}
    assert parse_application(changed("spec", "syncPolicy", "retry", to=retry)).retry == RetryPolicy(
        limit=-1, factor=1_000
    )


def test_a_history_is_no_longer_than_an_object_has_room_for() -> None:
    application = parse_application(changed("spec", "revisionHistoryLimit", to=10_000))
    assert application.history_limit == 100
    assert application.refusals == ()
    assert "100" in application.warnings[0]


def test_what_names_no_object_is_not_owned() -> None:
    raw = changed("status", to={"resources": [{"kind": "Service"}, {"name": "x"}, "x", None, {"kind": 1, "name": "x"}]})
    assert parse_application(raw).inventory == ()


def test_our_own_writes_do_not_trigger() -> None:
    raw = sample("operated")
    before = trigger_hash(raw)
    raw["metadata"] |= {"generation": 7, "resourceVersion": "99", "labels": {"a": "b"}, "managedFields": [{}]}
    raw["metadata"]["annotations"]["example.com/note"] = "x"
    raw["status"] = {"sync": {"status": "Synced"}}
    assert trigger_hash(raw) == before


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "source", "targetRevision"), "other"),
        (("spec", "source", "fieldOfTomorrow"), 1),
        (("operation",), None),
        (("metadata", "deletionTimestamp"), "2025-01-31T12:00:00Z"),
        (("metadata", "finalizers"), []),
        (("metadata", "annotations", "argocd.argoproj.io/refresh"), "normal"),
        (("metadata", "annotations", "argocd.argoproj.io/skip-reconcile"), "true"),
    ],
)
def test_what_people_ask_for_triggers(path: tuple[str, ...], value: object) -> None:
    assert trigger_hash(changed(*path, to=value, base="operated")) != trigger_hash(sample("operated"))


def test_the_apply_strategy_is_what_a_sync_without_hooks_does_anyway() -> None:
    application = parse_application(changed("operation", to={"sync": {"syncStrategy": {"apply": {}}}}))
    assert application.operation is not None
    assert application.operation.refusals == ()
