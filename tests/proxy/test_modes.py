"""Both modes in one kernel: switches under traffic, and foreign changes of upstream's chains."""

from __future__ import annotations

import asyncio
import contextlib
import encodings.idna  # noqa: F401 -- an ordinary user's child cannot import it any more, and connect needs it
import os
import shutil
import socket
import struct
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from fairlead.base.clock import RealClock
from fairlead.base.log import SILENT
from fairlead.net import linux
from fairlead.net.family import IPV4, Family
from fairlead.net.nft.run import NftKernel
from fairlead.proxy.iptables.rules import chain_name
from fairlead.proxy.planning.backend import Source
from fairlead.proxy.settings.config import ProxyConfig
from fairlead.proxy.settings.modes import MODES
from fairlead.proxy.sync.activebackend import ProxyContext
from fairlead.proxy.sync.loop import Proxy
from fairlead.proxy.sync.modes import cluster_pods, kernel_modes
from tests.net.sandbox import in_sandbox
from tests.proxy.backends import BOTH, IPTABLES, LEGACY, Kind, bring, proxier_of
from tests.proxy.objects import service, slice_of, sticky
from tests.proxy.paths import EXTERNAL, NODE_PORT, NODES, PODS, VIP, Case, Probe, endpoints_of, made
from tests.proxy.test_connections import echo
from tests.proxy.test_paths import FAMILIES, Real, of_family, view
from tests.proxy.test_paths import at as in_family

_SBIN = "/usr/sbin:/sbin"
pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(shutil.which("iptables-restore", path=_SBIN) is None, reason="iptables is not installed"),
]
_ENV = {"PATH": _SBIN, "XTABLES_LOCKFILE": "/dev/null"}
_PAUSE_S = 0.15
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class Callers:
    """Threads that connect all the time, each from one place to one address."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def call(self, netns: int, ip: str, port: int) -> None:
        self._threads.append(threading.Thread(target=self._run, args=(netns, ip, port)))
        self._threads[-1].start()

    def stop(self) -> Counter[str]:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.seen

    def _run(self, netns: int, ip: str, port: int) -> None:
        linux.setns(netns, linux.CLONE_NEWNET)
        while not self._stop.is_set():
            try:
                with socket.create_connection((ip, port), timeout=30) as peer:
                    answer = says(peer)
                    # Otherwise the client's ports would be used up.
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            except OSError as e:
                answer = f"{e!r} at {ip}:{port}"
            self.seen[answer] += 1


def says(peer: socket.socket) -> str:
    peer.sendall(b"?")
    return peer.recv(100).decode().strip()


async def _switches(proxy: Proxy, count: int, begin: Callable[[], object]) -> list[str]:
    """Returns the active modes in order; `begin` is called in the first one."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(proxy.run())
        await proxy.synced.wait()
        modes = [proxy.mode]
        begin()
        for number in range(1, count + 1):
            await asyncio.sleep(_PAUSE_S)
            proxy.configure(ProxyConfig(mode=MODES[number % 2]))
            async with asyncio.timeout(30):
                while proxy.active.switches < number:  # noqa: ASYNC110 -- the clients are threads
                    await asyncio.sleep(0.01)
            modes.append(proxy.mode)
        await asyncio.sleep(_PAUSE_S)
        task.cancel()
    return modes


def _proxy(family: Family, case: Case, nft: NftKernel) -> Proxy:
    context = ProxyContext(proxier_of(family), kernel_modes(nft, pods=cluster_pods(BOTH)), nft, lambda _: None)
    proxy = Proxy(context, ProxyConfig(), node=view("node1", family), clock=RealClock(), log=SILENT)
    proxy.view.service_changed("default/web", None, case.service)
    proxy.view.slice_changed("default/web-1", None, case.slices[0])
    return proxy


def _switched(family: Family) -> dict[str, Any]:
    """Switches a node's proxy between modes, both ways, while many clients connect and some stay connected."""
    at = Real(family=family)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    case = of_family(Case("switched", made(), endpoints_of("b", "c")), family)
    for numbered in case.slices[0].ports:
        numbered.port = 9090
    vip, external, n1 = (in_family(ip, family) for ip in (VIP, EXTERNAL, NODES["node1"]))
    for name, pod in zip(PODS, at.cluster.pods, strict=True):
        echo(pod.netns, in_family(PODS[name], family), 9090)
    places = [(at.cluster.pods[0].netns, vip, 80), (home, n1, NODE_PORT), (home, external, 80)]
    node = at.cluster.node(1)
    linux.setns(node, linux.CLONE_NEWNET)
    nft = NftKernel()
    proxy = _proxy(family, case, nft)
    callers, held, first = Callers(), list[socket.socket](), list[str]()

    def begin() -> None:
        for netns, ip, port in places:
            held.append(stack.enter_context(linux.in_netns(netns, partial(socket.create_connection, (ip, port), 3))))
            first.append(says(held[-1]))
            callers.call(netns, ip, port)
        callers.call(node, vip, 80)

    with contextlib.ExitStack() as stack:
        stack.callback(callers.stop)
        modes = asyncio.run(_switches(proxy, 4, begin))
        seen = callers.stop()
        stayed = [says(peer) for peer in held] == first
    saved = subprocess.run([f"{family.table}tables-save"], capture_output=True, text=True, check=True, env=_ENV).stdout
    kept = [line for line in saved.splitlines() if "KUBE-" in line or "FAIRLEAD-" in line]
    return {"modes": modes, "seen": seen, "stayed": stayed, "kept": kept, "failures": proxy.stats.failures}


