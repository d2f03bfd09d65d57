"""Deployments and replica sets."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fairlead.api.apps.deployment.kind import DEPLOYMENT
from fairlead.api.apps.replicaset.kind import REPLICA_SET
from fairlead.base.instant import Instant
from tests.api.objects import container, created, deployment, made_deployment, wrong, wrong_update

NO_MATCH = 'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'


def test_a_plain_deployment_gets_upstreams_defaults() -> None:
    obj = made_deployment()
    spec = obj.spec
    assert (spec.replicas, spec.revisionHistoryLimit, spec.progressDeadlineSeconds) == (1, 10, 600)
    assert msgspec.to_builtins(spec.strategy) == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }
    assert spec.template.spec.restartPolicy == "Always"
    assert msgspec.to_builtins(obj)["status"] == {}


def test_a_template_gets_less_than_a_pod_of_its_own() -> None:
    spec = made_deployment(template={"containers": [container(resources={"limits": {"cpu": "1"}})]}).spec.template.spec
    assert spec.containers[0].resources.requests == {}
    assert (spec.enableServiceLinks, spec.serviceAccountName, spec.tolerations) == (None, "", [])


def test_recreate_has_no_rolling_update() -> None:
    assert made_deployment(strategy={"type": "Recreate"}).spec.strategy.rollingUpdate is None


def test_zero_replicas_stay_zero() -> None:
    assert made_deployment(replicas=0).spec.replicas == 0


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"selector": None}, ["spec.selector: Required value", NO_MATCH]),
    ({"selector": {}}, ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"]),
    ({"selector": {"matchLabels": {"app": "other"}}}, [NO_MATCH]),
    (
        {"selector": {"matchExpressions": [{"key": "app", "operator": "Is", "values": ["web"]}]}},
        [
            'spec.selector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator',
            'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Is","values":["web"]}]}: '
            "invalid label selector",
        ],
    ),
    (
        {"selector": {"matchExpressions": [{"key": "app", "operator": "In"}]}},
        [
            "spec.selector.matchExpressions[0].values: Required value: "
            "must be specified when `operator` is 'In' or 'NotIn'",
            NO_MATCH,
        ],
    ),
    (
        {"template": {"containers": [container()], "restartPolicy": "Never"}},
        ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    ),
    (
        {"template": {"containers": [container(ports=[{"containerPort": 80, "protocol": "tcp"}])]}},
        [
            'spec.template.spec.containers[0].ports[0].protocol: Unsupported value: "tcp": '
            'supported values: "SCTP", "TCP", "UDP"'
        ],
    ),
    ({"replicas": -1}, ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
]


@pytest.mark.parametrize("kind", [DEPLOYMENT, REPLICA_SET], ids=["Deployment", "ReplicaSet"])
@pytest.mark.parametrize(("spec", "texts"), WRONG)
def test_what_is_wrong_with_a_workload_is_said_in_upstreams_words(
    kind: Any, spec: dict[str, Any], texts: list[str]
) -> None:
    assert wrong(kind, deployment(**spec)) == texts


STRATEGIES: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"strategy": {"type": "Rolling"}},
        ['spec.strategy.type: Unsupported value: "Rolling": supported values: "Recreate", "RollingUpdate"'],
    ),
    (
        {"strategy": {"type": "Recreate", "rollingUpdate": {}}},
        ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
    ),
    (
        {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}},
        [
            'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0',
        ],
    ),
    (
        {"strategy": {"rollingUpdate": {"maxUnavailable": "101%"}}},
        ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%'],
    ),
    (
        {"minReadySeconds": 600},
        ["spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"],
    ),
]


@pytest.mark.parametrize(("spec", "texts"), STRATEGIES)
def test_what_is_wrong_with_a_strategy_is_said_in_upstreams_words(spec: dict[str, Any], texts: list[str]) -> None:
    assert wrong(DEPLOYMENT, deployment(**spec)) == texts


@pytest.mark.parametrize("kind", [DEPLOYMENT, REPLICA_SET], ids=["Deployment", "ReplicaSet"])
def test_the_selector_may_not_change(kind: Any) -> None:
    now = deployment(labels={"app": "new"}, selector={"matchLabels": {"app": "new"}})
    assert wrong_update(kind, deployment(), now) == [
        'spec.selector: Invalid value: {"matchLabels":{"app":"new"}}: field is immutable'
    ]


def test_a_deployments_row_is_kubectls() -> None:
    two = {"containers": [container(), container(name="side", image="busybox:1")]}
    obj = made_deployment(replicas=3, template=two)
    obj.status.readyReplicas, obj.status.updatedReplicas, obj.status.availableReplicas = 2, 3, 1
    assert [(c.name, c.cell(obj, Instant(0.0))) for c in DEPLOYMENT.columns] == [
        ("Name", "x"),
        ("Ready", "2/3"),
        ("Up-to-date", 3),
        ("Available", 1),
        ("Age", "<unknown>"),
        ("Containers", "web,side"),
        ("Images", "nginx:1.14,busybox:1"),
        ("Selector", "app=web"),
    ]


def test_a_replica_sets_row_is_kubectls() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["front", "back"]},
        {"key": "old", "operator": "DoesNotExist"},
    ]
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": expressions}
    obj = created(REPLICA_SET, deployment(replicas=3, selector=selector))
    obj.status.replicas, obj.status.readyReplicas = 2, 1
    assert [c.cell(obj, Instant(0.0)) for c in REPLICA_SET.columns] == [
        "x",
        3,
        2,
        1,
        "<unknown>",
        "web",
        "nginx:1.14",
        "app=web,!old,tier in (back,front)",
    ]
