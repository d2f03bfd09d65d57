"""Autoscalers of a whole control plane in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

from fairlead.api.apiextensions.customresourcedefinition import CUSTOM_RESOURCE_DEFINITION
from fairlead.api.apps.deployment.kind import DEPLOYMENT
from fairlead.api.autoscaling.horizontalpodautoscaler import HORIZONTAL_POD_AUTOSCALER
from fairlead.api.autoscaling.horizontalpodautoscaler.types import (
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerStatus,
)
from fairlead.api.core.event.kind import EVENT
from fairlead.api.core.pod.kind import POD
from fairlead.base.instant import render_time
from fairlead.machinery.kinds.decode import to_tree
from tests.api.objects import made
from tests.controllers.factories import deployment
from tests.controllers.metricsservers import MetricsWorld
from tests.controllers.test_autoscaling import CPU, EXTERNAL, HITS, RATE, loaded
from tests.controllers.world import World, run_story_with


def autoscaler(name: str = "web", *, target: dict[str, str] | None = None, **fields: Any) -> HorizontalPodAutoscaler:
    tree = {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "scaleTargetRef": target or {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 10,
            "metrics": [CPU],
            **fields,
        },
    }
    hpa: HorizontalPodAutoscaler = made(HORIZONTAL_POD_AUTOSCALER, tree)
    return hpa


async def with_deployment(world: World, replicas: int = 2) -> None:
    d = deployment(replicas=replicas)
    d.spec.template.spec.containers[0].resources.requests = {"cpu": "200m"}
    await world.client.create(DEPLOYMENT, d)


async def replicas_of(world: World) -> int | None:
    return (await world.deployment()).spec.replicas


async def status_of(world: World, name: str = "web") -> HorizontalPodAutoscalerStatus:
    return (await world.client.get(HORIZONTAL_POD_AUTOSCALER, name, "default")).status


async def conditions(world: World, name: str = "web") -> dict[str, tuple[str, str]]:
    return {c.type: (c.status, c.reason) for c in (await status_of(world, name)).conditions}


async def events(world: World, reason: str) -> list[str]:
    return sorted(e.message for e in (await world.client.list(EVENT)).items if e.reason == reason)


def test_a_deployment_grows_with_its_load_and_shrinks_after_it() -> None:
    async def story(world: MetricsWorld) -> None:
        await with_deployment(world)
        await world.client.create(HORIZONTAL_POD_AUTOSCALER, autoscaler())
        world.use = {"cpu": "100m"}
        await asyncio.sleep(60)
        assert await replicas_of(world) == 2
        status = await status_of(world)
        assert (status.currentReplicas, status.desiredReplicas) == (2, 2)
        assert to_tree(status)["currentMetrics"] == [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "current": {"averageUtilization": 50, "averageValue": "100m"}},
            }
        ]
        assert await conditions(world) == {
            "AbleToScale": ("True", "ReadyForNewScale"),
            "ScalingActive": ("True", "ValidMetricFound"),
            "ScalingLimited": ("False", "DesiredWithinRange"),
        }
        world.use = {"cpu": "150m"}
        await asyncio.sleep(120)
        assert await replicas_of(world) == 10, "three quarters of the requests stay used: it grows to the bound"
        assert (await conditions(world))["ScalingLimited"] == ("True", "TooManyReplicas")
        reason = "cpu resource utilization (percentage of request) above target"
        assert f"New size: 3; reason: {reason}" in await events(world, "SuccessfulRescale")
        world.use = {"cpu": "1m"}
        await asyncio.sleep(100)
        assert await replicas_of(world) == 10
        assert (await conditions(world))["AbleToScale"] == ("True", "ScaleDownStabilized")
        await asyncio.sleep(300)
        assert await replicas_of(world) == 1
        assert "New size: 1; reason: All metrics below target" in await events(world, "SuccessfulRescale")

    run_story_with(MetricsWorld, story)


def test_an_autoscaler_of_the_first_version_works_too() -> None:
    async def story(world: MetricsWorld) -> None:
        await with_deployment(world)
        target = '{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}'
        spec = f'{{"scaleTargetRef": {target}, "maxReplicas": 5, "targetCPUUtilizationPercentage": 50}}'
        body = f'{{"metadata": {{"name": "web"}}, "spec": {spec}}}'
        path = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
        await world.client.raw("POST", path, body=body.encode())
        world.use = {"cpu": "200m"}
        await asyncio.sleep(60)
        assert await replicas_of(world) == 5

    run_story_with(MetricsWorld, story)


def test_bounds_hold_without_any_metric() -> None:
    async def story(world: MetricsWorld) -> None:
        await with_deployment(world, replicas=12)
        await world.client.create(HORIZONTAL_POD_AUTOSCALER, autoscaler(minReplicas=3))
        await asyncio.sleep(20)
        assert await replicas_of(world) == 10
        await world.client.patch(DEPLOYMENT, "web", "default", patch={"spec": {"replicas": 1}})
        await asyncio.sleep(20)
        assert await replicas_of(world) == 3
        await world.client.patch(DEPLOYMENT, "web", "default", patch={"spec": {"replicas": 0}})
        await asyncio.sleep(40)
        assert await replicas_of(world) == 0, "a workload that was switched off stays so"
        assert (await conditions(world))["ScalingActive"] == ("False", "ScalingDisabled")
        assert await events(world, "SuccessfulRescale") == [
            "New size: 10; reason: Current number of replicas above Spec.MaxReplicas",
            "New size: 3; reason: Current number of replicas below Spec.MinReplicas",
        ]

    run_story_with(MetricsWorld, story)


def test_an_autoscaler_says_why_it_cannot_scale() -> None:
    async def story(world: MetricsWorld) -> None:
        await world.client.create(HORIZONTAL_POD_AUTOSCALER, autoscaler())
        await asyncio.sleep(10)
        assert await conditions(world) == {}, "the first reconcile comes after a period"
        await asyncio.sleep(10)
        assert await conditions(world) == {"AbleToScale": ("False", "FailedGetScale")}
        assert await events(world, "FailedGetScale") == ['deployments.apps "web" not found']
        await with_deployment(world)
        await asyncio.sleep(20)
        assert await conditions(world) == {
            "AbleToScale": ("True", "SucceededGetScale"),
            "ScalingActive": ("False", "FailedGetResourceMetric"),
        }
        text = (
            "failed to get cpu utilization: unable to get metrics for resource cpu: "
            "no metrics returned from resource metrics API"
        )
        assert await events(world, "FailedGetResourceMetric") == [text]
        assert await events(world, "FailedComputeMetricsReplicas") == [
            f"invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: {text}"
        ]
        rival = autoscaler("rival")
        await world.client.create(HORIZONTAL_POD_AUTOSCALER, rival)
        await asyncio.sleep(40)
        assert (await conditions(world))["ScalingActive"] == ("False", "AmbiguousSelector")
        assert (await conditions(world, "rival"))["ScalingActive"] == ("False", "AmbiguousSelector")

    run_story_with(MetricsWorld, story)


def test_a_workload_is_found_by_any_version_of_its_group_and_not_by_an_unknown_kind() -> None:
    async def story(world: MetricsWorld) -> None:
        await with_deployment(world, replicas=12)
        target = {"apiVersion": "apps/v1beta1", "kind": "Deployment", "name": "web"}
        await world.client.create(HORIZONTAL_POD_AUTOSCALER, autoscaler(target=target))
        await world.client.create(HORIZONTAL_POD_AUTOSCALER, autoscaler("none", target={**target, "kind": "None"}))
        await asyncio.sleep(20)
        assert await replicas_of(world) == 10
        assert await events(world, "FailedGetScale") == ['no matches for kind "None" in group "apps"']

    run_story_with(MetricsWorld, story)


def test_custom_and_external_metrics_scale_and_the_greatest_proposal_wins() -> None:
    async def story(world: MetricsWorld) -> None:
        await with_deployment(world)
        await world.client.create(HORIZONTAL_POD_AUTOSCALER, autoscaler(metrics=[RATE, HITS, EXTERNAL]))
        custom, namespace = "/apis/custom.metrics.k8s.io/v1beta2", "namespaces/default"
        await asyncio.sleep(20)
        assert await events(world, "FailedGetPodsMetric") == [
            "unable to get metric rate: unable to fetch metrics from custom metrics API: "
            "no custom metrics API (custom.metrics.k8s.io) registered"
        ]
        world.answers[f"/apis/external.metrics.k8s.io/v1beta1/{namespace}/queue_length"] = [{"value": "90"}]
        world.answers[f"{custom}/{namespace}/services/web/hits"] = [{"value": "100"}]
        rates = [
            {"describedObject": {"name": p.metadata.name}, "value": "5", "timestamp": render_time(world.clock.now())}
            for p in await world.pods()
        ]
        world.answers[f"{custom}/{namespace}/pods/*/rate"] = rates
        await asyncio.sleep(30)
        assert await replicas_of(world) == 3, "90 in the queue, 30 for each pod"
        queries = dict(world.asked)
        assert queries[f"/apis/external.metrics.k8s.io/v1beta1/{namespace}/queue_length"] == {
            "labelSelector": "queue=mail"
        }
        assert queries[f"{custom}/{namespace}/pods/*/rate"] == {"labelSelector": "app=web"}
        world.answers[f"{custom}/{namespace}/services/web/hits"] = [{"value": "240"}]
        await asyncio.sleep(30)
        assert (await replicas_of(world) or 0) >= 6

    run_story_with(MetricsWorld, story)


def test_a_custom_resource_with_a_scale_is_scaled() -> None:
    async def story(world: MetricsWorld) -> None:
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        scale = {
            "specReplicasPath": ".spec.size",
            "statusReplicasPath": ".status.size",
            "labelSelectorPath": ".status.selector",
        }
        version = {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}, "scale": scale},
        }
        names = {"plural": "shops", "singular": "shop", "kind": "Shop", "listKind": "ShopList"}
        tree = {
            "metadata": {"name": "shops.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]},
        }
        await world.client.create(CUSTOM_RESOURCE_DEFINITION, made(CUSTOM_RESOURCE_DEFINITION, tree))
        await asyncio.sleep(2)
        path = "/apis/example.com/v1/namespaces/default/shops"
        shop = b'{"apiVersion":"example.com/v1","kind":"Shop","metadata":{"name":"s"},"spec":{"size":2}}'
        await world.client.raw("POST", path, body=shop)
        status = b'{"apiVersion":"example.com/v1","kind":"Shop","metadata":{"name":"s"},"spec":{"size":2},'
        status += b'"status":{"size":2,"selector":"app=shop"}}'
        await world.client.raw("PUT", f"{path}/s/status", body=status)
        for one in loaded(2, labels={"app": "shop"}, node="", phase="Pending", ip=""):
            one.metadata.resourceVersion, one.status.conditions = "", []
            await world.client.create(POD, one)
        world.use = {"cpu": "200m"}
        target = {"apiVersion": "example.com/v1", "kind": "Shop", "name": "s"}
        await world.client.create(HORIZONTAL_POD_AUTOSCALER, autoscaler(target=target))
        await asyncio.sleep(60)
        assert b'"replicas":4' in (await world.client.raw("GET", f"{path}/s/scale")).split(b'"spec"')[1]

    run_story_with(MetricsWorld, story)
