"""Cluster IPs and node ports: a step of its own between the checks and the store, with its own state.

What must stay true: a number is taken in memory before the Service that uses it is written, without an await in
between, and given back where the write does not happen. What a stored Service holds follows the cache: numbers
are released when the change that drops them is committed, so that they cannot be given away before.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fairlead.api.service import SERVICE, Service, ServicePort
from fairlead.api.service_defaults import needs_health_port, needs_node_ports
from fairlead.apiserver.cache import Entry, Event
from fairlead.apiserver.pool import Pool, lower_band
from fairlead.apiserver.resource import Resources
from fairlead.apiserver.services import addresses, needs_address, node_ports
from fairlead.machinery.kind import Kind
from fairlead.machinery.status import FieldError, StatusError, invalid, invalid_object


@dataclass(slots=True)
class Hold:
    """What one write took; each undo gives one number back, unless the write happened."""

    undo: list[Callable[[], None]] = field(default_factory=list)

    def keep(self) -> None:
        """The write is done: from here on the numbers belong to the stored Service."""
        self.undo.clear()

    def release(self) -> None:
        for undo in reversed(self.undo):
            undo()


class ServiceAllocator:
    def __init__(self, service_cidr: str, node_port_range: tuple[int, int], *, rng: random.Random) -> None:
        self._cidr = ipaddress.ip_network(service_cidr)
        # Neither the network's own address nor, in IPv4, the broadcast address is given away.
        size = self._cidr.num_addresses - (2 if self._cidr.version == 4 else 1)
        self._first_ip = int(self._cidr.network_address) + 1
        self._ip_count = size
        self._ips = Pool(size, lower_band(size, least=16, most=256, step=16), rng=rng)
        self._low, self._high = node_port_range
        ports = self._high - self._low + 1
        self._ports = Pool(ports, lower_band(ports, least=16, most=128, step=32), rng=rng)

    @property
    def first_address(self) -> str:
        """The address of the Service `kubernetes`."""
        return str(ipaddress.ip_address(self._first_ip))

    def follow(self, resources: Resources) -> None:
        """Takes what the stored Services hold, and keeps up with them."""
        cache = resources.of(SERVICE).cache
        for entry in cache.select():
            self._take_stored(entry.decode())
        cache.listeners[self] = self._on_event

    @contextmanager
    def holding(self, kind: Kind[Any], old: Entry | None, new: Any) -> Iterator[Hold]:
        """Fills in what `new` leaves open. Gives it all back at the end of the block, unless it was kept."""
        hold = Hold()
        try:
            if kind is SERVICE:
                self._allocate(old.decode() if old is not None else None, new, hold)
            yield hold
        finally:
            hold.release()

    def _allocate(self, old: Service | None, new: Service, hold: Hold) -> None:
        errors = [*self._allocate_address(old, new, hold), *self._allocate_ports(old, new, hold)]
        if errors:
            raise invalid_object("Service", "", new.metadata.name, errors)

    def _allocate_address(self, old: Service | None, new: Service, hold: Hold) -> Iterator[FieldError]:
        spec = new.spec
        if not needs_address(new):
            return
        held = addresses(old) if old is not None else []
        if not addresses(new):
            spec.clusterIP = self._any_address(hold)
            spec.clusterIPs = [spec.clusterIP]
            return
        for ip in addresses(new):
            why = "" if ip in held else self._take_address(ip, hold)
            if why:
                yield invalid("spec.clusterIPs", list(spec.clusterIPs), f"failed to allocate IP {ip}: {why}")

    def _any_address(self, hold: Hold) -> str:
        index = self._ips.take_any()
        if index is None:
            raise StatusError(
                500, "InternalError", "Internal error occurred: failed to allocate a serviceIP: range is full"
            )
        hold.undo.append(lambda: self._ips.release(index))
        return str(ipaddress.ip_address(self._first_ip + index))

    def _take_address(self, ip: str, hold: Hold) -> str:
        """Why the address cannot be had, or nothing."""
        index = self._ip_index(ip)
        if index is None:
            return f"the provided IP ({ip}) is not in the valid range. The range of valid IPs is {self._cidr}"
        if not self._ips.take(index):
            return "provided IP is already allocated"
        hold.undo.append(lambda: self._ips.release(index))
        return ""

    def _ip_index(self, ip: str) -> int | None:
        try:
            address = ipaddress.ip_address(ip)
        except ValueError:
            return None
        index = int(address) - self._first_ip
        return index if address.version == self._cidr.version and 0 <= index < self._ip_count else None

    def _allocate_ports(self, old: Service | None, new: Service, hold: Hold) -> Iterator[FieldError]:
        held = set(node_ports(old)) if old is not None else set()
        ours = set(held)
        for i, port in enumerate(new.spec.ports):
            # Two protocols of one Service may share a number; that one protocol has it twice is the checks' business.
            if port.nodePort and port.nodePort not in ours:
                ours.add(port.nodePort)
                if why := self._take_port(port.nodePort, hold):
                    yield invalid(f"spec.ports[{i}].nodePort", port.nodePort, why)
        if needs_node_ports(new.spec):
            for port in new.spec.ports:
                port.nodePort = port.nodePort or _shared_port(port, new) or self._any_port(hold)
        yield from self._allocate_health_port(held, new, hold)

    def _allocate_health_port(self, held: set[int], new: Service, hold: Hold) -> Iterator[FieldError]:
        spec = new.spec
        if not needs_health_port(new.spec):
            return
        if not spec.healthCheckNodePort:
            spec.healthCheckNodePort = self._any_port(hold)
        elif spec.healthCheckNodePort not in held:
            why = self._take_port(spec.healthCheckNodePort, hold)
            if why:
                yield invalid("spec.healthCheckNodePort", spec.healthCheckNodePort, why)

    def _any_port(self, hold: Hold) -> int:
        index = self._ports.take_any()
        if index is None:
            raise StatusError(
                500, "InternalError", "Internal error occurred: failed to allocate a nodePort: range is full"
            )
        hold.undo.append(lambda: self._ports.release(index))
        return self._low + index

    def _take_port(self, port: int, hold: Hold) -> str:
        """Why the port cannot be had, or nothing."""
        if not self._low <= port <= self._high:
            return f"provided port is not in the valid range. The range of valid ports is {self._low}-{self._high}"
        if not self._ports.take(port - self._low):
            return "provided port is already allocated"
        hold.undo.append(lambda: self._ports.release(port - self._low))
        return ""

    def _on_event(self, event: Event) -> None:
        """A committed change: what the Service no longer holds is free again."""
        if event.type != "DELETED":
            self._take_stored(event.entry.decode())
        if event.previous is None:
            return
        before: Service = event.previous.decode()
        after: Service | None = event.entry.decode() if event.type != "DELETED" else None
        for ip in set(addresses(before)) - set(addresses(after) if after else ()):
            if (index := self._ip_index(ip)) is not None:
                self._ips.release(index)
        for port in set(node_ports(before)) - set(node_ports(after) if after else ()):
            self._ports.release(port - self._low)

    def _take_stored(self, service: Service) -> None:
        for ip in addresses(service):
            if (index := self._ip_index(ip)) is not None:
                self._ips.take(index)
        for port in node_ports(service):
            if self._low <= port <= self._high:
                self._ports.take(port - self._low)


def _shared_port(wanted: ServicePort, service: Service) -> int:
    """The node port that the same port already has for another protocol (DNS over TCP and UDP), or 0."""
    taken = {port.nodePort for port in service.spec.ports if port.protocol == wanted.protocol}
    same = (port.nodePort for port in service.spec.ports if port.port == wanted.port)
    return next((number for number in same if number and number not in taken), 0)
