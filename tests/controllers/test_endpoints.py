from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api.core.endpoints.kind import EndpointAddress, EndpointPort, Endpoints, EndpointSubset
from fairlead.api.core.pod.containers.container import ContainerPort
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.status import PodIP
from fairlead.api.core.service.kind import Service, ServicePort
from fairlead.api.meta.reference import ObjectReference
from fairlead.controllers.services.endpoints.plan import reconcile, withdraw
from fairlead.controllers.services.endpoints.subsets import repack, truncate
from fairlead.runtime.plan import Create, Update
from tests.controllers.factories import NOW, pod, service


def after(svc: Service, pods: list[Pod], existing: Endpoints | None = None) -> Endpoints:
    plan = reconcile(svc, pods, existing, now=NOW)
    writes: list[Create | Update] = [*plan.create, *plan.update]
    found = writes[0].obj if writes else existing
    assert isinstance(found, Endpoints)
    return found


def test_ready_and_not_ready_pods_are_listed_apart_and_terminating_ones_not_at_all() -> None:
    pods = [pod("b", ip="10.0.0.2"), pod("a", ip="10.0.0.1"), pod("c", ip="10.0.0.3", ready=False)]
    found = after(service(), [*pods, pod("d", ip="10.0.0.4", terminating=True)])
    (subset,) = found.subsets
    assert [a.ip for a in subset.addresses] == ["10.0.0.1", "10.0.0.2"]
    assert [a.ip for a in subset.notReadyAddresses] == ["10.0.0.3"]
    assert [(p.name, p.port, p.protocol) for p in subset.ports] == [("", 80, "TCP")]
    assert found.metadata.labels == {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}


def test_a_service_without_pods_has_an_empty_object_and_a_pod_without_the_port_is_left_out() -> None:
    assert after(service(), []).subsets == []
    p = pod()
    p.spec.containers[0].ports = []
    ports = [ServicePort(name="web", port=80, protocol="TCP", targetPort="http")]
    assert after(service(ports=ports), [p]).subsets == []


def test_headless_services_without_ports_list_addresses_alone() -> None:
    found = after(service(clusterIP="None", ports=[]), [pod()])
    assert [(len(s.addresses), s.ports) for s in found.subsets] == [(1, [])]
    assert "service.kubernetes.io/headless" in found.metadata.labels


def test_ports_with_the_same_addresses_share_a_subset_and_others_have_their_own() -> None:
    """Upstream's form: by port, not by pod. `b` lacks the port `metrics`."""
    a, b = pod("a", ip="10.0.0.1"), pod("b", ip="10.0.0.2")
    a.spec.containers[0].ports.append(ContainerPort(name="metrics", containerPort=9153, protocol="TCP"))
    ports = [
        ServicePort(name="web", port=80, protocol="TCP", targetPort=8080),
        ServicePort(name="tls", port=443, protocol="TCP", targetPort=8443),
        ServicePort(name="metrics", port=9153, protocol="TCP", targetPort="metrics"),
    ]
    found = after(service(ports=ports), [a, b])
    assert [([x.ip for x in s.addresses], [p.name for p in s.ports]) for s in found.subsets] == [
        (["10.0.0.1"], ["metrics"]),
        (["10.0.0.1", "10.0.0.2"], ["tls", "web"]),
    ]


def test_subsets_are_repacked_as_upstream_does() -> None:
    def address(ip: str, uid: str = "") -> EndpointAddress:
        return EndpointAddress(ip=ip, targetRef=ObjectReference(uid=uid) if uid else None)

    web, dns = EndpointPort(name="web", port=80, protocol="TCP"), EndpointPort(name="dns", port=53, protocol="UDP")
    one, two, three = address("10.0.0.1"), address("10.0.0.2"), address("10.0.0.2", "u")
    given = [
        EndpointSubset(addresses=[three, two], ports=[web]),
        EndpointSubset(addresses=[one], notReadyAddresses=[two], ports=[web, dns]),
        EndpointSubset(addresses=[one]),
    ]
    assert repack(given) == [
        EndpointSubset(addresses=[one]),
        EndpointSubset(addresses=[one], notReadyAddresses=[two], ports=[dns]),
        EndpointSubset(addresses=[one, three], notReadyAddresses=[two], ports=[web]),
    ]
    assert repack(repack(given)) == repack(given)
    assert repack([]) == repack([EndpointSubset(ports=[web])]) == []


