"""The rules for ports of a node, and which flows are forgotten. For packets: `tests/node/pods/test_hostports.py`."""

from __future__ import annotations

import contextlib
import socket
import struct
from functools import partial
from ipaddress import IPv4Address

import pytest

from fairlead.net import linux
from fairlead.net.conntrack.model import Flow
from fairlead.net.hostports.plan import PortMapping, replacement, stale_flows
from fairlead.net.hostports.run import HostPortRules
from fairlead.net.nft.run import NftKernel
from fairlead.net.topology.plan import NODE_LINK, POD_LINK
from tests.net.cluster import SmallCluster, ask_tcp, ask_udp, build, serve
from tests.net.sandbox import as_any_user, in_sandbox

WEB = PortMapping("tcp", "", 18099, "10.244.1.2", 8080)
DNS = PortMapping("udp", "172.30.0.11", 53, "10.244.1.3", 5353)
SIX = PortMapping("sctp", "", 7, "fd00::2", 7)


def test_the_table_of_a_family_is_exchanged_as_a_whole() -> None:
    text = replacement("ip", [DNS, WEB]).render()
    assert text == replacement("ip", [WEB, DNS]).render()
    assert text.startswith("table ip fairlead_hostports\ndelete table ip fairlead_hostports\n")
    assert "tcp . 18099 : 10.244.1.2 . 8080" in text
    assert "172.30.0.11 . udp . 53 : 10.244.1.3 . 5353" in text
    assert "10.244.1.2 . 10.244.1.2" in text


def test_udp_flows_to_a_removed_pod_or_past_a_new_one_are_deleted() -> None:
    gone = Flow("172.30.0.11", 53, "10.244.1.3", 5353)
    here = Flow("172.30.0.11", 53, "172.30.0.11", 53)
    other = Flow("10.96.0.10", 53, "10.244.1.9", 53)
    flows = [gone, here, other]
    assert stale_flows(flows, before=[DNS], after=[]) == [gone]
    assert stale_flows(flows, before=[], after=[DNS]) == [here]
    assert stale_flows(flows, before=[DNS, WEB], after=[DNS]) == []


@pytest.mark.kernel
def test_the_kernel_takes_the_rules_and_forgets_them() -> None:
    def body() -> list[list[bool]]:
        rules, kernel = HostPortRules(), NftKernel()

        def tables() -> list[bool]:
            return [kernel.read("fairlead_hostports", family) is not None for family in ("ip", "ip6")]

        found = []
        for mappings in ([WEB, DNS, SIX], [WEB], []):
            rules.apply(mappings)
            found.append(tables())
        rules.apply([WEB])
        HostPortRules().start([])  # another process finds what this one left
        found.append(tables())
        HostPortRules().start([SIX])
        found.append(tables())
        return found

    assert in_sandbox(body) == [[True, True], [True, False], [False, False], [False, False], [False, True]]


def _node_with_ports() -> tuple[SmallCluster, HostPortRules]:
    """A node with a port at 127.0.0.1 and one of the same number at its address, for two Pods."""
    cluster = build(nodes=2)
    first, second = cluster.add_pod(1), cluster.add_pod(1)
    for pod in (first, second):
        serve(pod.netns, pod.ip, 80)
    here = str(cluster.network.node_ip(1))
    mappings = [PortMapping("tcp", "127.0.0.1", 18099, first.ip, 80), PortMapping("tcp", here, 18099, second.ip, 80)]
    mappings += [PortMapping("udp", "127.0.0.1", 18099, second.ip, 80), PortMapping("tcp", "", 18100, first.ip, 80)]
    rules = linux.in_netns(cluster.node(1), HostPortRules)
    linux.in_netns(cluster.node(1), lambda: rules.apply(mappings))
    return cluster, rules


@pytest.mark.kernel
@as_any_user
def test_the_nodes_programs_reach_a_port_at_127_0_0_1_and_each_address_leads_to_its_own_pod(ordinary: bool) -> None:
    def body() -> list[str]:
        cluster, rules = _node_with_ports()
        here, node = str(cluster.network.node_ip(1)), cluster.node(1)
        asks = [partial(ask_tcp, "127.0.0.1", 18099), partial(ask_udp, "127.0.0.1", 18099)]
        asks += [partial(ask_tcp, here, 18099), partial(ask_tcp, "127.0.0.1", 18100), partial(ask_tcp, here, 18100)]
        answers = [linux.in_netns(node, ask).split()[0] for ask in asks]
        answers.append(linux.in_netns(node, partial(ask_tcp, "127.0.0.1", 18101)))
        linux.in_netns(node, lambda: rules.apply([]))
        return [*answers, linux.in_netns(node, partial(ask_tcp, "127.0.0.1", 18100))]

    first, second, refused = "10.244.1.2", "10.244.1.3", "ConnectionRefusedError"
    assert in_sandbox(body, ordinary=ordinary) == [first, second, second, first, first, refused, refused]


@pytest.mark.kernel
@as_any_user
def test_neither_a_pod_with_a_host_port_nor_another_node_reaches_programs_at_127_0_0_1(ordinary: bool) -> None:
    def body() -> tuple[list[bytes], bytes]:
        cluster, _ = _node_with_ports()
        node, here = cluster.node(1), str(cluster.network.node_ip(1))
        pod, other = cluster.pods[0], str(cluster.network.node_ip(2))
        senders = [
            (pod.netns, POD_LINK, pod.ip),
            (pod.netns, POD_LINK, "127.0.0.1"),
            (cluster.node(2), NODE_LINK, other),
        ]
        with _listener(node, "127.0.0.1") as target, _listener(node, here) as control:
            for sender in senders:
                _send(sender, "127.0.0.1", target.getsockname()[1])
            for netns, link, source in (senders[0], senders[2]):  # on each link behind what was sent before
                _send((netns, link, source), here, control.getsockname()[1])
                control.recv(99)
            target.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                return [target.recv(99)], b""
            target.settimeout(5)
            kernel = linux.in_netns(node, NftKernel)
            linux.in_netns(node, lambda: kernel.delete("fairlead_hostports", "ip"))
            _send(senders[0], "127.0.0.1", target.getsockname()[1])
            return [], target.recv(99)

    arrived, bare = in_sandbox(body, ordinary=ordinary)
    assert arrived == []
    assert bare == b"attack", "without the rules the Pod's packet arrives, so the attack is a real one"


def _listener(node: int, ip: str) -> socket.socket:
    """Returns a UDP socket of the node."""
    found: socket.socket = linux.in_netns(node, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    found.bind((ip, 0))
    found.settimeout(5)
    return found


def _send(sender: tuple[int, str, str], target: str, port: int) -> None:
    """Sends a packet with a free choice of addresses over a link."""
    netns, link, source = sender
    raw: socket.socket = linux.in_netns(netns, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0))
    with raw:
        raw.sendto(_datagram(source, target, port, b"attack"), (link, 0x0800, 0, 0, b"\xff" * 6))


def _datagram(source: str, target: str, port: int, data: bytes) -> bytes:
    udp = struct.pack("!HHHH", 9, port, 8 + len(data), 0) + data
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0)
    head += IPv4Address(source).packed + IPv4Address(target).packed
    total = sum(struct.unpack("!10H", head))
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return head[:10] + struct.pack("!H", checksum) + head[12:] + udp
