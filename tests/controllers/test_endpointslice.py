from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api.core.node.kind import Node
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.status import PodIP
from fairlead.api.core.service.kind import Service, ServicePort
from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointConditions, EndpointSlice
from fairlead.controllers.services.endpointslice.hints import hint_by_shares, shares_of
from fairlead.controllers.services.endpointslice.plan import MANAGER, reconcile, withdraw
from tests.controllers.applying import applied
from tests.controllers.factories import NOW, node, pod, service

ZONES = {"node1": ""}


def after(svc: Service, pods: Sequence[Pod], slices: Sequence[EndpointSlice] = ()) -> list[EndpointSlice]:
    return applied(reconcile(svc, pods, slices, ZONES, now=NOW, shares={}), slices, EndpointSlice)


def endpoints(slices: Sequence[EndpointSlice]) -> list[Endpoint]:
    return sorted((e for s in slices for e in s.endpoints), key=lambda e: e.addresses)


def numbered(count: int, *, first: int = 0, ready: bool = True) -> list[Pod]:
    return [pod(f"web-{i}", ip=f"10.244.{i >> 8}.{i & 255}", ready=ready) for i in range(first, first + count)]


def test_an_endpoint_has_hostname_node_zone_target_and_conditions() -> None:
    p = pod()
    p.spec.hostname, p.spec.subdomain = "one", "web"
    plan = reconcile(service(labels={"tier": "front"}), [p], [], {"node1": "east"}, now=NOW, shares={})
    made = plan.create[0].obj
    assert isinstance(made, EndpointSlice)
    assert made.metadata.generateName == "web-"
    assert made.metadata.labels == {
        "tier": "front",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": MANAGER,
    }
    assert made.metadata.annotations["endpoints.kubernetes.io/last-change-trigger-time"].startswith(
        "2023-11-14T22:13:20"
    )
    owner = made.metadata.ownerReferences[0]
    assert (owner.kind, owner.name, owner.controller, owner.blockOwnerDeletion) == ("Service", "web", True, True)
    assert [(q.name, q.port, q.protocol) for q in made.ports] == [("", 80, "TCP")]
    (e,) = made.endpoints
    assert (e.addresses, e.nodeName, e.zone, e.hostname) == (["10.244.1.2"], "node1", "east", "one")
    assert (e.conditions.ready, e.conditions.serving, e.conditions.terminating) == (True, True, False)
    assert e.targetRef is not None
    assert (e.targetRef.kind, e.targetRef.name, e.targetRef.uid) == ("Pod", "web-1", "uid-web-1")


def test_conditions_follow_readiness_termination_and_what_the_service_publishes() -> None:
    def seen(*, publish: bool = False, ready: bool = True, terminating: bool = False) -> tuple[object, ...]:
        svc = service(publishNotReadyAddresses=publish)
        c = after(svc, [pod(ready=ready, terminating=terminating)])[0].endpoints[0].conditions
        return c.ready, c.serving, c.terminating

    assert seen() == (True, True, False)
    assert seen(ready=False) == (False, False, False)
    assert seen(terminating=True) == (False, True, True)
    assert seen(publish=True, ready=False) == (True, False, False)
    assert seen(publish=True, terminating=True) == (True, True, True)


def test_pods_on_their_nodes_network_are_endpoints_of_their_own_at_the_nodes_address() -> None:
    pods = [pod("web-1", ip="172.30.0.11"), pod("web-2", ip="172.30.0.11", ready=False)]
    for p in pods:
        p.spec.hostNetwork = True
    svc, slices = service(), after(service(), pods)
    found = [(e.addresses, e.targetRef.name, e.conditions.ready) for e in endpoints(slices) if e.targetRef]
    assert sorted(found) == [(["172.30.0.11"], "web-1", True), (["172.30.0.11"], "web-2", False)]
    assert after(svc, pods, slices) == slices


def test_finished_pods_and_pods_without_address_are_no_endpoints() -> None:
    pods = [pod("a", ip=""), pod("b", phase="Succeeded"), pod("c", phase="Failed"), pod("d", ip="fd00::1")]
    assert endpoints(after(service(), pods)) == []


def test_named_ports_are_looked_up_in_each_pod() -> None:
    ports = [ServicePort(name="web", port=80, protocol="TCP", targetPort="http")]
    other = pod("web-2", ip="10.244.1.3")
    other.spec.containers[0].ports[0].containerPort = 8080
    lacking = pod("web-3", ip="10.244.1.4")
    lacking.spec.containers[0].ports = []
    slices = after(service(ports=ports), [pod(), other, lacking])
    found = {tuple(q.port for q in s.ports): [e.addresses[0] for e in s.endpoints] for s in slices}
    assert found == {(80,): ["10.244.1.2"], (8080,): ["10.244.1.3"], (): ["10.244.1.4"]}


