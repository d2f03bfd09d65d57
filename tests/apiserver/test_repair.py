"""The repair loops: their events about wrong numbers of Services, and their repairs."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import msgspec

from fairlead.api.core.service.kind import SERVICE
from fairlead.store.memory import MemoryStore
from fairlead.store.writes import create

from .harness import SERVICES, Api, service, start, story

AGAIN = "please recreate service"


def faults(api: Api) -> list[tuple[str, str, str]]:
    return [(f.service.metadata.name, f.reason, f.message) for f in api.server._background.repair.run_once()]


@story
async def test_correct_services_do_not_have_faults(api: Api) -> None:
    ports = [{"name": "t", "port": 53, "protocol": "TCP"}, {"name": "u", "port": 53, "protocol": "UDP"}]
    await api.ok("POST", SERVICES, service("a", type="LoadBalancer", externalTrafficPolicy="Local", ports=ports))
    assert faults(api) == []


@story
async def test_missing_allocations_are_repaired(api: Api) -> None:
    made = (await api.ok("POST", SERVICES, service("a", type="NodePort")))["spec"]
    ip, port = made["clusterIP"], made["ports"][0]["nodePort"]
    allocator = api.server._writing.allocator
    allocator.pools["IPv4"].release(int(ipaddress.ip_address(ip)))
    allocator.ports.release(port - 30000)
    assert faults(api) == [
        ("a", "ClusterIPNotAllocated", f"Cluster IP [IPv4]: {ip} is not allocated; repairing"),
        ("a", "PortNotAllocated", f"Port {port} is not allocated; repairing"),
    ]
    assert faults(api) == []
    assert (await api.error("POST", SERVICES, service("b", clusterIP=ip))).code == 422


@story
async def test_a_number_without_a_service_for_three_rounds_is_released(api: Api) -> None:
    lost = ipaddress.ip_address("10.96.7.7")
    api.server._writing.allocator.pools["IPv4"].allocate(int(lost))
    api.server._writing.allocator.ports.allocate(7)
    for _ in range(3):
        api.server._background.repair.run_once()
        assert lost in api.server._writing.allocator.pools["IPv4"]
    api.server._background.repair.run_once()
    assert lost not in api.server._writing.allocator.pools["IPv4"]
    assert 7 not in api.server._writing.allocator.ports


def test_faults_in_the_store_at_the_start_are_reported_by_events() -> None:
    """Stores two Services with one address and one port, one of another network, and one with a port outside the
    range."""

    async def main() -> None:
        api = await start(MemoryStore())
        made = await api.ok("POST", SERVICES, service("a", type="NodePort", clusterIP="10.96.7.7"))
        port = made["spec"]["ports"][0]["nodePort"]
        for name, spec in (
            ("b", {}),
            ("c", {"clusterIP": "192.0.2.7", "clusterIPs": ["192.0.2.7"], "type": "ClusterIP"}),
            ("f", {"clusterIP": "10.96.0.300", "clusterIPs": ["10.96.0.300"], "type": "ClusterIP"}),
            ("d", {"clusterIP": "10.96.7.8", "clusterIPs": ["10.96.7.8"], "ports": [{"port": 80, "nodePort": 8080}]}),
        ):
            tree: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(made))
            tree["metadata"] = {"name": name, "namespace": "default", "uid": name}
            tree["spec"] |= spec
            if name in "cf":
                del tree["spec"]["ports"][0]["nodePort"]
            key = f"/registry/services/specs/default/{name}"
            form = api.server._resources.of(SERVICE).form
            await create(api.store, key, form.stored(form.decode(msgspec.json.encode(tree))))
        await api.server.stop()
        again = await start(api.store)
        outside = f"Cluster IP [IPv4]: 192.0.2.7 is not within any configured Service CIDR; {AGAIN}"
        twice = f"was assigned to multiple services; {AGAIN}"
        assert faults(again) == [
            ("b", "ClusterIPAlreadyAllocated", f"Cluster IP [IPv4]:10.96.7.7 {twice}"),
            ("c", "ClusterIPOutOfRange", outside),
            ("f", "ClusterIPNotValid", "Cluster IP 10.96.0.300 is not a valid IP; please recreate Service"),
            ("b", "PortAlreadyAllocated", f"Port {port} {twice}"),
            ("d", "PortOutOfRange", f"Port 8080 is not within the port range 30000-32767; {AGAIN}"),
        ]
        found: list[Any] = []
        for _ in range(200):
            found = (await again.ok("GET", "/api/v1/namespaces/default/events"))["items"]
            if len(found) >= 2:
                break
            await asyncio.sleep(0)
        told = {(e["involvedObject"]["name"], e["type"], e["reason"], e["source"]["component"]) for e in found}
        assert ("b", "Warning", "ClusterIPAlreadyAllocated", "ipallocator-repair-controller") in told
        assert ("c", "Warning", "ClusterIPOutOfRange", "ipallocator-repair-controller") in told
        await again.ok("DELETE", f"{SERVICES}/a")
        error = await again.error("POST", SERVICES, service("e", clusterIP="10.96.7.7"))
        assert error.code == 422
        address = await again.ok("GET", "/apis/networking.k8s.io/v1/ipaddresses/10.96.7.7")
        assert address["spec"]["parentRef"]["name"] == "b", "the one that is left"
        await again.server.stop()

    asyncio.run(main())
