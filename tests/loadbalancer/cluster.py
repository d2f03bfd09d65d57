"""A running cluster as its clients see it: from the host, a Pod, a node and the fabric."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.support import Cluster, until

Tree = dict[str, Any]

CORE = "/api/v1/namespaces/default"
SERVICES, PODS, EVENTS = f"{CORE}/services", f"{CORE}/pods", f"{CORE}/events"

ASK = """
import sys, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=3).read().decode())
except OSError as e:
    print("failed:", e)
"""
ECHO = """
import socket
s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("", 5353))
while True:
    data, client = s.recvfrom(2048); s.sendto(data + b" from " + client[0].encode(), client)
"""


ASK_UDP = """
import socket, sys
s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(1); s.connect((sys.argv[1], int(sys.argv[2])))
try:
    s.send(b"hi"); print(s.recv(100).decode())
except OSError as e:
    print("failed:", e)
"""


def pod(name: str, app: str, node: str = "", **container: Any) -> Tree:
    spec: Tree = {"containers": [{"name": "c", "image": "fairlead/web"} | container]}
    if node:
        spec["nodeName"] = node
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": app}}, "spec": spec}


def balanced(name: str, app: str, *, port: int = 80, meta: Tree | None = None, **spec: Any) -> Tree:
    fields: Tree = {"type": "LoadBalancer", "selector": {"app": app}, "ports": [{"port": port, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name} | (meta or {}), "spec": fields | spec}


def create(cluster: Cluster, *objects: Tree) -> None:
    for obj in objects:
        cluster.access().call("POST", SERVICES if obj["kind"] == "Service" else PODS, obj)


def patch(cluster: Cluster, path: str, tree: Tree) -> None:
    """A merge patch."""
    connection = cluster.access().connect()
    try:
        connection.request("PATCH", path, json.dumps(tree), {"Content-Type": "application/merge-patch+json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
    finally:
        connection.close()


def wait_ready(cluster: Cluster, *names: str) -> None:
    def ready() -> bool:
        found = cluster.access().call("GET", PODS)["items"]
        return set(names) <= {
            p["metadata"]["name"]
            for p in found
            if any(c["type"] == "Ready" and c["status"] == "True" for c in p["status"].get("conditions", []))
        }

    until(f"{', '.join(names)} Ready", ready)


def address(cluster: Cluster, name: str) -> str:
    """Empty while it is pending."""
    points = cluster.access().call("GET", f"{SERVICES}/{name}")["status"]["loadBalancer"].get("ingress", [])
    return points[0]["ip"] if points else ""


def wait_address(cluster: Cluster, name: str) -> str:
    return until(f"an address for {name}", lambda: address(cluster, name))


def reasons(cluster: Cluster, name: str) -> dict[str, str]:
    """Reason -> message of the Service's events."""
    found = cluster.access().call("GET", EVENTS)["items"]
    return {e["reason"]: e["message"] for e in found if e["involvedObject"]["name"] == name}


def url(cluster: Cluster, name: str, *arguments: str) -> str:
    """Returns the URL that `fairlead open --print` prints."""
    done = cluster.fairlead("open", f"svc/{name}", "--print", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def from_host(where: str) -> Tree:
    assert where.startswith("http://127.0.0.1")
    request = urllib.request.Request(where, headers={"Accept": "application/json", "Connection": "close"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        found: Tree = json.loads(answer.read())
    return found


def from_node(cluster: Cluster, node: str, where: str) -> str:
    done = cluster.fairlead("shell", node, "--", "/usr/bin/python3", "-c", ASK, where)
    return done.stdout.strip()


def to_fabric(cluster: Cluster) -> list[str]:
    """The command that leads to the sandbox's own network namespace: on the fabric, and on no node."""
    pid = str(cluster.component("control-plane")["pid"])
    return [*cluster.runner.prefix, "nsenter", "--preserve-credentials", "-t", pid, "-U", "-n"]


def on_fabric(cluster: Cluster, *command: str) -> str:
    """Runs a command there."""
    done = cluster.runner.run([*to_fabric(cluster), *command])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def from_fabric(cluster: Cluster, where: str) -> str:
    return on_fabric(cluster, "/usr/bin/python3", "-c", ASK, where)


def announcers(cluster: Cluster, wanted: str) -> list[str]:
    """The nodes that have the address."""
    nodes = [n["name"] for n in cluster.status()["nodes"]]
    family, prefix = ("-6", 128) if ":" in wanted else ("-4", 32)
    return [
        n for n in nodes if f" {wanted}/{prefix} " in cluster.fairlead("shell", n, "--", "ip", family, "addr").stdout
    ]


@dataclass
class Report:
    slowest_s: float = 0.0
    answers: int = 0
    failures: list[str] = field(default_factory=list)


@contextmanager
def asking(where: str) -> Iterator[Report]:
    """One request after the other from the host while the block lasts."""
    report, done = Report(), threading.Event()

    def ask() -> None:
        while not done.wait(0.01):
            start = time.monotonic()
            try:
                from_host(where)
                report.answers += 1
            except OSError as error:
                report.failures.append(f"{type(error).__name__}: {error}")
            report.slowest_s = max(report.slowest_s, time.monotonic() - start)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield report
    finally:
        done.set()
        thread.join(10)