def test_a_service_without_pods_has_one_empty_slice_that_the_first_pod_fills() -> None:
    slices = after(service(), [])
    assert [(s.endpoints, s.ports) for s in slices] == [([], [])]
    plan = reconcile(service(), [pod()], slices, ZONES, now=NOW, shares={})
    assert (len(plan.create), len(plan.update), len(plan.delete)) == (0, 1, 0)


def test_headless_slices_are_labelled_so() -> None:
    assert "service.kubernetes.io/headless" in after(service(clusterIP="None", ports=[]), [pod()])[0].metadata.labels


def test_slices_hold_a_hundred_and_existing_ones_are_filled_first() -> None:
    slices = after(service(), numbered(250))
    assert sorted(len(s.endpoints) for s in slices) == [50, 100, 100]
    plan = reconcile(service(), numbered(260), slices, ZONES, now=NOW, shares={})
    assert (len(plan.create), len(plan.update)) == (0, 1)
    assert sorted(len(s.endpoints) for s in applied(plan, slices, EndpointSlice)) == [60, 100, 100]


def test_a_change_of_one_pod_writes_one_slice() -> None:
    pods = numbered(250)
    slices = after(service(), pods)
    pods[120] = pod("web-120", ip="10.244.0.120", ready=False)
    plan = reconcile(service(), pods, slices, ZONES, now=NOW, shares={})
    assert (len(plan.create), len(plan.update), len(plan.delete)) == (0, 1, 0)


def test_external_names_and_selectorless_services_get_none_and_lose_what_we_made() -> None:
    slices = after(service(), [pod()])
    assert not reconcile(service(selector={}), [], [], ZONES, now=NOW, shares={})
    assert not reconcile(service(type="ExternalName"), [pod()], [], ZONES, now=NOW, shares={})
    assert after(service(selector={}), [], slices) == []
    assert applied(withdraw(slices), slices, EndpointSlice) == []


def test_each_family_of_the_service_has_slices_of_its_own() -> None:
    both = pod("a")
    both.status.podIPs.append(PodIP(ip="fd00::2"))
    dual = service(ipFamilies=["IPv6", "IPv4"])
    found = {s.addressType: [e.addresses for e in s.endpoints] for s in after(dual, [both, pod("b", ip="10.244.1.3")])}
    assert found == {"IPv4": [["10.244.1.2"], ["10.244.1.3"]], "IPv6": [["fd00::2"]]}
    single = after(service(ipFamilies=["IPv4"]), [both], after(dual, [both]))
    assert [s.addressType for s in single] == ["IPv4"]


def test_a_family_without_pods_has_its_empty_slice() -> None:
    found = after(service(ipFamilies=["IPv4", "IPv6"]), [pod()])
    assert {s.addressType: len(s.endpoints) for s in found} == {"IPv4": 1, "IPv6": 0}


def test_ports_keep_the_order_of_the_service() -> None:
    ports = [ServicePort(name=n, port=p, protocol="TCP", targetPort=p) for n, p in (("web", 80), ("admin", 81))]
    slices = after(service(ports=ports), [pod()])
    assert [p.name for p in slices[0].ports] == ["web", "admin"]
    assert not reconcile(service(ports=ports[::-1]), [pod()], slices, ZONES, now=NOW, shares={})


def test_pods_of_missing_nodes_are_no_endpoints_unless_the_service_takes_any() -> None:
    lost = pod(node="gone")
    assert endpoints(after(service(), [lost])) == []
    assert len(endpoints(after(service(publishNotReadyAddresses=True), [lost]))) == 1


def test_hints_say_the_zone_and_the_node_of_ready_endpoints() -> None:
    def hints(distribution: str, *, ready: bool = True, zone: str = "east") -> tuple[list[str], list[str]] | None:
        svc = service(trafficDistribution=distribution)
        plan = reconcile(svc, [pod(ready=ready)], [], {"node1": zone}, now=NOW, shares={})
        made = plan.create[0].obj
        assert isinstance(made, EndpointSlice)
        found = made.endpoints[0].hints
        return ([z.name for z in found.forZones], [n.name for n in found.forNodes]) if found else None

    assert hints("PreferClose") == hints("PreferSameZone") == (["east"], [])
    assert hints("PreferSameNode") == (["east"], ["node1"])
    assert hints("PreferSameNode", zone="") == ([], ["node1"])
    assert hints("PreferClose", zone="") is None
    assert hints("PreferClose", ready=False) is None


