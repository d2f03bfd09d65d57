"""Allocates cluster IPs and node ports between the checks and the store.

What must stay true: a number is taken in memory before the Service that uses it is written, without an await in
between, and released if the write fails. The numbers of stored Services follow the cache: numbers are released when
the change that drops them is committed, so that they cannot be given away earlier.

Rejected: a stored object for every allocation, written before the Service. One server holds a cluster's API, so the
Services alone are the truth, and nothing can leak (docs/decisions/0007).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.api.networking.ipaddress.kind import IP_ADDRESS
from fairlead.api.networking.servicecidr.kind import SERVICE_CIDR
from fairlead.apiserver.allocation.addresspool import AddressPool, Network, is_address, number_of
from fairlead.apiserver.allocation.pool import Pool, lower_band
from fairlead.apiserver.allocation.serviceaddresses import ServiceAddresses
from fairlead.apiserver.allocation.servicecidrs import usable_networks
from fairlead.apiserver.allocation.services import addresses, node_ports
from fairlead.apiserver.watchcache.cache import Event
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.addresses import family_of


class ServiceAllocator:
    """The address pools by family, and the pool of node ports; follows the stored objects."""

    def __init__(self, networks: Sequence[Network], node_port_range: tuple[int, int], *, rng: random.Random) -> None:
        self._networks = tuple(networks)
        self.pools = {f"IPv{network.version}": AddressPool([network], rng=rng) for network in networks}
        first = self._networks[0]
        self.pools[f"IPv{first.version}"].reserve(first.network_address + 1)
        self._low, self._high = node_port_range
        ports = self._high - self._low + 1
        self.ports = Pool(ports, lower_band(ports, least=16, most=128, step=32), rng=rng)

    @property
    def families(self) -> tuple[str, ...]:
        """The IP families; the cluster's primary family first."""
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
        """Takes the numbers of the stored objects, and follows their changes."""
        services, others = resources.of(SERVICE).cache, resources.of(IP_ADDRESS).cache
        self._service_addresses = ServiceAddresses(resources)
        self._service_addresses.load()
        for entry in services.select():
            self._allocate_stored(entry.decode())
        for entry in others.select():
            self._allocate_address(entry.name)
        services.listeners[self] = self._on_event
        others.listeners[self] = self._on_address
        cidrs = resources.of(SERVICE_CIDR).cache

        def set_ranges(_: Event | None = None) -> None:
            networks = usable_networks(self._networks, [entry.decode() for entry in cidrs.select()])
            for family, pool in self.pools.items():
                pool.set_ranges([n for n in networks if f"IPv{n.version}" == family])

        set_ranges()
        cidrs.listeners[self] = set_ranges

    def holder_of(self, ip: str) -> str:
        """Returns `namespace/name` of the Service that has the address, or ""."""
        return self._service_addresses.holder_of(ip)

    def _on_event(self, event: Event) -> None:
        """Releases the numbers that a committed change of a Service drops, and takes those that it adds."""
        after: Service | None = event.entry.decode() if event.type != "DELETED" else None
        before: Service | None = event.previous.decode() if event.previous is not None else None
        self._service_addresses.on_change(event, before, after)
        if after is not None:
            self._allocate_stored(after)
        if before is None:
            return
        for ip in set(addresses(before)) - set(addresses(after) if after else ()):
            self._release_address(ip)
        for port in set(node_ports(before)) - set(node_ports(after) if after else ()):
            self.ports.release(port - self._low)

    def _on_address(self, event: Event) -> None:
        """Follows IPAddress objects that users created; the addresses of Services are tracked with the Services."""
        ip = event.entry.name
        if event.type == "DELETED":
            self._release_address(ip)
        elif not self._service_addresses.holder_of(ip):
            self._allocate_address(ip)

    def _allocate_stored(self, service: Service) -> None:
        for ip in addresses(service):
            self._allocate_address(ip)
        for port in node_ports(service):
            if self._low <= port <= self._high:
                self.ports.allocate(port - self._low)

    def _allocate_address(self, ip: str) -> None:
        """Takes a valid address. Ignores an invalid one in a damaged store; `background.repair` reports it."""
        if (pool := self.pools.get(family_of(ip))) is not None and is_address(ip):
            pool.allocate(number_of(ip))

    def _release_address(self, ip: str) -> None:
        """Releases the address unless another Service holds it too, which only a damaged store can cause."""
        pool = self.pools.get(family_of(ip))
        if pool is not None and is_address(ip) and not self._service_addresses.holder_of(ip):
            pool.release(number_of(ip))
