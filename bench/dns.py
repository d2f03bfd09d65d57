"""Cluster DNS: queries a second, latency, memory, and how soon a change is answered.

`python -m bench.dns [services] [seconds]`: direct, on the loopback, beside Debian's dnsmasq and unbound with the same
names in the same run, by dnsperf (or, where it is missing, a generator of our own). Upstream is a server of our own.
`python -m bench.dnscluster` does it through the Service's address from a Pod of a real cluster.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.cluster import pss_kib
from bench.dnsapi import SLICES, FakeApi, endpoint_slice

ENDPOINTS = 1000
QUERIES = 100_000
ROOT = Path(__file__).parents[1]
_UPSTREAM = "192.0.2.77"


@dataclass(frozen=True)
class Rate:
    queries: float
    mean_ms: float
    worst_ms: float
    lost: int
    cpu_us: float = 0.0
    """CPU time of the server per query: valid also if the machine is shared."""

    def __str__(self) -> str:
        cpu = f"   CPU {self.cpu_us:5.1f} µs" if self.cpu_us else ""
        lost = f"   lost {self.lost}" if self.lost else ""
        return f"{self.queries:9,.0f}/s   mean {self.mean_ms:6.3f} ms   worst {self.worst_ms:7.2f} ms{cpu}{lost}"


def free_port() -> int:
    """Free for UDP and TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            try:
                tcp.bind(udp.getsockname())
            except OSError:
                continue
            return int(udp.getsockname()[1])


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as running:
        try:
            yield running
        finally:
            running.kill()


def packet(name: str, ident: int = 1) -> bytes:
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")) + b"\0"
    return ident.to_bytes(2, "big") + b"\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\1\0\1"


def ask(port: int, name: str, *, timeout_s: float = 1.0) -> bytes:
    """Returns the answer's last four bytes (an address), or nothing if it has no record."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout_s)
        sock.connect(("127.0.0.1", port))
        sock.send(packet(name))
        try:
            said = sock.recv(4096)
        except (TimeoutError, ConnectionError):
            return b""
        return said[-4:] if said[7] else b""


def wait_for(port: int, name: str) -> None:
    end = time.monotonic() + 60
    while not ask(port, name, timeout_s=0.2):
        if time.monotonic() > end:
            raise SystemExit(f"nobody answered {name} on port {port}")
        time.sleep(0.05)


def measure(port: int, names: Sequence[str], seconds: float, *, server: str = "127.0.0.1") -> Rate:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{name} A\n" for name in names)
        file.flush()
        if not shutil.which("dnsperf"):
            return flood(port, names, seconds)
        command = [
            "dnsperf",
            "-s",
            server,
            "-p",
            str(port),
            "-d",
            file.name,
            "-c",
            "8",
            "-q",
            "100",
            "-l",
            str(seconds),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return parse_dnsperf(done.stdout)


def parse_dnsperf(text: str) -> Rate:
    def number(pattern: str) -> float:
        found = re.search(pattern, text)
        return float(found[1]) if found else 0.0

    return Rate(
        number(r"Queries per second:\s+([\d.]+)"),
        number(r"Average Latency \(s\):\s+([\d.]+)") * 1e3,
        number(r"max ([\d.]+)\)") * 1e3,
        int(number(r"Queries lost:\s+(\d+)")),
    )


def cpu_s(pid: int) -> float:
    """User and system time of the process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watched(pid: int, port: int, names: Sequence[str], seconds: float) -> Rate:
    before = cpu_s(pid)
    found = measure(port, names, seconds)
    return replace(found, cpu_us=(cpu_s(pid) - before) / max(1.0, found.queries * seconds) * 1e6)


def flood(port: int, names: Sequence[str], seconds: float) -> Rate:
    """Generator used if dnsperf is missing: windows of 100 queries from one socket. Slower than the server that it
    measures."""
    packets = [packet(name) for name in names[:20_000]]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.settimeout(1.0)
        count, worst, began = 0, 0.0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            sent = time.perf_counter()
            for n in range(100):
                sock.send(packets[(count + n) % len(packets)])
            for _ in range(100):
                sock.recv(4096)
            count += 100
            worst = max(worst, time.perf_counter() - sent)
        took = time.perf_counter() - began
    return Rate(count / took, took / count * 1e5, worst * 1e3, 0)