def test_hints_go_with_the_wish_for_them() -> None:
    slices = after(service(trafficDistribution="PreferSameNode"), [pod()])
    assert endpoints(slices)[0].hints
    assert not endpoints(after(service(), [pod()], slices))[0].hints


def test_slices_of_an_earlier_service_of_the_same_name_go() -> None:
    old = after(service(), [pod()])
    again = service()
    again.metadata.uid = "uid-of-another"
    plan = reconcile(again, [pod()], old, ZONES, now=NOW, shares={})
    assert [d.obj.metadata.name for d in plan.delete] == [old[0].metadata.name]
    assert len(plan.create) == 1


def test_a_service_on_its_way_out_gets_no_new_slices() -> None:
    leaving = service()
    leaving.metadata.deletionTimestamp = "2023-11-14T22:13:20Z"
    assert not reconcile(leaving, [pod()], [], ZONES, now=NOW, shares={}).create


def test_what_fits_into_no_slice_whole_gets_a_new_one_and_one_that_takes_all_is_filled() -> None:
    slices = after(service(), numbered(190))
    few = reconcile(service(), numbered(200), slices, ZONES, now=NOW, shares={})
    assert (len(few.create), len(few.update)) == (0, 1)
    many = reconcile(service(), numbered(201), slices, ZONES, now=NOW, shares={})
    assert (len(many.create), len(many.update)) == (1, 0)


ONE_POD = st.builds(
    lambda number, ready, terminating, named: _variant(number, ready, terminating, named),
    st.integers(0, 150),
    st.booleans(),
    st.booleans(),
    st.sampled_from([80, 8080]),
)
PODS = st.lists(ONE_POD, max_size=130, unique_by=lambda p: p.metadata.name)


def _variant(number: int, ready: bool, terminating: bool, named: int) -> Pod:
    p = pod(f"web-{number}", ip=f"10.244.1.{number}", ready=ready, terminating=terminating)
    p.status.podIPs.append(PodIP(ip=f"fd00:10:244:1::{number:x}"))
    p.spec.containers[0].ports[0].containerPort = named
    return p


NAMED = service(ports=[ServicePort(name="web", port=80, protocol="TCP", targetPort="http")])


DUAL = service(
    ports=[ServicePort(name="web", port=80, protocol="TCP", targetPort="http")],
    clusterIP="10.96.0.10",
    ipFamilies=["IPv4", "IPv6"],
    trafficDistribution="PreferSameZone",
)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([NAMED, DUAL]), PODS, PODS)
def test_an_applied_plan_leaves_nothing_to_do_and_no_endpoint_is_in_two_slices(
    svc: Service, before: list[Pod], now: list[Pod]
) -> None:
    slices = after(svc, now, after(svc, before))
    assert not reconcile(svc, now, slices, ZONES, now=NOW, shares={})
    for family in ("IPv4", "IPv6"):
        addresses = [e.addresses[0] for s in slices if s.addressType == family for e in s.endpoints]
        expected = [ip.ip for p in now for ip in p.status.podIPs if (":" in ip.ip) == (family == "IPv6")]
        assert sorted(addresses) == (sorted(expected) if family == "IPv4" or svc is DUAL else [])
    assert all(len(s.endpoints) <= 100 for s in slices)


@settings(max_examples=15, deadline=None)
@given(PODS, st.randoms(use_true_random=False))
def test_any_order_of_the_same_changes_ends_in_the_same_endpoints(pods: list[Pod], rng: object) -> None:
    shuffled = list(pods)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    stepwise: list[EndpointSlice] = []
    for count in range(0, len(shuffled) + 1, 9):
        stepwise = after(DUAL, shuffled[:count], stepwise)
    stepwise = after(DUAL, shuffled, stepwise)
    assert endpoints(stepwise) == endpoints(after(DUAL, pods))


