from __future__ import annotations

from typing import Any

import pytest

from fairlead.api.core.service.kind import SERVICE
from fairlead.base.instant import Instant
from tests.api.objects import created, made_service, service, updated, wrong, wrong_update

LOAD_BALANCER_ONLY = "may only be used when `type` is 'LoadBalancer'"

WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"clusterIP": "None", "ports": []}, []),
    ({"type": "ExternalName", "externalName": "a.example.", "ports": []}, []),
    ({"type": "LoadBalancer", "loadBalancerSourceRanges": [" 10.0.0.0/8 "]}, []),
    ({"ports": []}, ["spec.ports: Required value"]),
    (
        {"type": "LoadBalncer"},
        [
            'spec.type: Unsupported value: "LoadBalncer": supported values: "ClusterIP", "ExternalName", '
            '"LoadBalancer", "NodePort"'
        ],
    ),
    (
        {"ports": [{"port": 80, "protocol": "tcp"}]},
        ['spec.ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"'],
    ),
    (
        {"ports": [{"port": 80}, {"port": 81}]},
        ["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"],
    ),
    (
        {"ports": [{"port": 80, "targetPort": "80"}]},
        ['spec.ports[0].targetPort: Invalid value: "80": must contain at least one letter (a-z)'],
    ),
    (
        {"ports": [{"port": 0}]},
        [
            "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive",
        ],
    ),
    (
        {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "a"}]},
        ['spec.ports[1].name: Duplicate value: "a"'],
    ),
    (
        {"ports": [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]},
        [
            'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,'
            '"TargetPort":0,"NodePort":0}'
        ],
    ),
    (
        {"ports": [{"port": 80, "nodePort": 30000}]},
        ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    ),
    (
        {
            "type": "NodePort",
            "ports": [{"name": "a", "port": 80, "nodePort": 30000}, {"name": "b", "port": 81, "nodePort": 30000}],
        },
        ["spec.ports[1].nodePort: Duplicate value: 30000"],
    ),
    (
        {"clusterIP": "Virtual_IP"},
        [
            'spec.clusterIPs[0]: Invalid value: "Virtual_IP": must be a valid IP address, '
            "(e.g. 10.9.8.7 or 2001:db8::ffff)"
        ],
    ),
    (
        {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.8"]},
        ['spec.clusterIPs: Invalid value: ["10.96.0.8"]: first value must match `clusterIP`'],
    ),
    (
        {"clusterIPs": ["10.96.0.8"]},
        ['spec.clusterIPs: Invalid value: ["10.96.0.8"]: must be empty when `clusterIP` is not specified'],
    ),
    (
        {"clusterIP": "None", "type": "NodePort"},
        ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"],
    ),
    (
        {"externalTrafficPolicy": "Cluster"},
        [
            'spec.externalTrafficPolicy: Invalid value: "Cluster": may only be set for externally-accessible services',
        ],
    ),
    (
        {"type": "NodePort", "externalTrafficPolicy": "local"},
        ['spec.externalTrafficPolicy: Unsupported value: "local": supported values: "Cluster", "Local"'],
    ),
    ({"loadBalancerSourceRanges": ["10.0.0.0/8"]}, [f"spec.LoadBalancerSourceRanges: Forbidden: {LOAD_BALANCER_ONLY}"]),
    ({"loadBalancerClass": "a.example/b"}, [f"spec.loadBalancerClass: Forbidden: {LOAD_BALANCER_ONLY}"]),
    ({"allocateLoadBalancerNodePorts": True}, [f"spec.allocateLoadBalancerNodePorts: Forbidden: {LOAD_BALANCER_ONLY}"]),
    ({"type": "ExternalName"}, ["spec.externalName: Required value"]),
    (
        {"type": "ExternalName", "externalName": "a.example", "clusterIP": "10.96.0.7"},
        ["spec.clusterIPs: Forbidden: may not be set for ExternalName services"],
    ),
    (
        {"sessionAffinity": "Cookie"},
        ['spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"'],
    ),
    (
        {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86401}}},
        [
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: "
            "must be greater than 0 and less than 86400"
        ],
    ),
    (
        {"externalIPs": ["127.0.0.1"]},
        [
            'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
        ],
    ),
    (
        {"ipFamilies": ["IPv5"]},
        ['spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"'],
    ),
]


