"""A drift war with another controller is told by the controller's name, with an audit log and without one."""

from __future__ import annotations

from tests.support.audit import audited
from tests.support.drift import DEPLOYMENT, HEALING
from tests.support.product import Installation, Raw, conditions, is_synced

#: The autoscaler looks every 15 s by itself.
WAR_SECONDS = 120.0


async def said_of_the_war(trueup: Installation) -> str:
    """What an Application says that heals what a real HorizontalPodAutoscaler scales."""
    web = "web"
    repository = await trueup.repository()
    revision = await repository.push({"app/web.yaml": DEPLOYMENT.format(name=web, replicas=1, tag="1")})
    await trueup.apply(web, repository.url, syncPolicy=HEALING)
    await trueup.until(web, is_synced(revision), "synced")
    await trueup.all_watched()
    # It needs no metrics to bring a Deployment up to its least number of replicas.
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": web},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": web},
            "minReplicas": 3,
            "maxReplicas": 5,
        },
    }
    resource = await trueup.cluster.resource("autoscaling", "HorizontalPodAutoscaler")
    await trueup.cluster.create(resource, trueup.delivered_to, scaler)

    def warned(raw: Raw) -> bool:
        return bool(conditions(raw, "DriftWarning"))

    raw = await trueup.until(web, warned, "is warned of the war", WAR_SECONDS)
    return conditions(raw, "DriftWarning")[0]


async def test_a_war_names_the_controller_that_wages_it(trueup: Installation) -> None:
    await trueup.start("service")
    await trueup.start("worker", TRUEUP_DRIFT_FLIPS_PER_MINUTE_MAX="1")
    async with audited(trueup):
        said = await said_of_the_war(trueup)
    assert f"spec.replicas of Deployment.apps {trueup.delivered_to}/web was changed" in said
    assert "by the HorizontalPodAutoscaler's controller (kube-controller-manager)" in said


async def test_without_an_audit_log_it_says_what_the_manager_looks_like(trueup: Installation) -> None:
    await trueup.start("service")
    await trueup.start("worker", TRUEUP_DRIFT_FLIPS_PER_MINUTE_MAX="1")
    said = await said_of_the_war(trueup)
    assert "by manager kube-controller-manager, as the HorizontalPodAutoscaler's controller does" in said
