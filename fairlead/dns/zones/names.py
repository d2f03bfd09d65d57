"""Parses names of the cluster's domain. Pure: labels in, a `Name` out."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.base.dataclass import dataclass
from fairlead.base.keys import join_key
from fairlead.dns.protocol.wire import pack_address

REVERSE_V4 = ("in-addr", "arpa")
REVERSE_V6 = ("ip6", "arpa")


@dataclass(frozen=True, slots=True)
class Apex:
    """The domain itself."""


@dataclass(frozen=True, slots=True)
class Version:
    """`dns-version`."""


@dataclass(frozen=True, slots=True)
class NameServer:
    """`ns.dns`: this DNS service."""


@dataclass(frozen=True, slots=True)
class Branch:
    """`svc`, `pod` or `dns`: a name without records that has names below it."""


@dataclass(frozen=True, slots=True)
class NamespaceName:
    """`default.svc` or `default.pod`."""

    namespace: str


@dataclass(frozen=True, slots=True)
class ServiceName:
    namespace: str
    service: str

    @property
    def key(self) -> str:
        return join_key(self.namespace, self.service)


@dataclass(frozen=True, slots=True)
class EndpointName:
    """One endpoint of a service, by its host name or its dashed address."""

    service: ServiceName
    endpoint: str


@dataclass(frozen=True, slots=True)
class PortName:
    """`_http._tcp` of a service, or `_tcp` alone (then `port` is empty)."""

    service: ServiceName
    protocol: str
    port: str


@dataclass(frozen=True, slots=True)
class PodName:
    namespace: str
    address: bytes


@dataclass(frozen=True, slots=True)
class Reverse:
    address: bytes


@dataclass(frozen=True, slots=True)
class NoSuchName:
    """A name in the domain that can never exist."""


Name = (
    Apex | Version | NameServer | Branch | NamespaceName | ServiceName | EndpointName | PortName | PodName | Reverse
    | NoSuchName
)  # fmt: skip


def parse(labels: Sequence[str], domain: Sequence[str]) -> Name | None:
    """Parses lower-cased `labels`; returns None if the name is neither in the domain nor a reverse name."""
    cut = len(labels) - len(domain)
    if cut >= 0 and tuple(labels[cut:]) == tuple(domain):
        return _inside(labels[:cut])
    if tuple(labels[-2:]) in (REVERSE_V4, REVERSE_V6):
        address = _reverse(labels)
        return Reverse(address) if address else None
    return None


def _inside(labels: Sequence[str]) -> Name:
    match labels:
        case []:
            return Apex()
        case ["dns-version"]:
            return Version()
        case ["ns", "dns"]:
            return NameServer()
        case ["svc" | "pod" | "dns"]:
            return Branch()
        case [namespace, "svc" | "pod"]:
            return NamespaceName(namespace)
        case [*rest, namespace, "svc"]:
            return _service(rest, namespace)
        case [address, namespace, "pod"]:
            packed = parse_dashed(address)
            return PodName(namespace, packed) if packed else NoSuchName()
        case _:
            return NoSuchName()


def _service(labels: Sequence[str], namespace: str) -> Name:
    service = ServiceName(namespace, labels[-1])
    match labels:
        case [_]:
            return service
        case [str(protocol), _] if protocol in ("_tcp", "_udp", "_sctp"):
            return PortName(service, protocol[1:], "")
        case [endpoint, _]:
            return EndpointName(service, endpoint)
        case [str(port), str(protocol), _] if protocol in ("_tcp", "_udp", "_sctp") and port[:1] == "_":
            return PortName(service, protocol[1:], port[1:]) if len(port) > 1 else NoSuchName()
        case _:
            return NoSuchName()


def dashed(address: str) -> str:
    """Returns the label of an endpoint without a host name: `10-244-1-5`."""
    return address.replace(".", "-").replace(":", "-")


def parse_dashed(label: str) -> bytes | None:
    """Returns the packed address of a pod record's first label, or None if the label is not an address."""
    text = label.replace("-", ".") if label.count("-") == 3 and "--" not in label else label.replace("-", ":")
    try:
        return pack_address(text)
    except ValueError:
        return None


def _reverse(labels: Sequence[str]) -> bytes | None:
    digits = labels[:-2][::-1]
    try:
        if labels[-2] == "in-addr":
            return pack_address(".".join(digits)) if len(digits) == 4 else None
        if len(digits) != 32 or any(len(digit) != 1 for digit in digits):
            return None
        return bytes.fromhex("".join(digits))
    except ValueError:
        return None


def is_private(address: bytes) -> bool:
    """Returns True if the address is private: reverse names of private addresses are not forwarded (RFC 6303)."""
    if len(address) == 16:
        return address[0] & 0xFE == 0xFC or (address[0] == 0xFE and address[1] & 0xC0 == 0x80) or not any(address[:15])
    first, second = address[0], address[1]
    return first in (0, 10, 127) or (first == 172 and 16 <= second < 32) or (first, second) in ((192, 168), (169, 254))
