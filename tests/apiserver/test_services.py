"""Cluster IPs and node ports: allocated once, released, and unchanged after a restart."""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.apiserver.allocation.pool import Pool, lower_band
from fairlead.store.memory import MemoryStore
from fairlead.store.model import Compare, Operation, TxnResult

from .harness import MERGE, SERVICES, Api, Tree, service, start, story

CIDR = ipaddress.ip_network("10.96.0.0/12")


async def retyped(api: Api, name: str, type: str, **more: Any) -> Tree:
    spec: Tree = (await api.ok("PATCH", f"{SERVICES}/{name}", {"spec": {"type": type} | more}, content_type=MERGE))[
        "spec"
    ]
    return spec


@story
async def test_addresses_come_from_the_upper_band_and_are_all_different(api: Api) -> None:
    made = await asyncio.gather(*(api.ok("POST", SERVICES, service(f"s{i}")) for i in range(100)))
    found = {one["spec"]["clusterIP"] for one in made}
    assert len(found) == 100
    assert all(ipaddress.ip_address(ip) in CIDR for ip in found)
    assert min(int(ipaddress.ip_address(ip)) for ip in found) > int(CIDR.network_address) + 256
    assert all(one["spec"]["clusterIPs"] == [one["spec"]["clusterIP"]] for one in made)


@story
async def test_a_chosen_address_must_be_free_and_in_range(api: Api) -> None:
    await api.ok("POST", SERVICES, service("a", clusterIP="10.100.100.100"))
    error = await api.error("POST", SERVICES, service("b", clusterIP="10.100.100.100"))
    text = (
        'Service "b" is invalid: spec.clusterIPs: Invalid value: ["10.100.100.100"]: '
        "failed to allocate IP 10.100.100.100: provided IP is already allocated"
    )
    assert (error.code, error.message) == (422, text)
    error = await api.error("POST", SERVICES, service("b", clusterIP="192.168.1.1"))
    text = "failed to allocate IP 192.168.1.1: the provided network does not match the current range"
    assert error.message.endswith(text)
    for edge in ("10.96.0.0", "10.111.255.255"):
        error = await api.error("POST", SERVICES, service("b", clusterIP=edge))
        text = f"the provided IP ({edge}) is not in the valid range. The range of valid IPs is 10.96.0.0/12"
        assert error.message.endswith(f"failed to allocate IP {edge}: {text}")
    assert (await api.error("POST", SERVICES, service("b", clusterIP="10.96.0.1"))).code == 422
    await api.ok("DELETE", f"{SERVICES}/a")
    await api.ok("POST", SERVICES, service("b", clusterIP="10.100.100.100"))


@story
async def test_a_name_that_exists_is_refused_as_such_before_anything_is_allocated(api: Api) -> None:
    ports = [{"port": 80, "nodePort": 30080}]
    local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30081}
    wanted = service("a", clusterIP="10.100.100.100") | {"metadata": {"name": "a"}}
    wanted["spec"] |= local | {"ports": ports}
    made = await api.ok("POST", SERVICES, wanted)
    for query in ({}, {"dryRun": "All"}):
        for body in (wanted, service("a", clusterIP="10.100.100.100"), service("a", clusterIP="192.168.1.1")):
            error = await api.error("POST", SERVICES, body, query=query)
            assert (error.code, error.reason) == (409, "AlreadyExists"), error.message
            assert error.message == 'services "a" already exists'
    address = "/apis/networking.k8s.io/v1/ipaddresses"
    body = {"metadata": {"name": "10.100.100.100"}, "spec": {"parentRef": {"resource": "services", "name": "x"}}}
    for query in ({}, {"dryRun": "All"}):
        assert (await api.error("POST", address, body, query=query)).reason == "AlreadyExists"
    assert await api.ok("GET", f"{SERVICES}/a") == made


@story
async def test_of_concurrent_claims_to_one_address_one_succeeds(api: Api) -> None:
    claims = [api.call("POST", SERVICES, service(f"s{i}", clusterIP="10.96.7.7")) for i in range(8)]
    assert sorted(a.status for a in await asyncio.gather(*claims)) == [201, *[422] * 7]


@story
async def test_a_chosen_node_port_must_be_free_and_in_range(api: Api) -> None:
    ports = [{"port": 80, "nodePort": 30200}]
    await api.ok("POST", SERVICES, service("a", type="NodePort", ports=ports))
    error = await api.error("POST", SERVICES, service("b", type="NodePort", ports=ports))
    text = "spec.ports[0].nodePort: Invalid value: 30200: provided port is already allocated"
    assert error.message == f'Service "b" is invalid: {text}'
    error = await api.error("POST", SERVICES, service("b", type="NodePort", ports=[{"port": 80, "nodePort": 80}]))
    text = (
        "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. "
        "The range of valid ports is 30000-32767"
    )
    assert error.message == f'Service "b" is invalid: {text}'


