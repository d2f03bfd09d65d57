"""Time until a load balancer has an address and answers, from each place; and the gap when its node dies.

`python -m bench.loadbalancer [services] [failovers]`. Three nodes with a web Pod each. A Service of that type is
created; a watch tells when its status shows the address, and clients on the host (127.0.0.1, the relay's port), in a
Pod, on a node and on the fabric ask for the page every 5 ms from before it is there. Times count from the start of the
request that creates the Service. Failover: the announcing node's link goes down under a client on the fabric that
asks every 10 ms, giving up after 0.2 s; the gap is the time between two answers.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.cluster import FAIRLEAD, Access, Cluster, free_port, fresh_cluster, wait_until
from fairlead.loadbalancer.announcer.plan import best

NODES = ("node1", "node2", "node3")
CORE = "/api/v1/namespaces/default"
SERVICES = f"{CORE}/services"
_FIRST = 200
_POOL = 40
"""Addresses that the rounds use in turn."""
_HOST = "on the host"
_CLIENT = """
import socket, sys, time
print("ready", flush=True)
for line in sys.stdin:
    host, port, limit = line.split()
    end = time.monotonic() + float(limit)
    while time.monotonic() < end:
        try:
            # Short, since before there are rules nobody answers, and a connection begun then would wait for its second
            # attempt.
            with socket.create_connection((host, int(port)), 0.02) as s:
                s.settimeout(0.5)
                s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
                if s.recv(100).startswith(b"HTTP/1.1 200"):
                    print(time.monotonic(), flush=True)
                    break
        except OSError:
            pass
        time.sleep(0.005)
    else:
        print("nan", flush=True)
"""
_GAPS = """
import socket, sys, time
host, last, longest = sys.argv[1], time.monotonic(), 0.0
while True:
    try:
        with socket.create_connection((host, 80), 0.2) as s:
            s.settimeout(0.2)
            s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            s.recv(100)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
        print(longest, flush=True)
    except OSError:
        pass
    time.sleep(0.01)
"""


@dataclass
class Client:
    """A process at one place that sends requests to a given address until it is answered."""

    process: subprocess.Popen[str]

    def send(self, host: str, port: int, limit_s: float) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{host} {port} {limit_s}\n")
        self.process.stdin.flush()

    def answered(self) -> float:
        assert self.process.stdout is not None
        return float(self.process.stdout.readline())


@contextmanager
def client(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Client]:
    arguments = [*command, "/usr/bin/python3", "-c", _CLIENT]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise SystemExit(f"no client by {' '.join(command)}")
            yield Client(process)
        finally:
            process.kill()


@dataclass
class Watch:
    """The time at which each Service's address first appeared in its status."""

    access: Access
    seen: dict[str, float] = field(default_factory=dict)

    def start(self) -> None:
        listing = self.access.call("GET", SERVICES)
        version = listing["metadata"]["resourceVersion"]
        connection = self.access.connect(timeout_s=600)
        connection.request("GET", f"{SERVICES}?watch=1&resourceVersion={version}")
        answer = connection.getresponse()

        def read() -> None:
            for line in answer:
                now, tree = time.monotonic(), json.loads(line)["object"]
                if tree["status"].get("loadBalancer", {}).get("ingress"):
                    self.seen.setdefault(tree["metadata"]["name"], now)

        threading.Thread(target=read, daemon=True).start()


