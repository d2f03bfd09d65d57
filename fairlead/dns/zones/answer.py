"""`answer(query, zone)`: the records of a name by the Kubernetes DNS specification 1.1.0, from a snapshot. Pure.

Additions, as in CoreDNS: SRV at the name of a Service lists all its ports; endpoints of any Service have names and
reverse names; ANY gets HINFO (RFC 8482). A name without records that has names below it is NODATA, not NXDOMAIN
(RFC 8020). `*` is an ordinary label: there are no wildcards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fairlead.dns.protocol.wire import (
    AAAA,
    ANY,
    AXFR,
    CNAME,
    HINFO,
    IXFR,
    NOERROR,
    NS,
    NXDOMAIN,
    PTR,
    REFUSED,
    SOA,
    SRV,
    TXT,
    A,
    Answer,
    Query,
    Record,
    encode_name,
    pack_address,
    split_name,
)
from fairlead.dns.zones.names import (
    Apex,
    Branch,
    EndpointName,
    Name,
    NameServer,
    NamespaceName,
    NoSuchName,
    PodName,
    PortName,
    Reverse,
    ServiceName,
    Version,
    is_private,
    parse,
)
from fairlead.dns.zones.records import PackedPort, PackedService
from fairlead.dns.zones.zone import Zone, endpoint_label

SPEC_VERSION = "1.1.0"
DNS_SERVICE = "kube-system/kube-dns"
_MINIMUM_TTL_S = 5


def answer(query: Query, zone: Zone) -> Answer | None:
    """Returns the answer, or None if the name does not belong to the cluster and must be forwarded."""
    own = _from_hosts(query, zone)
    if own is not None:
        return own
    name = parse(split_name(query.name), zone.domain)
    if name is None:
        return None
    if query.type in (AXFR, IXFR):
        return Answer(REFUSED)
    result = _look_up(name, query, zone)
    if result is None:
        if isinstance(name, Reverse):
            return _unknown_address(name, query, zone)
        return Answer(NXDOMAIN, authority=(soa(zone),))
    if query.type == ANY and not result.records:
        # RFC 8482: answer ANY with HINFO only. `found` is empty, because no record has type ANY.
        return Answer(NOERROR, (Record(b"", HINFO, zone.config.ttl_s, b"\x07RFC8482\x00"),))
    return result if result.records else Answer(NOERROR, authority=(soa(zone),))


def _unknown_address(name: Reverse, query: Query, zone: Zone) -> Answer | None:
    """Returns NXDOMAIN for a private address, or None (forward) for a public address or one in a stub zone."""
    if not is_private(name.address) or any(query.name.endswith(stub) for stub in zone.config.stubs):
        return None
    labels = split_name(query.name)
    apex = encode_name(".".join(labels[-3 if len(name.address) == 4 else -4 :]))
    return Answer(NXDOMAIN, authority=(soa(zone)._replace(owner=apex),))


def soa(zone: Zone) -> Record:
    """Returns the SOA record, cached by serial and settings: each NXDOMAIN carries it, and search lists cause many
    of those."""
    made = zone.made_soa
    if made is None or made[0] != zone.serial or made[1] is not zone.config:
        made = zone.made_soa = (zone.serial, zone.config, _make_soa(zone))
    return made[2]


def _make_soa(zone: Zone) -> Record:
    domain = zone.config.domain
    numbers = (zone.serial & 0xFFFFFFFF, 7200, 1800, 86400, _MINIMUM_TTL_S)
    rdata = encode_name(f"ns.dns.{domain}") + encode_name(f"hostmaster.{domain}")
    ttl = min(zone.config.ttl_s, _MINIMUM_TTL_S)
    return Record(encode_name(domain), SOA, ttl, rdata + b"".join(n.to_bytes(4, "big") for n in numbers))


def _from_hosts(query: Query, zone: Zone) -> Answer | None:
    config, ttl = zone.config, zone.config.ttl_s
    addresses = config.hosts.get(query.name)
    if addresses is not None:
        return Answer(records=tuple(_addresses(query.type, addresses, ttl)))
    if query.type == PTR and config.hosts_reverse:
        name = parse(split_name(query.name), zone.domain)
        if isinstance(name, Reverse) and name.address in config.hosts_reverse:
            return Answer(records=tuple(Record(b"", PTR, ttl, n) for n in config.hosts_reverse[name.address]))
    return None


_NODATA = Answer()


def _look_up(name: Name, query: Query, zone: Zone) -> Answer | None:
    """Returns the records of the queried type (empty if the name has other types only), or None if the name does
    not exist."""
    match name:
        case Apex():
            return _apex(query, zone)
        case Version():
            text = SPEC_VERSION.encode()
            return _of_type(query, TXT, [bytes((len(text),)) + text], zone)
        case NameServer():
            return Answer(records=tuple(_addresses(query.type, _own_addresses(zone), zone.config.ttl_s)))
        case Branch():
            return _NODATA
        case NamespaceName(namespace):
            return _NODATA if namespace in zone.namespaces else None
        case ServiceName():
            return _service(name, query, zone)
        case EndpointName(service, label):
            return _endpoint(service, label, query, zone)
        case PortName(service, protocol, port):
            return _port(service, protocol, port, query, zone)
        case PodName(namespace, address):
            return _pod(namespace, address, query, zone)
        case Reverse(address):
            return _reverse(address, query, zone)
        case NoSuchName():
            return None


def _apex(query: Query, zone: Zone) -> Answer:
    if query.type == SOA:
        return Answer(records=(soa(zone)._replace(owner=b""),))
    if query.type == NS:
        server = encode_name(f"ns.dns.{zone.config.domain}")
        own = _own_addresses(zone)
        glue = (*_addresses(A, own, zone.config.ttl_s, server), *_addresses(AAAA, own, zone.config.ttl_s, server))
        return Answer(records=(Record(b"", NS, zone.config.ttl_s, server),), additional=glue)
    return _NODATA


def _own_addresses(zone: Zone) -> list[bytes]:
    service = zone.service(DNS_SERVICE)
    return [pack_address(address) for address in service.addresses] if service else []


def _service(name: ServiceName, query: Query, zone: Zone) -> Answer | None:
    service = zone.service(name.key)
    if service is None:
        return None
    if service.external:
        return _alias(service.external, query, zone)
    if not service.headless:
        if query.type == SRV:
            return _service_srv(name, service, service.ports, zone)
        return Answer(records=tuple(_addresses(query.type, map(pack_address, service.addresses), zone.config.ttl_s)))
    addresses = zone.addresses(name.key, service)
    if not addresses:
        return None
    if query.type == SRV:
        return _endpoint_srv(name, service, "", "", zone)
    return Answer(records=tuple(_addresses(query.type, addresses, zone.config.ttl_s)))


def _alias(target: str, query: Query, zone: Zone) -> Answer:
    try:
        wire = encode_name(target)
    except ValueError:
        return _NODATA
    chase = wire if query.type in (A, AAAA) else b""
    return Answer(records=(Record(b"", CNAME, zone.config.ttl_s, wire),), chase=chase)


def _endpoint(name: ServiceName, label: str, query: Query, zone: Zone) -> Answer | None:
    service = zone.service(name.key)
    if service is None:
        return None
    mine = [
        (e, address, ports) for e, address, ports in zone.endpoints(name.key, service) if endpoint_label(e) == label
    ]
    if not mine:
        return None
    if query.type == SRV:
        target = encode_name(f"{label}.{name.service}.{name.namespace}.svc.{zone.config.domain}")
        ports = {p for _, _, ports in mine for p in ports}
        records = _srv_records([(p.port, target) for p in sorted(ports, key=lambda p: p.port)], zone)
        return Answer(records=records, additional=tuple(_glue((a for _, a, _ in mine), target, zone)))
    addresses = dict.fromkeys(address for _, address, _ in mine)
    return Answer(records=tuple(_addresses(query.type, addresses, zone.config.ttl_s)))


def _port(name: ServiceName, protocol: str, port: str, query: Query, zone: Zone) -> Answer | None:
    service = zone.service(name.key)
    if service is None or service.external:
        return None
    if service.headless:
        result = _endpoint_srv(name, service, protocol, port, zone)
    else:
        result = _service_srv(name, service, _named(service.ports, protocol, port), zone)
    if not result.records:
        return None
    return result if query.type == SRV and port else _NODATA


def _named(ports: Iterable[PackedPort], protocol: str, port: str) -> Iterator[PackedPort]:
    """Yields the named ports that match; an empty `port` matches every name. An empty protocol matches every port."""
    for one in ports:
        if not protocol or (one.name and one.protocol == protocol and port in ("", one.name)):
            yield one


def _service_srv(name: ServiceName, service: PackedService, ports: Iterable[PackedPort], zone: Zone) -> Answer:
    target = encode_name(f"{name.service}.{name.namespace}.svc.{zone.config.domain}")
    records = _srv_records([(port.port, target) for port in ports], zone)
    return Answer(records=records, additional=tuple(_glue(map(pack_address, service.addresses), target, zone)))


def _endpoint_srv(name: ServiceName, service: PackedService, protocol: str, port: str, zone: Zone) -> Answer:
    targets: list[tuple[int, bytes]] = []
    glue: list[Record] = []
    seen: set[tuple[int, bytes]] = set()
    tail = encode_name(f"{name.service}.{name.namespace}.svc.{zone.config.domain}")
    for endpoint, address, ports in zone.endpoints(name.key, service):
        label = endpoint_label(endpoint).encode()
        target = bytes((len(label),)) + label + tail
        pairs = [(one.port, target) for one in _named(ports, protocol, port)]
        targets += [pair for pair in pairs if pair not in seen]
        seen.update(pairs)
        if pairs:
            glue.extend(_glue((address,), target, zone))
    return Answer(records=_srv_records(targets, zone), additional=tuple(glue))


def _srv_records(targets: list[tuple[int, bytes]], zone: Zone) -> tuple[Record, ...]:
    """Returns SRV records with priority 0 and equal weights that add up to about 100, as in CoreDNS."""
    weight = max(1, 100 // len(targets)) if targets else 0
    head = b"\0\0" + weight.to_bytes(2, "big")
    return tuple(
        Record(b"", SRV, zone.config.ttl_s, head + port.to_bytes(2, "big") + target) for port, target in targets
    )


def _pod(namespace: str, address: bytes, query: Query, zone: Zone) -> Answer | None:
    mode = zone.config.pods
    if mode == "disabled" or namespace not in zone.namespaces:
        return None
    if mode == "verified" and namespace not in zone.pods.get(address, ()):
        return None
    return Answer(records=tuple(_addresses(query.type, (address,), zone.config.ttl_s)))


def _reverse(address: bytes, query: Query, zone: Zone) -> Answer | None:
    names = list(_names_of(address, zone))
    if not names:
        return None
    return _of_type(query, PTR, [encode_name(f"{name}.svc.{zone.config.domain}") for name in names], zone)


def _names_of(address: bytes, zone: Zone) -> Iterator[str]:
    """Yields the Service's name for a cluster IP, or one name for each Service that has the address as an endpoint."""
    keys = sorted(set(zone.services_at(address)))
    services = [(key, service) for key in keys if (service := zone.service(key)) is not None]
    for key, service in services:
        if any(pack_address(own) == address for own in service.addresses):
            namespace, _, name = key.partition("/")
            yield f"{name}.{namespace}"
            return
    for key, service in services:
        namespace, _, name = key.partition("/")
        for endpoint, at, _ in zone.endpoints(key, service):
            if at == address:
                yield f"{endpoint_label(endpoint)}.{name}.{namespace}"


def _of_type(query: Query, kind: int, rdata: Iterable[bytes], zone: Zone) -> Answer:
    if query.type != kind:
        return _NODATA
    return Answer(records=tuple(Record(b"", kind, zone.config.ttl_s, one) for one in rdata))


def _addresses(kind: int, addresses: Iterable[bytes], ttl_s: int, owner: bytes = b"") -> Iterator[Record]:
    size = {A: 4, AAAA: 16}.get(kind, 0)
    return (Record(owner, kind, ttl_s, address) for address in addresses if len(address) == size)


def _glue(addresses: Iterable[bytes], owner: bytes, zone: Zone) -> Iterator[Record]:
    return (Record(owner, A if len(a) == 4 else AAAA, zone.config.ttl_s, a) for a in addresses)
