"""`fairlead proxy` against a real API server over TLS on the loopback of a separate namespace, with real packets."""

from __future__ import annotations

import asyncio
import contextlib
import encodings.idna  # noqa: F401 -- an ordinary user's child cannot import anything any more
import http.client
import os
import random
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop  # noqa: F401
import yaml

import fairlead.cmd.commands.machine.proxy
import fairlead.cmd.main
import fairlead.proxy.server.standalone
import fairlead.proxy.sync.modes
from fairlead.api.core.node.kind import NODE, Node, NodeAddress, NodeSpec, NodeStatus
from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE
from fairlead.api.kinds import built_in
from fairlead.api.meta.types import ObjectMeta
from fairlead.apiserver.server import ApiServer
from fairlead.apiserver.settings import ApiSettings
from fairlead.base.clock import RealClock
from fairlead.base.ids import RandomIds
from fairlead.base.log import SILENT
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.wiring import tls
from fairlead.cmd.wiring.pki import certificate_specs, make
from fairlead.net import linux
from fairlead.net.nft.run import NftKernel
from fairlead.proxy.nftables.rules import TABLE
from fairlead.runtime.http import HttpTransport
from fairlead.runtime.typed import ApiClient
from fairlead.store.memory import MemoryStore
from tests.apiserver.tokenkeys import KEYS
from tests.net.cluster import Pod, SmallCluster, ask_tcp, build, serve
from tests.net.sandbox import as_any_user, in_sandbox
from tests.proxy.objects import node_port_service, slice_of
from tests.proxy.test_connections import echo

VIP, N1 = "10.96.0.10", "172.30.0.11"
PORT = 6443
_BOUND_S = 60.0


def _until(good: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _BOUND_S
    while not good():
        if time.monotonic() > end:
            raise AssertionError(f"in vain: {what}")
        time.sleep(0.02)


def _fork(work: Callable[[], int]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            code = work()
        finally:
            os._exit(code)
    return pid


async def _serve_api(folder: Path, ready: int) -> None:
    rng = random.Random(1)
    settings = ApiSettings(advertise_address="172.30.0.1", token_keys=KEYS)
    server = ApiServer(
        MemoryStore(), scheme=built_in(), settings=settings, clock=RealClock(), rng=rng, ids=RandomIds(rng), log=SILENT
    )
    await server.start()
    listener = socket.create_server(("127.0.0.1", PORT))
    await server.serve([listener], tls.server(folder, "apiserver", require_client=False))
    os.write(ready, b"!")
    await asyncio.Future()


class World:
    """A node whose namespace this process is in, Pods on it, and an API server on its loopback."""

    def __init__(self, folder: Path) -> None:
        self.cluster: SmallCluster = build(nodes=1)
        self.fabric = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.pods: list[Pod] = [self.cluster.add_pod(1) for _ in range(3)]
        linux.setns(self.cluster.node(1), linux.CLONE_NEWNET)
        make(certificate_specs(ClusterConfig("alone")), folder, clock=RealClock())
        self.folder = folder
        self.pids: list[int] = []
        ours, theirs = os.pipe()
        self.pids.append(_fork(lambda: asyncio.run(_serve_api(folder, theirs)) or 0))
        os.close(theirs)
        assert os.read(ours, 1) == b"!"
        self.kubeconfig = folder / "kubeconfig"
        user = {"client-certificate": "admin.crt", "client-key": "admin.key"}
        cluster = {"server": f"https://127.0.0.1:{PORT}", "certificate-authority": "ca.crt"}
        tree = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "c", "user": user}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(tree))
        for pod in self.pods:
            serve(pod.netns, pod.ip, 8080)
            echo(pod.netns, pod.ip, 9090)

    def call(self, work: Callable[[ApiClient], Any]) -> Any:
        """Returns the API's answer."""

        async def go() -> Any:
            transport = HttpTransport(f"https://127.0.0.1:{PORT}", ssl_context=tls.client(self.folder, "admin"))
            try:
                return await work(ApiClient(transport))
            finally:
                await transport.close()

        return asyncio.run(go())

    def put_node(self) -> None:
        async def work(client: ApiClient) -> None:
            spec = NodeSpec(podCIDR="10.244.1.0/24", podCIDRs=["10.244.1.0/24"])
            made = await client.create(NODE, Node(metadata=ObjectMeta(name="node1"), spec=spec))
            made.status = NodeStatus(addresses=[NodeAddress(type="InternalIP", address=N1)])
            await client.update(NODE, made, subresource="status")

        self.call(work)

    def put(self, made: Service, *pods: Pod, number: int = 8080) -> None:
        name = made.metadata.name

        async def work(client: ApiClient) -> None:
            piece = slice_of(*(pod.ip for pod in pods), service_name=name, number=number)
            found = {s.metadata.name for s in (await client.list(SERVICE, "default")).items}
            if name not in found:
                await client.create(SERVICE, made)
                await client.create(ENDPOINT_SLICE, piece)
                return
            held = await client.get(ENDPOINT_SLICE, piece.metadata.name, "default")
            held.endpoints = piece.endpoints
            await client.update(ENDPOINT_SLICE, held)

        self.call(work)

    def start(self, *more: str) -> int:
        """Starts a proxy in a separate process; returns the pid."""
        flags = ["--kubeconfig", str(self.kubeconfig), "--hostname-override", "Node1".lower(), *more]
        pid = _fork(lambda: fairlead.cmd.main.main(["proxy", *flags]))
        self.pids.append(pid)
        return pid

    def end(self, pid: int, number: int) -> int:
        """Returns the wait status."""
        os.kill(pid, number)
        self.pids.remove(pid)
        return os.waitpid(pid, 0)[1]

    def close(self) -> None:
        for pid in list(self.pids):
            self.end(pid, signal.SIGKILL)

    def pod_asks(self, ip: str, number: int) -> str:
        return linux.in_netns(self.pods[0].netns, lambda: ask_tcp(ip, number))

    def fabric_asks(self, ip: str, number: int) -> str:
        return linux.in_netns(self.fabric, lambda: ask_tcp(ip, number))


