"""A populated cluster of both families, and requests from every kind of place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.cli.exec import exec_in_pod
from tests.cluster.support import Cluster, until
from tests.loadbalancer.cluster import PODS, SERVICES, Tree, create, on_fabric, pod, wait_ready

PYTHON = "/usr/bin/python3"
ASK = """
import json, socket, sys, time, urllib.request

def http(host, port):
    host = "[" + host + "]" if ":" in host else host
    asked = urllib.request.Request(f"http://{host}:{port}/", headers={"Accept": "application/json"})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        found = json.load(answer)
    return found["pod"] + " " + found["client"].removeprefix("::ffff:")

def udp(host, port):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(30)
        sock.connect((host, port))
        sock.send(b"hello")
        return sock.recv(100).decode()

for kind, host, port in json.loads(sys.argv[1]):
    start = time.monotonic()
    try:
        said = {"http": http, "udp": udp}[kind](host, port)
    except OSError as e:
        reason = getattr(e, "reason", e)
        # Far below the time-out of a packet that is dropped.
        late = " late" if time.monotonic() - start > 10 else ""
        # A sender on the node itself is told of a rejected datagram by EPERM.
        refused = isinstance(reason, (ConnectionRefusedError, PermissionError))
        said = "Error: " + ("refused" if refused else type(reason).__name__) + late
    print(said)
"""
ECHO = """
import os, socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(("::", 5353))
while True:
    data, client = s.recvfrom(2048)
    s.sendto(os.uname().nodename.encode() + b" " + client[0].removeprefix("::ffff:").encode(), client)
"""
FOLLOW = """
import socket, sys, time
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.settimeout(0.05)
s.connect((sys.argv[1], 53))
end, heard = time.monotonic() + 120, []
while time.monotonic() < end and len(heard) < 2:
    try:
        s.send(b"x")
        name = s.recv(100).decode().split()[0]
    except OSError:
        time.sleep(0.02)
        continue
    if name not in heard:
        heard.append(name)
        print(name, flush=True)
    time.sleep(0.02)
"""
DUAL: Tree = {"ipFamilyPolicy": "PreferDualStack"}
Probe = tuple[str, str, int]


def service(name: str, app: str, *, port: int = 80, target: int = 8080, protocol: str = "TCP", **spec: Any) -> Tree:
    ports = [{"name": "main", "port": port, "targetPort": target, "protocol": protocol}]
    fields = {"selector": {"app": app}, "ports": ports} | spec
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": fields}


def client(name: str, node: str, **spec: Any) -> Tree:
    made = pod(name, name, node, image="busybox", command=["sleep", "infinity"])
    made["spec"] |= {"terminationGracePeriodSeconds": 0} | spec
    return made


def echo(name: str, node: str) -> Tree:
    made = pod(name, "echo", node, image="debian", command=[PYTHON, "-c", ECHO])
    made["spec"]["terminationGracePeriodSeconds"] = 0
    return made


@dataclass(frozen=True)
class Dual:
    cluster: Cluster

    def get(self, path: str) -> Any:
        return self.cluster.access().call("GET", path)

    def ips(self, name: str) -> list[str]:
        """Returns the addresses of a Pod, IPv4 first; empty before the Pod has them."""
        return [entry["ip"] for entry in self.get(f"{PODS}/{name}")["status"].get("podIPs", [])]

    def spec(self, name: str) -> Any:
        return self.get(f"{SERVICES}/{name}")["spec"]

    def vip6(self, name: str) -> str:
        return next((ip for ip in self.spec(name)["clusterIPs"] if ":" in ip), "")

    def in_pod(self, name: str, *command: str) -> str:
        port, pki = self.cluster.access().port, self.cluster.state / "pki"
        done = exec_in_pod(port, pki=pki, pod=name, command=list(command))
        return (done.stdout + done.stderr).decode() + (done.failure or "")

    def on_node(self, node: str, *command: str) -> str:
        done = self.cluster.fairlead("shell", node, "--", *command)
        return done.stdout + done.stderr

    def ask(self, place: str, probes: Sequence[Probe]) -> list[str]:
        """Asks from a Pod, a node, or the `fabric`. Returns for each probe the answering Pod and the client address
        that it saw, or the error's name."""
        command = (PYTHON, "-c", ASK, json.dumps(probes))
        if place == "fabric":
            text = on_fabric(self.cluster, *command)
        elif place.startswith("node"):
            text = self.on_node(place, *command)
        else:
            text = self.in_pod(place, *command)
        lines = text.splitlines()
        assert len(lines) == len(probes), (place, text)
        return lines

    def until_answered(self, place: str, probe: Probe) -> None:
        """Waits for an answer: a rule or an answer may be a moment behind the object."""

        def answered() -> bool:
            said = self.ask(place, [probe])[0]
            if "Error" in said:
                raise RuntimeError(said)
            return True

        until(f"{probe} answers in {place}", answered)

    def until_restarted(self, *names: str) -> None:
        """Waits for restarts after a stop of the cluster: until then the API shows the state of Pods from before."""

        def restarted() -> bool:
            pods = [self.get(f"{PODS}/{name}")["status"] for name in names]
            return all(pod["containerStatuses"][0]["restartCount"] and pod.get("podIPs") for pod in pods)

        until("Pods that run again", restarted)

    def dig(self, *words: str) -> list[str]:
        return sorted(self.in_pod("client-1", "dig", "+short", "+tries=1", "+time=3", *words).splitlines())


def fill(cluster: Cluster) -> Dual:
    """Creates a client, a web server and a host-network Pod on node1; another client and web server on node2;
    Services."""
    create(
        cluster,
        client("client-1", "node1"),
        client("client-2", "node2"),
        client("host", "node1", hostNetwork=True),
        pod("web-1", "web", "node1"),
        pod("web-2", "web", "node2"),
        echo("echo", "node2"),
        *(_named(f"db-{n}", f"node{n}") for n in (1, 2)),
        service("web", "web", type="NodePort", **DUAL),
        service("both", "web", ipFamilyPolicy="RequireDualStack", externalIPs=["2001:db8::5"]),
        service("six", "web", type="NodePort", ipFamilies=["IPv6"]),
        service("single", "web"),
        service("sticky", "web", sessionAffinity="ClientIP", **DUAL),
        service("lone", "nobody", type="NodePort", **DUAL),
        service("lone-udp", "nobody", port=53, protocol="UDP", **DUAL),
        service("echo", "echo", port=53, target=5353, protocol="UDP", **DUAL),
        service("db", "db", clusterIP="None", **DUAL),
    )
    wait_ready(cluster, "client-1", "client-2", "host", "web-1", "web-2", "echo", "db-1", "db-2")
    made = Dual(cluster)
    for place in ("client-1", "client-2"):
        made.until_answered(place, ("http", made.vip6("web"), 80))
        made.until_answered(place, ("udp", made.vip6("echo"), 53))
    return made


def _named(name: str, node: str) -> Tree:
    made = client(name, node, hostname=name, subdomain="db")
    made["metadata"]["labels"]["app"] = "db"
    return made
