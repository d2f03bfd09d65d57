"""The proxy at size: 10,000 Services with two endpoints each into the kernel, then one endpoint changed at a time.

`python -m bench.proxy [services]`. Runs the real planner, ledger and libnftables in user and network namespaces of its
own, so as any user. The load is from cached objects to a complete kernel table; a change is from the informer's call to
the kernel's answer. Baseline of the same run: a chain for each Service, as upstream's proxy lays its rules out, written
by the same library in transactions as large as it can send.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fairlead.api.backends import SERVICE_NAME_LABEL
from fairlead.api.endpointslice import Endpoint, EndpointPort, EndpointSlice
from fairlead.api.meta import ObjectMeta
from fairlead.api.service import Service, ServicePort, ServiceSpec
from fairlead.base.clock import RealClock
from fairlead.base.log import SILENT
from fairlead.net import linux
from fairlead.net.model import ClusterNetwork
from fairlead.net.nft.run import NftKernel
from fairlead.proxy.loop import Proxy
from fairlead.proxy.plan import node_view
from fairlead.proxy.rules import TABLE

ROUNDS = 3
CHANGES = 50
_BASELINE_CHUNK = 200
_NETWORK = ClusterNetwork()


@dataclass(frozen=True)
class Round:
    """All in ms."""

    load: float
    replaced: list[float]
    """An endpoint in place of another one."""
    gone: list[float]
    """An endpoint less: another chain for the Service."""


def cluster_ip(i: int) -> str:
    return f"10.97.{i // 250}.{i % 250 + 1}"


def endpoints(i: int, turn: int = 0) -> tuple[str, str]:
    return f"10.244.{i // 250 % 250}.{i % 250 + 1}", f"10.245.{turn % 250}.{i % 250 + 1}"


def make_service(i: int) -> Service:
    return Service(
        metadata=ObjectMeta(name=f"s{i}", namespace="default"),
        spec=ServiceSpec(type="ClusterIP", clusterIP=cluster_ip(i), ports=[ServicePort(port=80, protocol="TCP")]),
    )


def make_slice(i: int, turn: int = 0, *, count: int = 2) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(name=f"s{i}-x", namespace="default", labels={SERVICE_NAME_LABEL: f"s{i}"}),
        addressType="IPv4",
        endpoints=[Endpoint(addresses=[ip], nodeName="node2") for ip in endpoints(i, turn)[:count]],
        ports=[EndpointPort(port=8080, protocol="TCP")],
    )


async def _round(count: int) -> Round:
    node = node_view("node1", _NETWORK.node_ip(1), _NETWORK)
    proxy = Proxy(node=node, network=_NETWORK, nft=NftKernel(), clock=RealClock(), log=SILENT)
    slices = [make_slice(i) for i in range(count)]
    for i in range(count):
        proxy.view.service_changed(f"default/s{i}", None, make_service(i))
        proxy.view.slice_changed(f"default/s{i}-x", None, slices[i])
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(proxy.run())
        await proxy.synced.wait()
        took = time.perf_counter() - start
        replaced = [await _change(proxy, slices, turn) for turn in range(1, CHANGES + 1)]
        gone = [await _change(proxy, slices, turn, endpoints=1) for turn in range(1, CHANGES + 1)]
        task.cancel()
    return Round(took * 1e3, replaced, gone)


async def _change(proxy: Proxy, slices: list[EndpointSlice], turn: int, *, endpoints: int = 2) -> float:
    i = turn * 7919 % len(slices)
    new = make_slice(i, turn, count=endpoints)
    seen = proxy.stats.changes
    start = time.perf_counter()
    proxy.view.slice_changed(f"default/s{i}-x", slices[i], new)
    while proxy.stats.changes == seen:  # noqa: ASYNC110 -- a look at every turn of the loop is what is measured
        await asyncio.sleep(0)
    took = (time.perf_counter() - start) * 1e3
    slices[i] = new
    return took


def _forget() -> None:
    kernel = NftKernel()
    kernel.run_text(f"delete table ip {TABLE}")
    kernel.close()


def measure(count: int) -> list[Round]:
    rounds = []
    for _ in range(ROUNDS):
        rounds.append(asyncio.run(_round(count)))
        _forget()
    return rounds


def _chains(count: int) -> Iterator[str]:
    for start in range(0, count, _BASELINE_CHUNK):
        some = range(start, min(start + _BASELINE_CHUNK, count))
        lines = ["table ip baseline {"]
        for i in some:
            one, two = endpoints(i)
            targets = f"0 : {one} . 8080, 1 : {two} . 8080"
            lines.append(f"chain s{i} {{\nmeta l4proto tcp dnat ip to numgen random mod 2 map {{ {targets} }}\n}}")
        keys = ", ".join(f"tcp . {cluster_ip(i)} . 80 : goto s{i}" for i in some)
        yield "\n".join([*lines, "}", f"add element ip baseline services {{ {keys} }}"])


def baseline(count: int) -> tuple[float, float]:
    """A chain for each Service: seconds to load, and ms of a change."""
    kernel = NftKernel()
    kernel.run_text(
        "table ip baseline {\nmap services { type inet_proto . ipv4_addr . inet_service : verdict; }\n"
        "chain pre { type nat hook prerouting priority dstnat;\nmeta l4proto . ip daddr . th dport vmap @services\n}\n}"
    )
    start = time.perf_counter()
    for text in _chains(count):
        kernel.run_text(text)
    took = time.perf_counter() - start

    def change(turn: int) -> None:
        i = turn * 7919 % count
        one, two = endpoints(i, turn)
        kernel.run_text(
            f"flush chain ip baseline s{i}\nadd rule ip baseline s{i} meta l4proto tcp "
            f"dnat ip to numgen random mod 2 map {{ 0 : {one} . 8080, 1 : {two} . 8080 }}"
        )

    return took, statistics.median(_timed(lambda turn=turn: change(turn)) for turn in range(1, 6))  # type: ignore[misc]


def _timed(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def enter_namespaces() -> None:
    uid, gid = os.getuid(), os.getgid()
    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNET)
    linux.put("/proc/self/setgroups", "deny")
    linux.put("/proc/self/uid_map", f"0 {uid} 1")
    linux.put("/proc/self/gid_map", f"0 {gid} 1")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    enter_namespaces()
    rounds = measure(count)
    base_load, base_change = baseline(count)
    load = statistics.median(r.load for r in rounds)
    replaced = statistics.median(statistics.median(r.replaced) for r in rounds)
    gone = statistics.median(statistics.median(r.gone) for r in rounds)
    worst = statistics.median(max(r.replaced + r.gone) for r in rounds)
    print(f"proxy, {count} Services x 2 endpoints, median of {ROUNDS}  (baseline: a chain for each Service)")
    print(f"  load into the kernel     {load:8.0f} ms    baseline {base_load * 1e3:8.0f} ms")
    print(f"  one endpoint replaced    {replaced:8.2f} ms    baseline {base_change:8.2f} ms")
    print(f"  one endpoint less        {gone:8.2f} ms")
    print(f"  worst of {2 * CHANGES} changes     {worst:8.2f} ms")


if __name__ == "__main__":
    main()
