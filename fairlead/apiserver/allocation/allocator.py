"""Cluster IPs and node ports: a step of its own between the checks and the store, with its own state.

What must stay true: a number is taken in memory before the Service that uses it is written, without an await in
between, and given back where the write does not happen. What a stored Service holds follows the cache: numbers
are released when the change that drops them is committed, so that they cannot be given away before.

Rejected: a stored object for every allocation, written before the Service. One server keeps a cluster's API, so
that the Services themselves are the whole truth, and nothing can leak (docs/decisions/0007).
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from fairlead.api.core.service.families import complete_families
from fairlead.api.core.service.kind import SERVICE, Service, ServicePort
from fairlead.api.core.service.predicates import needs_health_port, needs_node_ports
from fairlead.api.networking.ipaddress.kind import IP_ADDRESS, IPAddress
from fairlead.api.networking.servicecidr.kind import SERVICE_CIDR
from fairlead.apiserver.admission.chain import denied
from fairlead.apiserver.allocation.addresspool import TAKEN, Address, AddressPool, Network, is_address, number_of
from fairlead.apiserver.allocation.pool import Pool, lower_band
from fairlead.apiserver.allocation.serviceaddresses import ServiceAddresses
from fairlead.apiserver.allocation.servicecidrs import usable_networks
from fairlead.apiserver.allocation.services import addresses, needs_address, node_ports
from fairlead.apiserver.watchcache.cache import Entry, Event
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.addresses import family_of
from fairlead.machinery.kind import Kind
from fairlead.machinery.status import FieldError, already_exists, internal_error, invalid, invalid_object


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


_NOTHING = Hold()


class ServiceAllocator:
    def __init__(self, networks: Sequence[Network], node_port_range: tuple[int, int], *, rng: random.Random) -> None:
        self._networks = tuple(networks)
        self.pools = {f"IPv{network.version}": AddressPool([network], rng=rng) for network in networks}
        first = self._networks[0]
        self.pools[f"IPv{first.version}"].keep(first.network_address + 1)
        self._low, self._high = node_port_range
        ports = self._high - self._low + 1
        self.ports = Pool(ports, lower_band(ports, least=16, most=128, step=32), rng=rng)

    @property
    def families(self) -> tuple[str, ...]:
        """The cluster's own first."""
        return tuple(self.pools)

    @property
    def port_range(self) -> tuple[int, int]:
        return self._low, self._high

    @property
    def first_address(self) -> str:
        """The address of the Service `kubernetes`."""
        first = self._networks[0]
        return str(first.network_address + 1)

    def follow(self, resources: Resources) -> None:
        """Takes what the stored objects hold, and keeps up with them."""
        services, others = resources.of(SERVICE).cache, resources.of(IP_ADDRESS).cache
        self._held = ServiceAddresses(resources)
        self._held.load()
        for entry in services.select():
            self._take_stored(entry.decode())
        for entry in others.select():
            self._take_address(entry.name)
        services.listeners[self] = self._on_event
        others.listeners[self] = self._on_address
        cidrs = resources.of(SERVICE_CIDR).cache

        def set_ranges(_: Event | None = None) -> None:
            networks = usable_networks(self._networks, [entry.decode() for entry in cidrs.select()])
            for family, pool in self.pools.items():
                pool.set_ranges([n for n in networks if f"IPv{n.version}" == family])

        set_ranges()
        cidrs.listeners[self] = set_ranges

    def check_writable(self, kind: Kind[Any], name: str) -> None:
        """Raises StatusError 403 for what follows from a Service and cannot be changed by itself."""
        if kind is IP_ADDRESS and (holder := self._held.holder_of(name)):
            raise denied(kind, name, f"it is the address of the Service {holder}")

    def complete(self, kind: Kind[Any], old: Any, new: Any) -> None:
        """Fills in, before the checks, what depends on the cluster. Raises StatusError 422."""
        if kind is not SERVICE:
            return
        if errors := complete_families(old, new, self.families):
            raise invalid_object("Service", "", new.metadata.name, errors)
        if new.spec.type != "LoadBalancer":
            new.status.loadBalancer = type(new.status.loadBalancer)()

    def holding(self, kind: Kind[Any], old: Entry | None, new: Any) -> AbstractContextManager[Hold]:
        """Fills in what `new` leaves open. Gives it all back at the end of the block, unless it was kept."""
        if kind is SERVICE or kind is IP_ADDRESS:
            return self._holding(kind, old, new)
        return nullcontext(_NOTHING)

    @contextmanager
    def _holding(self, kind: Kind[Any], old: Entry | None, new: Any) -> Iterator[Hold]:
        hold = Hold()
        try:
            if kind is SERVICE:
                self._allocate(old.decode() if old is not None else None, new, hold)
            elif old is None:
                self._reserve(new, hold)
            yield hold
        finally:
            hold.release()

    def _allocate(self, old: Service | None, new: Service, hold: Hold) -> None:
        errors = [*self._allocate_addresses(old, new, hold), *self._allocate_ports(old, new, hold)]
        if errors:
            raise invalid_object("Service", "", new.metadata.name, errors)

    def _allocate_addresses(self, old: Service | None, new: Service, hold: Hold) -> Iterator[FieldError]:
        spec = new.spec
        if not needs_address(new):
            return
        held = set(addresses(old)) if old is not None else set()
        given = list(spec.clusterIPs)
        for family, ip in zip(spec.ipFamilies, [*given, "", ""], strict=False):
            pool = self.pools.get(family)
            if ip in held or pool is None:
                continue
            if not ip:
                spec.clusterIPs.append(self._any_address(pool, hold))
            elif why := self._claim(pool, ipaddress.ip_address(ip), new, hold):
                yield invalid("spec.clusterIPs", given, f"failed to allocate IP {ip}: {why}")
        spec.clusterIP = spec.clusterIPs[0]

    def _any_address(self, pool: AddressPool, hold: Hold) -> str:
        number = pool.take_any()
        if number is None:
            raise internal_error("failed to allocate a serviceIP: range is full")
        hold.undo.append(lambda: pool.release(number))
        return str(ipaddress.ip_address(number))

    def _claim(self, pool: AddressPool, address: Address, new: Service, hold: Hold) -> str:
        """Why the address cannot be had, or nothing. That of the Service `kubernetes` is nobody else's: whoever took
        it between its deletion and its return, would cut all Pods off from the API."""
        meta = new.metadata
        ours = (meta.namespace, meta.name) == ("default", "kubernetes")
        why = pool.refusal(address) or (TAKEN if pool.keeps(address) and not ours else "")
        if not why:
            pool.take(int(address))
            hold.undo.append(lambda: pool.release(int(address)))
        return why

    def _reserve(self, new: IPAddress, hold: Hold) -> None:
        """An address that somebody takes by hand is as taken as a Service's."""
        address = ipaddress.ip_address(new.metadata.name)
        pool = self.pools.get(f"IPv{address.version}")
        if pool is None:
            return
        if address in pool or pool.keeps(address):
            raise already_exists(IP_ADDRESS.plural, IP_ADDRESS.group, new.metadata.name)
        pool.take(int(address))
        hold.undo.append(lambda: pool.release(int(address)))

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
                port.nodePort = port.nodePort or _shared_port(port, new) or self._any_port(hold, "a nodePort")
        self._allocate_health_port(held, new, hold)

    def _allocate_health_port(self, held: set[int], new: Service, hold: Hold) -> None:
        spec = new.spec
        if not needs_health_port(new.spec):
            return
        if not spec.healthCheckNodePort:
            spec.healthCheckNodePort = self._any_port(hold, "a HealthCheck NodePort 0")
        elif spec.healthCheckNodePort not in held and (why := self._take_port(spec.healthCheckNodePort, hold)):
            raise internal_error(f"failed to allocate requested HealthCheck NodePort {spec.healthCheckNodePort}: {why}")

    def _any_port(self, hold: Hold, what: str) -> int:
        index = self.ports.take_any()
        if index is None:
            raise internal_error(f"failed to allocate {what}: range is full")
        hold.undo.append(lambda: self.ports.release(index))
        return self._low + index

    def _take_port(self, port: int, hold: Hold) -> str:
        """Why the port cannot be had, or nothing."""
        if not self._low <= port <= self._high:
            return f"provided port is not in the valid range. The range of valid ports is {self._low}-{self._high}"
        if not self.ports.take(port - self._low):
            return "provided port is already allocated"
        hold.undo.append(lambda: self.ports.release(port - self._low))
        return ""

    def _on_event(self, event: Event) -> None:
        """A committed change: what the Service no longer holds is free again."""
        after: Service | None = event.entry.decode() if event.type != "DELETED" else None
        before: Service | None = event.previous.decode() if event.previous is not None else None
        self._held.on_change(event, before, after)
        if after is not None:
            self._take_stored(after)
        if before is None:
            return
        for ip in set(addresses(before)) - set(addresses(after) if after else ()):
            self._release_address(ip)
        for port in set(node_ports(before)) - set(node_ports(after) if after else ()):
            self.ports.release(port - self._low)

    def _on_address(self, event: Event) -> None:
        """Of an address that somebody reserved by hand; those of Services are taken already."""
        ip = event.entry.name
        if event.type == "DELETED":
            self._release_address(ip)
        elif not self._held.holder_of(ip):
            self._take_address(ip)

    def _take_stored(self, service: Service) -> None:
        for ip in addresses(service):
            self._take_address(ip)
        for port in node_ports(service):
            if self._low <= port <= self._high:
                self.ports.take(port - self._low)

    def _take_address(self, ip: str) -> None:
        """What is no address, in a damaged store, holds none; repair tells of it."""
        if (pool := self.pools.get(family_of(ip))) is not None and is_address(ip):
            pool.take(number_of(ip))

    def _release_address(self, ip: str) -> None:
        """Unless another Service holds it too, which only a damaged store can bring about."""
        pool = self.pools.get(family_of(ip))
        if pool is not None and is_address(ip) and not self._held.holder_of(ip):
            pool.release(number_of(ip))


def _shared_port(wanted: ServicePort, service: Service) -> int:
    """The node port that the same port already has for another protocol (DNS over TCP and UDP), or 0."""
    taken = {port.nodePort for port in service.spec.ports if port.protocol == wanted.protocol}
    same = (port.nodePort for port in service.spec.ports if port.port == wanted.port)
    return next((number for number in same if number and number not in taken), 0)
