"""Cluster DNS in a real cluster: 20,000 Services by the API, asked from Pods through the Service's address.

`python -m bench.dnscluster [services] [seconds]`. dnsperf runs in a Pod on the name server's node, then in one on the
other node. Debian's dnsmasq and unbound, with the same names, are Pods next to ours behind separate Services; the
three take turns, and of three turns the best counts. The latency of a change counts from the API server's answer to
the first right answer by the name server, seen from a node. Upstream is a server of our own on the host's loopback.
"""

from __future__ import annotations

import http.client
import inspect
import json
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvloop

import bench.dnsothers
from bench.change import SLICES, endpoint_slice, service
from bench.cluster import Access, Cluster, descendants, free_port, fresh_cluster, pss_kib, read_access, wait_until
from bench.dns import ENDPOINTS, Rate, cpu_s, packet, parse_dnsperf, process
from bench.dns import free_port as free_udp_port
from bench.load import post, run
from fairlead.cli.exec import exec_in_pod

DNS = "10.96.0.10"
OTHERS = {"dnsmasq": "10.96.0.11", "unbound": "10.96.0.12"}
OUTSIDE = "172.30.0.1"
PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"
TURNS = 3
QUESTIONS = {
    "cluster": "'svc-%d.default.svc.cluster.local A' % random.randrange({count})",
    "headless": "'big.default.svc.cluster.local A'",
    "kept": "'host-%d.example.org A' % random.randrange(1000)",
    "new": "'h%x.example.org A' % random.getrandbits(48)",
}
"""Python for one line of dnsperf's input."""
_MANY = 60_000


@dataclass(frozen=True)
class Server:
    name: str
    address: str
    pid: int


def fill(access: Access, count: int) -> float:
    """Returns the seconds that it took."""

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


@dataclass(frozen=True)
class Client:
    """A Pod that asks."""

    cluster: Cluster
    pod: str
    services: int

    def sh(self, script: str) -> str:
        done = exec_in_pod(
            self.cluster.access().port, pki=self.cluster.state / "pki", pod=self.pod, command=["sh", "-c", script]
        )
        if done.failure:
            raise SystemExit(f"{self.pod}: {done.failure}\n{done.stderr.decode()}")
        return done.stdout.decode()

    def prepare(self, kind: str) -> None:
        """Makes the file of questions."""
        line = QUESTIONS[kind].format(count=self.services)
        self.sh(f'python3 -c "import random\nfor _ in range({_MANY}): print({line})" > /tmp/{kind}')

    def ask(self, server: Server, kind: str, seconds: float) -> Rate:
        if kind == "new":  # no turn may profit from the one before
            self.prepare(kind)
        before = cpu_s(server.pid)
        text = self.sh(f"dnsperf -s {server.address} -d /tmp/{kind} -c 8 -q 100 -l {seconds} 2>&1")
        found = parse_dnsperf(text)
        if not found.queries:
            print(text[-1500:], file=sys.stderr)
        return replace(found, cpu_us=(cpu_s(server.pid) - before) / max(1.0, found.queries * seconds) * 1e6)


def compare(client: Client, servers: list[Server], kind: str, title: str, seconds: float) -> None:
    found: dict[str, list[Rate]] = {server.name: [] for server in servers}
    client.prepare(kind)
    if kind == "kept":
        for server in servers:
            client.ask(server, kind, 0.5)
    for _ in range(TURNS):
        for server in servers:
            found[server.name].append(client.ask(server, kind, seconds))
    print(f"  {title}")
    for name, rates in found.items():
        print(f"    {name:<14} {max(rates, key=lambda rate: rate.queries)}")


def start_others(access: Access, node: str, count: int) -> None:
    """Pods and Services of the other name servers, as far as they are installed."""
    text = inspect.getsource(bench.dnsothers)
    for name, address in OTHERS.items():
        if not shutil.which(name):
            print(f"  {name}: not installed")
            continue
        command = ["python3", "-c", text, name, "0.0.0.0", "53", OUTSIDE, "53", "default", str(count), str(ENDPOINTS)]
        probe = {"tcpSocket": {"port": 53}, "periodSeconds": 1}
        make_pod(access, name, node, [*command, "/tmp"], readinessProbe=probe)
        ports = [{"port": 53, "protocol": "UDP"}]
        spec = {"clusterIP": address, "selector": {"app": name}, "ports": ports}
        access.call("POST", SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})


