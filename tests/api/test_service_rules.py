"""Rules of a Service beyond its schema (annotations, status, policies), and its warnings."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fairlead.api.core.service.kind import SERVICE, ServiceStatus
from fairlead.machinery.kinds.checks import check
from tests.api.objects import created, service, wrong, wrong_update

LOAD_BALANCER_ONLY = "may only be used when `type` is 'LoadBalancer'"
RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
HINTS, MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
BALANCED: dict[str, Any] = {"type": "LoadBalancer"}

WRONG: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"ports": [{"port": 80, "appProtocol": "a b"}]},
        [
            'spec.ports[0].appProtocol: Invalid value: "a b": name part must consist of alphanumeric characters, '
            "'-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  "
            "or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        ],
    ),
    ({"ports": [{"port": 80, "appProtocol": "kubernetes.io/h2c", "protocol": "SCTP"}]}, []),
    ({"ports": [{"port": 80, "name": "a.b"}]}, ['spec.ports[0].name: Invalid value: "a.b": must not contain dots']),
    (
        {"ports": [{"port": 70000, "targetPort": 70001}]},
        [
            "spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive",
            "spec.ports[0].targetPort: Invalid value: 70001: must be between 1 and 65535, inclusive",
        ],
    ),
    (
        {"internalTrafficPolicy": "local"},
        ['spec.internalTrafficPolicy: Unsupported value: "local": supported values: "Cluster", "Local"'],
    ),
    ({"internalTrafficPolicy": "Local", "publishNotReadyAddresses": True}, []),
    (
        {"ipFamilyPolicy": "Dual"},
        [
            'spec.ipFamilyPolicy: Unsupported value: "Dual": supported values: "PreferDualStack", "RequireDualStack", '
            '"SingleStack"'
        ],
    ),
    *[({"trafficDistribution": value}, []) for value in ("PreferClose", "PreferSameZone", "PreferSameNode")],
    (
        {"trafficDistribution": "Near"},
        [
            'spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose", "PreferSameNode", '
            '"PreferSameZone"'
        ],
    ),
    (
        {"healthCheckNodePort": 30001},
        [
            "spec.healthCheckNodePort: Invalid value: 30001: may only be set when `type` is 'LoadBalancer' and "
            "`externalTrafficPolicy` is 'Local'"
        ],
    ),
    (BALANCED | {"externalTrafficPolicy": "Local", "healthCheckNodePort": 30001}, []),
    (
        BALANCED | {"loadBalancerSourceRanges": ["10.0.0.0", "x"]},
        [
            f'spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.0": {CIDR}',
            f'spec.LoadBalancerSourceRanges[1]: Invalid value: "x": {CIDR}',
        ],
    ),
    (BALANCED | {"loadBalancerClass": "example.com/lb", "loadBalancerIP": "172.30.0.200"}, []),
    ({"externalIPs": ["x"]}, [f'spec.externalIPs[0]: Invalid value: "x": {IP}']),
    ({"externalIPs": ["0.0.0.0"]}, ['spec.externalIPs[0]: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)']),
    (
        {"externalIPs": ["169.254.1.1"]},
        [
            'spec.externalIPs[0]: Invalid value: "169.254.1.1": may not be in the link-local range '
            "(169.254.0.0/16, fe80::/10)"
        ],
    ),
    (
        {"clusterIP": "None", "clusterIPs": ["None", "10.96.0.7"]},
        ['spec.clusterIPs: Invalid value: ["None","10.96.0.7"]: \'None\' must be the first and only value'],
    ),
    (
        {
            "clusterIP": "10.96.0.7",
            "clusterIPs": ["10.96.0.7", "fd00::1", "10.96.0.8"],
            "ipFamilyPolicy": "SingleStack",
        },
        [
            'spec.clusterIPs: Invalid value: ["10.96.0.7","fd00::1","10.96.0.8"]: may only hold up to 2 values',
        ],
    ),
    (
        {"sessionAffinity": "None", "sessionAffinityConfig": None, "selector": {"a": "b c"}},
        [
            'spec.selector: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric '
            "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
            "'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
        ],
    ),
    (
        {"type": "ExternalName", "externalName": "a_b", "ports": []},
        [
            'spec.externalName: Invalid value: "a_b": a lowercase RFC 1123 subdomain must consist of lower case '
            "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. "
            "'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        ],
    ),
    (
        {"type": "ExternalName", "externalName": "a", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"},
        [
            "spec.ipFamilies: Forbidden: may not be set for ExternalName services",
            "spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services",
        ],
    ),
]


@pytest.mark.parametrize(("spec", "texts"), WRONG)
def test_every_cause_is_said_in_upstreams_words(spec: dict[str, Any], texts: list[str]) -> None:
    assert wrong(SERVICE, service(**spec)) == texts


ANNOTATED: list[tuple[dict[str, str], dict[str, Any], list[str]]] = [
    ({RANGES: "10.0.0.0/8, 192.168.0.0/16"}, BALANCED, []),
    ({RANGES: ""}, BALANCED, []),
    (
        {RANGES: "10.0.0.0/8,x"},
        {},
        [
            f"metadata.annotations[{RANGES}]: Forbidden: {LOAD_BALANCER_ONLY}",
            f'metadata.annotations[{RANGES}]: Invalid value: "x": {CIDR}',
        ],
    ),
    ({HINTS: "Auto", MODE: "Auto"}, {}, []),
    (
        {HINTS: "Auto", MODE: "Disabled"},
        {},
        [
            f'metadata.annotations[{MODE}]: Invalid value: "Disabled": must match annotations[{HINTS}] '
            "when both are specified"
        ],
    ),
]


@pytest.mark.parametrize(("annotations", "spec", "texts"), ANNOTATED)
def test_annotations_that_mean_something_are_checked(
    annotations: dict[str, str], spec: dict[str, Any], texts: list[str]
) -> None:
    tree = service(**spec) | {"metadata": {"name": "x", "annotations": annotations}}
    assert wrong(SERVICE, tree) == texts


AT = "status.loadBalancer.ingress[0]"
STATUSES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("LoadBalancer", {"ip": "172.30.0.200", "ipMode": "VIP"}, []),
    ("LoadBalancer", {"ip": "172.30.0.200", "ipMode": "Proxy", "ports": [{"port": 80, "protocol": "TCP"}]}, []),
    ("LoadBalancer", {"hostname": "lb.a.example"}, []),
    (
        "ClusterIP",
        {"ip": "172.30.0.200", "ipMode": "VIP"},
        ["status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"],
    ),
    ("LoadBalancer", {"ip": "x", "ipMode": "VIP"}, [f'{AT}.ip: Invalid value: "x": {IP}']),
    ("LoadBalancer", {"ip": "192.0.2.1"}, [f"{AT}.ipMode: Required value: must be specified when `ip` is set"]),
    (
        "LoadBalancer",
        {"hostname": "a", "ipMode": "VIP"},
        [f"{AT}.ipMode: Forbidden: may not be specified when `ip` is not set"],
    ),
    (
        "LoadBalancer",
        {"ip": "192.0.2.1", "ipMode": "Other"},
        [f'{AT}.ipMode: Unsupported value: "Other": supported values: "Proxy", "VIP"'],
    ),
    (
        "LoadBalancer",
        {"hostname": "192.0.2.1"},
        [f'{AT}.hostname: Invalid value: "192.0.2.1": must be a DNS name, not an IP address'],
    ),
]


@pytest.mark.parametrize(("type", "point", "texts"), STATUSES)
def test_what_a_load_balancer_writes_is_checked(type: str, point: dict[str, Any], texts: list[str]) -> None:
    obj = created(SERVICE, service(type=type))
    obj.status = msgspec.convert({"loadBalancer": {"ingress": [point]}}, ServiceStatus)
    assert [str(error) for error in check(SERVICE, obj)] == texts


def test_a_health_check_port_and_a_class_stay_as_they_are() -> None:
    local = BALANCED | {"externalTrafficPolicy": "Local"}
    before = service(**local, healthCheckNodePort=30001, loadBalancerClass="a/b")
    after = service(**local, healthCheckNodePort=30002, loadBalancerClass="a/c")
    assert wrong_update(SERVICE, before, after) == [
        "spec.healthCheckNodePort: Forbidden: field is immutable",
        'spec.loadBalancerClass: Invalid value: "a/c": may not change once set',
    ]


WARNINGS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"trafficDistribution": "PreferSameZone"}, []),
    (
        {"trafficDistribution": "PreferClose"},
        ['spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'],
    ),
    (
        {"externalIPs": ["192.0.2.1"]},
        ["spec.externalIPs is deprecated and may no longer be implemented in some clusters"],
    ),
    (
        {
            "clusterIP": "None",
            "externalIPs": ["192.0.2.1"],
            "sessionAffinity": "ClientIP",
            "loadBalancerIP": "192.0.2.2",
        },
        [
            "spec.loadBalancerIP is ignored for headless services",
            "spec.externalIPs is ignored for headless services",
            "spec.SessionAffinity is ignored for headless services",
        ],
    ),
    ({"externalName": "a.example"}, ['spec.externalName is ignored when spec.type is not "ExternalName"']),
    (
        {"type": "ExternalName", "externalName": "a", "externalIPs": ["192.0.2.1"], "ports": []},
        ['spec.externalIPs is ignored when spec.type is "ExternalName"'],
    ),
    (
        BALANCED | {"loadBalancerSourceRanges": ["10.0.0.1/8", "2001:DB8::/64"], "loadBalancerIP": "2001:DB8::1"},
        [
            'spec.loadBalancerIP: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")',
            'spec.loadBalancerSourceRanges[0]: CIDR value "10.0.0.1/8" is ambiguous in this context '
            '(should be "10.0.0.0/8" or "10.0.0.1/32"?)',
            'spec.loadBalancerSourceRanges[1]: IPv6 CIDR value "2001:DB8::/64" should be in RFC 5952 canonical format '
            '("2001:db8::/64")',
        ],
    ),
    (BALANCED | {"loadBalancerIP": "no:address"}, []),
    (BALANCED | {"loadBalancerIP": "192.0.2.2"}, []),
]


@pytest.mark.parametrize(("spec", "texts"), WARNINGS)
def test_what_is_fine_but_odd_is_warned_of(spec: dict[str, Any], texts: list[str]) -> None:
    assert list(SERVICE.warnings(created(SERVICE, service(**spec)))) == texts


def test_a_deprecated_annotation_is_warned_of() -> None:
    tree = service() | {"metadata": {"name": "x", "annotations": {HINTS: "Auto"}}}
    text = f"annotation {HINTS} is deprecated, please use {MODE} instead"
    assert list(SERVICE.warnings(created(SERVICE, tree))) == [text]
