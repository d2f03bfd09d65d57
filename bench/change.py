"""Latency from an EndpointSlice's write to the kernel's rules, end to end, in a cluster of many Services x 2
endpoints.

`python -m bench.change [--services N] [--proxy-mode nftables|iptables] [changes]`. The program runs on a node: it
switches one Service between an endpoint that accepts and none through the API, and dials the Service's address until
the kernel does as the slice says, twice a millisecond at most. The time counts from the API server's answer to the
first connection with the new outcome. A SYN that is sent again, because the first one was lost, is counted. The
baseline of the same run is the same switch in a cluster with only this Service.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, NoReturn

import uvloop

from bench.cluster import Access, Cluster, free_port, fresh_cluster, read_access
from bench.load import post, run
from fairlead.net import linux
from fairlead.service.wellknown import MANAGED_BY_LABEL, SERVICE_NAME_LABEL

SERVICES, ADDRESS = 10_000, "10.96.200.200"
_DIAL_EVERY_S, _BACKLOG = 0.0005, 4096
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
_WARM = 2
"""Changes that are not counted: the node may still be busy with the objects created before."""
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"


def service(name: str, address: str) -> dict[str, Any]:
    spec = {"clusterIP": address, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def endpoint_slice(service_name: str, addresses: list[str], port: int) -> dict[str, Any]:
    labels = {SERVICE_NAME_LABEL: service_name, MANAGED_BY_LABEL: "bench"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": service_name, "labels": labels},
        "addressType": "IPv4",
        "ports": [{"port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [a], "conditions": {"ready": True}} for a in addresses],
    }


def fill(access: Access, count: int) -> None:
    """Services of two endpoints each, none of which is ever dialled."""
    first = int(IPv4Address("10.97.0.0"))

    def requests() -> Iterator[bytes]:
        for n in range(count):
            body = service(f"s{n}", str(IPv4Address(first + n)))
            yield post("/api/v1/namespaces/default/services", json.dumps(body).encode())
            addresses = [f"10.244.250.{n % 250 + 1}", f"10.244.251.{n % 250 + 1}"]
            yield post(SLICES, json.dumps(endpoint_slice(f"s{n}", addresses, 8080)).encode())

    left = requests()
    result = uvloop.run(run(access.port, access.tls, lambda: next(left, None), connections=16))
    if result.errors:
        raise SystemExit(f"{result.errors} of {2 * count} objects were refused")


@dataclass(frozen=True)
class Figures:
    p50_ms: float
    p99_ms: float
    sent_again: int
    """SYNs."""


def accepts(address: str) -> bool:
    with socket.socket() as s:
        s.settimeout(3)
        # Leaves no connection in TIME_WAIT: the client's ports would run out.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        return s.connect_ex((address, 80)) == 0


def switch(kubeconfig: Path, changes: int) -> None:
    """Measures on a node. Prints the latencies in seconds, and the number of retransmitted SYNs, as JSON."""
    tls = read_access(kubeconfig).tls
    with socket.create_server(("", 0), backlog=_BACKLOG) as server, serving(server):
        node, port = own_address(), server.getsockname()[1]
        api = http.client.HTTPSConnection("172.30.0.1", 6443, context=tls)
        latencies, before = [], syns_sent_again()
        for number in range(changes + _WARM):
            up = number % 2 == 0
            body = json.dumps(endpoint_slice("probe", [node] if up else [], port))
            api.request("PUT", f"{SLICES}/probe", body, {"Content-Type": "application/json"})
            answer = api.getresponse()
            answered = time.perf_counter()
            text = answer.read()
            if answer.status != http.client.OK:
                raise SystemExit(text.decode())
            while accepts(ADDRESS) != up:
                if time.perf_counter() - answered > 120:
                    raise SystemExit("the kernel never did as the slice says")
                time.sleep(_DIAL_EVERY_S)
            latencies.append(time.perf_counter() - answered)
            time.sleep(0.02)
        lost = syns_sent_again() - before
    print(json.dumps([latencies[_WARM:], lost]))


@contextmanager
def serving(server: socket.socket) -> Iterator[None]:
    """Accepts in a separate process: a thread next to the dialling one falls behind, and its backlog overflows."""
    pid = os.fork()
    if pid == 0:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        accept_all(server)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def syns_sent_again() -> int:
    """Returns the retransmitted SYNs of this network namespace: each means a lost SYN or a lost answer."""
    heads, values = [line.split() for line in Path("/proc/net/netstat").read_text().splitlines()[:2]]
    return int(dict(zip(heads, values, strict=True))["TCPSynRetrans"])


def own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("172.30.0.1", 9))
        return str(s.getsockname()[0])


def accept_all(server: socket.socket) -> NoReturn:
    while True:
        try:
            server.accept()[0].close()
        except ConnectionError:
            continue
        except OSError:
            os._exit(1)


def measure(cluster: Cluster, changes: int) -> Figures:
    access = cluster.access()
    access.call("POST", "/api/v1/namespaces/default/services", service("probe", ADDRESS))
    access.call("POST", SLICES, endpoint_slice("probe", [], 1))
    inside = [sys.executable, "-m", "bench.change", "--on-node", str(cluster.state / "kubeconfig"), str(changes)]
    command = [sys.executable, "-m", "fairlead.cmd.main", "shell", "--name", cluster.name, "node1", "--", *inside]
    done = subprocess.run(command, env=cluster.environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    latencies, sent_again = json.loads(done.stdout)
    p99 = sorted(latencies)[int(len(latencies) * 0.99)]
    return Figures(statistics.median(latencies) * 1e3, p99 * 1e3, sent_again)


def run_cluster(*, services: int, mode: str, changes: int) -> Figures:
    with fresh_cluster("benchchange") as cluster:
        started = cluster.run("up", "--detach", "--nodes", "3", "--proxy-mode", mode, "--api-port", str(free_port()))
        if started.returncode:
            raise SystemExit(started.stdout + started.stderr)
        if services:
            fill(cluster.access(), services)
            time.sleep(5)
        return measure(cluster, changes)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.change")
    parser.add_argument("--services", type=int, default=SERVICES)
    parser.add_argument("--proxy-mode", default="nftables", choices=("nftables", "iptables"))
    parser.add_argument("changes", nargs="?", type=int, default=100)
    given = parser.parse_args()
    services, mode, changes = given.services, given.proxy_mode, given.changes
    base = run_cluster(services=0, mode=mode, changes=changes)
    found = run_cluster(services=services, mode=mode, changes=changes)
    print(f"EndpointSlice written to kernel changed, {mode}, {changes} changes, 3 nodes (aim of nftables: p99 5 ms)")
    for what, figures in ((f"{services:,} Services x 2 endpoints", found), ("baseline, one Service", base)):
        text = f"p50 {figures.p50_ms:6.2f} ms   p99 {figures.p99_ms:6.2f} ms   SYNs sent again {figures.sent_again}"
        print(f"  {what:30} {text}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--on-node"]:
        switch(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
