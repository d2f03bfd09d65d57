"""Clusters of both address families: the plan, and pods that reach each other over IPv6."""

from __future__ import annotations

import encodings.idna  # noqa: F401 -- an ordinary user's child cannot import it any more, and connect needs it
import socket
import threading
from dataclasses import replace
from functools import partial
from ipaddress import IPv6Address, IPv6Network

import pytest

from fairlead.net import linux
from fairlead.net.model import ClusterNetwork, Network6
from fairlead.net.netlink.model import add_veth
from fairlead.net.netlink.run import Netlink
from fairlead.net.topology import plan
from tests.net.cluster import Pod, build, sent_again
from tests.net.sandbox import as_any_user, in_sandbox

BOTH = ClusterNetwork(six=Network6())


def test_nodes_are_numbered_alike_in_both_families() -> None:
    six = Network6()
    BOTH.validate(nodes=3)
    assert (str(six.gateway), str(six.node_ip(2))) == ("fd00:172:30::1", "fd00:172:30::c")
    assert str(six.pod_cidr_of(2)) == "fd00:10:244:2::/64"
    assert list(map(str, six.pool)) == ["fd00:172:30::c8", "fd00:172:30::fa"]
    assert list(map(str, BOTH.node_ips(2))) == ["172.30.0.12", "fd00:172:30::c"]
    assert list(map(str, BOTH.pod_cidrs_of(2))) == ["10.244.2.0/24", "fd00:10:244:2::/64"]
    assert list(map(str, ClusterNetwork().node_ips(2))) == ["172.30.0.12"]


def test_pods_and_services_of_ipv6_alone_have_no_ipv4_routes() -> None:
    alone = ClusterNetwork(six=Network6(), only_six=True)
    alone.validate(nodes=3)
    inside = plan.pod(plan.PodAddresses(ip6=IPv6Address("fd00:10:244:1::2")))
    assert [m.what for m in inside] == [
        "set link 1 up",
        "add address fd00:10:244:1::2/128 to link 2",
        "set link 2 up",
        "add route to ::/0",
    ]
    routes = [m.what for m in (*plan.node_routes(alone, 1), *plan.node(alone, 1, 2)) if "route" in m.what]
    assert routes == [
        "add route to fd00:10:244:1::/64",
        "add route to fd00:10:96::/112",
        "add route to 0.0.0.0/0",
        "add route to ::/0",
        "add route to fd00:10:244:2::/64",
    ]
    with pytest.raises(ValueError, match="has no address"):
        plan.pod_link("veth", 3, plan.PodAddresses())


@pytest.mark.parametrize(
    ("six", "text"),
    [
        (Network6(pod_cidr=IPv6Network("fd00:172:30::/48")), "IPv6 fabric .* overlaps IPv6 pod CIDR"),
        (Network6(pod_cidr=IPv6Network("fd00:1::/64")), "IPv6 pod CIDR fd00:1::/64 is too small"),
        (Network6(service_cidr=IPv6Network("fd00:1::/121")), "IPv6 service CIDR fd00:1::/121 is too small"),
        (Network6(service_cidr=IPv6Network("ff00::/112")), "IPv6 service CIDR ff00::/112 cannot be used"),
    ],
)
def test_bad_ipv6_ranges_are_refused_with_their_names(six: Network6, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        replace(ClusterNetwork(), six=six).validate()


def _reach() -> list[str]:
    cluster = build(nodes=2, network=BOTH)
    pods: list[tuple[Pod, IPv6Address]] = []
    for node in (1, 1, 2):
        ip6 = Network6().pod_cidr_of(node).network_address + 2 + len(pods)
        pods.append((cluster.add_pod(node, ip6=ip6), ip6))
    for pod, ip6 in pods:
        server = linux.in_netns(pod.netns, partial(_listen, ip6))
        threading.Thread(target=_answer, args=(server,), daemon=True).start()
    where = [pods[0][0].netns, pods[2][0].netns, cluster.node(1), cluster.node(2)]
    ask = [partial(_ask, ip6) for _, ip6 in pods]
    return [linux.in_netns(netns, one) for netns in where for one in ask] + [one() for one in ask]


def _listen(ip6: IPv6Address) -> socket.socket:
    return socket.create_server((str(ip6), 80), family=socket.AF_INET6)


def _answer(server: socket.socket) -> None:
    while True:
        with server.accept()[0] as peer:
            peer.sendall(server.getsockname()[0].encode())


def _ask(ip6: IPv6Address) -> str:
    with socket.create_connection((str(ip6), 80), timeout=30) as peer:
        answer = peer.recv(100).decode()
        return f"{answer} after a lost packet" if sent_again(peer) else answer


@pytest.mark.kernel
@as_any_user
def test_everyone_reaches_every_pod_over_ipv6_from_the_first_packet(ordinary: bool) -> None:
    expected = ["fd00:10:244:1::2", "fd00:10:244:1::3", "fd00:10:244:2::4"]
    assert in_sandbox(_reach, ordinary=ordinary) == expected * 5


def _waiting() -> list[bool]:
    pair = build(nodes=1, network=BOTH)
    here = Network6().gateway
    with Netlink() as netlink:
        return [
            netlink.wait_running(plan.FABRIC_INDEX),
            netlink.wait_local(here, plan.FABRIC_INDEX),
            netlink.wait_local(here + 1, plan.FABRIC_INDEX),
            linux.in_netns(pair.node(1), _wait_for_a_link_that_is_down),
        ]


def _wait_for_a_link_that_is_down() -> bool:
    with Netlink() as netlink, open("/proc/thread-self/ns/net") as here:
        netlink.execute([add_veth("lone", 77, peer_name="other", peer_index=78, peer_netns=here.fileno())])
        return netlink.wait_running(77)


@pytest.mark.kernel
def test_links_and_addresses_are_waited_for_until_they_are_of_use() -> None:
    assert in_sandbox(_waiting) == [True, True, False, False]
