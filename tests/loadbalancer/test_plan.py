"""The address of each Service, and the event if a Service gets none."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api.core.service.kind import LoadBalancerIngress, PortStatus, ServicePort
from fairlead.loadbalancer.holders import conflict, holder_of
from fairlead.service.wellknown import LOAD_BALANCER_FINALIZER
from tests.loadbalancer.world import World, balanced, pool, sharing


def settled(*services: object, world: World | None = None) -> World:
    world = world or World()
    world.put(*services)  # type: ignore[arg-type]
    world.settle()
    return world


def troubles(world: World) -> list[str]:
    return [line for line in world.said if "SyncLoadBalancerFailed" in line]


def test_a_service_gets_the_first_free_address_a_finalizer_and_upstreams_events() -> None:
    world = settled(balanced())
    service = world.services["web"]
    assert service.metadata.finalizers == [LOAD_BALANCER_FINALIZER]
    assert service.status.loadBalancer.ingress == [
        LoadBalancerIngress(ip="172.30.0.200", ipMode="VIP", ports=[PortStatus(port=80, protocol="TCP")])
    ]
    assert world.said == [
        "web Normal EnsuringLoadBalancer: Ensuring load balancer",
        "web Normal EnsuredLoadBalancer: Ensured load balancer",
    ]


def test_every_service_has_an_address_of_its_own() -> None:
    world = settled(balanced("a"), balanced("b"), balanced("c"))
    assert [world.address(name) for name in "abc"] == ["172.30.0.200", "172.30.0.201", "172.30.0.202"]


def test_our_class_is_served_and_another_class_gets_one_event() -> None:
    world = settled(
        balanced("a", loadBalancerClass="fairlead.dev/lb"), balanced("b", loadBalancerClass="example.com/x")
    )
    world.settle()
    assert world.address("a") == "172.30.0.200"
    assert (world.address("b"), world.services["b"].metadata.finalizers) == ("", [])
    (hint,) = [line for line in world.said if line.startswith("b ")]
    assert 'an address for class "example.com/x" must come from another controller' in hint
    assert "recreate the Service without it" in hint


def test_a_class_of_others_keeps_what_its_controller_wrote() -> None:
    world = World()
    theirs = balanced("b", loadBalancerClass="example.com/x", meta={"finalizers": [LOAD_BALANCER_FINALIZER]})
    theirs.status.loadBalancer.ingress = [LoadBalancerIngress(ip="192.0.2.1", ipMode="VIP")]
    assert settled(theirs, world=world).services["b"] is theirs
    assert world.said == []


def test_the_address_asked_for_is_given_by_field_or_by_annotation() -> None:
    annotated = {"annotations": {"fairlead.dev/load-balancer-ips": "172.30.0.201"}}
    world = settled(balanced("a", loadBalancerIP="172.30.0.202"), balanced("b", meta=annotated))
    assert (world.address("a"), world.address("b")) == ("172.30.0.202", "172.30.0.201")


def test_an_address_that_is_taken_leaves_the_service_pending_and_names_who_has_it() -> None:
    world = settled(balanced("a"), balanced("b", loadBalancerIP="172.30.0.200"))
    assert world.address("b") == ""
    (text,) = troubles(world)
    assert text.startswith(
        "b Warning SyncLoadBalancerFailed: Error syncing load balancer: failed to ensure load balancer: "
        "requested address 172.30.0.200 belongs to Service default/a"
    )
    world.delete("a")
    world.settle()
    assert world.address("b") == "172.30.0.200"


def test_a_requested_address_outside_the_pool_or_invalid_makes_an_event() -> None:
    world = settled(balanced("a", loadBalancerIP="10.0.0.1"), balanced("b", loadBalancerIP="web"))
    assert (world.address("a"), world.address("b")) == ("", "")
    outside, none = troubles(world)
    assert "requested address 10.0.0.1 is outside of the pool 172.30.0.200-172.30.0.202" in outside
    assert 'invalid IP address "web" requested' in none


def test_who_asks_for_what_it_cannot_have_keeps_what_it_has() -> None:
    world = settled(balanced("a"), balanced("b"))
    world.put(balanced("b", loadBalancerIP="172.30.0.200"))
    world.settle()
    assert world.address("b") == "172.30.0.201"
    assert len(troubles(world)) == 1


def test_an_exhausted_pool_is_reported_and_the_next_free_address_goes_to_a_waiting_service() -> None:
    world = settled(balanced("a"), balanced("b"), balanced("c"), balanced("d"))
    assert world.address("d") == ""
    (text,) = troubles(world)
    assert "all 3 addresses of the pool 172.30.0.200-172.30.0.202 are in use: delete a Service" in text
    world.put(balanced("b", type="ClusterIP"))
    world.settle()
    assert world.address("d") == "172.30.0.201"


def test_a_change_of_type_takes_status_and_finalizer_away() -> None:
    world = settled(balanced())
    world.put(balanced(type="NodePort"))
    world.settle()
    service = world.services["web"]
    assert (service.status.loadBalancer.ingress, service.metadata.finalizers) == ([], [])
    assert [line.split()[2] for line in world.said[2:]] == ["DeletingLoadBalancer:", "DeletedLoadBalancer:"]


def test_a_deleted_service_goes_once_its_address_is_free() -> None:
    world = settled(balanced())
    world.delete("web")
    world.settle()
    assert world.services == {}
    assert [line.split()[2] for line in world.said[2:]] == ["DeletingLoadBalancer:", "DeletedLoadBalancer:"]


def test_a_deleted_service_that_others_hold_back_loses_its_address_first() -> None:
    world = settled(balanced(meta={"finalizers": ["example.com/mine"]}))
    world.delete("web")
    world.settle()
    service = world.services["web"]
    assert (service.status.loadBalancer.ingress, service.metadata.finalizers) == ([], ["example.com/mine"])


def test_services_with_the_same_key_share_an_address_on_different_ports() -> None:
    udp = ServicePort(port=80, protocol="UDP")
    world = settled(
        balanced("a", meta=sharing()),
        balanced("b", ports=[443], meta=sharing()),
        balanced("c", ports=[udp], meta=sharing()),
        balanced("d", meta=sharing()),
        balanced("e", ports=[8080], meta=sharing("another")),
    )
    assert [world.address(name) for name in "abcde"] == ["172.30.0.200"] * 3 + ["172.30.0.201", "172.30.0.202"]


def test_an_asked_for_address_is_shared_too_and_a_collision_is_explained() -> None:
    world = settled(
        balanced("a", meta=sharing()),
        balanced("b", ports=[443], meta=sharing(), loadBalancerIP="172.30.0.200"),
        balanced("c", meta=sharing(), loadBalancerIP="172.30.0.200"),
    )
    assert world.address("b") == "172.30.0.200"
    assert world.address("c") == ""
    assert (
        "belongs to Service default/a (both use port 80/TCP, and only different ports can share it)"
        in troubles(world)[0]
    )


def test_the_local_policy_shares_only_with_the_same_pods() -> None:
    local: dict[str, Any] = {"externalTrafficPolicy": "Local"}
    one = holder_of(balanced("a", meta=sharing(), **local))
    same = holder_of(balanced("b", ports=[81], meta=sharing(), selector={"app": "a"}, **local))
    other = holder_of(balanced("b", ports=[81], meta=sharing(), **local))
    assert conflict(one, same) == ""
    assert "externalTrafficPolicy Local" in conflict(one, other)


def test_after_a_conflict_the_older_service_keeps_the_address() -> None:
    world = settled(balanced("b", age=1, meta=sharing()), balanced("a", age=2, ports=[443], meta=sharing()))
    world.put(balanced("b", age=1, ports=[443], meta=sharing()))
    world.settle()
    assert (world.address("b"), world.address("a")) == ("172.30.0.200", "172.30.0.201")


def test_a_service_of_both_families_has_an_address_of_each() -> None:
    world = World(pool("172.30.0.200", "172.30.0.201", ("fd00::200", "fd00::201")))
    settled(balanced(ipFamilies=["IPv6", "IPv4"]), world=world)
    assert world.address() == "fd00::200,172.30.0.200"


def test_a_family_without_a_pool_is_done_without_unless_it_is_required() -> None:
    world = settled(
        balanced("a", ipFamilies=["IPv4", "IPv6"], ipFamilyPolicy="PreferDualStack"),
        balanced("b", ipFamilies=["IPv4", "IPv6"], ipFamilyPolicy="RequireDualStack"),
        balanced("c", ipFamilies=["IPv6"]),
    )
    assert [world.address(name) for name in "abc"] == ["172.30.0.200", "", ""]
    assert all("has no IPv6 addresses" in text for text in troubles(world))
    assert len(troubles(world)) == 2


def test_changed_ports_are_written_and_the_address_stays() -> None:
    world = settled(balanced("a"), balanced("b"))
    world.put(balanced("b", ports=[80, 443]))
    world.settle()
    (point,) = world.services["b"].status.loadBalancer.ingress
    assert (point.ip, [p.port for p in point.ports]) == ("172.30.0.201", [80, 443])


_NAMES = st.permutations(["a", "b", "c", "d", "e"])


@settings(max_examples=60)
@given(_NAMES, st.lists(st.sampled_from(["", "one", "two"]), min_size=5, max_size=5), st.integers(1, 3))
def test_in_any_order_no_services_collide_and_a_second_reconcile_does_nothing(
    order: list[str], keys: list[str], ports: int
) -> None:
    world = World()
    for age, (name, key) in enumerate(zip("abcde", keys, strict=True)):
        world.put(balanced(name, age=age, ports=[80 + age % ports], meta=sharing(key) if key else None))
    world.settle(order)
    before = msgspec.json.encode(world.services)
    world.settle()
    assert msgspec.json.encode(world.services) == before
    holders = [(world.address(s.metadata.name), holder_of(s)) for s in world.services.values()]
    for address, one in holders:
        for other_address, other in holders:
            if address and address == other_address and one != other:
                assert conflict(one, other) == ""
    if not any(keys):
        assert sum(bool(address) for address, _ in holders) == 3


def test_another_pool_takes_addresses_only_from_those_that_are_not_in_it() -> None:
    world = settled(balanced("a"), balanced("b"), balanced("c", loadBalancerIP="172.30.0.202"))
    world.pool = pool("172.30.0.201", "172.30.0.201", ("192.168.7.1", "192.168.7.9"))
    world.said.clear()
    world.settle()
    assert [world.address(name) for name in "abc"] == ["192.168.7.1", "172.30.0.201", ""]
    assert [line for line in world.said if line.startswith("a ")] == [
        "a Normal EnsuredLoadBalancer: Ensured load balancer",
    ]
    (text,) = troubles(world)
    assert "c Warning" in text
    assert "172.30.0.202 is outside of the pool 172.30.0.201-172.30.0.201, 192.168.7.1-192.168.7.9" in text


def test_one_of_both_families_keeps_the_address_that_is_still_in_the_pool() -> None:
    world = World(pool("172.30.0.200", "172.30.0.201", ("fd00::200", "fd00::201")))
    settled(balanced(ipFamilies=["IPv4", "IPv6"]), world=world)
    world.pool = pool("172.30.0.201", "172.30.0.201", ("fd00::200", "fd00::201"))
    world.settle()
    assert world.address() == "172.30.0.201,fd00::200"


def test_sharing_looks_at_held_addresses_only_however_large_the_pool() -> None:
    world = World(pool("fd00::1", "fd00::ffff:ffff:ffff:ffff"))
    both: dict[str, Any] = {"ipFamilies": ["IPv6"]}
    settled(balanced("a", meta=sharing(), **both), balanced("b", ports=[81], meta=sharing(), **both), world=world)
    settled(balanced("c", meta=sharing("other"), **both), world=world)
    assert [world.address(name) for name in "abc"] == ["fd00::1", "fd00::1", "fd00::2"]
