"""Finds an address that serves a Service's port, for calls of the API server itself.

As upstream's `ResolveEndpoint`: a ready endpoint at random, of the Service's primary family if there is one. Addresses
of this machine (loopback, link-local) are refused, even if a slice names them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.api.core.service.predicates import needs_cluster_ip
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, EndpointSlice
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.webhook.model import CallError, ServiceReference
from fairlead.base.addresses import is_own
from fairlead.service.endpoints import ready_addresses
from fairlead.service.wellknown import SERVICE_NAME_LABEL


class ServiceResolver:
    """Finds endpoints in the caches of Services and EndpointSlices."""

    def __init__(self, resources: Resources, *, rng: random.Random) -> None:
        self._services = resources.of(SERVICE)
        self._slices = resources.of(ENDPOINT_SLICE)
        self._rng = rng

    def resolve(self, reference: ServiceReference) -> tuple[str, int]:
        """Returns address and port of an endpoint. Raises CallError."""
        name = reference.name
        entry = self._services.cache.get(f"{reference.namespace}/{name}")
        if entry is None:
            raise CallError(f'service "{name}" not found')
        service: Service = entry.decode()
        if not needs_cluster_ip(service.spec):
            raise CallError(f'unsupported service type "{service.spec.type}"')
        port = next((p for p in service.spec.ports if p.port == reference.port), None)
        if port is None:
            raise CallError(f'no service port {reference.port} found for service "{name}"')
        slices = list(self._slices_of(reference))
        families = service.spec.ipFamilies[:1]
        primary = list(ready_addresses(port.name, (s for s in slices if s.addressType in families)))
        choices = primary or list(ready_addresses(port.name, slices))
        if not choices:
            raise CallError(f'no endpoints available for service "{name}"')
        host, number = self._rng.choice(choices)
        if is_own(host):
            raise CallError(f'address {host} of service "{name}" is not allowed')
        return host, number

    def _slices_of(self, reference: ServiceReference) -> Iterator[EndpointSlice]:
        # A search of the bytes avoids decoding the slices of all other Services.
        mark = f'"{SERVICE_NAME_LABEL}":"{reference.name}"'.encode()
        for entry in self._slices.cache.select(reference.namespace):
            if mark in entry.raw and entry.labels.get(SERVICE_NAME_LABEL) == reference.name:
                yield entry.decode()
