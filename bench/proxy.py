"""The proxy at size: the first load, single changes, and the cost of connections.

`python -m bench.proxy [--full] [--backend nftables|iptables|iptables-legacy ...] [services ...]`. Runs the real
planner, mirror and kernel table in new user and network namespaces, so as any user, each size in a separate
process. The load is from cached objects to a complete kernel table; a change is from the informer's call to the
kernel's answer. Baseline of the same run: a chain for each Service, as upstream's proxy lays its rules out, written by
the same library in transactions as large as it can send.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from bench import proxypath
from bench.backends import kernel_proxy, until
from fairlead.api.core.service.kind import Service, ServicePort, ServiceSpec
from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointPort, EndpointSlice
from fairlead.api.meta.types import ObjectMeta
from fairlead.net import linux
from fairlead.net.model import ClusterNetwork
from fairlead.net.nft.run import NftKernel
from fairlead.proxy.planning.nodes import node_view
from fairlead.proxy.sync.loop import Proxy
from fairlead.service.wellknown import SERVICE_NAME_LABEL

QUICK, FULL = (100, 1_000, 10_000), (100, 1_000, 10_000, 40_000)
CHANGES = {"nftables": 300, "iptables": 60, "iptables-legacy": 8}
MANY_ENDPOINTS = 5_000
_SLICE = 1_000
_BASELINE_CHUNK = 200
_NETWORK = ClusterNetwork()
_NODE = node_view("node1", IPv4Address("172.30.0.11"), _NETWORK)


@dataclass(frozen=True)
class Figures:
    """Figures of one size. Times in ms, memory in MB."""

    load: float
    replaced: Sequence[float]
    """A change that replaces one endpoint."""
    gone: Sequence[float]
    """A change that removes an endpoint: a new chain for the Service."""
    cpu_s: float
    """CPU time of 1,000 changes, kernel included."""
    objects: float
    """The cached Services and slices."""
    proxy: float
    """Memory of the proxy besides these."""


def cluster_ip(i: int) -> str:
    return f"10.97.{i // 250}.{i % 250 + 1}"


def endpoints(i: int, turn: int = 0) -> tuple[str, str]:
    return f"10.244.{i // 250 % 250}.{i % 250 + 1}", f"10.245.{turn % 250}.{i % 250 + 1}"


def make_service(i: int) -> Service:
    return Service(
        metadata=ObjectMeta(name=f"s{i}", namespace="default"),
        spec=ServiceSpec(type="ClusterIP", clusterIP=cluster_ip(i), ports=[ServicePort(port=80, protocol="TCP")]),
    )


def make_slice(i: int, ips: Sequence[str], number: int = 0) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(name=f"s{i}-{number}", namespace="default", labels={SERVICE_NAME_LABEL: f"s{i}"}),
        addressType="IPv4",
        endpoints=[Endpoint(addresses=[ip], nodeName="node2") for ip in ips],
        ports=[EndpointPort(port=8080, protocol="TCP")],
    )


def _memory() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _put(proxy: Proxy, old: EndpointSlice | None, new: EndpointSlice) -> None:
    proxy.view.slice_changed(f"default/{new.metadata.name}", old, new)


async def _change(proxy: Proxy, old: EndpointSlice, new: EndpointSlice) -> float:
    seen = proxy.stats.syncs
    start = time.perf_counter()
    _put(proxy, old, new)
    await until(lambda: proxy.stats.syncs != seen)
    return (time.perf_counter() - start) * 1e3


def _cpu_s() -> float:
    """CPU time of this process and of the programs that it ran."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


async def _figures(
    backend: str, fill: Callable[[Proxy], None], changes: Callable[[int], Iterator[tuple[Any, Any]]]
) -> Figures:
    """`changes(0)` and `changes(1)` are pairs of slices, as they were and as they are to be."""
    before = _memory()
    proxy = kernel_proxy(backend, _NODE, _NETWORK)
    fill(proxy)
    objects = _memory() - before
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(proxy.run())
        await proxy.synced.wait()
        load = (time.perf_counter() - start) * 1e3
        size = _memory() - before - objects
        gc.freeze()
        used = _cpu_s()
        kinds = [[await _change(proxy, old, new) for old, new in changes(kind)] for kind in (0, 1)]
        used = (_cpu_s() - used) * 1000 / sum(map(len, kinds))
        task.cancel()
    return Figures(load, kinds[0], kinds[1], used, objects, size)


def measure(count: int, backend: str) -> Figures:
    """Services of two endpoints each."""
    held = [make_slice(i, endpoints(i)) for i in range(count)]

    def fill(proxy: Proxy) -> None:
        for i, piece in enumerate(held):
            proxy.view.service_changed(f"default/s{i}", None, make_service(i))
            _put(proxy, None, piece)

    def changes(kind: int) -> Iterator[tuple[EndpointSlice, EndpointSlice]]:
        for turn in range(1, CHANGES[backend] + 1):
            i = turn * 7919 % count
            new = make_slice(i, endpoints(i, turn) if kind == 0 or turn % 2 == 0 else endpoints(i)[:1])
            yield held[i], new
            held[i] = new

    return asyncio.run(_figures(backend, fill, changes))