class Ours:
    """Runs our server in a separate process, with a fake API in this one."""

    def __init__(self, port: int, upstream: int, count: int) -> None:
        self.port, self._upstream, self._count = port, upstream, count

    async def run(self, seconds: float) -> None:
        api = FakeApi(self._count, ENDPOINTS)
        server = await asyncio.start_server(api.handle, "127.0.0.1", 0)
        api_port = server.sockets[0].getsockname()[1]
        command = (sys.executable, "-m", "bench.dnsserver", str(self.port), str(api_port), str(self._upstream))
        began = time.perf_counter()
        with process(*command) as running:
            await asyncio.to_thread(wait_for, self.port, f"svc-{self._count - 1}.ns0.svc.cluster.local")
            print(f"fairlead/dns, {self._count:,} Services: answers after {time.perf_counter() - began:.2f} s")
            await asyncio.to_thread(report, running.pid, self.port, self._count, seconds)
            await self._changes(api)
            print(f"  memory (PSS) after all this     {pss_kib(running.pid) / 1024:8.1f} MB")

    async def _changes(self, api: FakeApi) -> None:
        """Measures from the event on the watch's socket to the first right answer, at this size."""
        latencies = []
        for n in range(200):
            address = f"10.201.{n}.1"
            began = time.perf_counter()
            api.push(SLICES, "MODIFIED", endpoint_slice("big-0", "big", [address]))
            name = f"{address.replace('.', '-')}.big.ns0.svc.cluster.local"
            while await asyncio.to_thread(ask, self.port, name) != socket.inet_aton(address):
                pass
            latencies.append((time.perf_counter() - began) * 1e3)
            await asyncio.sleep(0.005)
        latencies.sort()
        p50, p99 = latencies[100], latencies[197]
        print(f"  slice's event to right answer   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   (one of ten slices)")


def report(pid: int, port: int, count: int, seconds: float) -> None:
    rng = random.Random(1)
    cluster = [f"svc-{rng.randrange(count)}.ns0.svc.cluster.local" for _ in range(QUERIES)]
    print(f"  cluster names                   {watched(pid, port, cluster, seconds)}")
    print(f"  headless, {ENDPOINTS:,} endpoints (cut)  {watched(pid, port, ['big.ns0.svc.cluster.local'], seconds)}")
    known = [f"host-{rng.randrange(1000)}.example.org" for _ in range(QUERIES)]
    measure(port, known[:5000], 0.5)
    print(f"  forwarded, kept                 {watched(pid, port, known, seconds)}")
    fresh = [f"h{rng.getrandbits(48):x}.example.org" for _ in range(QUERIES)]
    print(f"  forwarded, always new           {watched(pid, port, fresh, seconds)}")


def main(count: int = 20_000, seconds: float = 3.0) -> None:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fairlead-bench-"))
        upstream = free_port()
        stack.enter_context(process(sys.executable, "-m", "bench.dnsserver", str(upstream)))
        print(
            f"direct, 127.0.0.1, {os.cpu_count()} cores shared with the generator"
            + ("" if shutil.which("dnsperf") else " (no dnsperf)")
        )
        asyncio.run(Ours(free_port(), upstream, count).run(seconds))
        for name in ("dnsmasq", "unbound"):
            if not shutil.which(name):
                print(f"{name}: not installed")
                continue
            port = free_port()
            numbers = (str(port), "127.0.0.1", str(upstream), "ns0", str(count), str(ENDPOINTS), folder)
            with process(sys.executable, "-m", "bench.dnsothers", name, "127.0.0.1", *numbers) as running:
                wait_for(port, "svc-1.ns0.svc.cluster.local")
                print(f"{name}, the same names")
                report(running.pid, port, count, seconds)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
