"""`fairlead up --host-routes`, in a network namespace that acts as the host: routes, closed paths, cleanup."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.cluster.hosts import PYTHON, Namespace, cluster_on, join, namespace
from tests.cluster.support import Cluster, new_cluster, until

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow, pytest.mark.root]

ADDRESS, ADDRESS6 = "169.254.172.3", "fd00:172:30:ff::3"
NODES_AND_GATEWAYS = {"172.30.0.11", "172.30.0.12", "10.244.1.1", "10.244.2.1"}
LISTEN = """
import socket
listener = socket.create_server(("::", 9999), family=socket.AF_INET6, dualstack_ipv6=True)
print("there", flush=True)
while True:
    listener.accept()
"""
SEND = """
import socket, sys
socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", (sys.argv[1], 9998))
"""
RECEIVE = """
import socket
sock = socket.socket(type=socket.SOCK_DGRAM)
sock.bind(("", 9998))
sock.settimeout(60)
print("there", flush=True)
try:
    print(sock.recvfrom(10)[1][0])
except TimeoutError:
    print()
"""
ASK = """
import sys, urllib.request
try:
    request = urllib.request.Request(sys.argv[1], headers={"Accept": "application/json"})
    print(urllib.request.urlopen(request, timeout=1).read().decode())
except OSError as e:
    print("failed:", e)
"""
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
    print("connected")
except OSError as e:
    print("failed:", type(e).__name__)
"""


@pytest.fixture(scope="module", autouse=True)
def as_root() -> None:
    if os.getuid() != 0:
        pytest.skip("only root may give a host routes")


@pytest.fixture(scope="module")
def host() -> Iterator[Namespace]:
    with namespace() as made:
        yield made


@pytest.fixture(scope="module")
def lan(host: Namespace) -> Iterator[Namespace]:
    """Yields another machine beside the host, whose router is the host."""
    with namespace() as made:
        join(host, "lan0", "192.0.2.1/24", made, "eth0", "192.0.2.2/24")
        made.ip("route", "add", "default", "via", "192.0.2.1")
        assert host.run("sysctl", "-qw", "net.ipv4.ip_forward=1").returncode == 0
        yield made


@pytest.fixture(scope="module")
def before(host: Namespace, lan: Namespace) -> str:
    """Returns the host's network without a cluster."""
    until("the link is up", lambda: " state UP " in host.ip("-o", "link", "show", "lan0"))
    until("its addresses", lambda: "tentative" not in host.network())
    return host.network()


@pytest.fixture(scope="module")
def cluster(host: Namespace, before: str) -> Iterator[Cluster]:
    with cluster_on(host) as made:
        made.up("--nodes", "2", "--host-routes", "--ip-family", "dual")
        kubectl(made, "run", "web", "--image", "fairlead/web", "--labels", "app=web")
        kubectl(made, "expose", "pod", "web", "--type", "LoadBalancer", "--port", "80", "--target-port", "8080")
        local = '{"spec":{"externalTrafficPolicy":"Local"}}'
        near = ("--name", "near", "--type", "LoadBalancer", "--port", "80", "--target-port", "8080")
        kubectl(made, "expose", "pod", "web", *near, "--overrides", local)
        six = '{"spec":{"ipFamilies":["IPv6"]}}'
        far = ("--name", "six", "--type", "LoadBalancer", "--port", "80", "--target-port", "8080")
        kubectl(made, "expose", "pod", "web", *far, "--overrides", six)
        kubectl(made, "expose", "pod", "web", "--name", "plain", "--port", "80", "--target-port", "8080")
        kubectl(made, "wait", "--for", "condition=Ready", "pod/web", "--timeout=120s")
        yield made


def kubectl(cluster: Cluster, *arguments: str) -> str:
    command = ["kubectl", "--kubeconfig", str(cluster.state / "kubeconfig"), *arguments]
    done = cluster.runner.run([*cluster.runner.prefix, *command])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def field(cluster: Cluster, what: str, path: str) -> str:
    return kubectl(cluster, "get", *what.split(), "-o", f"jsonpath={{{path}}}")


