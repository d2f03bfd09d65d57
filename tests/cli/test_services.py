"""The URLs at which the host reaches Services, and the message if it cannot reach one."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from fairlead.cli.services import NotFound, browsable, choose, explain, notes, published_ports, rows
from fairlead.cmd.errors import UsageError
from fairlead.cmd.objectnames import service_name
from fairlead.service.wellknown import HOST_URLS_ANNOTATION

Tree = dict[str, Any]

NAMES = ("", "db", "dns", "web")
"""Names of the ports of the tests' Services."""


def service(name: str = "web", urls: str = "80/TCP=http://127.0.0.1:8080", **changes: Any) -> Tree:
    spec = {"type": "LoadBalancer", "clusterIP": "10.96.0.9", "ports": [{"port": 80, "protocol": "TCP"}]} | changes
    status: Tree = {"loadBalancer": {"ingress": [{"ip": "172.30.0.200"}]}} if spec["type"] == "LoadBalancer" else {}
    meta = {"name": name, "namespace": "default", "annotations": {HOST_URLS_ANNOTATION: urls} if urls else {}}
    return {"metadata": meta, "spec": spec, "status": status}


def serving(name: str = "web", ready: bool = True) -> Tree:
    meta = {"name": f"{name}-1", "namespace": "default", "labels": {"kubernetes.io/service-name": name}}
    ports = [{"name": n, "protocol": p, "port": 80} for n in NAMES for p in ("TCP", "UDP", "SCTP")]
    return {"metadata": meta, "ports": ports, "endpoints": [{"conditions": {"ready": ready}}]}


def test_a_row_for_each_port_with_its_url() -> None:
    two = service(
        ports=[{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP", "name": "dns"}],
        urls="80/TCP=http://127.0.0.1:8080,53/UDP=udp://127.0.0.1:8053",
    )
    node_port = service("a", urls="80/TCP=http://127.0.0.1:30080", type="NodePort")
    found = published_ports([two, node_port, service("c", type="ClusterIP")], [serving(), serving("a")])
    assert rows(found) == [
        ["default", "a", "NodePort", "80/TCP", "10.96.0.9:80", "http://127.0.0.1:30080"],
        ["default", "web", "LoadBalancer", "80/TCP", "172.30.0.200:80", "http://127.0.0.1:8080"],
        ["default", "web", "LoadBalancer", "53/UDP", "172.30.0.200:53", "udp://127.0.0.1:8053"],
    ]


def test_with_routes_into_the_cluster_services_are_at_their_own_addresses() -> None:
    three = [{"port": 80, "name": "web"}, {"port": 53, "protocol": "UDP"}, {"port": 9, "protocol": "SCTP"}]
    routes = [ip_network(text) for text in ("172.30.0.0/24", "10.96.0.0/12", "fd00::/64")]
    balanced = service("a", ports=three)
    plain = service("b", type="ClusterIP", clusterIP="fd00::9", urls="", ports=[{"port": 443}, {"port": 5432}])
    port = service("c", urls="80/TCP=http://127.0.0.1:30080", type="NodePort")
    headless = service("d", type="ClusterIP", clusterIP="None", urls="")
    alias = service("e", type="ExternalName", urls="")
    found = published_ports([balanced, plain, port, headless, alias], [serving(n) for n in "abcde"], routed=routes)
    assert [(port.name, port.url) for port in found] == [
        ("a", "http://172.30.0.200"),
        ("a", "udp://172.30.0.200:53"),
        ("a", "sctp://172.30.0.200:9"),
        ("b", "https://[fd00::9]"),
        ("b", "tcp://[fd00::9]:5432"),
        ("c", "http://127.0.0.1:30080"),
    ]
    (far,) = published_ports([service("a")], [serving("a")], routed=[ip_network("10.0.0.0/8")])
    assert far.url == "http://127.0.0.1:8080", "there is no route to that one"


def test_an_unreachable_service_has_the_reason() -> None:
    pending = service("pending") | {"status": {}}
    sctp = service("sctp", ports=[{"port": 80, "protocol": "SCTP"}])
    found = published_ports(
        [pending, service("down"), service("unready"), service("taken", urls=""), sctp],
        [serving("pending"), serving("unready", ready=False), serving("taken"), serving("sctp")],
    )
    assert [(row[1], row[4], row[5]) for row in rows(found)] == [
        ("down", "172.30.0.200:80", "(no Pod is ready)"),
        ("pending", "-", "(no address yet)"),
        ("sctp", "172.30.0.200:80", "(SCTP is not forwarded to the host)"),
        ("taken", "172.30.0.200:80", "(not (yet) open on the host)"),
        ("unready", "172.30.0.200:80", "(no Pod is ready)"),
    ]


def test_a_wrong_selector_is_told_from_pods_that_are_not_ready() -> None:
    selecting = service(selector={"app": "web", "tier": "front"})
    (port,) = published_ports([selecting], [])
    assert notes([port]) == []
    wrong = explain(port, selecting, [])
    assert rows([wrong])[0][-1] == "(no Pod matches the selector app=web,tier=front)"
    assert wrong.hint == "kubectl get pods -n default --show-labels"
    unready = explain(port, selecting, [{"metadata": {"name": "web-1"}}])
    assert unready.trouble == "no Pod is ready"
    assert notes([unready, unready]) == [
        "default/web: no Pod is ready: kubectl get pods -n default -l app=web,tier=front"
    ]
    free = explain(port, service(), [])
    assert free.trouble == "the Service selects no Pods, and no EndpointSlice serves it"
    assert free.hint == "kubectl get endpointslices -n default -l kubernetes.io/service-name=web"


def test_commands_for_a_service_name_its_namespace() -> None:
    pending = service("pending") | {"status": {}}
    assert notes(published_ports([pending], [serving("pending")])) == [
        "default/pending: no address yet: kubectl describe svc pending -n default"
    ]


def test_the_port_to_open_is_the_one_asked_for_or_the_first_that_speaks_http() -> None:
    ports = [{"port": 5432, "name": "db"}, {"port": 80, "name": "web"}]
    both = service(ports=ports, urls="5432/TCP=tcp://127.0.0.1:5432,80/TCP=http://127.0.0.1:8080")
    assert choose(both, [serving()], "").url == "http://127.0.0.1:8080"
    assert {browsable(choose(both, [serving()], p).url) for p in ("5432", "db", "5432/TCP")} == {
        "http://127.0.0.1:5432"
    }
    with pytest.raises(NotFound, match=r'service "web" has no port 81: it has 5432 \(db\), 80 \(web\)'):
        choose(both, [serving()], "81")


def test_a_service_is_named_as_kubectl_names_it() -> None:
    assert [service_name(text) for text in ("web", "svc/web", "service/web")] == ["web"] * 3
    with pytest.raises(UsageError, match="expected svc/NAME"):
        service_name("pod/web")
