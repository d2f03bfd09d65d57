"""Real packets from the loopback of one network namespace, through the relay, to a node port in another one and a
pod."""

from __future__ import annotations

import asyncio
import random
import socket
import threading

import pytest

from fairlead.api.core.service.kind import SERVICE
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE
from fairlead.base.clock import FakeClock
from fairlead.base.ids import RandomIds
from fairlead.base.log import SILENT
from fairlead.net import linux
from fairlead.net.hostsockets.client import HostSocketClient
from fairlead.net.netlink.model import LOOPBACK, set_up
from fairlead.net.netlink.run import Netlink
from fairlead.net.nft.run import NftKernel
from fairlead.proxy.nftables.incremental import Planned
from fairlead.proxy.nftables.mirror import TableMirror
from fairlead.proxy.nftables.plan import plan_service
from fairlead.proxy.nftables.rules import fixed_table
from fairlead.proxy.planning.proxierconfig import cluster_proxier
from fairlead.relay.fdstore import FdStore
from fairlead.relay.fdstoreclient import FdStoreClient
from fairlead.relay.host import handle_request
from fairlead.relay.loop import HostSockets, run
from fairlead.runtime.fake import FakeClient
from tests.net.cluster import ask_tcp, build, serve
from tests.net.sandbox import as_any_user, in_sandbox
from tests.proxy.objects import NETWORK, node, node_port_service, slice_of

pytestmark = pytest.mark.kernel

PORT = 30080


def _cluster() -> str:
    """Creates a pod behind a node port in the sandbox's namespace; returns the pod's address."""
    cluster = build(nodes=1)
    pod = cluster.add_pod(1)
    serve(pod.netns, pod.ip, 8080)
    kernel, mirror = linux.in_netns(cluster.node(1), NftKernel), TableMirror(fixed_table(cluster_proxier(NETWORK)))
    plan = plan_service(node_port_service(PORT), [slice_of(pod.ip)], node=node())
    kernel.execute(mirror.update({"web": Planned(plan)}))
    return pod.ip


def _relay(sandbox: int, sock: socket.socket) -> None:
    linux.setns(sandbox, linux.CLONE_NEWNET)

    async def main() -> None:
        clock = FakeClock()
        api = FakeClient(clock=clock, ids=RandomIds(random.Random(1)))
        await api.create(SERVICE, node_port_service(PORT))
        await api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        store_client = FdStoreClient(socket.socket(fileno=FdStore().relay_end), ())
        await run(
            lambda: api,
            host=HostSockets(HostSocketClient(sock, rng=random.Random(1)), store_client),
            network=NETWORK,
            nodes={"node1": [str(NETWORK.node_ip(1))]},
            clock=clock,
            log=SILENT,
        )

    asyncio.run(main())


def _through() -> tuple[str, str, str]:
    with Netlink() as netlink:
        netlink.execute([set_up(LOOPBACK)])
    sandbox, pod_ip = linux.new_netns(_cluster)
    relay_end, host_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    threading.Thread(target=_relay, args=(sandbox, relay_end), daemon=True).start()
    handle_request(host_end)
    assert pod_ip is not None
    return pod_ip, ask_tcp("127.0.0.1", PORT), ask_tcp("127.0.0.1", PORT)


@as_any_user
def test_the_hosts_loopback_reaches_a_pod_behind_a_node_port(ordinary: bool) -> None:
    pod_ip, *answers = in_sandbox(_through, ordinary=ordinary)
    # The node masquerades its client, so that the answer finds its way back.
    assert answers == [f"{pod_ip} 10.244.1.1"] * 2
