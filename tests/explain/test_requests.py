"""The requests by which a Service's ports are tried, and what the first bytes of an answer say."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import msgspec
import pytest

from fairlead.explain.reading import assemble, lists
from fairlead.explain.requests import Request, read_answers, requests_to, spoken, targets
from fairlead.explain.snapshot import Snapshot


def snapshot(*ports: dict[str, Any], **spec: Any) -> Snapshot:
    spec = {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"]} | spec | {"ports": list(ports)}
    service = {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}
    trees: dict[str, Any] = {key: [] for key in lists("web", "default")} | {"services": [service]}
    return assemble("web", "default", {key: msgspec.json.encode({"items": one}) for key, one in trees.items()})


def kinds(s: Snapshot, *, http: bool = False, datagrams: bool = False) -> list[tuple[str, str, str]]:
    return [(one.port, one.address, one.kind) for one in requests_to(s, http=http, datagrams=datagrams)]


@pytest.mark.parametrize(
    ("port", "kind"),
    [
        ({"name": "https", "port": 443}, "tls"),
        ({"name": "x", "port": 1, "appProtocol": "https"}, "tls"),
        ({"name": "x", "port": 1, "appProtocol": "kubernetes.io/wss"}, "tls"),
        ({"name": "http-web", "port": 80}, "options"),
        ({"name": "https", "port": 80, "appProtocol": "http"}, "options"),
        ({"port": 443}, "tls"),
        ({"name": "http", "port": 443}, "options"),
        ({"name": "x", "port": 443, "appProtocol": "example.com/own"}, ""),
        ({"port": 80}, ""),
    ],
)
def test_a_port_is_asked_in_the_protocol_that_it_claims(port: dict[str, Any], kind: str) -> None:
    assert [one[2] for one in kinds(snapshot(port))] == ([kind] if kind else [])
    assert [one[2] for one in kinds(snapshot(port), http=True)] == [kind if kind == "tls" else "get"]


def test_ports_are_asked_at_the_addresses_of_both_families_and_udp_if_the_sender_is_named() -> None:
    ports = [
        {"name": "http", "port": 80},
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "log", "port": 514, "protocol": "UDP"},
    ]
    dual = snapshot(*ports, clusterIPs=["10.96.0.9", "fd00::9"])
    assert kinds(dual) == [("80/TCP", "10.96.0.9", "options"), ("80/TCP", "fd00::9", "options")]
    assert kinds(dual, datagrams=True)[2:] == [
        ("53/UDP", "10.96.0.9", "dns"),
        ("514/UDP", "10.96.0.9", "udp"),
        ("53/UDP", "fd00::9", "dns"),
        ("514/UDP", "fd00::9", "udp"),
    ]
    many = snapshot(*({"name": f"http-{number}", "port": number} for number in range(1, 30)))
    assert len(kinds(many)) == 8
    assert kinds(snapshot(type="ExternalName", externalName="a.test", clusterIP="", clusterIPs=[])) == []


def test_requests_are_the_bytes_of_their_protocol() -> None:
    made = [Request("1/TCP", "10.96.0.9", 1, kind) for kind in ("get", "options", "tls")]
    made += [Request("1/UDP", "fd00::9", 1, kind) for kind in ("dns", "udp")]
    sent = [one.split(",") for one in targets(made, "web.default.svc", b"question")]
    assert [one[2] for one in sent] == ["tcp", "tcp", "tcp", "udp", "udp"]
    get, options, hello, question, datagram = (bytes.fromhex(one[3]) for one in sent)
    assert get.startswith(b"GET / HTTP/1.1\r\nHost: web.default.svc\r\n")
    assert options.startswith(b"OPTIONS * HTTP/1.1\r\n")
    assert (hello[:2], question, datagram) == (b"\x16\x03", b"question", b"\n")
    assert all(len(bytes.fromhex(one[3])) <= 1024 for one in sent)


def test_a_server_of_tls_answers_the_hello_with_tls() -> None:
    sent = targets([Request("1/TCP", "127.0.0.1", 1, "tls")], "web", b"")[0].rpartition(",")[2]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        incoming.write(bytes.fromhex(sent))
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).wrap_bio(incoming, outgoing, server_side=True)
        with pytest.raises(ssl.SSLError):  # it lacks a certificate, and says so by an alert
            server.do_handshake()
        assert spoken(outgoing.read()) == "https"


@pytest.mark.parametrize(
    ("answer", "protocol"),
    [
        (b"HTTP/1.1 200 OK\r\n", "http"),
        (b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n<title>400 Bad Request</title>", "http"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n<center>The plain HTTP request was sent to HTTPS port</center>", "https"),
        (b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n", "https"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "https"),
        (b"\x16\x03\x03\x00\x7a", "https"),
        (b"SSH-2.0-OpenSSH", ""),
        (b"", ""),
    ],
)
def test_the_first_bytes_tell_http_from_https(answer: bytes, protocol: str) -> None:
    assert spoken(answer) == protocol


def test_answers_have_the_status_line_or_the_code_of_dns() -> None:
    made = [Request("80/TCP", "10.96.0.9", 80, "get"), Request("53/UDP", "10.96.0.9", 53, "dns")]
    dns = bytes.fromhex("666181830001000000000000")
    found = [
        {"outcome": "answered", "detail": "", "answer": one.hex(), "ms": 1.5}
        for one in (b"HTTP/1.1 404 Not Found\r\nA: b\r\n", dns)
    ]
    http, code = read_answers(made, found)
    assert (http.said, http.spoken, http.ms) == ("HTTP/1.1 404 Not Found", "http", 1.5)
    assert (code.said, code.spoken) == ("NXDOMAIN", "")
