"""Networks of the host that forbid a link to it, and the addresses of the link."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_interface, ip_network

import pytest

from fairlead.net import linux
from fairlead.net.hostlink import run
from fairlead.net.hostlink.plan import HostLinkError, HostView, join, link_name, ranges
from fairlead.net.model import ClusterNetwork, Network6
from fairlead.net.netlink.dump import LinkAddress, Route
from fairlead.net.netlink.model import add_address, add_route, add_veth, set_up
from fairlead.net.netlink.run import Netlink
from tests.net.sandbox import in_sandbox

BOTH = ClusterNetwork(six=Network6())


def host(
    *, routes: dict[str, int] | None = None, held: dict[str, int] | None = None, links: dict[str, int] | None = None
) -> HostView:
    interfaces = [(ip_interface(text), link) for text, link in (held or {}).items()]
    return HostView(
        [Route(ip_network(text), link) for text, link in (routes or {}).items()],
        [LinkAddress(face.network, face.ip, link) for face, link in interfaces],
        {index: name for name, index in (links or {}).items()},
    )


def refusal(view: HostView, network: ClusterNetwork = BOTH) -> str:
    with pytest.raises(HostLinkError) as caught:
        join("shop", network, view)
    return str(caught.value)


def test_a_host_of_its_own_network_gets_the_first_pair() -> None:
    view = host(
        routes={"0.0.0.0/0": 2, "0.0.0.0/1": 3, "::/0": 2},
        held={"192.168.1.7/24": 2, "fe80::1/64": 2},
        links={"eth0": 2},
    )
    link = join("shop", BOTH, view)
    assert (link.name, link.host, link.inside) == (
        "fl-shop",
        IPv4Address("169.254.172.3"),
        IPv4Address("169.254.172.2"),
    )
    assert (link.host6, link.inside6) == (IPv6Address("fd00:172:30:ff::3"), IPv6Address("fd00:172:30:ff::2"))
    assert join("shop", ClusterNetwork(), view).host6 is None


def test_what_overlaps_is_refused_and_both_are_named() -> None:
    assert refusal(host(routes={"10.0.0.0/8": 4}, links={"tun0": 4})) == (
        "the Pods' range 10.244.0.0/16 overlaps this machine's route to 10.0.0.0/8 (tun0)"
    )
    assert refusal(host(held={"172.30.0.9/16": 2}, links={"docker0": 2})) == (
        "the nodes' and load balancers' range 172.30.0.0/24 overlaps address 172.30.0.9/16 of this machine's docker0"
    )
    assert "the Services' range fd00:10:96::/112 overlaps" in refusal(host(routes={"fd00:10:96::7/128": 0}))
    join("shop", ClusterNetwork(), host(routes={"fd00:10:96::7/128": 0}))


def test_load_balancers_of_another_network_are_routed_too_or_refused_by_name() -> None:
    network = ClusterNetwork(balancers=(ip_network("192.168.7.8/30"),))
    assert ("the load balancers'", ip_network("192.168.7.8/30")) in list(ranges(network))
    text = refusal(host(held={"192.168.7.1/24": 2}, links={"eth0": 2}), network)
    assert text == "the load balancers' range 192.168.7.8/30 overlaps address 192.168.7.1/24 of this machine's eth0"


def test_a_second_cluster_with_the_same_ranges_is_refused_by_range() -> None:
    text = refusal(host(routes={"172.30.0.0/24": 7}, links={"fl-first": 7}))
    assert "range 172.30.0.0/24 overlaps" in text
    assert "(fl-first, of another cluster with --host-routes)" in text


def test_a_pair_that_the_host_uses_is_passed_over() -> None:
    assert join("a", BOTH, host(routes={"169.254.172.0/30": 2})).host == IPv4Address("169.254.172.5")
    assert join("a", BOTH, host(routes={"169.254.0.0/16": 2})).host == IPv4Address("172.30.255.3")
    assert "169.254.172.0/24 and 172.30.255.0/24" in refusal(host(routes={"169.254.0.0/16": 2, "172.30.128.0/17": 2}))


def test_a_links_name_tells_the_cluster_and_fits_the_kernel() -> None:
    assert link_name("a" * 12) == "fl-" + "a" * 12
    long = {link_name("production-" + text) for text in ("one", "two")}
    assert len(long) == 2
    assert all(len(name) == 15 and name.startswith("fl-product") for name in long)
    assert "fl-shop already" in refusal(host(links={"fl-shop": 3}))


def look_at_a_host() -> tuple[HostView, str]:
    linux.put("/proc/sys/net/ipv6/conf/default/accept_dad", "0")
    other, _ = linux.new_netns()
    with Netlink() as netlink:
        netlink.execute([set_up(1), add_veth("lan0", 77, peer_name="x", peer_index=78, peer_netns=other)])
        netlink.execute(
            [add_address(77, ip_interface("192.0.2.7/24")), add_address(77, ip_interface("2001:db8::7/64"))]
        )
        netlink.execute([add_route(ip_network("198.51.100.0/24"), gateway=IPv4Address("192.0.2.1"))])
    view = run.read_host()
    return view, socket.if_indextoname(77)


@pytest.mark.kernel
def test_the_kernel_says_what_the_host_has() -> None:
    view, _ = in_sandbox(look_at_a_host)
    lan = {h.address for h in view.addresses if view.links[h.link] == "lan0"}
    assert {IPv4Address("192.0.2.7"), IPv6Address("2001:db8::7")} <= lan
    routes = {(r.destination, r.link) for r in view.routes}
    assert (ip_network("198.51.100.0/24"), 77) in routes
    assert (ip_network("2001:db8::/64"), 77) in routes
    assert not any(r.destination == ip_network("192.0.2.7/32") for r in view.routes), "that is an address"