@pytest.mark.parametrize(("spec", "texts"), WRONG)
def test_what_is_wrong_with_a_service_is_said_in_upstreams_words(spec: dict[str, Any], texts: list[str]) -> None:
    assert wrong(SERVICE, service(**spec)) == texts


def test_a_plain_service_gets_upstreams_defaults() -> None:
    spec = made_service().spec
    assert (spec.type, spec.sessionAffinity, spec.internalTrafficPolicy) == ("ClusterIP", "None", "Cluster")
    assert (spec.ipFamilies, spec.ipFamilyPolicy) == (["IPv4"], "SingleStack")
    assert (spec.ports[0].protocol, spec.ports[0].targetPort) == ("TCP", 80)
    assert spec.externalTrafficPolicy == ""
    assert spec.allocateLoadBalancerNodePorts is None


def test_a_load_balancer_gets_node_ports_and_a_traffic_policy() -> None:
    spec = made_service(type="LoadBalancer").spec
    assert spec.allocateLoadBalancerNodePorts is True
    assert spec.externalTrafficPolicy == "Cluster"


def test_external_ips_make_a_cluster_ip_service_externally_accessible() -> None:
    assert made_service(externalIPs=["192.0.2.1"]).spec.externalTrafficPolicy == "Cluster"


def test_client_affinity_lasts_three_hours_unless_said_otherwise() -> None:
    config = made_service(sessionAffinity="ClientIP").spec.sessionAffinityConfig
    assert config is not None
    assert config.clientIP is not None
    assert config.clientIP.timeoutSeconds == 10800


def test_a_requested_cluster_ip_is_copied_to_cluster_ips() -> None:
    assert made_service(clusterIP="10.96.0.7").spec.clusterIPs == ["10.96.0.7"]


def test_a_headless_service_without_selector_gets_both_families() -> None:
    spec = made_service(clusterIP="None").spec
    assert (spec.ipFamilyPolicy, spec.ipFamilies) == ("RequireDualStack", ["IPv4", "IPv6"])
    assert made_service(clusterIP="None", selector={"app": "web"}).spec.ipFamilies == ["IPv4"]


def test_an_external_name_has_neither_families_nor_traffic_policy() -> None:
    spec = made_service(type="ExternalName", externalName="a.example", ports=[]).spec
    assert (spec.ipFamilies, spec.ipFamilyPolicy, spec.internalTrafficPolicy) == ([], None, None)


NODE_PORT = service(type="NodePort", clusterIP="10.96.0.7", ports=[{"name": "http", "port": 80, "nodePort": 30080}])


def test_an_update_without_addresses_and_node_ports_keeps_them() -> None:
    spec = updated(SERVICE, NODE_PORT, service(type="NodePort", ports=[{"name": "http", "port": 8080}])).spec
    assert (spec.clusterIP, spec.clusterIPs) == ("10.96.0.7", ["10.96.0.7"])
    assert spec.ports[0].nodePort == 30080


def test_a_node_port_that_went_to_another_port_is_not_given_back_twice() -> None:
    ports = [{"name": "other", "port": 81, "nodePort": 30080}, {"name": "http", "port": 80}]
    spec = updated(SERVICE, NODE_PORT, service(type="NodePort", ports=ports)).spec
    assert [port.nodePort for port in spec.ports] == [30080, 0]


