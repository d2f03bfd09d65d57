"""HorizontalPodAutoscaler in both versions, PodDisruptionBudget, PodTemplate: defaults, refusals, columns."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from fairlead.api.autoscaling.horizontalpodautoscaler import HORIZONTAL_POD_AUTOSCALER
from fairlead.api.autoscaling.horizontalpodautoscalerv1 import HORIZONTAL_POD_AUTOSCALER_V1
from fairlead.api.autoscaling.horizontalpodautoscalerv1.conversion import METRICS, from_storage, to_storage
from fairlead.api.core.podtemplate import POD_TEMPLATE
from fairlead.api.policy.poddisruptionbudget import POD_DISRUPTION_BUDGET
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Kind
from tests.api.objects import Tree, container, created, made, wrong, wrong_update

REF = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
METRIC = "spec.metrics[0]"
SOURCES = '"ContainerResource", "External", "Object", "Pods", "Resource"'


def hpa(*metrics: Tree, **spec: Any) -> Tree:
    return {"spec": {"scaleTargetRef": REF, "maxReplicas": 5} | ({"metrics": list(metrics)} if metrics else {}) | spec}


def resource(**target: Any) -> Tree:
    return {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"} | target}}


def of_object(**target: Any) -> Tree:
    return {
        "type": "Object",
        "object": {"describedObject": REF, "metric": {"name": "hits"}, "target": {"type": "Value"} | target},
    }


def external(**target: Any) -> Tree:
    return {"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "Value"} | target}}


def pods(**target: Any) -> Tree:
    return {"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue"} | target}}


def in_container(**fields: Any) -> Tree:
    target = {"type": "Utilization", "averageUtilization": 50}
    return {
        "type": "ContainerResource",
        "containerResource": {"name": "cpu", "container": "web", "target": target} | fields,
    }


def budget(**spec: Any) -> Tree:
    return {"spec": spec}


ALL = [
    resource(averageUtilization=50),
    {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
    of_object(value="10"),
    external(value="3"),
    external(type="AverageValue", averageValue="2"),
    pods(averageValue="5"),
    in_container(),
]
WRONG: list[tuple[Kind[Any], Tree, list[str]]] = [
    (HORIZONTAL_POD_AUTOSCALER, hpa(), []),
    (HORIZONTAL_POD_AUTOSCALER, hpa(*ALL), []),
    (
        HORIZONTAL_POD_AUTOSCALER,
        hpa(minReplicas=0, maxReplicas=0),
        [
            "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
            "spec.maxReplicas: Required value: must be set and greater than 0",
            "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero "
            "replicas",
        ],
    ),
    (
        HORIZONTAL_POD_AUTOSCALER,
        hpa(minReplicas=7, scaleTargetRef={}),
        [
            "spec.maxReplicas: Invalid value: 5: must be greater than or equal to `minReplicas`",
            "spec.scaleTargetRef.kind: Required value",
            "spec.scaleTargetRef.name: Required value",
        ],
    ),
    (
        HORIZONTAL_POD_AUTOSCALER,
        hpa({"type": "Moon"}),
        [f'{METRIC}.type: Unsupported value: "Moon": supported values: {SOURCES}'] * 2,
    ),
    (
        HORIZONTAL_POD_AUTOSCALER,
        hpa(resource(averageUtilization=0, averageValue="-1")),
        [
            f'{METRIC}.resource.target.averageValue: Invalid value: "-1": must be positive',
            f"{METRIC}.resource.target.averageUtilization: Invalid value: 0: must be greater than 0",
            f"{METRIC}.resource.target.averageValue: Forbidden: may not set both a target raw value and a target "
            "utilization",
        ],
    ),
    (
        HORIZONTAL_POD_AUTOSCALER,
        hpa({"type": "Pods", "resource": resource(averageUtilization=5)["resource"]}),
        [f"{METRIC}.pods: Required value: must populate information for the given metric source"],
    ),
    (
        HORIZONTAL_POD_AUTOSCALER,
        hpa(resource(averageUtilization=5) | external(value="1")),
        [f"{METRIC}.resource: Forbidden: must populate the given metric source only"],
    ),
    (
        HORIZONTAL_POD_AUTOSCALER,
        hpa(of_object(), external(value="1", averageValue="1"), pods()),
        [
            f"{METRIC}.object.target.averageValue: Required value: must set either a target value or averageValue",
            "spec.metrics[1].external.target.value: Forbidden: may not set both a target value for metric and a "
            "per-pod target",
            "spec.metrics[2].pods.target.averageValue: Required value: must specify a positive target averageValue",
        ],
    ),
    (
        HORIZONTAL_POD_AUTOSCALER,
        hpa(in_container(container="", name="", target={"type": "Much"})),
        [
            f"{METRIC}.containerResource.name: Required value: must specify a resource name",
            f"{METRIC}.containerResource.container: Required value: must specify a container",
            f'{METRIC}.containerResource.target.type: Invalid value: "Much": must be either Utilization, Value, or '
            "AverageValue",
            f"{METRIC}.containerResource.target.averageUtilization: Required value: must set either a target raw value "
            "or a target utilization",
        ],
    ),
    (
        HORIZONTAL_POD_AUTOSCALER,
        hpa(
            behavior={
                "scaleUp": {"stabilizationWindowSeconds": 4000, "selectPolicy": "All", "policies": []},
                "scaleDown": {"policies": [{"type": "Nodes", "value": 0, "periodSeconds": 2000}], "tolerance": "-1"},
            }
        ),
        [
            "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 4000: must be less than or equal to 3600",
            'spec.behavior.scaleUp.selectPolicy: Unsupported value: "All": supported values: "Disabled", "Max", "Min"',
            "spec.behavior.scaleUp.policies: Required value: must specify at least one Policy",
            'spec.behavior.scaleDown.policies[0].type: Unsupported value: "Nodes": supported values: "Percent", "Pods"',
            "spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than zero",
            "spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 2000: must be less than or equal to "
            "1800",
            'spec.behavior.scaleDown.tolerance: Invalid value: "-1": must be greater than or equal to 0',
        ],
    ),
    (HORIZONTAL_POD_AUTOSCALER_V1, hpa(targetCPUUtilizationPercentage=70), []),
    (
        HORIZONTAL_POD_AUTOSCALER_V1,
        hpa(targetCPUUtilizationPercentage=0, maxReplicas=-1),
        [
            "spec.maxReplicas: Invalid value: -1: must be greater than or equal to 1",
            "spec.maxReplicas: Invalid value: -1: must be greater than or equal to `minReplicas`",
            f"{METRIC}.resource.target.averageUtilization: Invalid value: 0: must be greater than 0",
        ],
    ),
    (POD_DISRUPTION_BUDGET, budget(minAvailable="50%", selector={}), []),
    (POD_DISRUPTION_BUDGET, budget(), []),
    (
        POD_DISRUPTION_BUDGET,
        budget(minAvailable=1, maxUnavailable=1),
        [
            'spec: Invalid value: {"maxUnavailable":1,"minAvailable":1}: minAvailable and maxUnavailable cannot be '
            "both set"
        ],
    ),
    (
        POD_DISRUPTION_BUDGET,
        budget(minAvailable="101%", unhealthyPodEvictionPolicy="Never"),
        [
            'spec.minAvailable: Invalid value: "101%": must not be greater than 100%',
            'spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "AlwaysAllow", '
            '"IfHealthyBudget"',
        ],
    ),
    (
        POD_DISRUPTION_BUDGET,
        budget(maxUnavailable=-1),
        ["spec.maxUnavailable: Invalid value: -1: must be greater than or equal to 0"],
    ),
    (POD_TEMPLATE, {"template": {"spec": {"containers": [container()]}}}, []),
    (POD_TEMPLATE, {"template": {"spec": {}}}, ["template.spec.containers: Required value"]),
]


@pytest.mark.parametrize(("kind", "tree", "expected"), WRONG)
def test_kinds_of_scaling_and_eviction_are_checked_in_upstreams_words(
    kind: Kind[Any], tree: Tree, expected: list[str]
) -> None:
    assert wrong(kind, tree) == expected


@pytest.mark.parametrize(
    "kind", [HORIZONTAL_POD_AUTOSCALER, HORIZONTAL_POD_AUTOSCALER_V1], ids=lambda kind: kind.version
)
def test_the_version_of_the_target_is_checked_when_the_target_is_set(kind: Kind[Any]) -> None:
    for version, why in (
        ("", "apiVersion must specify API group"),
        ("v1", "apiVersion must specify API group"),
        ("a/b/c", "unexpected GroupVersion string: a/b/c"),
    ):
        tree = hpa(scaleTargetRef=REF | {"apiVersion": version})
        expected = f'spec.scaleTargetRef.apiVersion: Invalid value: "{version}": {why}'
        assert [str(error) for error in kind.create_rules(created(kind, tree))] == [expected]
        assert wrong_update(kind, hpa(), tree) == [expected]
        assert wrong_update(kind, tree, tree | hpa(scaleTargetRef=REF | {"apiVersion": version, "name": "x"})) == []
    controller = hpa(scaleTargetRef={"kind": "ReplicationController", "name": "a", "apiVersion": "v1"})
    assert list(kind.create_rules(created(kind, controller))) == []


def test_an_autoscaler_has_upstreams_defaults() -> None:
    spec = made(HORIZONTAL_POD_AUTOSCALER, hpa(behavior={"scaleUp": {"selectPolicy": "Min"}})).spec
    assert spec.minReplicas == 1
    assert msgspec.to_builtins(spec.metrics) == [resource(averageUtilization=80)]
    up, down = spec.behavior.scaleUp, spec.behavior.scaleDown
    assert (up.selectPolicy, up.stabilizationWindowSeconds) == ("Min", 0)
    assert [(p.type, p.value, p.periodSeconds) for p in up.policies] == [("Pods", 4, 15), ("Percent", 100, 15)]
    assert (down.selectPolicy, down.stabilizationWindowSeconds) == ("Max", None)
    assert made(HORIZONTAL_POD_AUTOSCALER, hpa()).spec.behavior is None


USE = {"averageUtilization": 40, "averageValue": "100m"}
STATUS = {
    "currentReplicas": 2,
    "desiredReplicas": 3,
    "conditions": [{"type": "AbleToScale", "status": "True"}],
    "currentMetrics": [
        {
            "type": "Resource",
            "resource": {"name": "cpu", "current": {"averageUtilization": 40, "averageValue": "100m"}},
        },
        {"type": "External", "external": {"metric": {"name": "queue"}, "current": {"value": "3"}}},
        {"type": "Pods", "pods": {"metric": {"name": "rps"}, "current": {"averageValue": "4"}}},
    ],
}


def test_an_autoscaler_of_the_second_version_passes_through_the_first_without_loss() -> None:
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 60, "tolerance": "100m"}}
    tree = hpa(*ALL[1:], ALL[0], behavior=behavior) | {"status": STATUS}
    hub = made(HORIZONTAL_POD_AUTOSCALER, tree)
    old = from_storage(hub)
    assert old.spec.targetCPUUtilizationPercentage == 50
    assert old.status.currentCPUUtilizationPercentage == 40
    assert json.loads(old.metadata.annotations[METRICS])[2] == {
        "type": "External",
        "external": {"metricName": "queue", "targetValue": "3"},
    }
    assert to_storage(old) == hub
    assert to_storage(old).metadata.annotations == {}


def test_an_autoscaler_of_the_first_version_becomes_one_metric() -> None:
    spec = to_storage(made(HORIZONTAL_POD_AUTOSCALER_V1, hpa(targetCPUUtilizationPercentage=70))).spec
    assert msgspec.to_builtins(spec.metrics) == [resource(averageUtilization=70)]
    spec = to_storage(made(HORIZONTAL_POD_AUTOSCALER_V1, hpa())).spec
    assert msgspec.to_builtins(spec.metrics) == [resource(averageUtilization=80)]
    broken = made(HORIZONTAL_POD_AUTOSCALER_V1, hpa() | {"metadata": {"name": "x", "annotations": {METRICS: "{"}}})
    assert len(to_storage(broken).spec.metrics) == 1


def test_the_columns_of_an_autoscaler_show_observed_and_desired_values() -> None:
    for metrics, expected in (
        (ALL[:1], "cpu: 40%/50%"),
        ([ALL[0], ALL[3]], "cpu: 40%/50%, 3/3"),
        ([ALL[0], ALL[4], ALL[5]], "cpu: 40%/50%, <unknown>/2 (avg) + 1 more..."),
    ):
        found = made(HORIZONTAL_POD_AUTOSCALER, hpa(*metrics) | {"status": STATUS})
        cells = [column.cell(found, Instant(0.0)) for column in HORIZONTAL_POD_AUTOSCALER.columns]
        assert cells == ["x", "Deployment/web", expected, "1", 5, 2, "<unknown>"]
        old = [column.cell(from_storage(found), Instant(0.0)) for column in HORIZONTAL_POD_AUTOSCALER_V1.columns]
        assert (old[1], old[3:6]) == (cells[1], cells[3:6])


def test_the_columns_of_a_budget_and_of_a_template() -> None:
    found = made(POD_DISRUPTION_BUDGET, budget(minAvailable="50%") | {"status": {"disruptionsAllowed": 1}})
    cells = [column.cell(found, Instant(0.0)) for column in POD_DISRUPTION_BUDGET.columns]
    assert cells == ["x", "50%", "N/A", 1, "<unknown>"]
    template = made(
        POD_TEMPLATE, {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container()]}}}
    )
    assert [column.cell(template, Instant(0.0)) for column in POD_TEMPLATE.columns] == ["x", "web", "nginx:1.14", "a=b"]
