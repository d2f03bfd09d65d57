"""Real connections through the proxy's table, from every place to every kind of address, also as an ordinary user."""

from __future__ import annotations

import contextlib
import encodings.idna  # noqa: F401 -- an ordinary user's child cannot import it any more, and connect needs it
import socket
from collections import Counter
from collections.abc import Callable

import pytest

from fairlead.api.core.service.kind import Service
from fairlead.api.discovery.endpointslice.kind import EndpointPort, EndpointSlice
from fairlead.net import linux
from fairlead.net.nft.run import NftKernel
from fairlead.proxy.nftables.backend import changed_frontends
from fairlead.proxy.nftables.incremental import Planned
from fairlead.proxy.nftables.mirror import TableMirror
from fairlead.proxy.nftables.plan import plan_service
from fairlead.proxy.nftables.rules import fixed_table
from fairlead.proxy.planning.proxierconfig import cluster_proxier
from fairlead.proxy.sync.conntrack import Destinations, stale_entries
from tests.net.cluster import Pod, SmallCluster, ask_tcp, ask_udp, build, sent_again, serve
from tests.net.sandbox import as_any_user, in_sandbox
from tests.proxy.objects import node, node_port_service, port, service, slice_of, sticky

pytestmark = pytest.mark.kernel

VIP = "10.96.0.10"
REFUSED = "ConnectionRefusedError"


class Proxied:
    """Two nodes, two pods on the first and one on the second, and the proxy's table on both."""

    def __init__(self) -> None:
        self.cluster: SmallCluster = build(nodes=2)
        self.pods: list[Pod] = [self.cluster.add_pod(1), self.cluster.add_pod(1), self.cluster.add_pod(2)]
        for pod in self.pods:
            serve(pod.netns, pod.ip, 8080)
        self.kernels = [linux.in_netns(self.cluster.node(i), NftKernel) for i in (1, 2)]
        self.mirrors = [TableMirror(fixed_table(cluster_proxier(self.cluster.network))) for _ in self.kernels]

    def put(self, name: str, wanted: Service | None, *slices: EndpointSlice) -> None:
        """Plans and applies the Service as the proxy's loop does."""
        for index, (kernel, mirror) in enumerate(zip(self.kernels, self.mirrors, strict=True), 1):
            plan = plan_service(wanted, slices, node=node(index))
            transaction = mirror.update({name: Planned(plan)})
            for part in transaction.split():
                kernel.execute(part)
                mirror.done(part)
            context = Destinations(frozenset(node(index).addresses), (self.cluster.network.service_cidr,))
            changed = changed_frontends(transaction.changes)
            kernel.delete_flows(list(stale_entries(kernel.flows(), mirror, context, changed=changed)))

    def pod_asks(self, index: int, ip: str, number: int, ask: Callable[[str, int], str] = ask_tcp) -> str:
        return linux.in_netns(self.pods[index].netns, lambda: ask(ip, number))

    def node_asks(self, index: int, ip: str, number: int, ask: Callable[[str, int], str] = ask_tcp) -> str:
        return linux.in_netns(self.cluster.node(index), lambda: ask(ip, number))


def _cluster_ip() -> None:
    at = Proxied()
    here, neighbour, far = at.pods
    both = [port(), port(name="dns", protocol="UDP")]
    both_ports = [EndpointPort(name="", port=8080, protocol="TCP"), EndpointPort(name="dns", port=8080, protocol="UDP")]
    for target, ask in ((neighbour, ask_tcp), (far, ask_tcp), (neighbour, ask_udp), (far, ask_udp)):
        at.put("web", service(ports=both), slice_of(target.ip, ports=both_ports))
        # From a pod and from a node the client's address is kept; to the fabric the answer must find its way back.
        assert at.pod_asks(0, VIP, 80, ask) == f"{target.ip} {here.ip}"
        assert at.node_asks(2, VIP, 80, ask).split()[0] == target.ip
        seen = ask(VIP, 80).split()
        assert seen[0] == target.ip
        assert seen[1] in ("172.30.0.11", "10.244.1.1")
    at.put("web", service(ports=both), slice_of(here.ip, ports=both_ports))
    assert at.pod_asks(0, VIP, 80) == f"{here.ip} 10.244.1.1"
    assert at.pod_asks(0, VIP, 80, ask_udp) == f"{here.ip} 10.244.1.1"


