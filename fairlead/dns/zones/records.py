"""The fields of Services, EndpointSlices and pods that DNS needs, and their packed form.

At 20,000 Services the whole objects would take hundreds of megabytes: only the fields here are decoded. They stay
packed (MessagePack) until an answer needs them.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from fairlead.api.core.service.predicates import is_external_name, is_headless
from fairlead.base.keys import join_key
from fairlead.service.decisions import DEFAULT_PROTOCOL, is_ready
from fairlead.service.wellknown import SERVICE_NAME_LABEL


class Meta(msgspec.Struct, gc=False):
    name: str = ""
    namespace: str = ""
    resourceVersion: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    deletionTimestamp: str | None = None


class Port(msgspec.Struct, gc=False, array_like=False):
    name: str | None = ""
    protocol: str | None = "TCP"
    port: int | None = 0


class ServiceSpec(msgspec.Struct, gc=False):
    type: str = ""
    clusterIP: str = ""
    clusterIPs: tuple[str, ...] = ()
    externalName: str = ""
    ports: tuple[Port, ...] = ()
    publishNotReadyAddresses: bool = False


class Service(msgspec.Struct, gc=False):
    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: ServiceSpec = msgspec.field(default_factory=ServiceSpec)


class Conditions(msgspec.Struct, gc=False):
    ready: bool | None = None


class Endpoint(msgspec.Struct, gc=False):
    addresses: tuple[str, ...] = ()
    conditions: Conditions = msgspec.field(default_factory=Conditions)
    hostname: str | None = None


class Slice(msgspec.Struct, gc=False):
    metadata: Meta = msgspec.field(default_factory=Meta)
    addressType: str = ""
    endpoints: tuple[Endpoint, ...] | None = ()
    ports: tuple[Port, ...] | None = ()


class Namespace(msgspec.Struct, gc=False):
    metadata: Meta = msgspec.field(default_factory=Meta)


class PodIP(msgspec.Struct, gc=False):
    ip: str = ""


class PodStatus(msgspec.Struct, gc=False):
    phase: str = ""
    podIP: str = ""
    podIPs: tuple[PodIP, ...] = ()


class Pod(msgspec.Struct, gc=False):
    metadata: Meta = msgspec.field(default_factory=Meta)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class PackedPort(msgspec.Struct, gc=False, array_like=True, frozen=True):
    name: str
    protocol: str
    """Lower case, as in DNS names."""
    port: int


class PackedService(msgspec.Struct, gc=False, array_like=True, frozen=True):
    addresses: tuple[str, ...]
    headless: bool
    external: str
    publish: bool
    """Endpoints are published before they are ready."""
    ports: tuple[PackedPort, ...]


class PackedEndpoint(msgspec.Struct, gc=False, array_like=True, frozen=True):
    address: str
    hostname: str
    ready: bool


class PackedSlice(msgspec.Struct, gc=False, array_like=True, frozen=True):
    service: str
    """`namespace/name`."""
    endpoints: tuple[PackedEndpoint, ...]
    ports: tuple[PackedPort, ...]


T = TypeVar("T", bound=msgspec.Struct)
pack = msgspec.msgpack.Encoder().encode
unpack_service = msgspec.msgpack.Decoder(PackedService).decode
unpack_slice = msgspec.msgpack.Decoder(PackedSlice).decode


def reduce_service(service: Service) -> PackedService:
    spec = service.spec
    external = spec.externalName if is_external_name(spec) else ""
    addresses = () if external else spec.clusterIPs or ((spec.clusterIP,) if spec.clusterIP else ())
    headless = not external and is_headless(spec)
    return PackedService(
        () if headless else tuple(a for a in addresses if a),
        headless,
        external.lower(),
        spec.publishNotReadyAddresses,
        _ports(spec.ports),
    )


def reduce_slice(obj: Slice) -> PackedSlice | None:
    """Returns the packed form, or None if the slice has no Service or its address type is FQDN."""
    service = obj.metadata.labels.get(SERVICE_NAME_LABEL, "")
    if not service or obj.addressType == "FQDN":
        return None
    endpoints = tuple(
        PackedEndpoint(e.addresses[0], (e.hostname or "").lower(), is_ready(e.conditions.ready))
        for e in obj.endpoints or ()
        if e.addresses
    )
    return PackedSlice(join_key(obj.metadata.namespace, service), endpoints, _ports(obj.ports or ()))


def _ports(ports: tuple[Port, ...]) -> tuple[PackedPort, ...]:
    return tuple(
        PackedPort((p.name or "").lower(), (p.protocol or DEFAULT_PROTOCOL).lower(), p.port) for p in ports if p.port
    )
