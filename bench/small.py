"""Small costs that comments in the code cite: imports, single operations, and datagrams by one system call or by many.

`python -m bench.small`. Each import is measured in a new process, on top of asyncio, ssl and msgspec; each figure
is the least of five. docs/measurements.md has the figures.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import subprocess
import sys
import timeit
import uuid
from collections.abc import Callable, Iterator

IMPORTS = (
    "aiohttp",
    "aiohttp.client",
    "cryptography.hazmat.primitives.asymmetric.ec",
    "grpc.aio",
    "h2.connection",
    "http.server",
    "inspect",
    "prometheus_client",
    "re2",
    "shutil",
    "subprocess",
    "traceback",
    "yaml",
)
_PROGRAM = """
import importlib, resource, sys, time
for base in sys.argv[2].split(): importlib.import_module(base)
def private():
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
before, at = private(), time.process_time()
importlib.import_module(sys.argv[1])
print((time.process_time() - at) * 1e3, (private() - before) / 1024)
"""
_ROUNDS = 5
_DATAGRAMS = 64 * 300


def import_costs(module: str, base: str) -> tuple[float, float] | None:
    """Returns milliseconds of processor time and MiB of private memory; None without the module."""
    figures = []
    for _ in range(_ROUNDS):
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, module, base], capture_output=True, text=True, check=False
        )
        if done.returncode:
            return None
        figures.append(tuple(map(float, done.stdout.split())))
    return min(ms for ms, _ in figures), min(mib for _, mib in figures)


def operations() -> Iterator[tuple[str, float]]:
    """Yields names of operations with microseconds."""
    import yaml

    from fairlead.apiserver.allocation.addresspool import number_of
    from fairlead.base.ids import uuid_text
    from fairlead.machinery.values.names import ip

    bits = int.from_bytes(os.urandom(16), "big")
    document = "".join(f"- {{name: pod-{i}, value: {i}}}\n" for i in range(200))
    yield "an address checked by `ipaddress`", _us(lambda: ipaddress.ip_address("10.96.12.34"))
    yield "an address checked by `machinery/values/names`", _us(lambda: ip("10.96.12.34"))
    yield "an address as a number by `apiserver/allocation`", _us(lambda: number_of("10.96.12.34"))
    yield "a UUID as text by `uuid.UUID`", _us(lambda: str(uuid.UUID(int=bits, version=4)))
    yield "a UUID as text by `base/ids`", _us(lambda: uuid_text(bits, version=4))
    yield "YAML of 200 entries by PyYAML's loader in C", _us(lambda: yaml.load(document, yaml.CSafeLoader))
    yield "the same by its loader in Python", _us(lambda: yaml.load(document, yaml.SafeLoader))


def _us(work: Callable[[], object]) -> float:
    timer = timeit.Timer(work)
    number, _ = timer.autorange()
    return min(timer.repeat(_ROUNDS, number)) / number * 1e6


def datagrams() -> Iterator[tuple[str, float]]:
    """Yields ways of answering datagrams with microseconds of processor time for each."""
    yield "a datagram received and answered by `recvfrom` and `sendto`", min(_each(_by_one) for _ in range(_ROUNDS))
    yield (
        "a datagram received and answered, 64 by `recvmmsg` and `sendmmsg`",
        min(_each(_by_many) for _ in range(_ROUNDS)),
    )


def _each(way: Callable[[socket.socket, int], None]) -> float:
    import time

    spent = 0.0
    with socket.socket(type=socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        for sock in (server, client):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            sock.bind(("127.0.0.1", 0))
        client.connect(server.getsockname())
        for _ in range(_DATAGRAMS // 64):
            for _ in range(64):
                client.send(b"x" * 40)
            at = time.process_time()
            way(server, 64)
            spent += time.process_time() - at
            for _ in range(64):
                client.recv(512)
    return spent / _DATAGRAMS * 1e6


def _by_one(server: socket.socket, count: int) -> None:
    for _ in range(count):
        data, peer = server.recvfrom(2048)
        server.sendto(data, peer)


_batches: dict[int, object] = {}


def _by_many(server: socket.socket, count: int) -> None:
    from fairlead.dns.serving.batch import Batch

    batch = _batches.get(id(server))
    if not isinstance(batch, Batch):
        _batches.clear()
        batch = _batches[id(server)] = Batch(server)
    sizes = batch.receive()
    assert len(sizes) == count
    batch.send(0, sizes)


def main() -> None:
    print(f"{'import':50} {'ms':>7} {'MiB':>6}   on top of aiohttp: {'ms':>5} {'MiB':>6}")
    for module in IMPORTS:
        plain, above = import_costs(module, "asyncio ssl msgspec"), import_costs(module, "asyncio ssl msgspec aiohttp")
        if plain is None or above is None:
            print(f"{module:50} not installed")
            continue
        print(f"{module:50} {plain[0]:7.1f} {plain[1]:6.1f}   {'':18} {above[0]:5.1f} {above[1]:6.1f}")
    print()
    for name, us in (*operations(), *datagrams()):
        print(f"{name:75} {us:9.2f} us")


if __name__ == "__main__":
    main()