def pod(name: str, node: str, app: str, **container: Any) -> dict[str, Any]:
    spec = {"nodeName": node, "containers": [{"name": "c", "image": "fairlead/web"} | container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": app}}, "spec": spec}


def balancer(name: str, app: str, port: int, address: str = "") -> dict[str, Any]:
    spec = {"type": "LoadBalancer", "selector": {"app": app}, "ports": [{"port": port, "targetPort": 8080}]}
    if address:
        spec["loadBalancerIP"] = address
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def wait_ready(access: Access, *names: str) -> None:
    def ready() -> bool:
        found = {
            p["metadata"]["name"]
            for p in access.call("GET", f"{CORE}/pods")["items"]
            if any(c["type"] == "Ready" and c["status"] == "True" for c in p["status"].get("conditions", []))
        }
        return set(names) <= found

    wait_until("Pods Ready", ready, every_s=0.05)


def to_fabric(cluster: Cluster) -> list[str]:
    pid = next(c["pid"] for c in cluster.status()["components"] if c["name"] == "control-plane")
    return ["nsenter", "--preserve-credentials", "-t", str(pid), "-U", "-n"]


def first_answers(cluster: Cluster, count: int) -> dict[str, list[float]]:
    """Seconds from the creation of each Service: to its address, and to the page at each place."""
    access = cluster.access()
    watch = Watch(access)
    watch.start()
    kubectl = ["kubectl", "--kubeconfig", str(cluster.state / "kubeconfig"), "exec", "-i", "asks", "--"]
    places: dict[str, list[str]] = {
        _HOST: [],
        "in a Pod": kubectl,
        "on a node": [*FAIRLEAD, "shell", "--name", cluster.name, "node2", "--"],
        "on the fabric": to_fabric(cluster),
    }
    found: dict[str, list[float]] = {what: [] for what in ("the address", *(f"the page {p}" for p in places))}
    with ExitStack() as stack:
        clients = {p: stack.enter_context(client(command, cluster.environment)) for p, command in places.items()}
        for n in range(count):
            name, address, port = f"s{n}", f"172.30.0.{_FIRST + n % _POOL}", free_port()
            for place, asker in clients.items():
                asker.send("127.0.0.1" if place == _HOST else address, port, 10)
            time.sleep(0.05)
            start = time.monotonic()
            access.call("POST", SERVICES, balancer(name, "web", port, address))
            for place, asker in clients.items():
                found[f"the page {place}"].append(asker.answered() - start)
            wait_until("the address", lambda name=name: name in watch.seen, limit_s=10)
            found["the address"].append(watch.seen[name] - start)
            access.call("DELETE", f"{SERVICES}/{name}")
    return found


def gaps(cluster: Cluster, count: int) -> list[float]:
    """Seconds without an answer, each time that the announcing node dies."""
    access, enter = cluster.access(), to_fabric(cluster)
    address = f"172.30.0.{_FIRST + _POOL}"
    first = best(address, NODES)
    second = best(address, [n for n in NODES if n != first])
    (third,) = set(NODES) - {first, second}
    access.call("POST", f"{CORE}/pods", pod("lonely", third, "lonely"))
    access.call("POST", SERVICES, balancer("lonely", "lonely", 80, address))
    wait_ready(access, "lonely")
    found = []
    for _ in range(count):
        with subprocess.Popen(
            [*enter, "/usr/bin/python3", "-uc", _GAPS, address], stdout=subprocess.PIPE, text=True
        ) as asker:
            try:
                assert asker.stdout is not None
                for _ in range(20):
                    asker.stdout.readline()
                subprocess.run([*enter, "ip", "link", "set", first, "down"], check=True)
                longest = 0.0
                while longest < 0.3:
                    longest = float(asker.stdout.readline())
                found.append(longest)
            finally:
                asker.kill()
                subprocess.run([*enter, "ip", "link", "set", first, "up"], check=True)
        time.sleep(2.5)
    return found


def show(what: str, times_s: Sequence[float]) -> None:
    ordered = sorted(times_s)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    print(
        f"  {what:<24} p50 {statistics.median(ordered) * 1000:6.0f} ms   p99 {p99 * 1000:6.0f} ms   "
        f"most {ordered[-1] * 1000:6.0f} ms"
    )


def main(services: int, failovers: int) -> None:
    with fresh_cluster("benchlb") as cluster:
        done = cluster.run("up", "--detach", "--nodes", "3", "--api-port", str(free_port()))
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        access = cluster.access()
        for node in NODES:
            access.call("POST", f"{CORE}/pods", pod(f"web-{node}", node, "web"))
        sleeps = ["/usr/bin/python3", "-c", "import time; time.sleep(3600)"]
        access.call("POST", f"{CORE}/pods", pod("asks", "node1", "asks", image="debian", command=sleeps))
        wait_ready(access, "asks", *(f"web-{node}" for node in NODES))
        print(f"{services} Services of type LoadBalancer, one after the other, each from its creation:")
        for what, times in first_answers(cluster, services).items():
            show(what, times)
        print(f"{failovers} deaths of the announcing node, seen by a client on the fabric:")
        show("without an answer", gaps(cluster, failovers))


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    main(*(numbers + [50, 10][len(numbers) :]))