@contextlib.contextmanager
def world() -> Iterator[World]:
    folder = Path(tempfile.mkdtemp(prefix="fairlead-alone-"))
    made: World | None = None
    try:
        made = World(folder)
        yield made
    finally:
        if made is not None:
            made.close()
        shutil.rmtree(folder)


def _page(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def _mode() -> str:
    try:
        return _page(10249, "/proxyMode")[1]
    except OSError:
        return ""


def _go_over_to_the_other_mode(at: World) -> None:
    if shutil.which("iptables-restore", path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
        other = at.start("--proxy-mode", "iptables")
        _until(lambda: _mode() == "iptables" and NftKernel().read(TABLE) is None, "the other mode's rules")
        assert at.end(other, signal.SIGTERM) == 0


def _life() -> None:
    with world() as at:
        a, b, c = at.pods
        at.put(node_port_service(30080, name="web", ip=VIP), b)
        at.put(node_port_service(30090, name="long", ip="10.96.0.11"), b, number=9090)
        first = at.start()
        at.put_node()
        _until(lambda: at.pod_asks(VIP, 80) == f"{b.ip} {a.ip}", "the Pod's own address is kept")
        assert at.pod_asks(N1, 30080).split()[0] == b.ip
        assert at.fabric_asks(N1, 30080).split()[0] == b.ip
        seen = at.fabric_asks(VIP, 80).split()
        assert seen[0] == b.ip
        assert seen[1] in (N1, "10.244.1.1"), "a client from outside is masqueraded"
        assert at.pod_asks("10.97.1.2", 80) == "ConnectionRefusedError", "the API told the range of cluster IPs"
        assert _page(10249, "/proxyMode") == (200, "nftables")
        assert _page(10256, "/healthz")[0] == 200

        held = linux.in_netns(a.netns, lambda: socket.create_connection(("10.96.0.11", 80), timeout=30))

        def says() -> str:
            held.sendall(b"?")
            return held.recv(15).decode().strip()

        with held:
            assert says() == b.ip
            assert at.end(first, signal.SIGKILL) == signal.SIGKILL
            at.put(node_port_service(30080, name="web", ip=VIP), c)
            assert (says(), at.pod_asks(VIP, 80).split()[0]) == (b.ip, b.ip), "rules outlive the proxy"
            second = at.start("--healthz-bind-address", "127.0.0.1:10300")
            refused = []

            def moved() -> bool:
                answer = at.pod_asks(VIP, 80).split()[0]
                refused.extend([answer] if answer not in (b.ip, c.ip) else [])
                return answer == c.ip

            _until(moved, "the next proxy follows")
            assert refused == []
            assert says() == b.ip
            _until(lambda: _page(10300, "/livez")[0] == 200, "served where it was told to")
            assert at.end(second, signal.SIGTERM) == 0
            assert (says(), at.pod_asks(VIP, 80).split()[0]) == (b.ip, c.ip), "rules stay"
            _go_over_to_the_other_mode(at)
            assert (says(), at.pod_asks(VIP, 80).split()[0]) == (b.ip, c.ip)
            cleaner = at.start("--cleanup")
            at.pids.remove(cleaner)
            assert os.waitpid(cleaner, 0)[1] == 0
            assert at.pod_asks(N1, 30080) == "ConnectionRefusedError", "no rules are left"


@pytest.mark.kernel
@pytest.mark.slow
@as_any_user
def test_it_proxies_takes_over_and_leaves_in_a_namespace_of_its_own(ordinary: bool) -> None:
    in_sandbox(_life, ordinary=ordinary)
