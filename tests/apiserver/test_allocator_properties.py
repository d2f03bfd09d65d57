"""The pools hold, after any changes of Services, exactly the numbers of the stored ones."""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api.core.service.kind import SERVICE
from fairlead.apiserver.allocation.services import addresses, node_ports
from fairlead.store.memory import MemoryStore
from fairlead.store.model import Compare, Operation, StoreError, TxnResult

from .harness import MERGE, SERVICES, Api, service, start

CIDR, LOW, HIGH = "10.96.0.0/27", 30000, 30012
TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")


class Faulty(MemoryStore):
    """A store in which some writes fail and some are late."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng
        self.rate = 0.0

    async def txn(self, compare: Sequence[Compare], operations: Sequence[Operation]) -> TxnResult:
        for _ in range(self._rng.randrange(3)):
            await asyncio.sleep(0)
        if self._rng.random() < self.rate:
            raise StoreError("the disk is full")
        return await super().txn(compare, operations)


async def step(api: Api, rng: random.Random) -> None:
    """Runs one random action of a client; a refusal is ignored."""
    name, type = f"s{rng.randrange(8)}", rng.choice(TYPES)
    spec: dict[str, object] = {"type": type, "externalName": "x.example"} if type == "ExternalName" else {"type": type}
    if rng.random() < 0.3 and type != "ExternalName":
        spec["clusterIP"] = f"10.96.0.{rng.randrange(34)}"
    if rng.random() < 0.3 and type == "NodePort":
        spec["ports"] = [{"port": 80, "nodePort": rng.randrange(LOW - 1, HIGH + 2)}]
    match rng.randrange(4):
        case 0 | 1:
            query = {"dryRun": "All"} if rng.random() < 0.2 else {}
            await api.call("POST", SERVICES, service(name, **spec), query=query)
        case 2:
            await api.call("PATCH", f"{SERVICES}/{name}", {"spec": spec}, content_type=MERGE)
        case _:
            await api.call("DELETE", f"{SERVICES}/{name}")


def check(api: Api) -> None:
    stored = [entry.decode() for entry in api.server._resources.of(SERVICE).cache.select()]
    ips = [ip for found in stored for ip in addresses(found)]
    ports = [port for found in stored for port in node_ports(found)]
    assert len(set(ips)) == len(ips)
    assert len(set(ports)) == len(ports)
    allocator = api.server._writing.allocator
    assert set(allocator.pools["IPv4"]) == {int(ipaddress.ip_address(ip)) for ip in ips}
    assert set(allocator.ports) == {port - LOW for port in ports}


@pytest.mark.slow
@given(st.integers(0, 1 << 32))
@settings(deadline=None, max_examples=60)
def test_pools_and_services_agree_whatever_clients_and_disks_do(seed: int) -> None:
    async def main() -> None:
        rng = random.Random(seed)
        store = Faulty(rng)
        api = await start(store, service_cidr=CIDR, node_port_range=(LOW, HIGH))
        store.rate = 0.2
        for _ in range(6):
            await asyncio.gather(*(step(api, rng) for _ in range(8)))
            check(api)
        store.rate = 0.0
        again = await start(store, service_cidr=CIDR, node_port_range=(LOW, HIGH))
        check(again)
        await again.server.stop()
        await api.server.stop()

    asyncio.run(main())