@story
async def test_numbers_of_a_refused_service_are_released(api: Api) -> None:
    await api.ok("POST", SERVICES, service("a", type="NodePort", ports=[{"port": 80, "nodePort": 30200}]))
    both = [{"name": "x", "port": 80, "nodePort": 30300}, {"name": "y", "port": 81, "nodePort": 30200}]
    refused = service("b", type="NodePort", clusterIP="10.96.7.7", ports=both)
    assert (await api.error("POST", SERVICES, refused)).code == 422
    assert (await api.error("POST", SERVICES, service("a", clusterIP="10.96.7.7"))).reason == "AlreadyExists"
    free = service("c", type="NodePort", clusterIP="10.96.7.7", ports=[{"port": 80, "nodePort": 30300}])
    await api.ok("POST", SERVICES, free, query={"dryRun": "All"})
    await api.ok("POST", SERVICES, free)


class GatedStore(MemoryStore):
    """A store whose writes wait until the gate is open, as for a slow disk."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = asyncio.Event()

    async def txn(self, compare: Sequence[Compare], operations: Sequence[Operation]) -> TxnResult:
        self.waiting.set()
        await self.gate.wait()
        return await super().txn(compare, operations)


def test_an_address_stays_allocated_if_the_client_disconnects_during_the_write() -> None:
    async def main() -> None:
        store = GatedStore()
        api = await start(store)
        store.gate.clear()
        store.waiting.clear()
        creating = asyncio.ensure_future(api.call("POST", SERVICES, service("a", clusterIP="10.96.7.7")))
        await store.waiting.wait()
        creating.cancel()
        await asyncio.sleep(0)
        assert (await api.error("POST", SERVICES, service("b", clusterIP="10.96.7.7"))).code == 422
        store.gate.set()
        await asyncio.gather(creating, return_exceptions=True)
        assert (await api.call("GET", f"{SERVICES}/a")).status == 200
        assert (await api.error("POST", SERVICES, service("b", clusterIP="10.96.7.7"))).code == 422
        await api.server.stop()

    asyncio.run(main())


@story
async def test_node_ports_are_allocated_once(api: Api) -> None:
    made = await asyncio.gather(*(api.ok("POST", SERVICES, service(f"s{i}", type="NodePort")) for i in range(50)))
    found = {one["spec"]["ports"][0]["nodePort"] for one in made}
    assert len(found) == 50
    assert all(30086 <= port <= 32767 for port in found)


@story
async def test_two_protocols_of_one_port_share_a_node_port(api: Api) -> None:
    ports = [{"name": "t", "port": 53, "protocol": "TCP"}, {"name": "u", "port": 53, "protocol": "UDP"}]
    spec = (await api.ok("POST", SERVICES, service("dns", type="NodePort", ports=ports)))["spec"]
    assert spec["ports"][0]["nodePort"] == spec["ports"][1]["nodePort"]


@story
async def test_changing_the_type_allocates_and_releases(api: Api) -> None:
    made = await api.ok("POST", SERVICES, service("a"))
    ip = made["spec"]["clusterIP"]
    spec = await retyped(api, "a", "NodePort")
    port = spec["ports"][0]["nodePort"]
    assert spec["clusterIP"] == ip
    spec = await retyped(api, "a", "LoadBalancer")
    assert (spec["clusterIP"], spec["ports"][0]["nodePort"]) == (ip, port)
    spec = await retyped(api, "a", "ClusterIP")
    assert (spec["clusterIP"], "nodePort" in spec["ports"][0]) == (ip, False)
    taken = service("b", type="NodePort", ports=[{"port": 80, "nodePort": port}])
    await api.ok("POST", SERVICES, taken)
    spec = await retyped(api, "a", "ExternalName", externalName="x.example")
    assert "clusterIP" not in spec
    await api.ok("POST", SERVICES, service("c", clusterIP=ip))


@story
async def test_an_update_need_not_repeat_what_was_allocated(api: Api) -> None:
    made = await api.ok("POST", SERVICES, service("a", type="NodePort"))
    updated = await api.ok("PUT", f"{SERVICES}/a", service("a", type="NodePort", selector={"app": "b"}))
    assert updated["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    assert updated["spec"]["ports"] == made["spec"]["ports"]


@story
async def test_headless_and_external_services_do_not_allocate(api: Api) -> None:
    assert (await api.ok("POST", SERVICES, service("a", clusterIP="None")))["spec"]["clusterIP"] == "None"
    external = service("b", type="ExternalName", externalName="x.example", ports=[])
    assert "clusterIP" not in (await api.ok("POST", SERVICES, external))["spec"]
    assert len(api.server._writing.allocator.pools["IPv4"]) == 1, "that of the Service kubernetes"


@story
async def test_a_restart_restores_the_allocations(api: Api) -> None:
    made = await api.ok("POST", SERVICES, service("a", type="NodePort"))
    again = await start(api.store)
    ip, port = made["spec"]["clusterIP"], made["spec"]["ports"][0]["nodePort"]
    assert (await again.error("POST", SERVICES, service("b", clusterIP=ip))).code == 422
    body = service("b", type="NodePort", ports=[{"port": 80, "nodePort": port}])
    assert (await again.error("POST", SERVICES, body)).code == 422
    await again.server.stop()


@story
async def test_the_service_kubernetes_leads_to_the_server(api: Api) -> None:
    found = await api.ok("GET", f"{SERVICES}/kubernetes")
    assert (found["spec"]["clusterIP"], found["spec"]["ports"][0]["port"]) == ("10.96.0.1", 443)
    endpoints = await api.ok("GET", "/api/v1/namespaces/default/endpoints/kubernetes")
    assert endpoints["subsets"][0]["addresses"] == [{"ip": "172.30.0.1"}]
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
    found = await api.ok("GET", path)
    assert found["endpoints"][0]["addresses"] == ["172.30.0.1"]
    moved = await start(api.store, advertise_address="172.30.0.9")
    assert (await moved.ok("GET", path))["endpoints"][0]["addresses"] == ["172.30.0.9"]
    await moved.server.stop()


@story
async def test_the_address_of_the_service_kubernetes_stays_reserved_while_it_is_deleted(api: Api) -> None:
    await api.ok("DELETE", f"{SERVICES}/kubernetes")
    error = await api.error("POST", SERVICES, service("thief", clusterIP="10.96.0.1"))
    assert error.message.endswith("failed to allocate IP 10.96.0.1: provided IP is already allocated")
    parent = {"group": "gateway.example.com", "resource": "gateways", "name": "g"}
    body = {"metadata": {"name": "10.96.0.1"}, "spec": {"parentRef": parent}}
    assert (await api.error("POST", "/apis/networking.k8s.io/v1/ipaddresses", body)).code == 409
    again = await start(api.store)
    assert (await again.ok("GET", f"{SERVICES}/kubernetes"))["spec"]["clusterIP"] == "10.96.0.1"
    await again.server.stop()


@story
async def test_a_full_range_leaves_the_address_of_the_service_kubernetes(api: Api) -> None:
    small = await start(MemoryStore(), service_cidr="10.96.0.0/29")
    await small.ok("DELETE", f"{SERVICES}/kubernetes")
    made = [await small.ok("POST", SERVICES, service(f"s{i}")) for i in range(5)]
    assert "10.96.0.1" not in {one["spec"]["clusterIP"] for one in made}
    assert (await small.error("POST", SERVICES, service("more"))).code == 500
    await small.server.stop()


@pytest.mark.slow
@given(st.integers(1, 40), st.integers(0, 40), st.lists(st.integers(0, 39)), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_a_pool_gives_each_number_once_and_all_of_them(
    size: int, lower: int, chosen: list[int], rng: random.Random
) -> None:
    pool = Pool(size, lower, rng=rng)
    mine = {n for n in chosen if n < size and pool.allocate(n)}
    assert mine == {n for n in chosen if n < size}
    found = []
    while (number := pool.allocate_next()) is not None:
        found.append(number)
    assert sorted([*found, *mine]) == list(range(size))
    upper_left = [n for n in found if n >= min(lower, size)]
    assert found[: len(upper_left)] == upper_left, "the upper band first"
    pool.release(size - 1)
    assert pool.allocate_next() == size - 1


def test_the_lower_bands_are_those_of_upstream() -> None:
    assert lower_band((1 << 20) - 2, least=16, most=256, step=16) == 256
    assert lower_band(254, least=16, most=256, step=16) == 16
    assert lower_band(2768, least=16, most=128, step=32) == 86
    assert lower_band(14, least=16, most=256, step=16) == 0