@as_any_user
def test_a_cluster_ip_answers_pods_nodes_and_the_fabric_over_tcp_and_udp(ordinary: bool) -> None:
    in_sandbox(_cluster_ip, ordinary=ordinary)


def _node_port() -> None:
    at = Proxied()
    for target in at.pods:
        at.put("web", node_port_service(), slice_of(target.ip))
        for ip in ("172.30.0.11", "172.30.0.12"):
            answers = [
                at.pod_asks(0, ip, 30080),
                at.pod_asks(2, ip, 30080),
                at.node_asks(1, ip, 30080),
                at.node_asks(2, ip, 30080),
                ask_tcp(ip, 30080),
            ]
            assert [a.split()[0] for a in answers] == [target.ip] * 5
            assert {a.split()[1] for a in answers} <= {"172.30.0.11", "172.30.0.12", "10.244.1.1", "10.244.2.1"}


@as_any_user
def test_a_node_port_answers_on_every_node_from_everywhere_with_the_clients_masqueraded(ordinary: bool) -> None:
    in_sandbox(_node_port, ordinary=ordinary)


def _same_port() -> None:
    at = Proxied()
    target = at.pods[2]
    with linux.in_netns(target.netns, lambda: socket.create_server((target.ip, 9090), backlog=8)) as server:
        at.put("web", node_port_service(), slice_of(target.ip, number=9090))
        for _ in range(5):
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                client.settimeout(30)
                client.bind(("", 45678))
                client.connect(("172.30.0.11", 30080))
                peer, seen = server.accept()
                peer.close()  # first, so that this end remembers the connection for a minute
                assert seen == ("172.30.0.11", 45678)
                assert client.recv(1) == b""
                assert sent_again(client) == 0


def test_a_masqueraded_client_keeps_its_port_and_may_use_it_again_at_once() -> None:
    in_sandbox(_same_port)


def _refused() -> None:
    at = Proxied()
    whole = node_port_service(ports=[port(nodePort=30080), port(53, name="dns", protocol="UDP", nodePort=30053)])
    at.put("web", whole)

    def everywhere(ip: str, number: int, ask: Callable[[str, int], str] = ask_tcp) -> set[str]:
        return {at.pod_asks(0, ip, number, ask), at.node_asks(2, ip, number, ask), ask(ip, number)}

    assert everywhere(VIP, 80) == {REFUSED}, "no endpoints"
    # A sender on the node itself gets EPERM for a rejected datagram.
    assert everywhere(VIP, 53, ask_udp) == {REFUSED, "PermissionError"}, "no endpoints, UDP"
    assert at.node_asks(2, VIP, 53, ask_udp) == "PermissionError"
    assert everywhere("172.30.0.11", 30080) == {REFUSED}, "no endpoints, node port"
    assert everywhere("172.30.0.11", 30053, ask_udp) == {REFUSED}, "no endpoints, UDP node port"
    at.put("web", whole, slice_of(at.pods[2].ip))
    assert everywhere(VIP, 81) == {REFUSED}, "another port"
    assert everywhere("10.97.3.4", 80) == {REFUSED}, "an address that no Service has"
    assert REFUSED not in everywhere(VIP, 80)
    at.put("web", None)
    assert everywhere(VIP, 80) == {REFUSED}, "the Service is gone"
    assert everywhere("172.30.0.12", 30080) == {REFUSED}, "the Service is gone, node port"


@as_any_user
def test_without_service_or_endpoints_connections_are_refused_at_once(ordinary: bool) -> None:
    in_sandbox(_refused, ordinary=ordinary)


