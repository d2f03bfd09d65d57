"""From an EndpointSlice's write to the kernel's rules, end to end, in a cluster of many Services x 2 endpoints.

`python -m bench.change [--services N] [--proxy-mode nftables|iptables] [changes]`. The program runs on a node: it
switches one Service between an endpoint that accepts and none through the API, and dials the Service's address until
the kernel does as the slice says. The time counts from the API server's answer to the first connection with the new
outcome. The baseline of the same run is the same switch in a cluster with only this Service.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import uvloop

from bench.cluster import Access, Cluster, free_port, fresh_cluster, read_access
from bench.load import post, run

SERVICES, ADDRESS = 10_000, "10.96.200.200"
_WARM = 2
"""Changes that are not counted: until then the node may be busy with what the cluster was filled with."""
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"


def service(name: str, address: str) -> dict[str, Any]:
    spec = {"clusterIP": address, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def endpoint_slice(service_name: str, addresses: list[str], port: int) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": service_name, "endpointslice.kubernetes.io/managed-by": "bench"}
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


def accepts(address: str) -> bool:
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex((address, 80)) == 0


def switch(kubeconfig: Path, changes: int) -> None:
    """Runs on a node. Prints the latencies in seconds as JSON."""
    tls = read_access(kubeconfig).tls
    with socket.create_server(("", 0), backlog=128) as server:
        node, port = own_address(), server.getsockname()[1]
        threading.Thread(target=accept_all, args=(server,), daemon=True).start()
        api = http.client.HTTPSConnection("172.30.0.1", 6443, context=tls)
        latencies = []
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
            latencies.append(time.perf_counter() - answered)
            time.sleep(0.02)
    print(json.dumps(latencies[_WARM:]))


def own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("172.30.0.1", 9))
        return str(s.getsockname()[0])


def accept_all(server: socket.socket) -> None:
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return


def measure(cluster: Cluster, changes: int) -> Figures:
    access = cluster.access()
    access.call("POST", "/api/v1/namespaces/default/services", service("probe", ADDRESS))
    access.call("POST", SLICES, endpoint_slice("probe", [], 1))
    inside = [sys.executable, "-m", "bench.change", "--on-node", str(cluster.state / "kubeconfig"), str(changes)]
    command = [sys.executable, "-m", "fairlead.cmd.main", "shell", "--name", cluster.name, "node1", "--", *inside]
    done = subprocess.run(command, env=cluster.environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    latencies = sorted(json.loads(done.stdout))
    return Figures(statistics.median(latencies) * 1e3, latencies[int(len(latencies) * 0.99)] * 1e3)


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
    print(f"  {services:,} Services x 2 endpoints   p50 {found.p50_ms:6.2f} ms   p99 {found.p99_ms:6.2f} ms")
    print(f"  baseline, one Service          p50 {base.p50_ms:6.2f} ms   p99 {base.p99_ms:6.2f} ms")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--on-node"]:
        switch(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