def ask(where: Namespace, url: str) -> str:
    return where.run(PYTHON, "-c", ASK, url).stdout.strip()


def client_seen(host: Namespace, url: str) -> str:
    """Returns the host's address as the page's Pod sees it; fails without a page."""

    def look() -> str:
        return str(json.loads(ask(host, url))["client"])

    return until(f"a page at {url}", look)


def test_the_host_reaches_services_pods_and_balancers_at_their_own_addresses(
    host: Namespace, cluster: Cluster, before: str
) -> None:
    balanced = until("an address", lambda: field(cluster, "svc web", ".status.loadBalancer.ingress[0].ip"))
    node_port = field(cluster, "svc web", ".spec.ports[0].nodePort")
    near = until("an address", lambda: field(cluster, "svc near", ".status.loadBalancer.ingress[0].ip"))
    for url in (
        f"http://{balanced}/",
        f"http://172.30.0.12:{node_port}/",
        f"http://{field(cluster, 'svc plain', '.spec.clusterIP')}/",
    ):
        assert client_seen(host, url) in NODES_AND_GATEWAYS, "the Pod sees the node that translated"
    assert client_seen(host, f"http://{near}/") == ADDRESS
    assert client_seen(host, f"http://{field(cluster, 'pod web', '.status.podIP')}:8080/") == ADDRESS
    six = until("an address", lambda: field(cluster, "svc six", ".status.loadBalancer.ingress[0].ip"))
    for url in (f"http://[{six}]/", f"http://[{field(cluster, 'svc six', '.spec.clusterIP')}]/"):
        assert client_seen(host, url).startswith("fd00:172:30::")
    assert client_seen(host, f"http://[{field(cluster, 'pod web', '.status.podIPs[1].ip')}]:8080/") == ADDRESS6
    assert f"http://[{six}]" in cluster.fairlead("services").stdout
    assert f"http://{balanced}" in cluster.fairlead("services").stdout
    assert cluster.fairlead("open", "svc/web", "--print").stdout.strip() == f"http://{balanced}"
    plain = cluster.fairlead("open", "svc/plain", "--print").stdout.strip()
    assert client_seen(host, plain)
    assert f"fd00:10:96::/112 by fl-{cluster.name}, as {ADDRESS} and {ADDRESS6}" in cluster.fairlead("status").stdout
    assert set(before.splitlines()) <= set(host.network().splitlines()), "the host has lost something"


def test_nothing_but_answers_goes_from_the_cluster_to_the_host_and_nothing_beyond(
    host: Namespace, lan: Namespace, cluster: Cluster
) -> None:
    url = f"http://{field(cluster, 'pod web', '.status.podIP')}:8080/"
    with host.start(PYTHON, "-c", LISTEN) as listener, lan.start(PYTHON, "-c", LISTEN) as beyond:
        try:
            for program in (listener, beyond):
                assert program.stdout is not None
                assert program.stdout.readline() == "there\n"
            assert connect(host, ADDRESS6) == "connected"
            assert connect(host, "127.0.0.1") == "connected"
            assert connect(host, "192.0.2.2") == "connected"
            for place in (ADDRESS, ADDRESS6, "192.0.2.1", "192.0.2.2", "127.0.0.1"):
                done = cluster.fairlead("shell", "node1", "--", PYTHON, "-c", CONNECT, place, "9999")
                assert done.stdout.startswith("failed:"), (place, done.stdout + done.stderr)
            # A user in the cluster who makes arbitrary routes and rules.
            inside = Namespace(cluster.component("control-plane")["pid"])
            inside.ip("route", "add", "192.0.2.0/24", "via", ADDRESS)
            assert connect(inside, ADDRESS).startswith("failed:")
            # Datagrams need no answer to do harm.
            send_datagrams = partial(sent_to, "172.30.0.1")
            assert received(inside, partial(send_datagrams, host)) == ADDRESS

            def from_both() -> None:
                send_datagrams(lan)
                send_datagrams(host)

            assert received(inside, from_both) == ADDRESS, "the host's network reaches into the cluster"
            assert inside.run("nft", "delete", "table", "inet", "fairlead-host").returncode == 0
            assert connect(inside, ADDRESS) == "connected", "only the rules keep the host's programs from the cluster"
            assert connect(inside, "192.0.2.2").startswith("failed:"), "the host forwards for the cluster"
            assert ask(lan, url).startswith("failed:"), "the host's network reaches into the cluster"
        finally:
            listener.kill()
            beyond.kill()