@settings(max_examples=25, deadline=None)
@given(PODS.filter(bool), st.data())
def test_a_changed_pod_changes_one_slice_of_each_family(pods: list[Pod], data: st.DataObject) -> None:
    slices = after(DUAL, pods)
    at = data.draw(st.integers(0, len(pods) - 1))
    changed = msgspec.json.decode(msgspec.json.encode(pods[at]), type=Pod)
    changed.status.conditions[0].status = "False" if changed.status.conditions[0].status == "True" else "True"
    plan = reconcile(DUAL, [*pods[:at], changed, *pods[at + 1 :]], slices, ZONES, now=NOW, shares={})
    assert not plan.create
    assert not plan.delete
    assert sorted(u.obj.addressType for u in plan.update if isinstance(u.obj, EndpointSlice)) == ["IPv4", "IPv6"]


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.integers(1, 250))
def test_more_pods_touch_one_existing_slice_at_most(there: int, more: int) -> None:
    slices = after(service(), numbered(100 + there))
    plan = reconcile(service(), numbered(100 + there + more), slices, ZONES, now=NOW, shares={})
    assert len(plan.update) <= 1
    assert len(plan.create) + len(plan.update) == -(-more // 100)


def automatic(**spec: Any) -> Service:
    svc = service(**spec)
    svc.metadata.annotations = {"service.kubernetes.io/topology-mode": "Auto"}
    return svc


def zoned(east: int, west: int) -> list[Pod]:
    return [pod(f"e{n}", ip=f"10.1.0.{n}", node="n-east") for n in range(east)] + [
        pod(f"w{n}", ip=f"10.2.0.{n}", node="n-west") for n in range(west)
    ]


def hinted(pods: list[Pod], shares: dict[str, float], *, zones: dict[str, str] | None = None) -> Counter[str]:
    where = {"n-east": "east", "n-west": "west"} if zones is None else zones
    svc = automatic(trafficDistribution="PreferSameNode")
    plan = reconcile(svc, pods, [], where, now=NOW, shares=shares)
    slices = applied(plan, [], EndpointSlice)
    assert not reconcile(svc, pods[::-1], slices, where, now=NOW, shares=shares)
    return Counter(z.name for e in endpoints(slices) if e.hints for z in e.hints.forZones)


def test_automatic_hints_give_each_zone_endpoints_by_its_cpus() -> None:
    even = {"east": 0.5, "west": 0.5}
    assert hinted(zoned(3, 3), even) == {"east": 3, "west": 3}
    assert hinted(zoned(6, 1), even) == {"east": 4, "west": 3}
    assert hinted(zoned(0, 4), {"east": 0.25, "west": 0.75}) == {"east": 1, "west": 3}


def test_automatic_hints_are_given_to_all_endpoints_or_none() -> None:
    even = {"east": 0.5, "west": 0.5}
    assert not hinted(zoned(1, 0), even)
    assert not hinted(zoned(3, 3), {})
    assert not hinted(zoned(3, 3), even, zones={"n-east": "east", "n-west": ""})


def test_shares_need_the_zone_and_the_cpus_of_every_ready_worker() -> None:
    def in_zone(name: str, zone: str, **more: Any) -> Node:
        labels = {"topology.kubernetes.io/zone": zone} if zone else {}
        return node(name, labels=labels | more.pop("labels", {}), **more)

    pair = [in_zone("a", "east"), in_zone("b", "west")]
    control_plane = in_zone("c", "", labels={"node-role.kubernetes.io/control-plane": ""})
    assert shares_of([*pair, in_zone("d", "", ready="False"), control_plane]) == {"east": 0.5, "west": 0.5}
    assert shares_of([*pair, in_zone("e", "east"), in_zone("f", "east")]) == {"east": 0.75, "west": 0.25}
    assert shares_of(pair[:1]) == {}
    assert shares_of([*pair, in_zone("g", "")]) == {}


@given(st.lists(st.integers(0, 12), min_size=2, max_size=4), st.data())
def test_automatic_hints_leave_no_zone_short_and_no_endpoint_out(counts: list[int], data: st.DataObject) -> None:
    weights = [data.draw(st.integers(1, 60)) for _ in counts]
    names = [f"z{n}" for n in range(len(counts))]
    shares = {name: weight / sum(weights) for name, weight in zip(names, weights, strict=True)}
    made = [
        Endpoint(addresses=["10.0.0.1"], zone=name, conditions=EndpointConditions(ready=True))
        for name, count in zip(names, counts, strict=True)
        for _ in range(count)
    ]
    if hint_by_shares(made, shares):
        got = Counter(e.hints.forZones[0].name for e in made if e.hints)
        assert sum(got.values()) == len(made)
        rounding = 1e-9  # 6 * 1.2 is less than 7.2
        assert all(got[name] * 1.2 >= shares[name] * len(made) - rounding and got[name] for name in names)
    else:
        assert not any(e.hints for e in made)
