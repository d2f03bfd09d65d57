"""The relay: throughput, connections and requests through a door on the host's loopback, beside plain loopback.

`python -m bench.relay [seconds]`. Everything in processes of its own on 127.0.0.1: a client, the relay's pump on the
event loop it runs on in a cluster, and a server; the baseline of the same run is the same client straight to the same
server. In a cluster the way goes on over the fabric and a node's rules; `--cluster` measures that too, in a cluster of
two nodes that is brought up for it.

One core's worth of relay: what is printed as relay CPU is what a connection, or a gigabyte, costs it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from fairlead.relay.copy import Address, Pump

CLIENTS = 4
ROUNDS = 3
_BLOCK = bytes(256 * 1024)
_REQUEST = b"GET / HTTP/1.0\r\n\r\n"
_ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"
_PUMP, _SINK = b"S", b"P"
"""The first byte says what a connection is for: sent to the server, or pumped by it."""


@dataclass(frozen=True)
class Figures:
    up_gbit: float
    """From the client."""
    down_gbit: float
    connections: float
    """New ones a second, each with one request and its answer."""


def serve(listener: socket.socket) -> None:
    """A child for each throughput connection; requests one after another."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        peer, _ = listener.accept()
        with peer:
            first = peer.recv(len(_REQUEST))
            if first == _REQUEST:
                peer.sendall(_ANSWER)
            elif os.fork() == 0:
                _stream(peer, first[:1])
                os._exit(0)


def _stream(peer: socket.socket, what: bytes) -> None:
    buffer = bytearray(len(_BLOCK))
    with suppress(OSError):
        if what == _SINK:
            while peer.recv_into(buffer):
                pass
        while what == _PUMP:
            peer.sendall(_BLOCK)


def relay(listener: socket.socket, target: Address) -> None:
    async def main() -> None:
        listener.setblocking(False)
        failed: asyncio.Future[OSError] = asyncio.get_running_loop().create_future()
        Pump().accept_from(listener, lambda: [target], failed.set_result)
        raise await failed

    asyncio.run(main())


@contextmanager
def process(work: Callable[[], object]) -> Iterator[int]:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(1)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def upload(address: Address, seconds: float) -> float:
    """Gbit/s."""
    sent, start = 0, time.perf_counter()
    with socket.create_connection(address) as sock:
        sock.sendall(_SINK)
        while (took := time.perf_counter() - start) < seconds:
            sock.sendall(_BLOCK)
            sent += len(_BLOCK)
    return sent * 8 / took / 1e9


def download(address: Address, seconds: float) -> float:
    got, start, buffer = 0, time.perf_counter(), bytearray(len(_BLOCK))
    with socket.create_connection(address) as sock:
        sock.sendall(_PUMP)
        while (took := time.perf_counter() - start) < seconds:
            got += sock.recv_into(buffer)
    return got * 8 / took / 1e9


def connections(address: Address, seconds: float) -> float:
    """A second, by several clients at once."""
    ends = [os.pipe() for _ in range(CLIENTS)]
    for _, write in ends:
        if os.fork() == 0:
            os.write(write, str(_connect_for(address, seconds)).encode())
            os._exit(0)
    for _ in ends:
        os.wait()
    total = sum(int(os.read(read, 32)) for read, _ in ends)
    for read, write in ends:
        os.close(read)
        os.close(write)
    return total / seconds


def _connect_for(address: Address, seconds: float) -> int:
    done, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        with socket.create_connection(address) as sock:
            sock.sendall(_REQUEST)
            while sock.recv(4096):
                pass
        done += 1
    return done


def cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(address: Address, seconds: float, *, streams: bool = True) -> Figures:
    return Figures(
        upload(address, seconds) if streams else 0.0,
        download(address, seconds) if streams else 0.0,
        connections(address, seconds),
    )


def report(name: str, rounds: list[Figures]) -> None:
    def middle(pick: Callable[[Figures], float]) -> float:
        return statistics.median(pick(figures) for figures in rounds)

    print(
        f"{name:<22} up {middle(lambda f: f.up_gbit):6.1f} Gbit/s   down {middle(lambda f: f.down_gbit):6.1f} Gbit/s"
        f"   {middle(lambda f: f.connections):8,.0f} new connections/s"
    )


def pump_alone(seconds: float) -> None:
    server = socket.create_server(("127.0.0.1", 0), backlog=4096)
    door = socket.create_server(("127.0.0.1", 0), backlog=4096)
    target, address = server.getsockname(), door.getsockname()
    direct, through, costs = [], [], []
    with process(lambda: serve(server)), process(lambda: relay(door, target)) as pid:
        for _ in range(ROUNDS):
            direct.append(measure(target, seconds))
            through.append(measure(address, seconds))
            before = cpu_s(pid)
            again = measure(address, seconds, streams=False)
            costs.append((cpu_s(pid) - before) / again.connections / seconds * 1e6)
    report("direct loopback", direct)
    report("through the relay", through)
    print(f"relay CPU (user and kernel) {statistics.median(costs):.0f} µs a connection")


_POD_SERVER = """
import socket, sys
sys.path.insert(0, {root!r})
from bench.relay import serve
serve(socket.create_server(("", 8080), backlog=4096))
"""


def in_cluster(seconds: float) -> None:
    """The whole way: host, relay, fabric, the node's rules, Pod."""
    from tests.cluster.support import ROOT, new_cluster
    from tests.loadbalancer.cluster import balanced, create, pod, url, wait_ready

    with new_cluster() as cluster:
        cluster.up("--nodes", "2")
        command = [sys.executable, "-c", _POD_SERVER.format(root=str(ROOT))]
        create(cluster, pod("pump", "pump", "node2", image="debian", command=command), balanced("pump", "pump"))
        wait_ready(cluster, "pump")
        place = urlsplit(url(cluster, "pump"))
        address = ("127.0.0.1", place.port or 80)
        report("through the cluster", [measure(address, seconds) for _ in range(ROUNDS)])
        relay_pid = cluster.component("relay")["pid"]
        with open(f"/proc/{relay_pid}/status") as f:
            rss = next(line.split()[1] for line in f if line.startswith("VmRSS"))
        print(f"relay RSS {int(rss) / 1024:.0f} MiB")


def main() -> None:
    arguments = [a for a in sys.argv[1:] if not a.startswith("-")]
    seconds = float(arguments[0]) if arguments else 2.0
    pump_alone(seconds)
    if "--cluster" in sys.argv:
        in_cluster(seconds)


if __name__ == "__main__":
    main()