@FAMILIES
@pytest.mark.slow
def test_from_mode_to_mode_no_connection_is_lost_and_none_refused(family: Family) -> None:
    found = in_sandbox(partial(_switched, family), ordinary=True)
    assert found["modes"] == ["nftables", "iptables", "nftables", "iptables", "nftables"]
    assert found["stayed"]
    assert set(found["seen"]) == {in_family(PODS["b"], family), in_family(PODS["c"], family)}
    assert min(found["seen"].values()) > 20
    assert (found["kept"], found["failures"]) == ([], 0)


_SPOILS = (
    "-t nat -F KUBE-SERVICES",
    "-t nat -F PREROUTING",
    f"-t nat -F {chain_name('SVC', 'default/web', 'tcp')}",
    "-t nat -A KUBE-SERVICES -j RETURN",
    f"-t nat -I {chain_name('SVC', 'default/web', 'tcp')} -j RETURN",
    "-t nat -D KUBE-MARK-MASQ 1",
    "-t filter -F",
    "-t nat -F",
)


def _spoilt(kind: Kind) -> list[str]:
    """Makes each foreign change, and checks that it is noticed and repaired, and that foreign rules stay."""
    at = Real(kind=kind)
    at.put(Case("spoilt", made(**sticky()), endpoints_of("b")))
    backend, node = at.backends["node1"], at.cluster.node(1)

    def change(text: str) -> None:
        linux.in_netns(node, lambda: subprocess.run([program, *text.split()], check=True, env=_ENV))

    program = f"/usr/sbin/iptables-{'legacy' if kind.name.endswith('legacy') else 'nft'}"
    change("-t nat -N MINE")
    change("-t nat -A PREROUTING -j MINE")
    asyncio.run(backend.resync())
    wrong = []
    for spoil in _SPOILS:
        change(spoil)
        noticed, repaired = backend.touched(), asyncio.run(backend.resync()).anything
        again = asyncio.run(backend.resync()).anything
        answers = [at.ask(Probe(who, VIP, 80, "b")).split()[0] for who in ("a", "node1")]
        if (noticed, repaired, again, answers) != (True, True, False, [PODS["b"]] * 2):
            wrong.append(f"{spoil}: {noticed=} {repaired=} {again=} {answers}")
    # A flush of the whole table deletes the foreign rules too.
    change("-t nat -A PREROUTING -j MINE")
    asyncio.run(backend.cleanup())
    left = linux.in_netns(node, lambda: subprocess.run([f"{program}-save"], check=True, capture_output=True, env=_ENV))
    rules = [line for line in left.stdout.decode().splitlines() if line.startswith("-A")]
    return wrong + [rule for rule in rules if rule != "-A PREROUTING -j MINE"] + ["MINE"] * rules.count("MINE")


@pytest.mark.parametrize("kind", [IPTABLES, LEGACY], ids=str)
def test_foreign_changes_of_the_chains_are_detected_and_repaired(kind: Kind) -> None:
    assert in_sandbox(partial(_spoilt, kind), ordinary=True) == []


def _many(kind: Kind, family: Family) -> list[str]:
    """Compares long chains, written in several transactions, with the programs' output, line by line."""
    node = linux.new_netns(lambda: kind.kernel(proxier_of(family)))[1]
    assert node is not None
    prefix = "10.244" if family is IPV4 else "fd00:10:244"
    dot = "." if family is IPV4 else ":"
    ips = [f"{prefix}{dot}{1 + i // 200}{dot if family is IPV4 else '::'}{i % 200 + 2}" for i in range(700)]
    wrong = []
    for spec in ({}, sticky()):
        wanted = of_family(Case("many", service(**spec), []), family).service
        for now in (ips, ips[:5] + ips[6:], [*ips, ips[0][:-1] + "9"], ips[100:], ips[:30], ips):
            piece = slice_of(*dict.fromkeys(now), addressType=family.name)
            whole = now is ips
            bring(node, {"default/web": Source(wanted, [piece])}, view("node1", family), whole=whole)
            outcome = asyncio.run(node.resync())
            if outcome.anything:
                wrong.append(f"{len(now)} endpoints, {spec}: {outcome}")
    return wrong


@pytest.mark.slow
@FAMILIES
@pytest.mark.parametrize("kind", [IPTABLES, LEGACY], ids=str)
def test_long_chains_are_printed_as_they_were_written(kind: Kind, family: Family) -> None:
    assert in_sandbox(partial(_many, kind, family), ordinary=True) == []
