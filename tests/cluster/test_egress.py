"""`fairlead up --egress`: Pods reach another machine, by address and by name; refused and unreachable destinations.

The machine is a network namespace, and the other machine a second one, joined by a link.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster.hosts import PYTHON, Namespace, join, namespace
from tests.cluster.support import Cluster, free_port, new_cluster, until

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow, pytest.mark.root]

OUTSIDE, OUTSIDE6, OWN = "198.51.100.2", "2001:db8:5::2", "198.51.100.1"
NAME = "outside.example.org"
SERVE = """
import socket, socketserver, struct, sys, threading

class Tcp(socketserver.BaseRequestHandler):
    def handle(self):
        received = b""
        while part := self.request.recv(65536):
            received += part
            if received.endswith(b"\\n"):
                break
        self.request.sendall(b"%d bytes from %s\\n" % (len(received), self.client_address[0].encode()))

class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(data.upper(), self.client_address)

class Dns(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        question = data[12:data.index(b"\\0", 12) + 5]
        answers = b""
        if question[-4:-2] == b"\\0\\1":
            answers = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4" + socket.inet_aton("198.51.100.2")
        head = data[:2] + b"\\x81\\x80\\0\\1" + struct.pack(">H", bool(answers)) + b"\\0\\0\\0\\0"
        sock.sendto(head + question + answers, self.client_address)

socketserver.ThreadingTCPServer.allow_reuse_address = True
class Six(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
servers = [
    socketserver.ThreadingTCPServer(("198.51.100.2", 8080), Tcp),
    socketserver.ThreadingUDPServer(("198.51.100.2", 8080), Udp),
    socketserver.ThreadingUDPServer(("198.51.100.2", 53), Dns),
    Six(("2001:db8:5::2", 8080), Tcp),
]
for one in servers:
    threading.Thread(target=one.serve_forever, daemon=True).start()
print("there", flush=True)
threading.Event().wait()
"""
TALK = """
import socket, sys
host, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
try:
    with socket.create_connection((host, port), 60) as sock:
        sock.sendall(b"x" * (size - 1) + b"\\n")
        print(sock.makefile().read().strip())
except OSError as e:
    print(type(e).__name__)
"""
DATAGRAM = """
import socket, sys
sock = socket.socket(type=socket.SOCK_DGRAM)
sock.settimeout(60)
sock.connect((sys.argv[1], 8080))
sock.send(b"hello")
print(sock.recv(100).decode())
"""


@pytest.fixture(scope="module", autouse=True)
def as_root() -> None:
    if os.getuid() != 0:
        pytest.skip("only root can make the network of the other machine")


@pytest.fixture(scope="module")
def machine() -> Iterator[Namespace]:
    """Yields the machine of the cluster; another machine, with servers, is beside it."""
    with namespace() as made, namespace() as other:
        join(made, "eth0", f"{OWN}/24", other, "eth0", f"{OUTSIDE}/24")
        for side, address in ((made, "2001:db8:5::1/64"), (other, f"{OUTSIDE6}/64")):
            side.ip("addr", "add", address, "dev", "eth0", "nodad")
        other.ip("addr", "add", "198.51.100.66/24", "dev", "eth0")
        with other.start(PYTHON, "-c", SERVE) as server:
            assert server.stdout is not None
            try:
                assert server.stdout.readline() == "there\n"
                yield made
            finally:
                server.kill()


@contextmanager
def cluster_of(who: str, machine: Namespace) -> Iterator[Cluster]:
    with new_cluster(who) as made:
        yield replace(made, runner=replace(made.runner, prefix=(*machine.enter, *made.runner.prefix)))


def in_pod(cluster: Cluster, script: str, *arguments: str) -> str:
    """Runs Python in the Pod's namespaces by `kubectl exec`'s way, the API's own exec being tested elsewhere."""
    done = cluster.fairlead("kubectl", "exec", "client", "--", "python3", "-c", script, *arguments)
    return (done.stdout + done.stderr).strip()


@pytest.mark.parametrize("who", ["root", "user"])
def test_pods_reach_another_machine(who: str, machine: Namespace) -> None:
    with cluster_of(who, machine) as cluster:
        cluster.up("--nodes", "2", "--api-port", str(free_port()), "--ip-family", "dual", "--egress",
                   "--egress-refuse", "198.51.100.66/32", "--upstream", OUTSIDE)  # fmt: skip
        manifest = Path(cluster.home) / "client.yaml"
        manifest.write_text(
            "apiVersion: v1\nkind: Pod\nmetadata: {name: client}\nspec: {nodeName: node2, containers: "
            "[{name: a, image: debian, command: [sleep, '600']}]}\n---\n"
            "apiVersion: v1\nkind: Service\nmetadata: {name: away}\n"
            f"spec: {{type: ExternalName, externalName: {NAME}}}\n"
        )
        manifest.chmod(0o644)
        assert cluster.fairlead("kubectl", "apply", "-f", str(manifest)).returncode == 0
        wait = ("kubectl", "wait", "--for=condition=Ready", "pod/client", "--timeout=120s")
        assert cluster.fairlead(*wait).returncode == 0, cluster.fairlead("kubectl", "describe", "pod", "client").stdout

        assert in_pod(cluster, TALK, OUTSIDE, "8080", "10") == f"10 bytes from {OWN}"
        assert in_pod(cluster, TALK, OUTSIDE, "8080", "3000000") == f"3000000 bytes from {OWN}"
        assert in_pod(cluster, TALK, OUTSIDE6, "8080", "10") == "10 bytes from 2001:db8:5::1"
        assert in_pod(cluster, DATAGRAM, OUTSIDE) == "HELLO"
        until("the name", lambda: in_pod(cluster, TALK, NAME, "8080", "5") == f"5 bytes from {OWN}")
        away = "away.default.svc.cluster.local"
        assert in_pod(cluster, TALK, away, "8080", "7") == f"7 bytes from {OWN}"

        reset = ("ConnectionResetError", "")
        assert in_pod(cluster, TALK, OUTSIDE, "9", "5") in reset  # the other machine refuses
        assert in_pod(cluster, TALK, "198.51.100.66", "8080", "5") in reset  # --egress-refuse
        assert in_pod(cluster, TALK, OWN, "8080", "5") in reset  # this machine
        for text in ("198.51.100.66 lies in 198.51.100.66/32, which --egress-refuse lists", f"{OWN} is this machine"):
            until("a line of the log", lambda text=text: text in cluster.fairlead("logs", "relay").stdout)  # type: ignore[misc]

        node = cluster.fairlead("shell", "node1", "python3", "-c", TALK, OUTSIDE, "8080", "4")
        assert node.stdout.strip() == f"4 bytes from {OWN}"

        relay = cluster.component("relay")
        os.kill(relay["pid"], 9)
        until("another relay", lambda: cluster.component("relay")["restarts"] > relay["restarts"])
        until("the way out again", lambda: in_pod(cluster, TALK, OUTSIDE, "8080", "10") == f"10 bytes from {OWN}")


def test_without_the_flag_pods_have_no_way_out(machine: Namespace) -> None:
    with cluster_of("user", machine) as cluster:
        cluster.up("--api-port", str(free_port()))
        out = cluster.fairlead("shell", "node1", "python3", "-c", TALK, OUTSIDE, "8080", "4")
        assert out.stdout.strip() == "OSError"
        config = json.loads((cluster.state / "config.json").read_text())
        assert (config["egress"], config["egress_refuse"]) == (False, "")


def test_the_setting_stays_until_it_is_taken_back(machine: Namespace) -> None:
    with cluster_of("user", machine) as cluster:
        for flags, expected in ((("--egress",), True), ((), True), (("--no-egress",), False)):
            cluster.up("--api-port", str(free_port()), *flags)
            out = cluster.fairlead("shell", "node1", "python3", "-c", TALK, OUTSIDE, "8080", "4")
            assert (out.stdout.strip() == f"4 bytes from {OWN}") == expected, flags
            assert cluster.fairlead("down").returncode == 0