def test_what_is_over_capacity_is_left_out_in_proportion() -> None:
    def subset(ready: int, not_ready: int, port: int) -> EndpointSubset:
        every = [EndpointAddress(ip=f"10.{port}.{i >> 8}.{i & 255}") for i in range(ready + not_ready)]
        ports = [EndpointPort(port=port, protocol="TCP")]
        return EndpointSubset(addresses=every[:ready], notReadyAddresses=every[ready:], ports=ports)

    def sizes(*subsets: EndpointSubset) -> list[tuple[int, int]]:
        return [(len(s.addresses), len(s.notReadyAddresses)) for s in truncate(subsets)]

    assert sizes(subset(900, 50, 1), subset(50, 0, 2)) == [(900, 50), (50, 0)]
    assert sizes(subset(1000, 10, 1), subset(500, 10, 2)) == [(667, 0), (333, 0)]
    assert sizes(subset(400, 400, 1), subset(400, 200, 2)) == [(400, 134), (400, 66)]
    assert sizes(subset(1000, 0, 1), subset(0, 5, 2)) == [(1000, 0)]


@pytest.mark.slow
def test_over_a_thousand_the_ready_ones_stay_and_an_annotation_tells() -> None:
    pods = [pod(f"p{i}", ip=f"10.1.{i >> 8}.{i & 255}", ready=i >= 20) for i in range(1030)]
    found = after(service(), pods)
    assert sum(len(s.addresses) for s in found.subsets) == 1000
    assert sum(len(s.notReadyAddresses) for s in found.subsets) == 0
    assert found.metadata.annotations["endpoints.kubernetes.io/over-capacity"] == "truncated"
    fewer = after(service(), pods[:100], found)
    assert "endpoints.kubernetes.io/over-capacity" not in fewer.metadata.annotations


def test_endpoints_go_with_their_service_and_hand_written_ones_wait_for_one() -> None:
    ours = after(service(), [pod()])
    assert withdraw(ours, just_deleted=False).delete
    by_hand = after(service(), [pod()])
    by_hand.metadata.labels = {}
    assert withdraw(by_hand, just_deleted=True).delete
    assert not withdraw(by_hand, just_deleted=False)
    by_hand.metadata.annotations["control-plane.alpha.kubernetes.io/leader"] = "{}"
    assert not withdraw(by_hand, just_deleted=True)
    assert not withdraw(None, just_deleted=True)
    assert not reconcile(service(selector={}), [], None, now=NOW)


def test_addresses_are_of_the_services_first_family() -> None:
    p = pod()
    p.status.podIPs.append(PodIP(ip="fd00::2"))
    assert [a.ip for a in after(service(ipFamilies=["IPv6", "IPv4"]), [p]).subsets[0].addresses] == ["fd00::2"]
    assert after(service(ipFamilies=["IPv6"]), [pod()]).subsets == []


def test_the_services_annotations_stay_its_own() -> None:
    svc = service()
    svc.metadata.annotations = {"note": "mine"}
    assert list(after(svc, [pod()]).metadata.annotations) == ["endpoints.kubernetes.io/last-change-trigger-time"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.booleans(), st.booleans()), unique_by=lambda t: t[0], max_size=20))
def test_an_applied_plan_leaves_nothing_to_do_in_any_order(seeds: list[tuple[int, bool, bool]]) -> None:
    pods = [pod(f"w{n}", ip=f"10.0.0.{n}", ready=ready, terminating=gone) for n, ready, gone in seeds]
    shuffled = list(pods)
    random.Random(len(pods)).shuffle(shuffled)
    found = after(service(), pods)
    assert not reconcile(service(), shuffled, found, now=NOW)
