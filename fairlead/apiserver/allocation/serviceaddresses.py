"""The IPAddress objects of Services' cluster IPs: derived from the Services, never stored.

Each appears and disappears together with the cluster IP of its Service, under the same resourceVersion; get, list and
watch work as for any kind. IPAddress objects that users create are stored beside them. A write to a derived one is
refused, because the Service decides (docs/decisions/0007).
"""

from __future__ import annotations

import hashlib
import uuid

from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.api.meta.types import ObjectMeta
from fairlead.api.networking.ipaddress.kind import (
    ALLOCATOR,
    FAMILY_LABEL,
    IP_ADDRESS,
    MANAGED_BY_LABEL,
    IPAddress,
    IPAddressSpec,
    ParentReference,
)
from fairlead.apiserver.allocation.addresspool import is_address
from fairlead.apiserver.allocation.services import addresses
from fairlead.apiserver.watchcache.cache import Event
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.addresses import family_of
from fairlead.base.ids import uuid_text
from fairlead.store.model import Change, Record

_NAMESPACE = uuid.UUID("a3f1b7de-6f0c-4a55-9d39-5c1f1e6f4a10").bytes


class ServiceAddresses:
    """Derives the IPAddress objects from the Services, and knows the holders of each address."""

    def __init__(self, resources: Resources) -> None:
        self._services = resources.of(SERVICE).cache
        self._cache = resources.of(IP_ADDRESS).cache
        self._revision = resources.revision
        self._holders: dict[str, list[str]] = {}
        """The keys of the Services that hold an address; more than one only if the store is damaged."""

    def load(self) -> None:
        """Adds the addresses of the stored Services."""
        records = []
        for entry in self._services.select():
            service: Service = entry.decode()
            for ip in addresses(service):
                self._holders.setdefault(ip, []).append(entry.key)
                if is_address(ip) and self._cache.get(ip) is None:
                    records.append(Record(ip, self._encoded(ip, service), entry.revision))
                    self._cache.derived.add(ip)
        self._cache.load("", records, self._revision)

    def holder_of(self, ip: str) -> str:
        """Returns `namespace/name` of the Service that has the address, or ""."""
        return next(iter(self._holders.get(ip, ())), "")

    def on_change(self, event: Event, before: Service | None, after: Service | None) -> None:
        """Follows a committed change of a Service; the caller has already decoded both states."""
        had, has = addresses(before) if before else [], addresses(after) if after else []
        key, revision = event.entry.key, event.revision
        for ip in had:
            if ip not in has:
                self._drop(ip, key, revision)
        for ip in has:
            if ip not in had and after is not None:
                self._holders.setdefault(ip, []).append(key)
                if self._cache.get(ip) is None:
                    self._cache.derived.add(ip)
                    self._cache.apply(ip, Change(ip, revision, self._encoded(ip, after)))

    def _drop(self, ip: str, key: str, revision: int) -> None:
        left = [holder for holder in self._holders.pop(ip, []) if holder != key]
        if left:
            self._holders[ip] = left
        if self._cache.get(ip) is None:
            return
        successor = self._services.get(left[0]) if left else None
        if successor is not None:
            self._cache.apply(ip, Change(ip, revision, self._encoded(ip, successor.decode())))
        else:
            self._cache.derived.discard(ip)
            self._cache.apply(ip, Change(ip, revision, None))

    def _encoded(self, ip: str, service: Service) -> bytes:
        meta = service.metadata
        address = IPAddress(
            metadata=ObjectMeta(
                name=ip,
                uid=_uid(f"{meta.uid} {ip}"),
                creationTimestamp=meta.creationTimestamp,
                labels={FAMILY_LABEL: family_of(ip), MANAGED_BY_LABEL: ALLOCATOR},
            ),
            spec=IPAddressSpec(
                parentRef=ParentReference(resource="services", namespace=meta.namespace, name=meta.name)
            ),
        )
        return self._cache.form.stored(address)


def _uid(name: str) -> str:
    """Returns the same uid for the same name: a UUID of version 5."""
    digest = hashlib.sha1(_NAMESPACE + name.encode(), usedforsecurity=False).digest()
    return uuid_text(int.from_bytes(digest[:16], "big"), version=5)
