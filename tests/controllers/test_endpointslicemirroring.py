from __future__ import annotations

import asyncio
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api.core.endpoints.kind import ENDPOINTS, EndpointAddress, EndpointPort, Endpoints, EndpointSubset
from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, EndpointSlice
from fairlead.api.meta.types import ObjectMeta
from fairlead.controllers.services.endpointslicemirroring.plan import MANAGER, reconcile
from tests.controllers.applying import applied
from tests.controllers.factories import service
from tests.controllers.world import World, in_world

PLAIN = service(selector={})


def subset(*ips: str, not_ready: tuple[str, ...] = (), ports: tuple[int, ...] = (80,)) -> EndpointSubset:
    return EndpointSubset(
        addresses=[EndpointAddress(ip=ip) for ip in ips],
        notReadyAddresses=[EndpointAddress(ip=ip) for ip in not_ready],
        ports=[EndpointPort(name=f"p{port}", port=port, protocol="TCP") for port in ports],
    )


def by_hand(*subsets: EndpointSubset, **meta: Any) -> Endpoints:
    found = ObjectMeta(name="web", namespace="default", uid="uid-ep", **meta)
    return Endpoints(kind="Endpoints", apiVersion="v1", metadata=found, subsets=list(subsets))


def after(
    endpoints: Endpoints | None, slices: list[EndpointSlice] | None = None, svc: Service | None = PLAIN
) -> list[EndpointSlice]:
    return applied(reconcile(svc, endpoints, slices or []), slices or [], EndpointSlice)


def test_each_subset_and_family_becomes_a_slice_that_the_endpoints_own() -> None:
    slices = after(by_hand(subset("10.0.0.1", "fd00::1", not_ready=("10.0.0.2",)), subset("10.0.0.3", ports=(90,))))
    found = {
        (s.addressType, s.ports[0].port): [(e.addresses[0], e.conditions.ready) for e in s.endpoints] for s in slices
    }
    assert found == {
        ("IPv4", 80): [("10.0.0.1", True), ("10.0.0.2", False)],
        ("IPv6", 80): [("fd00::1", True)],
        ("IPv4", 90): [("10.0.0.3", True)],
    }
    owner = slices[0].metadata.ownerReferences[0]
    assert (owner.kind, owner.name, owner.uid, owner.controller) == ("Endpoints", "web", "uid-ep", True)
    assert slices[0].metadata.generateName in ("web-", "")


def test_labels_and_annotations_are_copied_but_for_the_objects_own_history() -> None:
    annotations = {
        "note": "x",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "endpoints.kubernetes.io/last-change-trigger-time": "2023-11-14T22:13:20Z",
    }
    endpoints = by_hand(subset("10.0.0.1"), labels={"tier": "db"}, annotations=annotations)
    slices = after(endpoints)
    assert slices[0].metadata.annotations == {"note": "x"}
    assert slices[0].metadata.labels == {
        "tier": "db",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": MANAGER,
    }
    endpoints.metadata.annotations["note"] = "y"
    plan = reconcile(PLAIN, endpoints, slices)
    assert (len(plan.create), len(plan.update), len(plan.delete)) == (0, 1, 0)


def test_mirrored_is_only_what_people_wrote_for_a_service_without_a_selector() -> None:
    slices = after(by_hand(subset("10.0.0.1")))
    for label, value in (
        ("endpointslice.kubernetes.io/skip-mirror", "true"),
        ("endpoints.kubernetes.io/managed-by", "endpoint-controller"),
    ):
        assert after(by_hand(subset("10.0.0.1"), labels={label: value}), slices) == []
    leader = {"control-plane.alpha.kubernetes.io/leader": "{}"}
    assert after(by_hand(subset("10.0.0.1"), annotations=leader), slices) == []
    assert after(by_hand(subset("10.0.0.1")), slices, service()) == []
    assert after(by_hand(subset("10.0.0.1")), slices, None) == []
    assert after(None, slices) == []


def test_a_thousand_addresses_of_a_subset_are_mirrored_and_events_tell_of_the_rest() -> None:
    ips = [f"10.1.{n >> 8}.{n & 255}" for n in range(1003)]
    plan = reconcile(PLAIN, by_hand(subset(*ips, "nonsense")), [])
    made = plan.create[0].obj
    assert isinstance(made, EndpointSlice)
    assert len(made.endpoints) == 1000
    assert [n.message for n in plan.events] == [
        "A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. 4 addresses were skipped"
    ]
    odd = reconcile(PLAIN, by_hand(subset("10.0.0.1", "nonsense")), [])
    assert [n.reason for n in odd.events] == ["InvalidIPAddress"]


SUBSETS = st.lists(
    st.builds(
        lambda ready, not_ready, ports: subset(*ready, not_ready=tuple(not_ready), ports=tuple(ports)),
        st.lists(st.sampled_from([f"10.0.0.{n}" for n in range(6)] + ["fd00::1"]), max_size=5),
        st.lists(st.sampled_from([f"10.0.0.{n}" for n in range(6)]), max_size=3),
        st.lists(st.sampled_from([80, 443]), min_size=1, max_size=2, unique=True),
    ),
    max_size=4,
)


@settings(max_examples=40, deadline=None)
@given(SUBSETS, SUBSETS)
def test_an_applied_plan_leaves_nothing_to_do(before: list[EndpointSubset], now: list[EndpointSubset]) -> None:
    slices = after(by_hand(*now), after(by_hand(*before)))
    assert not reconcile(PLAIN, by_hand(*now), slices)
    shuffled = list(slices)
    random.Random(len(slices)).shuffle(shuffled)
    assert not reconcile(PLAIN, by_hand(*now), shuffled)


def test_hand_written_endpoints_are_mirrored_and_go_with_their_service() -> None:
    async def story(world: World) -> None:
        async def slices() -> list[list[str]]:
            found = (await world.client.list(ENDPOINT_SLICE, labels="kubernetes.io/service-name=web")).items
            ours = [s for s in found if s.metadata.labels["kubernetes.io/service-name"] == "web"]
            return [[e.addresses[0] for e in s.endpoints] for s in ours]

        await world.client.create(ENDPOINTS, by_hand(subset("203.0.113.7")))
        await asyncio.sleep(0.5)
        assert await slices() == []
        await world.client.create(SERVICE, service(selector={}, clusterIP=""))
        await asyncio.sleep(0.5)
        assert await slices() == [["203.0.113.7"]]
        await world.client.patch(
            ENDPOINTS, "web", "default", patch={"subsets": [{"addresses": [{"ip": "203.0.113.8"}]}]}
        )
        await asyncio.sleep(0.5)
        assert await slices() == [["203.0.113.8"]]
        await world.client.delete(SERVICE, "web", "default")
        await asyncio.sleep(2)
        assert await slices() == []
        assert [e.metadata.name for e in (await world.client.list(ENDPOINTS)).items if e.metadata.name == "web"] == []

    in_world(story)
