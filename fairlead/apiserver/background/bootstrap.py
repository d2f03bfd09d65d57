"""Creates the objects that every cluster has: the initial objects of all kinds (`Kind.initial`), the service CIDR, and
the Service `kubernetes`, which leads to this server.

Runs at every start and writes only objects that are missing or out of date: the address may have changed.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.core.endpoints.kind import ENDPOINTS, EndpointAddress, EndpointPort, Endpoints, EndpointSubset
from fairlead.api.core.namespace.kind import NAMESPACE
from fairlead.api.core.service.kind import SERVICE, Service, ServicePort, ServiceSpec
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, Endpoint, EndpointConditions, EndpointSlice
from fairlead.api.discovery.endpointslice.kind import EndpointPort as SlicePort
from fairlead.api.meta.types import Object, ObjectMeta
from fairlead.api.networking.servicecidr.kind import SERVICE_CIDR, ServiceCIDR, ServiceCIDRSpec
from fairlead.apiserver.model import internal
from fairlead.apiserver.registry.create import Creator
from fairlead.apiserver.registry.update import Candidate, Updater
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.settings import ApiSettings
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.target import Target
from fairlead.base.addresses import family_of
from fairlead.machinery.kinds.kind import Kind
from fairlead.service.wellknown import SERVICE_NAME_LABEL

RECONCILE_S = 10.0
_NAME = "kubernetes"
_PORT = "https"


class Bootstrap:
    """Creates and restores the objects that every cluster has."""

    def __init__(self, resources: Resources, creator: Creator, updater: Updater) -> None:
        self._resources = resources
        self._creator = creator
        self._updater = updater
        self._new = False
        """The cluster is still without objects, and so without webhooks, policies and quotas."""

    async def run(self, settings: ApiSettings, service_address: str) -> None:
        """Restores deleted objects at intervals, as upstream does. Runs until cancelled."""
        while True:
            await asyncio.sleep(RECONCILE_S)
            await self.ensure(settings, service_address)

    async def ensure(self, settings: ApiSettings, service_address: str) -> None:
        """Creates the missing objects and updates the endpoints of the Service `kubernetes`. Raises StatusError."""
        self._new = not self._resources.of(NAMESPACE).cache
        # The writes of a step are made at once, so that the store commits them together.
        initial = [(resource.kind, obj) for resource in self._resources for obj in resource.kind.initial()]
        await asyncio.gather(*(self._ensure_object(kind, obj) for kind, obj in initial))
        await self._ensure_range(settings)
        own = [
            self._ensure_object(SERVICE, _service(service_address, settings.advertise_port)),
            self._ensure_object(ENDPOINTS, _endpoints(settings), renew=True),
            self._ensure_object(ENDPOINT_SLICE, _slice(settings), renew=True),
        ]
        if settings.ca_pem:
            own.append(self._ensure_object(CONFIG_MAP, _authentication(settings), renew=True))
        await asyncio.gather(*own)

    async def _ensure_range(self, settings: ApiSettings) -> None:
        """Creates the ServiceCIDR `kubernetes`. If it has a single family and a second one is configured, adds the
        second; otherwise leaves it unchanged."""
        cidrs = [str(network) for network in settings.service_networks]
        desired = ServiceCIDR(metadata=ObjectMeta(name=_NAME), spec=ServiceCIDRSpec(cidrs=cidrs))
        await self._ensure_object(SERVICE_CIDR, desired)
        target = Target(self._resources.of(SERVICE_CIDR), "", _NAME)
        if target.resource.find("", _NAME).decode().spec.cidrs == cidrs[:1] != cidrs:

            async def widen(entry: Entry) -> Candidate:
                service_cidr: ServiceCIDR = entry.decode()
                service_cidr.spec.cidrs = cidrs
                return Candidate(service_cidr)

            await self._updater.update(target, widen, WriteOptions(), internal())

    async def _ensure_object(self, kind: Kind[Any], desired: Object, *, renew: bool = False) -> None:
        """Creates the object if it is missing; with `renew`, also updates an existing one."""
        meta = desired.metadata
        target = Target(self._resources.of(kind), meta.namespace, meta.name)
        entry = target.resource.cache.get(target.resource.key(meta.namespace, meta.name))
        if entry is None and self._new:
            await self._creator.insert_own(target, desired, internal())
        elif entry is None:
            await self._creator.insert(Target(target.resource, meta.namespace), desired, WriteOptions(), internal())
        elif renew:

            async def same(_: Entry) -> Candidate:
                return Candidate(desired)

            await self._updater.update(target, same, WriteOptions(), internal())


def _authentication(settings: ApiSettings) -> ConfigMap:
    """Returns what extension servers need to recognise this server and its clients."""
    data = {"client-ca-file": settings.ca_pem}
    if (proxy := settings.front_proxy) is not None:
        data |= {
            "requestheader-allowed-names": f'["{proxy.common_name}"]',
            "requestheader-client-ca-file": proxy.ca_pem,
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-uid-headers": '["X-Remote-Uid"]',
            "requestheader-username-headers": '["X-Remote-User"]',
        }
    return ConfigMap(metadata=ObjectMeta(name="extension-apiserver-authentication", namespace="kube-system"), data=data)


def _meta() -> ObjectMeta:
    return ObjectMeta(name=_NAME, namespace="default", labels={"component": "apiserver", "provider": _NAME})


def _service(address: str, port: int) -> Service:
    spec = ServiceSpec(
        type="ClusterIP",
        clusterIP=address,
        clusterIPs=[address],
        ports=[ServicePort(name=_PORT, port=443, protocol="TCP", targetPort=port)],
        sessionAffinity="None",
    )
    return Service(metadata=_meta(), spec=spec)


def _endpoints(settings: ApiSettings) -> Endpoints:
    subset = EndpointSubset(
        addresses=[EndpointAddress(ip=settings.advertise_address)],
        ports=[EndpointPort(name=_PORT, port=settings.advertise_port, protocol="TCP")],
    )
    meta = ObjectMeta(name=_NAME, namespace="default", labels={"endpointslice.kubernetes.io/skip-mirror": "true"})
    return Endpoints(metadata=meta, subsets=[subset])


def _slice(settings: ApiSettings) -> EndpointSlice:
    meta = ObjectMeta(name=_NAME, namespace="default", labels={SERVICE_NAME_LABEL: _NAME})
    return EndpointSlice(
        metadata=meta,
        addressType=family_of(settings.advertise_address),
        endpoints=[Endpoint(addresses=[settings.advertise_address], conditions=EndpointConditions(ready=True))],
        ports=[SlicePort(name=_PORT, port=settings.advertise_port, protocol="TCP")],
    )
