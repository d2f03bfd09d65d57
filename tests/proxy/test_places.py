"""The senders and destinations that users name, and the errors for names that stand for nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fairlead.api.core.pod.types import Pod
from fairlead.api.core.service.kind import Service
from fairlead.net.family import IPV4, IPV6, Family
from fairlead.proxy.inspection.owners import Owners
from fairlead.proxy.inspection.places import Destination, Objects, PlaceError, find_destination, find_sender
from fairlead.proxy.inspection.walk import Sender
from fairlead.proxy.inspection.world import NodeRules, World
from tests.proxy.backends import NFTABLES
from tests.proxy.inspected import view, world_of
from tests.proxy.objects import endpoint, port, service, slice_of

PORTS = [port(80, name="http"), port(53, name="dns", protocol="UDP"), port(53, name="dns-tcp")]


def pod(name: str, ip: str, **spec: Any) -> Pod:
    tree = {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "spec": {
            "nodeName": "node1",
            "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}],
            **spec,
        },
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}] if ip else []},
    }
    return msgspec.convert(tree, Pod)


def headless(**spec: Any) -> Service:
    return service("db", "None", ports=[port(5432)], **spec)


OBJECTS = Objects(
    services={
        "default/web": service(ports=PORTS),
        "default/db": headless(),
        "shop/cart": msgspec.structs.replace(service("cart", "10.96.0.20")),
        "default/alias": service("alias", "", type="ExternalName", externalName="db.example.com", ports=[]),
    },
    slices={
        "default/db": [
            slice_of(
                msgspec.structs.replace(endpoint("10.244.1.5"), hostname="db-0"),
                msgspec.structs.replace(endpoint("10.244.2.5"), hostname="db-1"),
                endpoint("10.244.2.6", ready=False),
                service_name="db",
                number=5432,
            )
        ]
    },
    pods={
        "default/a": pod("a", "10.244.1.2"),
        "default/host": pod("host", "172.30.0.11", hostNetwork=True),
        "default/new": pod("new", ""),
    },
)


def world() -> World:
    made = world_of([], [], IPV4, NFTABLES)
    six = [NodeRules(view(name, IPV6), made.nodes[0].plan) for name in ("node1", "node2")]
    owners = Owners(OBJECTS.services, OBJECTS.slices, OBJECTS.pods.values())
    return World(nodes=(*made.nodes, *six), owners=owners, services=made.services, gateway="node1", host=made.host)


def sender(text: str, family: Family = IPV4) -> Sender:
    return find_sender(text, OBJECTS, world(), namespace="default", family=family)


def destination(text: str, protocol: str = "", namespace: str = "default") -> Destination:
    return find_destination(text, OBJECTS, world(), namespace=namespace, family=None, protocol=protocol)


@pytest.mark.parametrize(
    ("text", "address", "node", "by_link"),
    [
        ("pod/a", "10.244.1.2", "node1", True),
        ("10.244.1.2", "10.244.1.2", "node1", True),
        ("pod/host", "172.30.0.11", "node1", False),
        ("node/node2", "172.30.0.12", "node2", False),
        ("172.30.0.12", "172.30.0.12", "node2", False),
        ("host", "172.30.0.1", "", False),
        ("192.0.2.7", "192.0.2.7", "", False),
    ],
)
def test_a_sender_has_an_address_a_node_and_a_link(text: str, address: str, node: str, by_link: bool) -> None:
    found = sender(text)
    assert (found.address, found.node, bool(found.link)) == (address, node, by_link)


def test_a_sender_is_found_in_the_family_of_the_destination() -> None:
    assert sender("node/node1", IPV6).address == "fd00:172:30::b"
    with pytest.raises(PlaceError, match="Pod default/a has no IPv6 address"):
        sender("pod/a", IPV6)


@pytest.mark.parametrize(
    ("text", "addresses", "protocol"),
    [
        ("svc/web:80", [("10.96.0.10", 80)], "tcp"),
        ("svc/web:http", [("10.96.0.10", 80)], "tcp"),
        ("svc/web:dns", [("10.96.0.10", 53)], "udp"),
        ("svc/web:81", [("10.96.0.10", 81)], "tcp"),
        ("web:http", [("10.96.0.10", 80)], "tcp"),
        ("cart.shop", [("10.96.0.20", 80)], "tcp"),
        ("cart.shop.svc.cluster.local:80", [("10.96.0.20", 80)], "tcp"),
        ("svc/db", [("10.244.1.5", 5432), ("10.244.2.5", 5432)], "tcp"),
        ("db-1.db.default.svc.cluster.local", [("10.244.2.5", 5432)], "tcp"),
        ("svc/alias", [], "tcp"),
        ("pod/a", [("10.244.1.2", 8080)], "tcp"),
        ("pod/a:web", [("10.244.1.2", 8080)], "tcp"),
        ("pod/a:9", [("10.244.1.2", 9)], "tcp"),
        ("node/node2:30080", [("172.30.0.12", 30080)], "tcp"),
        ("10.96.0.10:80", [("10.96.0.10", 80)], "tcp"),
        ("[fd00:10:96::A]:80", [("fd00:10:96::a", 80)], "tcp"),
    ],
)
def test_a_destination_has_addresses_and_a_protocol(text: str, addresses: list[tuple[str, int]], protocol: str) -> None:
    found = destination(text)
    assert (list(found.addresses), found.protocol) == (addresses, protocol)


def test_a_protocol_chooses_among_ports_of_one_number() -> None:
    assert destination("svc/web:53", protocol="udp").addresses == (("10.96.0.10", 53),)
    with pytest.raises(PlaceError, match="add --protocol"):
        destination("svc/web:53")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("svc/nope:80", 'no Service "nope" in namespace default'),
        ("svc/cart:80", "there is one in namespace shop"),
        ("svc/web", r"has these ports: http \(80/TCP\), dns \(53/UDP\), dns-tcp \(53/TCP\)"),
        ("svc/web:nope", "has these ports"),
        ("pod/nope:80", 'no Pod "nope" in namespace default'),
        ("pod/new:80", "Pod default/new has no address: its phase is Running"),
        ("pod/a:other", "declares no port other"),
        ("node/node9:80", 'no node "node9" with IPv4: the cluster has node1, node2'),
        ("10.96.0.10", "lacks a valid port: write it as 10.96.0.10:80"),
        ("10.96.0.10:99999", "lacks a valid port: write it as 10.96.0.10:80"),
        ("fd00::1", r"lacks a valid port: write it as \[fd00::1\]:80"),
        ("nowhere:80", 'no Service answers to the name "nowhere"'),
        ("deploy/web", 'invalid destination "deploy/web"'),
    ],
)
def test_a_wrong_destination_is_explained(text: str, said: str) -> None:
    with pytest.raises(PlaceError, match=said):
        destination(text)


def test_a_wrong_sender_is_explained() -> None:
    with pytest.raises(PlaceError, match='invalid sender "web"'):
        sender("web")


def test_notes_say_what_happens_before_a_packet_is_sent() -> None:
    assert destination("svc/alias").note.startswith("is an alias for db.example.com")
    assert destination("svc/db").note == "DNS answers with the endpoints' addresses"
    assert destination("db-7.db.default.svc").note == "no endpoint is named db-7"
