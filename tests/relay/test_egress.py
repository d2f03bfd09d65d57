"""The way out: destinations that are refused, the supervisor's answers, and the rules on the fabric."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Address, IPv6Network

import pytest

from fairlead.base.log import SILENT
from fairlead.net.hostsockets.client import HostSocketClient
from fairlead.net.hostsockets.messages import Dial, Message, Refused, pack, unpack
from fairlead.net.model import ClusterNetwork, Network6
from fairlead.relay.copy import Pump
from fairlead.relay.egress.rules import ranges_inside, routes, rules
from fairlead.relay.egress.run import carry
from fairlead.relay.egresspolicy import EgressPolicy, RefusedError, is_listed, parse_refused, render_refused
from fairlead.relay.host import handle_request

Pair = tuple[socket.socket, socket.socket]
OUTSIDE = "198.51.100.9"


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "0.0.0.0",
        "::",
        "169.254.169.254",
        "fe80::1",
        "fe80::1%lo",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "240.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "localhost",
        "127.1",
        "",
    ],
)
def test_this_machine_and_its_links_are_never_reached(address: str) -> None:
    with pytest.raises(RefusedError):
        EgressPolicy().check(address)


def test_the_anycast_addresses_of_this_machine_count_as_its_own() -> None:
    table = (
        "4    eth0            20010db8000100000000000000000000     2\n"
        "4    eth0            fe800000000000000000000000000000     1\n"
    )
    assert is_listed(IPv6Address("2001:db8:1::"), table)
    assert not is_listed(IPv6Address("2001:db8:1::5"), table)


def test_ranges_of_the_user_are_refused_and_others_are_not() -> None:
    policy = EgressPolicy(parse_refused("10.0.0.0/8, fd00::/8"))
    for address in ("10.1.2.3", "fd12::1", "::ffff:10.1.2.3"):
        with pytest.raises(RefusedError, match="which --egress-refuse lists"):
            policy.check(address)
    assert str(policy.check(OUTSIDE)) == OUTSIDE
    assert str(policy.check(f"::ffff:{OUTSIDE}")) == OUTSIDE


@pytest.mark.parametrize("text", ["10.0.0.0/8", "10.0.0.0/8,fd00::/8", ""])
def test_ranges_are_written_as_they_are_read(text: str) -> None:
    assert render_refused(parse_refused(text)) == text


@pytest.mark.parametrize("text", ["10.0.0.1/8", "x", "10.0.0.0/33", "1.2.3.4/32,"])
def test_a_wrong_range_is_named(text: str) -> None:
    if text.endswith(","):
        assert render_refused(parse_refused(text)) == text[:-1]
    else:
        with pytest.raises(ValueError, match=f"^{text.split('/')[0]}"):
            parse_refused(text)


def ask(pair: Pair, policy: EgressPolicy | None, address: str) -> Message:
    ours, theirs = pair
    ours.send(pack(3, Dial(address, 80, "TCP")))
    assert handle_request(theirs, exposed=[("TCP", 80)], egress=policy)
    raw, fds, _, _ = socket.recv_fds(ours, 4096, 4)
    for fd in fds:
        socket.close(fd)
    return unpack(raw).message


@pytest.mark.parametrize(
    ("policy", "address", "error"),
    [
        (None, OUTSIDE, "the cluster was started without --egress"),
        (
            EgressPolicy(),
            "127.0.0.1",
            "127.0.0.1 is never reached from Pods (loopback, link-local, multicast or reserved)",
        ),
        (EgressPolicy(), "host.example", "host.example is not an IP address"),
        (EgressPolicy((IPv4Network("198.51.100.0/24"),)), OUTSIDE,
         f"{OUTSIDE} lies in 198.51.100.0/24, which --egress-refuse lists"),
    ],
)  # fmt: skip
def test_the_supervisor_says_why_it_does_not_dial(
    pair: Pair, policy: EgressPolicy | None, address: str, error: str
) -> None:
    assert ask(pair, policy, address) == Refused(error)


def test_rules_keep_the_clusters_ranges_inside_and_lead_the_rest_to_the_sockets() -> None:
    text = rules(ClusterNetwork(), tcp=4001, udp=4002)
    assert text == (
        "table inet fairlead-egress\n"
        "delete table inet fairlead-egress\n"
        "table inet fairlead-egress {\n"
        "  chain prerouting {\n"
        "    type filter hook prerouting priority mangle; policy accept;\n"
        '    iifname "fabric0" ip daddr { 0.0.0.0/8, 10.96.0.0/12, 10.244.0.0/16, 127.0.0.0/8, 169.254.0.0/16, '
        "172.30.0.0/24, 224.0.0.0/3 } return\n"
        '    iifname "fabric0" meta nfproto ipv4 meta l4proto tcp tproxy ip to :4001\n'
        '    iifname "fabric0" meta nfproto ipv4 meta l4proto udp tproxy ip to :4002\n'
        "  }\n"
        "}\n"
    )


def test_both_families_have_rules_and_routes_if_the_cluster_has_both() -> None:
    dual = ClusterNetwork(six=Network6())
    assert "tproxy ip6 to :1" in rules(dual, tcp=1, udp=2)
    assert "fd00:10:96::/112" in rules(dual, tcp=1, udp=2)
    assert [len(routes(one)) for one in (ClusterNetwork(), dual)] == [1, 2]


def test_pools_of_load_balancers_stay_inside() -> None:
    network = ClusterNetwork(balancers=(IPv4Network("192.0.2.0/24"), IPv6Network("2001:db8:9::/64")))
    four, six = ranges_inside(network)
    assert IPv4Network("192.0.2.0/24") in four
    assert IPv6Network("2001:db8:9::/64") in six


def test_connections_that_wait_for_an_answer_are_bounded() -> None:
    supervisor, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    async def work(listener: socket.socket) -> None:
        host, pump, dialing = HostSocketClient(ours, rng=random.Random(1)), Pump(10), asyncio.Semaphore(1)

        def arrive() -> tuple[socket.socket, asyncio.Task[None]]:
            client = socket.create_connection(listener.getsockname())
            peer, (sender, _) = listener.accept()
            work = carry(peer, sender, host=host, pump=pump, dialing=dialing, log=SILENT)
            return client, asyncio.create_task(work)

        first, waiting = arrive()
        with first:
            await asyncio.get_running_loop().run_in_executor(None, supervisor.recv, 4096)
            second, refused = arrive()
            await refused
            with second, pytest.raises(ConnectionResetError):
                second.recv(1)
            waiting.cancel()
            await asyncio.wait([waiting])

    with supervisor, ours, socket.create_server(("127.0.0.1", 0)) as listener:
        asyncio.run(work(listener))