def _udp_follows() -> None:
    at = Proxied()
    ports = [port(protocol="UDP", nodePort=30053)]
    made = node_port_service(ports=ports)

    def to(*ips: str) -> EndpointSlice:
        return slice_of(*ips, ports=[EndpointPort(port=8080, protocol="UDP")])

    with contextlib.ExitStack() as stack:
        clients = []
        for netns, ip, number in ((at.pods[0].netns, VIP, 80), (at.pods[2].netns, "172.30.0.11", 30053)):
            sock = linux.in_netns(netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            stack.enter_context(sock)
            sock.settimeout(30)
            sock.connect((ip, number))
            clients.append(sock)

        def answers() -> list[str]:
            for sock in clients:
                sock.send(b"?")
            return [sock.recv(100).decode().split()[0] for sock in clients]

        # One socket and so one flow each: a flow must not outlive its endpoint, and a refusal must not stick
        # either.
        for target in (at.pods[1], at.pods[2]):
            at.put("web", made, to(target.ip))
            assert answers() == [target.ip] * 2
        at.put("web", made)
        for sock in clients:
            sock.send(b"?")
            with pytest.raises(ConnectionRefusedError):
                sock.recv(100)
        at.put("web", made, to(at.pods[1].ip))
        assert answers() == [at.pods[1].ip] * 2
        at.put("web", made, to(at.pods[1].ip, at.pods[2].ip))
        assert answers() == [at.pods[1].ip] * 2, "an endpoint that stays keeps its flows"


@as_any_user
def test_a_udp_client_that_keeps_its_socket_follows_the_endpoints(ordinary: bool) -> None:
    in_sandbox(_udp_follows, ordinary=ordinary)


def _spread() -> dict[str, int]:
    at = Proxied()
    at.put("web", service(), slice_of(*(pod.ip for pod in at.pods)))

    def many() -> list[str]:
        return [ask_tcp(VIP, 80).split()[0] for _ in range(300)]

    return dict(Counter(linux.in_netns(at.pods[0].netns, many)))


def test_of_300_requests_each_of_three_pods_answers_between_a_fifth_and_a_half() -> None:
    answers = in_sandbox(_spread)
    assert len(answers) == 3
    assert all(60 <= count <= 141 for count in answers.values()), answers


def _sticks() -> None:
    at = Proxied()
    every = [pod.ip for pod in at.pods]
    sticking = node_port_service(**sticky())

    def answers(count: int = 12) -> list[str]:
        return [at.pod_asks(0, VIP, 80).split()[0] for _ in range(count)]

    at.put("web", sticking, slice_of(*every))
    chosen = answers()
    assert len(set(chosen)) == 1, "one client, one endpoint"
    other = next(ip for ip in every if ip != chosen[0])
    at.put("web", sticking, slice_of(*(ip for ip in every if ip != other)))
    assert set(answers()) == set(chosen), "another endpoint went: nobody else moves"
    at.put("web", sticking, slice_of(*every))
    assert set(answers()) == set(chosen), "one came: nobody moves"
    at.put("web", sticking, slice_of(*(ip for ip in every if ip != chosen[0])))
    moved = answers()
    assert len(set(moved)) == 1, "its endpoint went: it sticks to another one"
    assert moved[0] != chosen[0]
    at.put("web", sticking, slice_of(*every))
    assert set(answers()) == set(moved), "and stays there when the first is back"
    assert len({at.pod_asks(2, "172.30.0.12", 30080).split()[0] for _ in range(12)}) == 1, "node ports stick too"


def test_with_client_ip_affinity_a_client_stays_until_its_endpoint_goes() -> None:
    in_sandbox(_sticks)


def _restart() -> None:
    at = Proxied()
    at.put("web", node_port_service(), slice_of(*(pod.ip for pod in at.pods)))
    at.put("old", service("old", "10.96.0.11"), slice_of(at.pods[0].ip, service_name="old"))
    again = TableMirror(fixed_table(cluster_proxier(at.cluster.network)))
    again.observe(at.kernels[0].read("fairlead"))
    plan = plan_service(node_port_service(), [slice_of(*(pod.ip for pod in at.pods))], node=node(1))
    again.update({"web": Planned(plan)})
    transaction = again.resync()
    assert transaction.replace is None
    gone = {c.set_name: c.key for c in transaction.changes if c.new is None and c.set_name != "dispatch"}
    assert gone.keys() == {"services", "endpoints"}
    assert all("10.96.0.11" in key for key in gone.values())
    at.kernels[0].execute(transaction)
    assert at.pod_asks(0, "10.96.0.11", 80) == REFUSED
    assert at.pod_asks(0, VIP, 80) != REFUSED


def test_a_restarted_proxy_reads_the_table_and_changes_only_what_is_stale() -> None:
    in_sandbox(_restart)
