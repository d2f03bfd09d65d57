"""A table of an earlier release, with maps and chains of other names, is replaced under traffic.

`older.nft` is the table of the last release that had maps `kinds`, `outside` and `picks`, for the Services below."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from fairlead.net import linux
from fairlead.net.nft.fake import FakeNft
from fairlead.net.nft.model import Chain, ElementChange, NamedSet, Nft, Table, Transaction
from fairlead.net.nft.run import NftKernel
from fairlead.proxy.nftables.backend import NftablesBackend
from fairlead.proxy.nftables.rules import TABLE
from fairlead.proxy.planning.backend import Outcome, Source
from fairlead.proxy.planning.proxierconfig import cluster_proxier
from tests.net.cluster import build
from tests.net.sandbox import in_sandbox
from tests.proxy.objects import NETWORK, node, node_port_service, service, slice_of, sticky
from tests.proxy.test_connections import echo

OLDER = (Path(__file__).parent / "older.nft").read_text(encoding="ascii")
GONE = {"kinds", "picks", "node_outside", "stuck", "stuck_600s", "near_node_slots_2"}
SOURCES = {
    "default/web": Source(node_port_service(externalTrafficPolicy="Local"), [slice_of("10.244.1.2", "10.244.1.3")]),
    "default/sticky": Source(service("sticky", "10.96.0.11", **sticky()), [slice_of("10.244.1.2")]),
}


def take_over(nft: Nft) -> Outcome:
    backend = NftablesBackend(nft, cluster_proxier(NETWORK))
    backend.plan(SOURCES, node=node())
    return asyncio.run(backend.resync())


def names(nft: Nft) -> set[str]:
    found = nft.read(TABLE)
    assert found is not None
    return {*found.chains, *found.elements}


def test_a_table_with_other_maps_is_replaced_in_one_transaction() -> None:
    nft = FakeNft()
    table = Table(TABLE, (NamedSet("kinds", "mark", "verdict"),), (Chain("stuck", ()),), "elements older")
    nft.execute(Transaction(TABLE, table, changes=(ElementChange("kinds", "0x00000001", None, "goto stuck"),)))
    assert take_over(nft).replaced
    assert not GONE & names(nft)
    assert nft.log[1].replace is not None
    assert {change.set_name for change in nft.log[1].changes} >= {"services", "endpoints", "dispatch"}
    assert not take_over(nft).anything


def _under_traffic() -> None:
    cluster = build(nodes=1)
    pods = [cluster.add_pod(1) for _ in range(3)]
    for pod in pods[:2]:
        echo(pod.netns, pod.ip, 8080)
    kernel = linux.in_netns(cluster.node(1), NftKernel)
    kernel.run_text(OLDER)
    assert names(kernel) >= GONE

    def session(ip: str, port: int) -> tuple[socket.socket, str]:
        sock = linux.in_netns(pods[2].netns, lambda: socket.create_connection((ip, port), timeout=30))
        return sock, says(sock)

    places = ("10.96.0.10", 80), ("10.96.0.11", 80), ("172.30.0.11", 30080)
    held = [session(*place) for place in places]
    assert take_over(kernel).replaced
    assert not GONE & names(kernel)
    assert [says(sock) for sock, _ in held] == [answer for _, answer in held], "open connections go on"
    after = [session(*place) for place in places]
    assert {answer for _, answer in after} <= {pod.ip for pod in pods[:2]}
    for sock, _ in (*held, *after):
        sock.close()


def says(sock: socket.socket) -> str:
    sock.sendall(b"?")
    return sock.recv(15).decode().strip()


@pytest.mark.kernel
def test_connections_go_on_while_the_kernels_older_table_is_replaced() -> None:
    in_sandbox(_under_traffic, ordinary=True)
