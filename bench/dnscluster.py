"""Cluster DNS in a real cluster: 20,000 Services by the API, asked from a Pod through the Service's address.

`python -m bench.dnscluster [services] [seconds]`. dnsperf runs in a Pod; the latency of a change counts from the API
server's answer to the first right answer by the name server, seen from a node.
"""

from __future__ import annotations

import http.client
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop

from bench.change import SLICES, endpoint_slice, service
from bench.cluster import Access, Cluster, descendants, free_port, fresh_cluster, pss_kib, read_access, wait_until
from bench.dns import ENDPOINTS, Rate, packet, parse_dnsperf
from bench.load import post, run

DNS = "10.96.0.10"
PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"
_NAMES = (
    "import random; "
    "print(*(f'{p}{random.randrange(n)}.default.svc.cluster.local A' for _ in range(50000)), sep=chr(10))"
)


def fill(access: Access, count: int) -> float:
    """Returns how long it took."""

    def requests() -> Iterator[bytes]:
        for n in range(count):
            body = service(f"svc-{n}", f"10.97.{n // 250}.{n % 250 + 1}")
            yield post(SERVICES, json.dumps(body).encode())
        big = service("big", "None")
        yield post(SERVICES, json.dumps(big).encode())
        for n in range(ENDPOINTS // 100):
            made = endpoint_slice("big", [f"10.200.{n}.{i + 1}" for i in range(100)], 80)
            made["metadata"]["name"] = f"big-{n}"
            yield post(SLICES, json.dumps(made).encode())

    left = requests()
    began = time.perf_counter()
    result = uvloop.run(run(access.port, access.tls, lambda: next(left, None), connections=16))
    if result.errors:
        raise SystemExit(f"{result.errors} objects were refused")
    return time.perf_counter() - began


def dnsperf_in_pod(access: Access, name: str, script: str, seconds: float) -> Rate:
    """A Pod that asks and ends; its log is dnsperf's."""
    command = f"{script} > /tmp/names; dnsperf -s {DNS} -d /tmp/names -c 8 -q 100 -l {seconds}"
    container = {"name": "c", "image": "debian", "command": ["sh", "-c", command]}
    # 20,000 Services in the namespace would be 140,000 variables: more than a program can be started with.
    spec = {"restartPolicy": "Never", "enableServiceLinks": False, "containers": [container]}
    access.call("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})

    def ended() -> bool:
        return bool(access.call("GET", f"{PODS}/{name}")["status"].get("phase") in ("Succeeded", "Failed"))

    wait_until(f"{name} has ended", ended, limit_s=seconds + 60, every_s=0.5)
    connection = access.connect()
    connection.request("GET", f"{PODS}/{name}/log")
    text = connection.getresponse().read().decode()
    connection.close()
    found = parse_dnsperf(text)
    if not found.queries:
        print(text[-1500:], file=sys.stderr)
    return found


def server_pids(cluster: Cluster) -> list[int]:
    def line(pid: int) -> bytes:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return b""

    return [pid for pid in descendants(cluster.status()["pid"]) if b"/dns/start.py" in line(pid)]


def changes(kubeconfig: Path, count: int) -> None:
    """Runs on a node: puts a slice, asks until the answer is the new one. Prints latencies in seconds as JSON."""
    api = http.client.HTTPSConnection("172.30.0.1", 6443, context=read_access(kubeconfig).tls)
    asked = packet("probe.default.svc.cluster.local")
    latencies = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((DNS, 53))
        sock.settimeout(2)
        for number in range(count):
            address = f"10.244.77.{number % 200 + 1}"
            body = json.dumps(endpoint_slice("probe", [address], 80))
            api.request("PUT", f"{SLICES}/probe", body, {"Content-Type": "application/json"})
            answer = api.getresponse()
            answered = time.perf_counter()
            text = answer.read()
            if answer.status != http.client.OK:
                raise SystemExit(text.decode())
            said = b""
            while said[-4:] != socket.inet_aton(address):
                sock.send(asked)
                said = sock.recv(4096)
            latencies.append(time.perf_counter() - answered)
            time.sleep(0.01)
    print(json.dumps(latencies))


def measure_changes(cluster: Cluster, count: int) -> tuple[float, float]:
    access = cluster.access()
    access.call("POST", SERVICES, service("probe", "None"))
    access.call("POST", SLICES, endpoint_slice("probe", ["10.244.77.250"], 80))
    time.sleep(1)
    inside = [sys.executable, "-m", "bench.dnscluster", "--on-node", str(cluster.state / "kubeconfig"), str(count)]
    command = [sys.executable, "-m", "fairlead.cmd.main", "shell", "--name", cluster.name, "node1", "--", *inside]
    done = subprocess.run(command, env=cluster.environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    found = sorted(json.loads(done.stdout))
    return statistics.median(found) * 1e3, found[int(len(found) * 0.99)] * 1e3


def dns_ready(access: Access) -> bool:
    found: list[Any] = access.call("GET", "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns")[
        "items"
    ]
    return any(c["type"] == "Ready" and c["status"] == "True" for p in found for c in p["status"].get("conditions", []))


def main(count: int = 20_000, seconds: float = 3.0) -> None:
    with fresh_cluster("benchdns") as cluster:
        started = cluster.run("up", "--detach", "--nodes", "2", "--api-port", str(free_port()))
        if started.returncode:
            raise SystemExit(started.stdout + started.stderr)
        access = cluster.access()
        wait_until("DNS is ready", lambda: dns_ready(access))
        (pid,) = server_pids(cluster)
        print(f"in a cluster of 2 nodes, from a Pod through {DNS}")
        print(f"  memory (PSS) of an empty one    {pss_kib(pid) / 1024:8.1f} MB")
        print(f"  {count:,} Services made in {fill(access, count):.1f} s")
        time.sleep(3)
        p50, p99 = measure_changes(cluster, 200)
        print(f"  slice written to right answer   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   (aim: p99 20 ms)")
        script = f"python3 -c \"p, n = 'svc-', {count}; {_NAMES}\""
        print(f"  cluster names                   {dnsperf_in_pod(access, 'ask-names', script, seconds)}")
        one = "echo big.default.svc.cluster.local A"
        print(f"  headless, {ENDPOINTS:,} endpoints (cut)  {dnsperf_in_pod(access, 'ask-big', one, seconds)}")
        print(f"  memory (PSS)                    {pss_kib(pid) / 1024:8.1f} MB   (aim: 60)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--on-node"]:
        changes(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(*(int(argument) for argument in sys.argv[1:]))