def test_a_service_that_becomes_cluster_ip_drops_what_only_node_ports_had() -> None:
    now = service(type="ClusterIP", ports=[{"name": "http", "port": 80, "nodePort": 30080}])
    now["spec"]["externalTrafficPolicy"] = "Cluster"
    spec = updated(SERVICE, NODE_PORT, now).spec
    assert spec.ports[0].nodePort == 0
    assert spec.externalTrafficPolicy == ""
    assert wrong_update(SERVICE, NODE_PORT, now) == []


def test_a_service_that_becomes_an_external_name_drops_its_address() -> None:
    now = service(type="ExternalName", externalName="a.example", clusterIP="10.96.0.7", ipFamilyPolicy="SingleStack")
    now["spec"] |= {"clusterIPs": ["10.96.0.7"], "ipFamilies": ["IPv4"], "internalTrafficPolicy": "Cluster"}
    spec = updated(SERVICE, service(clusterIP="10.96.0.7"), now).spec
    assert (spec.clusterIP, spec.clusterIPs, spec.ipFamilyPolicy) == ("", [], None)


def test_the_cluster_ip_may_not_change() -> None:
    before = service(clusterIP="10.96.0.7")
    text = 'spec.clusterIPs[0]: Invalid value: ["10.96.0.8"]: may not change once set'
    assert wrong_update(SERVICE, before, service(clusterIP="10.96.0.8", clusterIPs=["10.96.0.8"])) == [text]
    text_of_replace = "spec.clusterIPs[0]: Invalid value: []: primary clusterIP can not be unset"
    assert wrong_update(SERVICE, before, service(clusterIP="10.96.0.8")) == [text_of_replace]
    assert wrong_update(SERVICE, before, service(clusterIP="10.96.0.8", clusterIPs=["10.96.0.7"])) == [text]
    assert wrong_update(SERVICE, before, service(type="ExternalName", externalName="a.example")) == []


def test_ignored_fields_are_warned_of() -> None:
    obj = made_service(type="ExternalName", externalName="a.example", selector={"app": "web"})
    assert list(SERVICE.warnings(obj)) == [
        'spec.ports is ignored when spec.type is "ExternalName"',
        'spec.selector is ignored when spec.type is "ExternalName"',
    ]
    assert list(SERVICE.warnings(made_service())) == []


ROWS: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    (
        service(clusterIP="10.96.10.100", selector={"app": "webui"}),
        {},
        ["ClusterIP", "10.96.10.100", "<none>", "80/TCP", "app=webui"],
    ),
    (
        service(type="NodePort", clusterIP="10.100.100.200", ports=[{"port": 80, "nodePort": 30200}]),
        {},
        ["NodePort", "10.100.100.200", "<none>", "80:30200/TCP", "<none>"],
    ),
    (service(type="LoadBalancer"), {}, ["LoadBalancer", "<none>", "<pending>", "80/TCP", "<none>"]),
    (
        service(type="LoadBalancer", externalIPs=["192.0.2.9"]),
        {"loadBalancer": {"ingress": [{"ip": "172.30.0.201"}, {"ip": "172.30.0.200"}]}},
        ["LoadBalancer", "<none>", "172.30.0.200,172.30.0.201,192.0.2.9", "80/TCP", "<none>"],
    ),
    (
        service(type="ExternalName", externalName="a.example", ports=[]),
        {},
        ["ExternalName", "<none>", "a.example", "<none>", "<none>"],
    ),
    (service(clusterIP="None"), {}, ["ClusterIP", "None", "<none>", "80/TCP", "<none>"]),
]


@pytest.mark.parametrize(("tree", "status", "cells"), ROWS)
def test_a_services_row_is_kubectls(tree: dict[str, Any], status: dict[str, Any], cells: list[str]) -> None:
    import msgspec

    obj = created(SERVICE, tree)
    obj.status = msgspec.convert(status, type(obj.status))
    row = {column.name: column.cell(obj, Instant(0.0)) for column in SERVICE.columns}
    assert [row[name] for name in ("Type", "Cluster-IP", "External-IP", "Port(s)", "Selector")] == cells
