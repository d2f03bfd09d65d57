"""The relay: new connections, and throughput, through a published port on the host's loopback and directly.

`python -m bench.relay [seconds] [--cluster]`. A client, the relay's pump on the event loop that it runs on in a
cluster, and a server, in separate processes on 127.0.0.1; the baseline of the same run, in turns with it, is the
same client straight to the same server. Client and server are made to cost next to nothing but system calls, and what
each process costs is asked of the kernel, so that the figures show how the time of a connection is spent; "on 2
cores" is the rate that this allows if nothing else runs.

`--cluster` measures the whole way too: host, relay, fabric, the rules of a node, Pod; beside it the same from the
fabric without the relay, and from there to the Pod's own address without rules.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import socket
import statistics
import struct
import sys
import time
from _socket import socket as Socket  # costs a quarter less than socket.socket if there are many
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from fairlead.relay.copy import Address, Pump

CLIENTS = 2
AT_ONCE = 16
"""Connections of each client that are open at the same time."""
ROUNDS = 5
CORES = 2
_BLOCK = bytes(256 * 1024)
_REQUEST = b"GET / HTTP/1.0\r\n\r\n"
_ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"
_PUMP, _SINK, _CPU = b"S", b"P", b"C"
"""The first byte says what a connection is for: sent to the server, pumped by it, asked what the server has cost."""


@dataclass(frozen=True)
class Figures:
    """`connections` are new ones a second, each with one request and its answer, ended by the server; the others
    microseconds of CPU (user and kernel) for each of them."""

    connections: float
    client: float
    server: float
    relay: float
    up_gbit: float = 0.0
    """Throughput from the client."""
    down_gbit: float = 0.0

    @property
    def total(self) -> float:
        return self.client + self.server + self.relay


def serve(listener: socket.socket) -> None:
    """Requests one after another; a child for each throughput connection."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    take = Socket._accept  # type: ignore[attr-defined]  # a descriptor, no object
    raw = Socket(fileno=listener.fileno())
    while True:
        fd, _ = take(raw)
        first = os.read(fd, 64)
        if first == _REQUEST:
            os.write(fd, _ANSWER)
        elif first[:1] == _CPU:
            os.write(fd, struct.pack("!Q", time.process_time_ns()))
        elif os.fork() == 0:
            _stream(socket.socket(fileno=fd), first[:1])
            os._exit(0)
        os.close(fd)


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
        Pump(1 << 20).accept_from(listener, lambda: [target], failed.set_result)
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


def connect_for(address: Address, seconds: float) -> int:
    """Returns the number of connections that one client made in that time, in batches."""
    done, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        socks = []
        for _ in range(AT_ONCE):
            sock = Socket(socket.AF_INET, socket.SOCK_STREAM, 0)
            sock.connect(address)
            sock.send(_REQUEST)
            socks.append(sock)
        for sock in socks:
            answer = b""
            while more := sock.recv(4096):
                answer += more
            assert answer == _ANSWER, answer
            sock.close()
        done += AT_ONCE
    return done


def connections(address: Address, seconds: float) -> tuple[int, float]:
    """Returns the connections of several concurrent clients, and the seconds of CPU that they cost."""
    read, write = os.pipe()

    def client() -> None:
        before = time.process_time_ns()
        done = connect_for(address, seconds)
        os.write(write, struct.pack("!QQ", done, time.process_time_ns() - before))
        os._exit(0)

    for _ in range(CLIENTS):
        if os.fork() == 0:
            client()
    for _ in range(CLIENTS):
        os.wait()
    os.close(write)
    with open(read, "rb") as pipe:
        said = [struct.unpack("!QQ", pipe.read(16)) for _ in range(CLIENTS)]
    return sum(done for done, _ in said), sum(ns for _, ns in said) / 1e9


def cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[0]) / 1e9


def server_cpu_s(address: Address) -> float:
    with socket.create_connection(address) as sock:
        sock.sendall(_CPU)
        (ns,) = struct.unpack("!Q", sock.recv(8))
    return float(ns) / 1e9


def measure(address: Address, seconds: float, *, relay: int = 0, streams: bool = False) -> Figures:
    """`relay` is its process; 0: there is none on this way."""
    server, carried = server_cpu_s(address), cpu_s(relay) if relay else 0.0
    done, client = connections(address, seconds)
    server, carried = server_cpu_s(address) - server, cpu_s(relay) - carried if relay else 0.0
    each = 1e6 / done
    up, down = (upload(address, seconds), download(address, seconds)) if streams else (0.0, 0.0)
    return Figures(done / seconds, client * each, server * each, carried * each, up, down)


