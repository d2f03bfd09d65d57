"""A small cluster as DNS sees it, and a resolver over it with an interface like dig's."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from fairlead.base.clock import FakeClock
from fairlead.base.log import SILENT
from fairlead.dns.config import Config
from fairlead.dns.forwarding.cache import Cache, Key
from fairlead.dns.metrics import Metrics
from fairlead.dns.protocol import wire
from fairlead.dns.protocol.message import Reply, expand
from fairlead.dns.protocol.wire import Query, encode_name, make_query, render_address, render_name
from fairlead.dns.serving.resolver import Resolver
from fairlead.dns.zones.records import (
    Conditions,
    Endpoint,
    Meta,
    Port,
    Service,
    ServiceSpec,
    Slice,
    reduce_service,
    reduce_slice,
)
from fairlead.dns.zones.zone import Zone
from tests.dns import oracle

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33,
         "ANY": 255, "AXFR": 252}  # fmt: skip
NAMES = {number: name for name, number in TYPES.items()}
CODES = wire.RCODE_NAMES


def service(name: str, ip: str | Sequence[str] = "", *, ns: str = "default", **spec: Any) -> tuple[str, Service]:
    ips = (ip,) if isinstance(ip, str) else tuple(ip)
    ports = tuple(Port(*port) for port in spec.pop("ports", ()))
    made = ServiceSpec(clusterIP=ips[0] if ips else "", clusterIPs=tuple(i for i in ips if i), ports=ports, **spec)
    return f"{ns}/{name}", Service(Meta(name=name, namespace=ns), made)


def endpoint(address: str, hostname: str | None = None, *, ready: bool | None = True) -> Endpoint:
    return Endpoint((address,), Conditions(ready), hostname)


def endpoints(
    of: str, *found: Endpoint | str, ns: str = "default", suffix: str = "x", ports: Any = ()
) -> tuple[str, Slice]:
    every = tuple(endpoint(one) if isinstance(one, str) else one for one in found)
    family = "IPv6" if every and ":" in every[0].addresses[0] else "IPv4"
    meta = Meta(name=f"{of}-{suffix}", namespace=ns, labels={"kubernetes.io/service-name": of})
    return f"{ns}/{of}-{suffix}", Slice(meta, family, every, tuple(Port(*port) for port in ports))


class Nobody:
    """An upstream that never answers and records its queries."""

    def __init__(self) -> None:
        self.asked: list[tuple[Key, tuple[str, ...]]] = []
        self.answers: dict[tuple[str, int], Reply] = {}

    def ask(self, key: Key, upstreams: Sequence[str], done: Callable[[Reply | None], object], *, flags: int) -> None:
        self.asked.append((key, tuple(upstreams)))
        name = render_name(key[0][:-4])
        done(self.answers.get((name, key[0][-3])))


class World:
    """`w.dig("web.default.svc.cluster.local", "A")` returns the code, then each record as text."""

    def __init__(
        self,
        *objects: tuple[str, Service | Slice],
        config: Config | None = None,
        namespaces: Sequence[str] = ("default", "kube-system"),
    ) -> None:
        self.clock = FakeClock()
        self.zone = Zone(config or Config(upstreams=()))
        self.upstream = Nobody()
        self.metrics = Metrics("cluster.local.")
        cache = Cache(size=100, ttl_s=30, negative_ttl_s=5)
        self.resolver = Resolver(
            self.zone, cache=cache, forwarder=self.upstream, metrics=self.metrics, clock=self.clock, log=SILENT
        )
        self.resolver.ready = True
        for name in namespaces:
            self.zone.put_namespace(name, exists=True)
        self.put(*objects)

    def put(self, *objects: tuple[str, Service | Slice]) -> None:
        for key, found in objects:
            if isinstance(found, Service):
                self.zone.put_service(key, reduce_service(found))
            else:
                self.zone.put_slice(key, reduce_slice(found))
        self.zone.flush(int(self.clock.now()))

    def ask(self, data: bytes, *, protocol: str = "udp") -> bytes | None:
        sent: list[bytes] = []
        said = self.resolver.ask(data, sent.append, protocol=protocol, peer="10.244.1.2")
        return said if said is not None else sent[0] if sent else None

    def raw(self, name: str, kind: str = "A", *, tcp: bool = False, edns: bool = True) -> bytes:
        return self.raw_bytes(question(name, kind), tcp=tcp, edns=edns)

    def raw_bytes(self, asked: bytes, *, tcp: bool = False, edns: bool = True) -> bytes:
        data = make_query(7, asked) if edns else wire.HEADER.pack(7, 0x0100, 1, 0, 0, 0) + asked
        said = self.ask(data, protocol="tcp" if tcp else "udp")
        assert said is not None
        return said

    def dig(self, name: str, kind: str = "A", *, tcp: bool = False) -> list[str]:
        """Returns code and answers; checks that a repeated query (from the packed answers) gets the same message."""
        first = show(self.raw(name, kind, tcp=tcp))
        again = show(self.raw(name, kind, tcp=tcp))
        assert sorted(first) == sorted(again)
        return first


def question(name: str, kind: str) -> bytes:
    labels = [label.encode("latin-1") for label in name.removesuffix(".").split(".") if label]
    wire_name = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    return wire_name + TYPES[kind].to_bytes(2, "big") + b"\0\1"


def sections(data: bytes) -> tuple[int, list[list[str]]]:
    """Returns flags, and the records of the three sections as text. Fails if dnspython reads something else."""
    flags, shown = _sections(data)
    message = oracle.read(data)
    assert flags & ~15 == message.flags & ~15
    assert [list(map(_comparable, rows)) for rows in shown] == [
        list(map(_comparable, rows)) for rows in oracle.rows(message)
    ]
    return flags, shown


def _comparable(row: str) -> str:
    """Returns the row, without its data if `_data` shows that type in another form."""
    owner, ttl, kind, data = row.split(" ", 3)
    return f"{owner.lower()} {ttl} {kind} {'' if kind in ('SOA', 'TXT', 'HINFO') else data}"


def _sections(data: bytes) -> tuple[int, list[list[str]]]:
    _, flags, questions, *counts = wire.HEADER.unpack_from(data)
    assert questions == 1
    at = wire.skip_name(data, 12) + 4
    shown: list[list[str]] = []
    for count in counts:
        rows = []
        for _ in range(count):
            owner = render_name(expand(data, at))
            at = wire.skip_name(data, at)
            kind, _, ttl, length = wire._RR.unpack_from(data, at)
            at += 10
            if kind != wire.OPT:
                rows.append(f"{owner} {ttl} {NAMES[kind]} {_data(data, at, kind, length)}")
            at += length
        shown.append(rows)
    assert at == len(data)
    return flags, shown


def show(data: bytes) -> list[str]:
    flags, (answers, _, _) = sections(data)
    return [CODES[flags & 15], *(row.split(" ", 2)[2] for row in answers)]


def _data(data: bytes, at: int, kind: int, length: int) -> str:
    raw = data[at : at + length]
    if kind in (wire.A, wire.AAAA):
        return render_address(raw)
    if kind in (wire.CNAME, wire.PTR, wire.NS):
        return render_name(expand(data, at))
    if kind == wire.SRV:
        numbers = [int.from_bytes(raw[i : i + 2], "big") for i in (0, 2, 4)]
        return f"{numbers[0]} {numbers[1]} {numbers[2]} {render_name(raw[6:])}"
    if kind == wire.SOA:
        return f"{render_name(raw)} ..."
    return raw[1:].decode("latin-1")


def queries(count: int, seed: int) -> list[bytes]:
    """Returns good queries and bad ones made of the same bytes."""
    rng = random.Random(seed)
    names = [
        "web.default.svc.cluster.local",
        "_http._tcp.db.default.svc.cluster.local",
        "1.0.96.10.in-addr.arpa",
        "example.org",
    ]
    found = []
    for _ in range(count):
        data = bytearray(make_query(rng.getrandbits(16), question(rng.choice(names), rng.choice(list(TYPES)))))
        for _ in range(rng.randrange(4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        if rng.random() < 0.1:
            data += rng.randbytes(rng.randrange(40))
        found.append(bytes(data))
    return found


__all__ = [
    "Query",
    "World",
    "encode_name",
    "endpoint",
    "endpoints",
    "queries",
    "question",
    "sections",
    "service",
    "show",
]
