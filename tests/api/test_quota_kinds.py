"""ResourceQuota and LimitRange: defaults, refusals in upstream's words, columns."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.api.core.limitrange import LIMIT_RANGE
from fairlead.api.core.pod.kind import POD
from fairlead.api.core.resourcequota import RESOURCE_QUOTA
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Kind
from tests.api.objects import Tree, container, created, made, wrong, wrong_update

QUALIFIED = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
SCOPE, RESOURCE, CONFLICT = "unsupported scope", "unsupported scope applied to resource", "conflicting scopes"
ITEM, ONLY_EXISTS = (
    "spec.limits[0]",
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity",
)


def quota(hard: dict[str, str] | None = None, **spec: Any) -> Tree:
    return {"spec": {"hard": hard or {}} | spec}


def selected(scope: str, operator: str, *values: str, hard: dict[str, str] | None = None) -> Tree:
    requirement = {"scopeName": scope, "operator": operator, "values": list(values)}
    return quota(hard or {"pods": "1"}, scopeSelector={"matchExpressions": [requirement]})


def limits(*items: Tree) -> Tree:
    return {"spec": {"limits": list(items)}}


def of_container(**amounts: dict[str, str]) -> Tree:
    return limits({"type": "Container"} | amounts)


EXPRESSIONS = "spec.scopeSelector.matchExpressions"
WRONG: list[tuple[Kind[Any], Tree, list[str]]] = [
    (
        RESOURCE_QUOTA,
        quota(
            {
                "cpu": "1",
                "requests.storage": "10Gi",
                "pods": "5",
                "services.nodeports": "0",
                "count/deployments.apps": "2",
                "requests.example.com/gpu": "1",
                "hugepages-2Mi": "4Mi",
                "requests.hugepages-2Mi": "4Mi",
                "fast.storageclass.storage.k8s.io/requests.storage": "1Gi",
            }
        ),
        [],
    ),
    (
        RESOURCE_QUOTA,
        quota({"cpu": "-100m", "pods": "1500m", "example.com/x": "1500m", "services": "-0.5"}),
        [
            'spec.hard[cpu]: Invalid value: "-100m": must be greater than or equal to 0',
            'spec.hard[example.com/x]: Invalid value: "1500m": must be an integer',
            'spec.hard[pods]: Invalid value: "1500m": must be an integer',
            'spec.hard[services]: Invalid value: "-500m": must be greater than or equal to 0',
            'spec.hard[services]: Invalid value: "-500m": must be an integer',
        ],
    ),
    (
        RESOURCE_QUOTA,
        quota({"storage": "1Gi", "ships": "1", "a b": "1"}),
        [
            f'spec.hard[a b]: Invalid value: "a b": {QUALIFIED}',
            'spec.hard[a b]: Invalid value: "a b": must be a standard resource for quota',
            'spec.hard[ships]: Invalid value: "ships": must be a standard resource type or fully qualified',
            'spec.hard[ships]: Invalid value: "ships": must be a standard resource for quota',
            'spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota',
        ],
    ),
    (RESOURCE_QUOTA, quota({"pods": "1"}, scopes=["BestEffort"]), []),
    (RESOURCE_QUOTA, quota({"pods": "1", "example.com/x": "1"}, scopes=["BestEffort"]), []),
    (
        RESOURCE_QUOTA,
        quota({"pods": "1", "cpu": "1", "secrets": "1"}, scopes=["BestEffort"]),
        [f'spec.scopes: Invalid value: ["BestEffort"]: {RESOURCE}'] * 2,
    ),
    (RESOURCE_QUOTA, quota({"pods": "1"}, scopes=["Idle"]), [f'spec.scopes: Invalid value: ["Idle"]: {SCOPE}']),
    (
        RESOURCE_QUOTA,
        quota({"pods": "1"}, scopes=["Terminating", "NotTerminating"]),
        [f'spec.scopes: Invalid value: ["Terminating","NotTerminating"]: {CONFLICT}'],
    ),
    (
        RESOURCE_QUOTA,
        quota({"pods": "1"}, scopes=["VolumeAttributesClass"]),
        [f'spec.scopes: Invalid value: ["VolumeAttributesClass"]: {RESOURCE}'],
    ),
    (RESOURCE_QUOTA, selected("PriorityClass", "In", "high"), []),
    (RESOURCE_QUOTA, selected("CrossNamespacePodAffinity", "Exists"), []),
    (
        RESOURCE_QUOTA,
        selected("PriorityClass", "In"),
        [
            f"{EXPRESSIONS}.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for "
            "scope selector"
        ],
    ),
    (
        RESOURCE_QUOTA,
        selected("PriorityClass", "Exists", "high"),
        [
            f"{EXPRESSIONS}.values: Invalid value: [\"high\"]: must be no value when `operator` is 'Exist' or "
            "'DoesNotExist' for scope selector"
        ],
    ),
    (
        RESOURCE_QUOTA,
        selected("BestEffort", "In", "x"),
        [f'{EXPRESSIONS}.operator: Invalid value: "In": {ONLY_EXISTS}'],
    ),
    (
        RESOURCE_QUOTA,
        selected("Idle", "Near"),
        [
            f'{EXPRESSIONS}.scopeName: Invalid value: "Idle": {SCOPE}',
            f'{EXPRESSIONS}.operator: Invalid value: "Near": not a valid selector operator',
        ],
    ),
    (
        RESOURCE_QUOTA,
        selected("BestEffort", "Exists", hard={"cpu": "1"}),
        [
            f'{EXPRESSIONS}: Invalid value: {{"MatchExpressions":[{{"ScopeName":"BestEffort","Operator":"Exists",'
            f'"Values":null}}]}}: {RESOURCE}'
        ],
    ),
    (LIMIT_RANGE, limits(), []),
    (
        LIMIT_RANGE,
        limits(
            {"type": "Pod", "max": {"cpu": "100m", "memory": "10000Mi"}, "maxLimitRequestRatio": {"cpu": "10"}},
            {"type": "PersistentVolumeClaim", "max": {"storage": "10Gi"}},
            {"type": "example.com/ship", "max": {"storage": "10Gi"}},
        ),
        [],
    ),
    (LIMIT_RANGE, of_container(max={"example.com/gpu": "1"}), []),
    (
        LIMIT_RANGE,
        limits({"type": "Ship"}, {"type": ""}),
        [
            f'{ITEM}.type: Invalid value: "Ship": must be a standard limit type or fully qualified',
            'spec.limits[1].type: Invalid value: "": name part must be non-empty',
            f'spec.limits[1].type: Invalid value: "": {QUALIFIED}',
        ],
    ),
    (
        LIMIT_RANGE,
        limits({"type": "Pod"}, {"type": "Pod"}),
        ['spec.limits[1].type: Duplicate value: "Pod"'],
    ),
    (
        LIMIT_RANGE,
        limits({"type": "Pod", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1"}}),
        [
            f"{ITEM}.{name}: Forbidden: may not be specified when `type` is 'Pod'"
            for name in ("default", "defaultRequest")
        ],
    ),
    (
        LIMIT_RANGE,
        limits({"type": "PersistentVolumeClaim"}),
        [
            f"{ITEM}.limits: Required value: either minimum or maximum storage value is required, but neither was "
            "provided"
        ],
    ),
    (
        LIMIT_RANGE,
        of_container(max={"storage": "1Gi"}),
        [
            f'{ITEM}.{name}[storage]: Invalid value: "storage": must be a standard resource for containers'
            for name in ("max", "default", "defaultRequest")
        ],
    ),
    (
        LIMIT_RANGE,
        of_container(min={"cpu": "2"}, max={"cpu": "1"}, default={"cpu": "1"}, defaultRequest={"cpu": "1"}),
        [
            f'{ITEM}.min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
            f'{ITEM}.defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
            f'{ITEM}.default[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
        ],
    ),
    (
        LIMIT_RANGE,
        of_container(max={"cpu": "2"}, default={"cpu": "3"}, defaultRequest={"cpu": "4"}),
        [
            f'{ITEM}.defaultRequest[cpu]: Invalid value: "4": default request value 4 is greater than max value 2',
            f'{ITEM}.defaultRequest[cpu]: Invalid value: "4": default request value 4 is greater than default limit '
            "value 3",
            f'{ITEM}.default[cpu]: Invalid value: "2": default value 3 is greater than max value 2',
        ],
    ),
    (
        LIMIT_RANGE,
        of_container(maxLimitRequestRatio={"cpu": "800m"}),
        [f'{ITEM}.maxLimitRequestRatio[cpu]: Invalid value: "800m": ratio 800m is less than 1'],
    ),
    (
        LIMIT_RANGE,
        limits({"type": "Pod", "min": {"cpu": "2"}, "max": {"cpu": "5"}, "maxLimitRequestRatio": {"cpu": "3"}}),
        [f'{ITEM}.maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.500000'],
    ),
    (
        LIMIT_RANGE,
        of_container(default={"example.com/x": "2"}, defaultRequest={"example.com/x": "1"}),
        [
            f'{ITEM}.defaultRequest[example.com/x]: Invalid value: "1": default value 2 must equal to defaultRequest '
            "value 1 in example.com/x"
        ],
    ),
]


@pytest.mark.parametrize(("kind", "tree", "expected"), WRONG)
def test_bounds_of_a_namespace_are_checked_in_upstreams_words(kind: Kind[Any], tree: Tree, expected: list[str]) -> None:
    assert wrong(kind, tree) == expected


def test_amounts_of_resource_lists_are_rounded_up_to_thousandths() -> None:
    hard = made(RESOURCE_QUOTA, quota({"cpu": "0.0001", "memory": "1024Ki"})).spec.hard
    assert hard == {"cpu": "1m", "memory": "1Mi"}
    pod = made(POD, {"spec": {"containers": [container(resources={"requests": {"cpu": "1u"}})]}})
    assert pod.spec.containers[0].resources.requests == {"cpu": "1m"}


def test_a_container_that_requests_a_resource_of_quotas_only_gets_one_error() -> None:
    found = wrong(POD, {"spec": {"containers": [container(resources={"requests": {"limits.cpu": "1", "a/b": "1"}})]}})
    where = "spec.containers[0].resources"
    assert found == [
        f'{where}.requests[limits.cpu]: Invalid value: "limits.cpu": must be a standard resource for containers',
        f"{where}.limits: Required value: Limit must be set for non overcommitable resources",
    ]


def test_a_limit_range_fills_defaults_of_containers_from_the_bounds() -> None:
    amounts = {"max": {"cpu": "2", "memory": "2Gi"}, "min": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1"}}
    item = made(LIMIT_RANGE, of_container(default={"cpu": "1500m"}, **amounts)).spec.limits[0]
    assert item.default == {"cpu": "1500m", "memory": "2Gi"}
    assert item.defaultRequest == {"cpu": "1500m", "memory": "2Gi", "ephemeral-storage": "1"}
    assert made(LIMIT_RANGE, limits({"type": "Pod"} | amounts)).spec.limits[0].default == {}


def test_scopes_of_a_quota_are_immutable_and_their_order_is_free() -> None:
    before = quota({"pods": "1"}, scopes=["BestEffort", "Terminating"])
    assert wrong_update(RESOURCE_QUOTA, before, quota({"pods": "2"}, scopes=["Terminating", "BestEffort"])) == []
    assert wrong_update(RESOURCE_QUOTA, before, quota({"pods": "2"}, scopes=["BestEffort"])) == [
        'spec.scopes: Invalid value: ["BestEffort"]: field is immutable'
    ]


def test_a_quota_whose_requests_exceed_its_limits_is_warned_of() -> None:
    hard = {"cpu": "2", "limits.cpu": "1", "requests.memory": "1Gi", "limits.memory": "2Gi"}
    hard |= {"requests.ephemeral-storage": "2Gi", "limits.ephemeral-storage": "1Gi"}
    assert list(RESOURCE_QUOTA.warnings(created(RESOURCE_QUOTA, quota(hard)))) == [
        "ResourceQuota cpu (2) should be less than limits.cpu (1)",
        "ResourceQuota requests.ephemeral-storage (2Gi) should be less than limits.ephemeral-storage (1Gi)",
    ]


def test_the_columns_of_a_quota_show_use_and_limit_and_those_of_a_limit_range_the_time_of_creation() -> None:
    status = {"hard": {"limits.cpu": "2", "pods": "5", "cpu": "1"}, "used": {"pods": "1"}}
    found = made(RESOURCE_QUOTA, {"metadata": {"name": "q"}, "status": status})
    cells = {column.name: column.cell(found, Instant(0.0)) for column in RESOURCE_QUOTA.columns}
    assert cells == {"Name": "q", "Request": "cpu: 0/1, pods: 1/5", "Limit": "limits.cpu: 0/2", "Age": "<unknown>"}
    created_at = made(LIMIT_RANGE, {"metadata": {"name": "l", "creationTimestamp": "2026-01-02T03:04:05Z"}})
    assert [column.cell(created_at, Instant(0.0)) for column in LIMIT_RANGE.columns] == ["l", "2026-01-02T03:04:05Z"]