def measure_one(count: int, backend: str) -> Figures:
    """One Service of many endpoints, in slices of a thousand."""
    ips = [f"10.{244 + i // 62500}.{i // 250 % 250}.{i % 250 + 1}" for i in range(count)]
    held = [make_slice(0, ips[start : start + _SLICE], start // _SLICE) for start in range(0, count, _SLICE)]

    def fill(proxy: Proxy) -> None:
        proxy.view.service_changed("default/s0", None, make_service(0))
        for piece in held:
            _put(proxy, None, piece)

    def changes(kind: int) -> Iterator[tuple[EndpointSlice, EndpointSlice]]:
        for turn in range(CHANGES[backend] // 10 or 5):
            number = turn % len(held)
            ips = [endpoint.addresses[0] for endpoint in held[number].endpoints]
            ips[turn * 31 % len(ips)] = f"10.250.{kind}.{turn + 1}"
            if kind:
                ips.pop(turn * 17 % len(ips))
            new = make_slice(0, ips, number)
            yield held[number], new
            held[number] = new

    return asyncio.run(_figures(backend, fill, changes))


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
    """A chain for each Service: ms to load, and of a change."""
    kernel = NftKernel()
    kernel.run_text(
        "table ip baseline {\nmap services { type inet_proto . ipv4_addr . inet_service : verdict; }\n"
        "chain pre { type nat hook prerouting priority dstnat;\nmeta l4proto . ip daddr . th dport vmap @services\n}\n}"
    )
    start = time.perf_counter()
    for text in _chains(count):
        kernel.run_text(text)
    took = (time.perf_counter() - start) * 1e3

    def change(turn: int) -> float:
        i = turn * 7919 % count
        one, two = endpoints(i, turn)
        start = time.perf_counter()
        kernel.run_text(
            f"flush chain ip baseline s{i}\nadd rule ip baseline s{i} meta l4proto tcp "
            f"dnat ip to numgen random mod 2 map {{ 0 : {one} . 8080, 1 : {two} . 8080 }}"
        )
        return (time.perf_counter() - start) * 1e3

    return took, statistics.median(change(turn) for turn in range(1, 6))


def enter_namespaces() -> None:
    uid, gid = os.getuid(), os.getgid()
    linux.unshare(linux.CLONE_NEWUSER)
    linux.put("/proc/self/setgroups", "deny")
    linux.put("/proc/self/uid_map", f"0 {uid} 1")
    linux.put("/proc/self/gid_map", f"0 {gid} 1")
    linux.unshare(linux.CLONE_NEWNET)


def apart(work: Callable[[], Any]) -> Any:
    """Runs `work` in a process with new namespaces and returns its result, passed as JSON."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        code = 1
        try:
            enter_namespaces()
            with open(theirs, "w", encoding="ascii") as out:
                out.write(json.dumps(work()))
            code = 0
        finally:
            os._exit(code)
    os.close(theirs)
    with open(ours, encoding="ascii") as answer:
        text = answer.read()
    if os.waitpid(pid, 0)[1]:
        raise SystemExit("the measuring process failed")
    return json.loads(text)


def _percentiles(values: Sequence[float]) -> str:
    ordered = sorted(values)
    return f"{statistics.median(ordered):6.2f} {ordered[int(len(ordered) * 0.99)]:6.2f}"


def _row(name: str, found: Figures) -> None:
    print(
        f"  {name:24} {found.load:8.0f}   {_percentiles(found.replaced)}   {_percentiles(found.gone)}"
        f" {found.cpu_s:8.2f} {found.objects:8.0f} {found.proxy:8.0f}"
    )


def _report(backend: str, sizes: Sequence[int]) -> None:
    head = "replaced p50 p99   one less p50 p99"
    print(f"Proxy, {backend}: times in ms, CPU in s a 1,000 changes, memory in MB (objects cached, and beside them)")
    print(f"  {'Services x 2 endpoints':24} {'load':>8} {head} {'CPU':>6} {'objects':>8} {'proxy':>8}")
    for count in sizes:
        _row(f"{count:,}", Figures(**apart(lambda count=count: asdict(measure(count, backend)))))  # type: ignore[misc]
    one = Figures(**apart(lambda: asdict(measure_one(MANY_ENDPOINTS, backend))))
    _row(f"1 x {MANY_ENDPOINTS:,} endpoints", one)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.proxy")
    parser.add_argument("--full", action="store_true", help="up to 40,000 Services")
    parser.add_argument("--backend", action="append", choices=[*CHANGES], help="default: nftables and iptables")
    parser.add_argument("--no-path", action="store_true", help="without what connections cost")
    parser.add_argument("services", nargs="*", type=int)
    arguments = parser.parse_args()
    full, backends = arguments.full, arguments.backend or ["nftables", "iptables"]
    sizes = arguments.services or (FULL if full else QUICK)
    for backend in backends:
        _report(backend, sizes)
    if arguments.no_path:
        return
    count = 10_000 if full else 1_000
    load, change = apart(lambda: baseline(count))
    print(f"  baseline, a chain for each of {count:,} Services: load {load:.0f}, a change {change:.2f}")
    for backend in backends:
        made = partial(kernel_proxy, backend, network=_NETWORK)
        proxypath.report([sizes[0], sizes[-1]], apart, made, backend)


if __name__ == "__main__":
    main()
