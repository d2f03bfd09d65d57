"""Reserves numbers in the pools of `ServiceAllocator` for Services and for IPAddress objects.

What must stay true: a number is taken in memory before the object that uses it is written, without an await in
between, and released if the write fails.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from typing import Any

from fairlead.api.core.service.families import complete_families
from fairlead.api.core.service.kind import SERVICE, Service, ServicePort
from fairlead.api.core.service.predicates import is_load_balancer, needs_health_port, needs_node_ports
from fairlead.api.networking.ipaddress.kind import IP_ADDRESS, IPAddress
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.allocation.addresspool import TAKEN, Address, AddressPool
from fairlead.apiserver.allocation.allocator import ServiceAllocator
from fairlead.apiserver.allocation.model import Reservation
from fairlead.apiserver.allocation.services import addresses, needs_address, node_ports
from fairlead.base.dataclass import dataclass, field
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import FieldError, already_exists, internal_error, invalid, invalid_object


@dataclass(slots=True)
class PoolReservation:
    """Implements `Reservation`: each undo function releases one number unless the write succeeded."""

    undo: list[Callable[[], None]] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not self.undo

    async def confirm(self) -> None:
        self.undo.clear()

    async def release(self) -> None:
        self.undo_all()

    def undo_all(self) -> None:
        for undo in reversed(self.undo):
            undo()
        self.undo.clear()


class ServiceNumbers:
    """Cluster IPs and node ports of Services. Implements `Allocation`."""

    kind: Kind[Any] = SERVICE

    def __init__(self, allocator: ServiceAllocator) -> None:
        self._pools = allocator.pools
        self._families = allocator.families
        self._ports = allocator.ports
        self._low, self._high = allocator.port_range

    def complete(self, old: Service | None, new: Service) -> None:
        """Fills in the IP families. Raises StatusError 422."""
        if errors := complete_families(old, new, self._families):
            raise invalid_object("Service", "", new.metadata.name, errors)
        if not is_load_balancer(new.spec):
            new.status.loadBalancer = type(new.status.loadBalancer)()

    async def reserve(self, old: Service | None, new: Service) -> Reservation:
        reservation = PoolReservation()
        try:
            errors = [*self._allocate_addresses(old, new, reservation), *self._allocate_ports(old, new, reservation)]
            if errors:
                raise invalid_object("Service", "", new.metadata.name, errors)
        except BaseException:
            reservation.undo_all()
            raise
        return reservation

    def _allocate_addresses(
        self, old: Service | None, new: Service, reservation: PoolReservation
    ) -> Iterator[FieldError]:
        spec = new.spec
        if not needs_address(new):
            return
        held = set(addresses(old)) if old is not None else set()
        given = list(spec.clusterIPs)
        for family, ip in zip(spec.ipFamilies, [*given, "", ""], strict=False):
            pool = self._pools.get(family)
            if ip in held or pool is None:
                continue
            if not ip:
                spec.clusterIPs.append(self._any_address(pool, reservation))
            elif why := self._allocate_address(pool, ipaddress.ip_address(ip), new, reservation):
                yield invalid("spec.clusterIPs", given, f"failed to allocate IP {ip}: {why}")
        spec.clusterIP = spec.clusterIPs[0]

    def _any_address(self, pool: AddressPool, reservation: PoolReservation) -> str:
        number = pool.allocate_next()
        if number is None:
            raise internal_error("failed to allocate a serviceIP: range is full")
        reservation.undo.append(lambda: pool.release(number))
        return str(ipaddress.ip_address(number))

    def _allocate_address(self, pool: AddressPool, address: Address, new: Service, reservation: PoolReservation) -> str:
        """Returns why the address is not available, or "". The address of the Service `kubernetes` is reserved: if
        another Service took it between deletion and re-creation, all Pods would be cut off from the API."""
        meta = new.metadata
        ours = (meta.namespace, meta.name) == ("default", "kubernetes")
        why = pool.refusal(address) or (TAKEN if pool.is_reserved(address) and not ours else "")
        if not why:
            pool.allocate(int(address))
            reservation.undo.append(lambda: pool.release(int(address)))
        return why

    def _allocate_ports(self, old: Service | None, new: Service, reservation: PoolReservation) -> Iterator[FieldError]:
        held = set(node_ports(old)) if old is not None else set()
        ours = set(held)
        for i, port in enumerate(new.spec.ports):
            # Two protocols of one Service may share a number; the checks refuse a duplicate of one protocol.
            if port.nodePort and port.nodePort not in ours:
                ours.add(port.nodePort)
                if why := self._allocate_port(port.nodePort, reservation):
                    yield invalid(f"spec.ports[{i}].nodePort", port.nodePort, why)
        if needs_node_ports(new.spec):
            for port in new.spec.ports:
                port.nodePort = port.nodePort or _shared_port(port, new) or self._any_port(reservation, "a nodePort")
        self._allocate_health_port(held, new, reservation)

    def _allocate_health_port(self, held: set[int], new: Service, reservation: PoolReservation) -> None:
        spec = new.spec
        if not needs_health_port(new.spec):
            return
        if not spec.healthCheckNodePort:
            spec.healthCheckNodePort = self._any_port(reservation, "a HealthCheck NodePort 0")
        elif spec.healthCheckNodePort not in held and (
            why := self._allocate_port(spec.healthCheckNodePort, reservation)
        ):
            raise internal_error(f"failed to allocate requested HealthCheck NodePort {spec.healthCheckNodePort}: {why}")

    def _any_port(self, reservation: PoolReservation, what: str) -> int:
        index = self._ports.allocate_next()
        if index is None:
            raise internal_error(f"failed to allocate {what}: range is full")
        reservation.undo.append(lambda: self._ports.release(index))
        return self._low + index

    def _allocate_port(self, port: int, reservation: PoolReservation) -> str:
        """Returns why the port is not available, or ""."""
        if not self._low <= port <= self._high:
            return f"provided port is not in the valid range. The range of valid ports is {self._low}-{self._high}"
        if not self._ports.allocate(port - self._low):
            return "provided port is already allocated"
        reservation.undo.append(lambda: self._ports.release(port - self._low))
        return ""


class ReservedAddresses:
    """IPAddress objects that users create: their addresses are as taken as those of Services. Implements
    `Allocation`."""

    kind: Kind[Any] = IP_ADDRESS

    def __init__(self, allocator: ServiceAllocator) -> None:
        self._pools = allocator.pools

    def complete(self, old: IPAddress | None, new: IPAddress) -> None:
        """Does nothing: an IPAddress does not depend on the cluster."""

    async def reserve(self, old: IPAddress | None, new: IPAddress) -> Reservation:
        address = ipaddress.ip_address(new.metadata.name)
        pool = self._pools.get(f"IPv{address.version}")
        if old is not None or pool is None:
            return PoolReservation()
        if address in pool or pool.is_reserved(address):
            raise already_exists(IP_ADDRESS.plural, IP_ADDRESS.group, new.metadata.name)
        pool.allocate(int(address))
        return PoolReservation([lambda: pool.release(int(address))])


class DerivedAddresses(AdmissionPlugin):
    """Refuses to change or delete the IPAddress of a Service, which follows from the Service."""

    name = "DerivedAddresses"

    def __init__(self, allocator: ServiceAllocator) -> None:
        self._allocator = allocator

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return operation in ("UPDATE", "DELETE") and kind is IP_ADDRESS

    async def validate(self, attributes: Attributes) -> None:
        if holder := self._allocator.holder_of(attributes.name):
            raise attributes.denied(f"the address belongs to the Service {holder}: change the Service")


def _shared_port(new: ServicePort, service: Service) -> int:
    """Returns the node port that the same port has for another protocol (DNS over TCP and UDP), or 0."""
    taken = {port.nodePort for port in service.spec.ports if port.protocol == new.protocol}
    same = (port.nodePort for port in service.spec.ports if port.port == new.port)
    return next((number for number in same if number and number not in taken), 0)