def make_pod(access: Access, name: str, node: str, command: list[str], **container: Any) -> None:
    # 20,000 Services in the namespace would be 140,000 variables: more than a program can be started with.
    spec = {
        "nodeName": node,
        "enableServiceLinks": False,
        "containers": [{"name": "c", "image": "debian", "command": command} | container],
    }
    meta = {"name": name, "labels": {"app": name}}
    access.call("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    wait_until(f"{name} is ready", lambda: is_ready(access.call("GET", f"{PODS}/{name}")), every_s=0.1)


def is_ready(pod: Any) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def find_servers(cluster: Cluster) -> list[Server]:
    """Ours first."""
    marks = {"fairlead/dns": (DNS, b"/dns/start.py")} | {
        name: (address, b"fairlead-bench.conf") for name, address in OTHERS.items()
    }
    found = []
    for pid in descendants(cluster.status()["pid"]):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        for name, (address, mark) in marks.items():
            if mark in line and (name == "fairlead/dns" or line.startswith(name.encode())):
                found.append(Server(name, address, pid))
    return sorted(found, key=lambda server: server.address)


def changes(kubeconfig: Path, count: int) -> None:
    """Measures on a node: writes a slice and asks until the answer is new. Prints latencies in seconds as JSON."""
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


def dns_pods(access: Access) -> list[Any]:
    found: list[Any] = access.call("GET", "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns")[
        "items"
    ]
    return [pod for pod in found if is_ready(pod)]


def measure(cluster: Cluster, count: int, seconds: float) -> None:
    access = cluster.access()
    wait_until("DNS is ready", lambda: bool(dns_pods(access)))
    pid = find_servers(cluster)[0].pid
    print(f"in a cluster of 2 nodes, from Pods through {DNS}; dnsmasq and unbound behind Services of their own")
    print(f"  memory (PSS) of an empty one    {pss_kib(pid) / 1024:8.1f} MB")
    print(f"  {count:,} Services made in {fill(access, count):.1f} s")
    time.sleep(3)
    p50, p99 = measure_changes(cluster, 200)
    print(f"  slice written to right answer   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   (aim: p99 20 ms)")
    if shutil.which("dnsperf"):
        node = dns_pods(access)[0]["spec"]["nodeName"]
        start_others(access, node, count)
        servers = find_servers(cluster)
        clients = []
        for place, name in (("near", node), ("far", "node2" if node == "node1" else "node1")):
            make_pod(access, place, name, ["sleep", "infinity"])
            clients.append(Client(cluster, place, count))
        near, far = clients
        compare(near, servers, "cluster", "cluster names, from the server's node", seconds)
        compare(far, servers, "cluster", "cluster names, from the other node", seconds)
        compare(near, servers, "headless", f"headless, {ENDPOINTS:,} endpoints (cut)", seconds)
        compare(near, servers, "kept", "forwarded, kept", seconds)
        compare(near, servers, "new", "forwarded, always new", seconds)
    else:
        print("  no dnsperf: queries a second are not measured")
    print(f"  memory (PSS) after all this     {pss_kib(pid) / 1024:8.1f} MB   (aim: 60)")


def main(count: int = 20_000, seconds: float = 2.0) -> None:
    upstream = free_udp_port()
    with process(sys.executable, "-m", "bench.dnsserver", str(upstream)), fresh_cluster("benchdns") as cluster:
        where = ("--upstream", f"127.0.0.1:{upstream}")
        started = cluster.run("up", "--detach", "--nodes", "2", "--api-port", str(free_port()), *where)
        if started.returncode:
            raise SystemExit(started.stdout + started.stderr)
        measure(cluster, count, seconds)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--on-node"]:
        changes(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(*(int(argument) for argument in sys.argv[1:]))