def sent_to(address: str, where: Namespace) -> None:
    assert where.run(PYTHON, "-c", SEND, address).returncode == 0


def received(where: Namespace, send: Callable[[], None]) -> str:
    """Returns the sender of the first datagram that came."""
    with where.start(PYTHON, "-c", RECEIVE) as receiver:
        assert receiver.stdout is not None
        assert receiver.stdout.readline() == "there\n"
        send()
        return receiver.communicate()[0].strip()


def connect(where: Namespace, address: str) -> str:
    return where.run(PYTHON, "-c", CONNECT, address, "9999").stdout.strip()


def test_a_second_cluster_and_a_host_with_such_addresses_are_refused_by_name(host: Namespace, cluster: Cluster) -> None:
    with cluster_on(host) as second:
        done = second.fairlead("up", "--detach", "--host-routes")
        assert done.returncode == 1
        assert "range 172.30.0.0/24 overlaps this machine's route to 172.30.0.0/24" in done.stderr
        assert f"fl-{cluster.name}, of another cluster with --host-routes" in done.stderr
        assert not second.state.exists()
    with namespace() as other, namespace() as beside, cluster_on(other) as third:
        join(other, "vpn0", "10.250.0.1/8", beside, "eth0", "10.250.0.2/8")
        done = third.fairlead("up", "--detach", "--host-routes")
        assert done.returncode == 1
        assert "the Pods' range 10.244.0.0/16 overlaps address 10.250.0.1/8 of this machine's vpn0" in done.stderr


def test_an_ordinary_user_is_refused_before_anything_is_made() -> None:
    with new_cluster("user") as made:
        done = made.fairlead("up", "--detach", "--host-routes")
        assert done.returncode == 2
        assert "--host-routes needs root" in done.stderr
        assert not made.state.exists()


def test_the_routes_end_with_the_cluster_however_it_ends(host: Namespace, cluster: Cluster, before: str) -> None:
    assert cluster.fairlead("down").returncode == 0
    until("the host as it was", partial(same, host, before))
    host.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    cluster.up("--lb-pool", "198.51.100.8/30")
    path = ".status.loadBalancer.ingress[0].ip"
    until("an address of the pool", lambda: field(cluster, "svc web", path).startswith("198.51.100."))
    assert client_seen(host, cluster.fairlead("open", "svc/web", "--print").stdout.strip()) in NODES_AND_GATEWAYS
    assert host.run("cat", "/proc/sys/net/ipv4/ip_forward").stdout.strip() == "0", "forwarding was switched on"
    url = f"http://{field(cluster, 'svc plain', '.spec.clusterIP')}/"
    assert client_seen(host, url)
    assert json.loads(cluster.fairlead("status", "-o", "json").stdout)["hostRoutes"]["link"] == f"fl-{cluster.name}"
    os.kill(cluster.status()["pid"], signal.SIGKILL)
    # The kernel deletes namespaces one after the other, and a test machine may have many.
    until("the host as it was", partial(same, host, before))
    cluster.up("--no-host-routes")
    assert host.network() == before
    assert "127.0.0.1" in until("a URL", lambda: cluster.fairlead("open", "svc/web", "--print").stdout)
    cluster.fairlead("down")


def same(host: Namespace, before: str) -> bool:
    if (now := host.network()) != before:
        raise ValueError(f"it has {set(now.splitlines()) - set(before.splitlines())}")
    return True
