"""A small cluster's network inside a test's sandbox: nodes, pods, servers that name themselves, clients."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from fairlead.net import linux
from fairlead.net.model import ClusterNetwork, host_interface
from fairlead.net.netlink.run import Netlink
from fairlead.net.topology.run import PodAttacher, add_node, build_fabric

TIMEOUT_S = 30.0
_INFO_SIZE, _RETRANSMITTED = 104, 100
"""The size of the kernel's `tcp_info`, and the offset of its `tcpi_total_retrans`."""


@dataclass(frozen=True)
class Pod:
    netns: int
    ip: str
    node: int


@dataclass
class SmallCluster:
    network: ClusterNetwork
    nodes: list[int] = field(default_factory=list)
    attachers: list[PodAttacher] = field(default_factory=list)
    pods: list[Pod] = field(default_factory=list)

    def node(self, index: int) -> int:
        """The namespace of node `index`, counted from 1."""
        return self.nodes[index - 1]

    def add_pod(self, node: int, *, ip6: IPv6Address | None = None) -> Pod:
        cidr = self.network.pod_cidr_of(node)
        ip: IPv4Address = cidr.network_address + 2 + len([p for p in self.pods if p.node == node])
        netns, _ = linux.new_netns()
        self.attachers[node - 1].attach(
            netns,
            ip=ip,
            gateway=self.network.pod_gateway(node),
            host_ifname=host_interface(f"pod-{ip}"),
            ip6=ip6,
        )
        pod = Pod(netns, str(ip), node)
        self.pods.append(pod)
        return pod


def build(nodes: int = 2, network: ClusterNetwork | None = None) -> SmallCluster:
    cluster = SmallCluster(network or ClusterNetwork())
    cluster.network.validate(nodes)
    build_fabric(cluster.network)
    for index in range(1, nodes + 1):
        netns = add_node(cluster.network, index, nodes)
        cluster.nodes.append(netns)
        cluster.attachers.append(PodAttacher(linux.in_netns(netns, Netlink)))
    return cluster


def serve(netns: int, ip: str, port: int) -> None:
    """Answers on TCP and UDP with `<own address> <client's address>`, until the process ends."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    tcp = linux.in_netns(netns, lambda: socket.create_server((ip, port), family=family, backlog=128))
    udp = linux.in_netns(netns, lambda: socket.socket(family, socket.SOCK_DGRAM))
    udp.bind((ip, port))

    def streams() -> None:
        while True:
            peer, address = tcp.accept()
            with peer:
                peer.sendall(f"{ip} {address[0]}".encode())

    def datagrams() -> None:
        while True:
            _, address = udp.recvfrom(100)
            udp.sendto(f"{ip} {address[0]}".encode(), address)

    for work in (streams, datagrams):
        threading.Thread(target=work, daemon=True).start()


def sent_again(peer: socket.socket) -> int:
    """Returns the number of retransmitted packets. A busy machine is slow, but only a lost packet is sent again."""
    return peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE)[_RETRANSMITTED]


def ask_tcp(ip: str, port: int) -> str:
    """The answer, or the name of the error."""
    try:
        with socket.create_connection((ip, port), timeout=TIMEOUT_S) as peer:
            return peer.recv(100).decode()
    except OSError as e:
        return type(e).__name__


def ask_udp(ip: str, port: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(TIMEOUT_S)
        try:
            peer.connect((ip, port))
            peer.send(b"?")
            return peer.recv(100).decode()
        except OSError as e:
            return type(e).__name__
