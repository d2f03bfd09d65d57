from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api.endpointslice import Endpoint, EndpointSlice
from fairlead.api.pod import Pod
from fairlead.api.service import Service, ServicePort
from fairlead.controllers.endpointslice.plan import MANAGER, reconcile, withdraw
from tests.controllers.applying import applied
from tests.controllers.factories import NOW, pod, service


def after(svc: Service, pods: Sequence[Pod], slices: Sequence[EndpointSlice] = ()) -> list[EndpointSlice]:
    return applied(reconcile(svc, pods, slices, {}, now=NOW), slices, EndpointSlice)


def endpoints(slices: Sequence[EndpointSlice]) -> list[Endpoint]:
    return sorted((e for s in slices for e in s.endpoints), key=lambda e: e.addresses)


def numbered(count: int, *, first: int = 0, ready: bool = True) -> list[Pod]:
    return [pod(f"web-{i}", ip=f"10.244.{i >> 8}.{i & 255}", ready=ready) for i in range(first, first + count)]


def test_an_endpoint_says_all_there_is_to_say_about_its_pod() -> None:
    p = pod()
    p.spec.hostname, p.spec.subdomain = "one", "web"
    plan = reconcile(service(labels={"tier": "front"}), [p], [], {"node1": "east"}, now=NOW)
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
    plan = reconcile(service(), [pod()], slices, {}, now=NOW)
    assert (len(plan.create), len(plan.update), len(plan.delete)) == (0, 1, 0)


def test_headless_slices_are_labelled_so() -> None:
    assert "service.kubernetes.io/headless" in after(service(clusterIP="None", ports=[]), [pod()])[0].metadata.labels


def test_slices_hold_a_hundred_and_existing_ones_are_filled_first() -> None:
    slices = after(service(), numbered(250))
    assert sorted(len(s.endpoints) for s in slices) == [50, 100, 100]
    plan = reconcile(service(), numbered(260), slices, {}, now=NOW)
    assert (len(plan.create), len(plan.update)) == (0, 1)
    assert sorted(len(s.endpoints) for s in applied(plan, slices, EndpointSlice)) == [60, 100, 100]


def test_a_change_of_one_pod_writes_one_slice() -> None:
    pods = numbered(250)
    slices = after(service(), pods)
    pods[120] = pod("web-120", ip="10.244.0.120", ready=False)
    plan = reconcile(service(), pods, slices, {}, now=NOW)
    assert (len(plan.create), len(plan.update), len(plan.delete)) == (0, 1, 0)


def test_external_names_and_selectorless_services_get_none_and_lose_what_we_made() -> None:
    slices = after(service(), [pod()])
    assert not reconcile(service(selector={}), [], [], {}, now=NOW)
    assert not reconcile(service(type="ExternalName"), [pod()], [], {}, now=NOW)
    assert after(service(selector={}), [], slices) == []
    assert applied(withdraw(slices), slices, EndpointSlice) == []


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
    p.spec.containers[0].ports[0].containerPort = named
    return p


NAMED = service(ports=[ServicePort(name="web", port=80, protocol="TCP", targetPort="http")])


@settings(max_examples=25, deadline=None)
@given(PODS, PODS)
def test_an_applied_plan_leaves_nothing_to_do_and_no_endpoint_is_in_two_slices(
    before: list[Pod], now: list[Pod]
) -> None:
    slices = after(NAMED, now, after(NAMED, before))
    assert not reconcile(NAMED, now, slices, {}, now=NOW)
    addresses = [e.addresses[0] for e in endpoints(slices)]
    assert sorted(addresses) == sorted(p.status.podIP for p in now)
    assert all(len(s.endpoints) <= 100 for s in slices)


@settings(max_examples=15, deadline=None)
@given(PODS, st.randoms(use_true_random=False))
def test_any_order_of_the_same_changes_ends_in_the_same_endpoints(pods: list[Pod], rng: object) -> None:
    shuffled = list(pods)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    stepwise: list[EndpointSlice] = []
    for count in range(0, len(shuffled) + 1, 9):
        stepwise = after(NAMED, shuffled[:count], stepwise)
    stepwise = after(NAMED, shuffled, stepwise)
    assert endpoints(stepwise) == endpoints(after(NAMED, pods))
