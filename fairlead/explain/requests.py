"""The requests by which ports of a Service are tried beyond a connection, and what the first bytes of an answer say.
Pure.

A port that claims HTTP (by `appProtocol` or by its name) gets `OPTIONS *`, which asks for nothing (RFC 9110, 9.3.7); a
port that claims HTTPS, or has one of its numbers, the first message of TLS. If the user asks for HTTP, the other TCP
ports get a request for `/`. If the user names the sender, UDP ports get a datagram: a question for DNS, else one byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from fairlead.api.core.service.spec import ServicePort
from fairlead.api.schemes import claimed_scheme
from fairlead.explain.dialling import ends_of
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.tried import Reply
from fairlead.service.decisions import DEFAULT_PROTOCOL

_MOST = 8
_SECURE = (443, 8443)
"""Numbers of HTTPS."""
_DNS_PORT, _DNS_NAMES = 53, ("dns", "domain")
_RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
_NOT_TLS = re.compile(rb"HTTP/1\.[01] 400 .*\b(HTTPS|SSL)\b", re.DOTALL | re.IGNORECASE)
"""The answer of nginx, Apache and Go's server to plain HTTP at a port of TLS."""
_TLS = re.compile(rb"[\x15\x16]\x03", re.DOTALL)
"""An alert or a handshake message (RFC 8446, 5.1)."""


class Request(NamedTuple):
    """One request to one address of a port."""

    port: str
    """Port and protocol, such as `80/TCP`."""
    address: str
    number: int
    kind: str
    """`get`, `options`, `tls`, `dns` or `udp`."""

    @property
    def protocol(self) -> str:
        return "udp" if self.kind in ("dns", "udp") else "tcp"


def requests_to(s: Snapshot, *, http: bool, datagrams: bool) -> list[Request]:
    """Returns the requests. `http`: the user asks for HTTP; `datagrams`: the user named the sender."""
    kinds = {port.port: _kind(port, http=http) for port in s.ports if _protocol(port) == "TCP"}
    found = [Request(*end, kind) for end, kind in _pairs(s, "TCP", kinds)]
    if datagrams:
        asked = {port.port: _datagram(port) for port in s.ports if _protocol(port) == "UDP"}
        found += [Request(*end, kind) for end, kind in _pairs(s, "UDP", asked)]
    return found[:_MOST]


def targets(requests: Iterable[Request], host: str, question: bytes) -> list[str]:
    """Returns the requests as a node's agent takes them: `ADDRESS,PORT,PROTOCOL,BYTES`. `host`: the Service's name;
    `question`: the message of a DNS question."""
    return [f"{one.address},{one.number},{one.protocol},{_payload(one, host, question).hex()}" for one in requests]


def read_answers(requests: Iterable[Request], found: Iterable[Mapping[str, Any]]) -> list[Reply]:
    """Returns what became of each request. `found`: the answers of a node's agent."""
    return [_reply(one, tree) for one, tree in zip(requests, found, strict=True)]


def _payload(request: Request, host: str, question: bytes) -> bytes:
    match request.kind:
        case "get":
            return _http("GET /", host)
        case "options":
            return _http("OPTIONS *", host)
        case "tls":
            return _hello(host)
        case "dns":
            return question
        case _:
            return b"\n"


def _reply(request: Request, tree: Mapping[str, Any]) -> Reply:
    answer, said = bytes.fromhex(tree["answer"]), ""
    if answer.startswith(b"HTTP/"):
        said = answer.split(b"\r\n", 1)[0][:100].decode("ascii", "replace")
    elif request.kind == "dns" and len(answer) >= 12:
        rcode = answer[3] & 15
        said = _RCODES[rcode] if rcode < len(_RCODES) else str(rcode)
    return Reply(*request, tree["outcome"], tree["detail"], said, spoken(answer), tree["ms"])


def spoken(answer: bytes) -> str:
    """Returns the protocol of the first bytes of an answer: `http`, `https`, or empty if they do not tell."""
    if _NOT_TLS.match(answer) or _TLS.match(answer):
        return "https"
    return "http" if answer.startswith(b"HTTP/") else ""


def _pairs(s: Snapshot, protocol: str, kinds: dict[int, str]) -> Iterator[tuple[tuple[str, str, int], str]]:
    """Yields port, address and number of each end, and the kind of its request; ports without a kind are left out."""
    for port, end in ends_of(s, protocol):
        if kind := kinds.get(port.port, ""):
            yield end, kind


def _kind(port: ServicePort, *, http: bool) -> str:
    claimed = claimed_scheme(port.name, port.appProtocol or "")
    if claimed == "https" or (not claimed and not port.appProtocol and port.port in _SECURE):
        return "tls"
    return "get" if http else "options" if claimed == "http" else ""


def _datagram(port: ServicePort) -> str:
    is_dns = port.port == _DNS_PORT or port.name.partition("-")[0] in _DNS_NAMES
    return "dns" if is_dns else "udp"


def _protocol(port: ServicePort) -> str:
    return port.protocol or DEFAULT_PROTOCOL


def _http(line: str, host: str) -> bytes:
    return f"{line} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: fairlead\r\nConnection: close\r\n\r\n".encode()


def _hello(host: str) -> bytes:
    """Returns the first message of a TLS client."""
    import ssl

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    sent = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=host).do_handshake()
    return sent.read()
