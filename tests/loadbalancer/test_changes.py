"""The events about changes of a Service, with upstream's texts."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.api.core.service.kind import Service, ServicePort
from fairlead.loadbalancer.changes import change_events, updated
from fairlead.service.wellknown import LOAD_BALANCER_FINALIZER
from tests.loadbalancer.world import balanced


def ours(**changes: Any) -> Service:
    annotations = changes.pop("annotations", {})
    return balanced(meta={"finalizers": [LOAD_BALANCER_FINALIZER], "annotations": annotations}, **changes)


def lines(old: Service, new: Service) -> list[str]:
    return [f"{note.reason}: {note.message}" for note in change_events(old, new)]


@pytest.mark.parametrize(
    ("before", "now", "line"),
    [
        (
            {"loadBalancerSourceRanges": ["10.0.0.0/8"]},
            {"loadBalancerSourceRanges": ["10.0.0.0/8", "192.0.2.0/24"]},
            "LoadBalancerSourceRanges: [10.0.0.0/8] -> [10.0.0.0/8 192.0.2.0/24]",
        ),
        ({}, {"loadBalancerSourceRanges": ["10.0.0.0/8"]}, "LoadBalancerSourceRanges: [] -> [10.0.0.0/8]"),
        ({}, {"loadBalancerIP": "172.30.0.201"}, "LoadbalancerIP:  -> 172.30.0.201"),
        (
            {"loadBalancerIP": "172.30.0.200"},
            {"loadBalancerIP": "172.30.0.201"},
            "LoadbalancerIP: 172.30.0.200 -> 172.30.0.201",
        ),
        ({}, {"externalIPs": ["192.0.2.1", "192.0.2.2"]}, "ExternalIP: Count: 0 -> 2"),
        ({"externalIPs": ["192.0.2.1"]}, {"externalIPs": ["192.0.2.2"]}, "ExternalIP: Added: 192.0.2.2"),
        (
            {"externalTrafficPolicy": "Cluster"},
            {"externalTrafficPolicy": "Local", "healthCheckNodePort": 30001},
            "ExternalTrafficPolicy: Cluster -> Local",
        ),
        ({"ipFamilies": ["IPv4"]}, {"ipFamilies": ["IPv4", "IPv6"]}, "IPFamilies: Count: 1 -> 2"),
    ],
)
def test_an_event_names_the_change_and_another_the_new_attempt(before: Any, now: Any, line: str) -> None:
    assert lines(ours(**before), ours(**now)) == [line, "EnsuringLoadBalancer: Ensuring load balancer"]


@pytest.mark.parametrize(
    "now",
    [
        {"ports": [81]},
        {"ports": [ServicePort(port=80, protocol="TCP", targetPort=9)]},
        {"sessionAffinity": "ClientIP"},
        {"annotations": {"fairlead.dev/load-balancer-ips": "172.30.0.201"}},
        {"annotations": {"fairlead.dev/allow-shared-ip": "one"}},
    ],
)
def test_ports_affinity_and_our_annotations_are_followed_without_a_word_of_their_own(now: Any) -> None:
    assert lines(ours(), ours(**now)) == ["EnsuringLoadBalancer: Ensuring load balancer"]


def test_a_change_of_type_makes_an_event_in_either_direction() -> None:
    plain = balanced(type="ClusterIP")
    assert lines(plain, balanced()) == ["Type: ClusterIP -> LoadBalancer"]
    assert lines(ours(), plain) == ["Type: LoadBalancer -> ClusterIP"]


def test_changes_that_do_not_concern_a_load_balancer_make_no_event() -> None:
    assert lines(ours(), ours(annotations={"fairlead.dev/host-urls": "80/TCP=http://127.0.0.1:8080"})) == []
    assert lines(balanced(type="ClusterIP"), balanced(type="NodePort")) == []
    theirs: dict[str, Any] = {"loadBalancerClass": "example.com/x"}
    assert lines(balanced(**theirs), balanced(**theirs, loadBalancerIP="192.0.2.1")) == []
    another = ours()
    another.metadata.uid = "another"
    assert lines(ours(), another) == []


def test_a_change_of_hosts_makes_an_event_and_missing_hosts_a_warning() -> None:
    assert updated(ours(), 2).message == "Updated load balancer with new hosts"
    none = updated(ours(), 0)
    assert (none.type, none.reason) == ("Warning", "UnAvailableLoadBalancer")
    assert none.message == "There are no available nodes for LoadBalancer service default/web"
