"""Maintains service CIDRs: their finalizer, their condition and their removal. Applies the decisions of
`servicecidrs`."""

from __future__ import annotations

import asyncio
import ipaddress

from fairlead.api.networking.ipaddress.kind import ALLOCATOR, IP_ADDRESS, MANAGED_BY_LABEL
from fairlead.api.networking.servicecidr.kind import SERVICE_CIDR, ServiceCIDR
from fairlead.apiserver.allocation.addresspool import Address
from fairlead.apiserver.allocation.servicecidrs import desired_condition, desired_finalizers
from fairlead.apiserver.model import internal
from fairlead.apiserver.registry.update import Candidate, Updater
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.watchcache.cache import Entry, Event
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.target import Target
from fairlead.base.clock import Clock
from fairlead.base.instant import render_time
from fairlead.machinery.values.status import StatusError


class ServiceCIDRController:
    """Maintains finalizer and condition of ServiceCIDRs."""

    def __init__(self, resources: Resources, updater: Updater, *, clock: Clock) -> None:
        self._cidrs = resources.of(SERVICE_CIDR)
        self._addresses = resources.of(IP_ADDRESS)
        self._updater = updater
        self._clock = clock
        self._wake = asyncio.Event()
        self._waiting = False

    async def run(self) -> None:
        """Syncs at each change of a range, and at each deleted address while a range is terminating. Runs until
        cancelled."""
        self._cidrs.cache.listeners[self] = self._on_cidr
        self._addresses.cache.listeners[self] = self._on_address
        while True:
            self._wake.clear()
            await self.sync()
            await self._wake.wait()

    async def sync(self) -> None:
        """Updates finalizers and condition of every range once."""
        self._waiting = False
        for entry in self._cidrs.cache.select():
            try:
                await self._sync_one(entry.decode())
            except StatusError as error:
                if error.code != 404:
                    raise

    def _on_cidr(self, _: Event) -> None:
        self._wake.set()

    def _on_address(self, event: Event) -> None:
        if self._waiting and event.type == "DELETED":
            self._wake.set()

    async def _sync_one(self, cidr: ServiceCIDR) -> None:
        name = cidr.metadata.name
        others = [e.decode() for e in self._cidrs.cache.select() if e.name != name]
        finalizers = desired_finalizers(cidr, others, self._used_addresses() if cidr.metadata.deletionTimestamp else ())
        if cidr.metadata.deletionTimestamp is None or finalizers:
            self._waiting = self._waiting or cidr.metadata.deletionTimestamp is not None
            await self._set_condition(name)
        if finalizers != cidr.metadata.finalizers:

            async def change(entry: Entry) -> Candidate:
                service_cidr: ServiceCIDR = entry.decode()
                service_cidr.metadata.finalizers = list(finalizers)
                return Candidate(service_cidr)

            await self._updater.update(Target(self._cidrs, "", name), change, WriteOptions(), internal())

    async def _set_condition(self, name: str) -> None:
        now = render_time(self._clock.now())

        async def change(entry: Entry) -> Candidate:
            service_cidr: ServiceCIDR = entry.decode()
            desired = desired_condition(service_cidr, now=now)
            service_cidr.status.conditions = [
                *(c for c in service_cidr.status.conditions if c.type != desired.type),
                desired,
            ]
            return Candidate(service_cidr)

        await self._updater.update(Target(self._cidrs, "", name, "status"), change, WriteOptions(), internal())

    def _used_addresses(self) -> list[Address]:
        """Returns the addresses of Services. IPAddress objects that users created do not hold a range, as upstream."""
        entries = self._addresses.cache.select()
        return [ipaddress.ip_address(e.name) for e in entries if e.labels.get(MANAGED_BY_LABEL) == ALLOCATOR]
