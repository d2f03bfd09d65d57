"""Compares the numbers of Services with the pools, at start and every three minutes, and corrects the pools.

Source of reasons and texts: upstream's IP and port allocator repair controllers. The Services are the truth: a number
that a Service holds is taken; a number without a Service for three rounds is released.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Iterator

from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.api.networking.ipaddress.kind import IP_ADDRESS
from fairlead.api.networking.servicecidr.kind import SERVICE_CIDR
from fairlead.apiserver.allocation.addresspool import AddressPool, Network, is_address, number_of
from fairlead.apiserver.allocation.allocator import ServiceAllocator
from fairlead.apiserver.allocation.pool import Pool
from fairlead.apiserver.allocation.servicecidrs import networks_of
from fairlead.apiserver.allocation.services import addresses, node_ports
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.addresses import family_of
from fairlead.base.dataclass import dataclass
from fairlead.base.log import Log
from fairlead.machinery.values import names
from fairlead.runtime.events import Recorder

INTERVAL_S = 180.0
_LEAK_ROUNDS = 3
_RECREATE = "please recreate service"


@dataclass(frozen=True, slots=True)
class AllocationFault:
    """A repaired or unrepairable fault of a Service, as reported in its event."""

    service: Service
    reason: str
    message: str


class Repair:
    """The IP and port allocator repair loops; each records its events under its upstream name."""

    def __init__(
        self, resources: Resources, allocator: ServiceAllocator, *, ips: Recorder, ports: Recorder, log: Log
    ) -> None:
        self._services = resources.of(SERVICE).cache
        self._reserved = resources.of(IP_ADDRESS).cache
        self._cidrs = resources.of(SERVICE_CIDR).cache
        self._allocator = allocator
        self._ip_recorder = ips
        self._port_recorder = ports
        self._log = log
        self._leaks: dict[tuple[str, int], int] = {}

    async def run(self) -> None:
        """Checks every three minutes. Runs until cancelled."""
        while True:
            self.run_once()
            await asyncio.sleep(INTERVAL_S)

    def run_once(self) -> list[AllocationFault]:
        """Checks everything once, without an await, so that writes cannot come between."""
        services: list[Service] = [entry.decode() for entry in self._services.select()]
        ips, ports = list(self._address_faults(services)), list(self._port_faults(services))
        for fault in ips:
            self._ip_recorder.event(fault.service, "Warning", fault.reason, fault.message)
        for fault in ports:
            self._port_recorder.event(fault.service, "Warning", fault.reason, fault.message)
        self._clean_up(services)
        return [*ips, *ports]

    def _address_faults(self, services: Iterable[Service]) -> Iterator[AllocationFault]:
        ranges = [network for entry in self._cidrs.select() for network in networks_of(entry.decode())]
        seen: set[str] = set()
        for service in services:
            for ip in addresses(service):
                if fault := self._address_fault(service, ip, ranges, seen):
                    yield fault
                seen.add(ip)

    def _address_fault(
        self, service: Service, ip: str, ranges: list[Network], seen: set[str]
    ) -> AllocationFault | None:
        if names.ip(ip):
            return AllocationFault(
                service, "ClusterIPNotValid", f"Cluster IP {ip} is not a valid IP; please recreate Service"
            )
        address, family = ipaddress.ip_address(ip), family_of(ip)
        if not any(address in network for network in ranges):
            text = f"Cluster IP [{family}]: {ip} is not within any configured Service CIDR; {_RECREATE}"
            return AllocationFault(service, "ClusterIPOutOfRange", text)
        if ip in seen:
            text = f"Cluster IP [{family}]:{ip} was assigned to multiple services; {_RECREATE}"
            return AllocationFault(service, "ClusterIPAlreadyAllocated", text)
        pool = self._allocator.pools.get(family)
        if pool is None or address in pool:
            return None
        pool.allocate(int(address))
        return AllocationFault(
            service, "ClusterIPNotAllocated", f"Cluster IP [{family}]: {ip} is not allocated; repairing"
        )

    def _port_faults(self, services: Iterable[Service]) -> Iterator[AllocationFault]:
        low, high = self._allocator.port_range
        seen: set[int] = set()
        for service in services:
            for port in node_ports(service):
                if not low <= port <= high:
                    text = f"Port {port} is not within the port range {low}-{high}; {_RECREATE}"
                    yield AllocationFault(service, "PortOutOfRange", text)
                elif port in seen:
                    text = f"Port {port} was assigned to multiple services; {_RECREATE}"
                    yield AllocationFault(service, "PortAlreadyAllocated", text)
                elif self._allocator.ports.allocate(port - low):
                    yield AllocationFault(service, "PortNotAllocated", f"Port {port} is not allocated; repairing")
                seen.add(port)

    def _clean_up(self, services: Iterable[Service]) -> None:
        """Releases leaked numbers. A number may belong to a Service that is being written, so only a number without
        a Service for three rounds is a leak."""
        low, _ = self._allocator.port_range
        used: dict[str, set[int]] = {family: set() for family in (*self._allocator.pools, "port")}
        for service in services:
            used["port"].update(port - low for port in node_ports(service))
            for ip in filter(is_address, addresses(service)):
                used.setdefault(family_of(ip), set()).add(number_of(ip))
        for entry in self._reserved.select():
            used.setdefault(family_of(entry.name), set()).add(number_of(entry.name))
        leaks: dict[tuple[str, int], int] = {}
        pools: dict[str, AddressPool | Pool] = {**self._allocator.pools, "port": self._allocator.ports}
        for kind, pool in pools.items():
            for number in pool:
                if number in used[kind]:
                    continue
                rounds = self._leaks.get((kind, number), 0) + 1
                if rounds > _LEAK_ROUNDS:
                    self._log.warn("released a leaked number", kind=kind, number=number)
                    pool.release(number)
                else:
                    leaks[kind, number] = rounds
        self._leaks = leaks