def report(name: str, rounds: Sequence[Figures]) -> None:
    def middle(pick: Callable[[Figures], float]) -> float:
        return statistics.median(pick(figures) for figures in rounds)

    total = middle(lambda f: f.total)
    print(
        f"{name:<22}{middle(lambda f: f.connections):8,.0f} connections/s   CPU µs each: client"
        f"{middle(lambda f: f.client):4.0f} + relay{middle(lambda f: f.relay):4.0f} + server"
        f"{middle(lambda f: f.server):4.0f} ={total:4.0f}: {CORES * 1e6 / total:6,.0f}/s on {CORES} cores"
    )
    if up := middle(lambda f: f.up_gbit):
        print(f"{'':<22}{up:8.1f} Gbit/s up, {middle(lambda f: f.down_gbit):.1f} down")


def compare(inner: Sequence[Figures], through: Sequence[Figures], outer: Sequence[Figures]) -> None:
    """`through` goes by the ways of `outer`, to the relay, and of `inner`, from there on. Of neighbours in time, which
    the machine's other work slows down alike. Whatever carries connections in user space takes each and makes another
    one: the kernel's part of that is what it costs at least."""
    triples = list(zip(inner, through, outer, strict=True))
    measured = statistics.median(b.connections / a.connections for a, b, _ in triples)
    least = statistics.median(a.total + c.total for a, _, c in triples)
    share = statistics.median((a.total + c.total) / b.total for a, b, c in triples)
    print(
        f"{'':<22}{measured:.2f} of the connections without the relay; both connections' own work is {least:.0f} µs "
        f"({CORES * 1e6 / least:,.0f}/s): {share:.2f} of what is spent"
    )


def pump_alone(seconds: float) -> None:
    server = socket.create_server(("127.0.0.1", 0), backlog=4096)
    published = socket.create_server(("127.0.0.1", 0), backlog=4096)
    target, address = server.getsockname(), published.getsockname()
    direct, through = [], []
    with process(partial(serve, server)), process(partial(relay, published, target)) as pid:
        for _ in range(ROUNDS):
            direct.append(measure(target, seconds, streams=True))
            through.append(measure(address, seconds, relay=pid, streams=True))
    report("direct loopback", direct)
    report("through the relay", through)
    compare(direct, through, direct)


def server_source() -> str:
    """The server as a separate program: a Pod does not see this folder."""
    values = "\n".join(f"{name} = {globals()[name]!r}" for name in ("_REQUEST", "_ANSWER", "_PUMP", "_SINK", "_CPU"))
    return f"""
from __future__ import annotations
import os, signal, socket, struct, time
from _socket import socket as Socket
from contextlib import suppress
_BLOCK = bytes({len(_BLOCK)})
{values}
{inspect.getsource(_stream)}
{inspect.getsource(serve)}
serve(socket.create_server(("", 8080), backlog=4096))
"""


def in_cluster(seconds: float) -> None:
    """The whole way: host, relay, fabric, the node's rules, Pod."""
    from tests.cluster.support import new_cluster
    from tests.loadbalancer.cluster import PODS, balanced, create, on_fabric, pod, url, wait_address, wait_ready

    with new_cluster() as cluster:
        cluster.up("--nodes", "2")
        command = ["/usr/bin/python3", "-c", server_source()]
        # Two Pods: one that saw the same client by two ways would take it for one with a wrong clock (RFC 7323, 5).
        servers = [pod(name, name, "node2", image="debian", command=command) for name in ("pump", "plain")]
        create(cluster, *servers, balanced("pump", "pump"))
        wait_ready(cluster, "pump", "plain")
        address = ("127.0.0.1", urlsplit(url(cluster, "pump")).port or 80)
        relay_pid = cluster.component("relay")["pid"]
        pod_ip = cluster.access().call("GET", f"{PODS}/plain")["status"]["podIP"]

        def inside(host: str, port: int) -> Figures:
            """Measures from the fabric."""
            run = [sys.executable, "-m", "bench.relay", str(seconds), "--from-here", f"{host}:{port}"]
            return Figures(*(float(word) for word in on_fabric(cluster, *run).split()))

        through, rules, pods, plain = [], [], [], []
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        for _ in range(ROUNDS):
            with process(partial(serve, listener)):
                plain.append(measure(listener.getsockname(), seconds))
            through.append(measure(address, seconds, relay=relay_pid, streams=True))
            rules.append(inside(wait_address(cluster, "pump"), 80))
            pods.append(inside(pod_ip, 8080))
        report("fabric to the Pod", pods)
        report("fabric, by the rules", rules)
        report("host, relay, rules", through)
        compare(rules, through, plain)
        with open(f"/proc/{relay_pid}/status") as f:
            rss = next(line.split()[1] for line in f if line.startswith("VmRSS"))
        print(f"relay RSS {int(rss) / 1024:.0f} MiB")


def main() -> None:
    arguments = [a for a in sys.argv[1:] if not a.startswith("-")]
    seconds = float(arguments[0]) if arguments else 1.0
    if "--from-here" in sys.argv:
        host, _, port = arguments[1].partition(":")
        found = measure((host, int(port)), seconds)
        print(found.connections, found.client, found.server, found.relay)
        return
    pump_alone(seconds)
    if "--cluster" in sys.argv:
        in_cluster(seconds)


if __name__ == "__main__":
    main()
