"""A cluster of IPv6 alone: no object of Kubernetes has an IPv4 address, and everything works."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cluster.dual import PYTHON, Dual, Probe, client, echo, service
from tests.cluster.support import free_port, new_cluster, until
from tests.loadbalancer.cluster import PODS, SERVICES, create, from_host, pod, url, wait_ready

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.kernel,
    pytest.mark.slow,
    # aiohttp closes the TLS connection of an exec only after the end of its event loop.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning"),
]

NODES = ("fd00:172:30::b", "fd00:172:30::c")
PLACES = ("client", "host", "node1", "node2", "fabric")
ASK_THE_API = """
import os, ssl, urllib.request
folder = "/var/run/secrets/kubernetes.io/serviceaccount"
host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
for name in (f"[{host}]", "kubernetes.default.svc"):
    asked = urllib.request.Request(f"https://{name}:{port}/api/v1")
    asked.add_header("Authorization", "Bearer " + open(f"{folder}/token").read())
    tls = ssl.create_default_context(cafile=f"{folder}/ca.crt")
    print(urllib.request.urlopen(asked, context=tls, timeout=60).status)
"""


@dataclass(frozen=True)
class Six(Dual):
    exposed: int
    """A port of the host's 127.0.0.1 whose server answers `host`."""


@pytest.fixture(scope="module")
def six() -> Iterator[Six]:
    with socket.create_server(("127.0.0.1", 0)) as listener, new_cluster("user") as cluster:
        threading.Thread(target=_say_host, args=(listener,), daemon=True).start()
        exposed = listener.getsockname()[1]
        flags = ("--ip-family", "ipv6", "--expose-host", str(exposed), "--api-port", str(free_port()))
        cluster.up("--nodes", "2", *flags)
        create(
            cluster,
            client("client", "node1"),
            client("host", "node1", hostNetwork=True),
            pod("web-1", "web", "node1"),
            pod("web-2", "web", "node2"),
            echo("echo", "node2"),
            service("web", "web", type="LoadBalancer"),
            service("sticky", "web", sessionAffinity="ClientIP"),
            service("lone", "nobody"),
            service("echo", "echo", port=53, target=5353, protocol="UDP", type="NodePort"),
        )
        wait_ready(cluster, "client", "host", "web-1", "web-2", "echo")
        made = Six(cluster, exposed)
        for probe in (("http", made.vip6("web"), 80), ("udp", made.vip6("echo"), 53)):
            made.until_answered("client", probe)
        yield made
        with warnings.catch_warnings(action="ignore"):
            gc.collect()  # leftovers of aiohttp's last exec


def _say_host(listener: socket.socket) -> None:
    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        with peer:
            peer.sendall(b"host\n")


def test_everything_has_an_ipv6_address_and_no_other(six: Six) -> None:
    for number, ip in enumerate(NODES, 1):
        node = six.get(f"/api/v1/nodes/node{number}")
        assert node["spec"]["podCIDRs"] == [f"fd00:10:244:{number}::/64"]
        assert [a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"] == [ip]
    (own,) = six.ips("web-2")
    assert own.startswith("fd00:10:244:2::")
    status = six.get(f"{PODS}/host")["status"]
    assert [e["ip"] for e in status["podIPs"]] == [e["ip"] for e in status["hostIPs"]] == [NODES[0]]
    assert six.spec("web")["ipFamilies"] == ["IPv6"]
    assert six.spec("kubernetes")["clusterIPs"] == ["fd00:10:96::1"]
    routes = six.in_pod("client", "cat", "/proc/net/fib_trie")
    assert not [text for text in ("10.244.", "172.30.", "169.254.") if text in routes]
    assert six.in_pod("client", "cat", "/etc/resolv.conf").splitlines()[1] == "nameserver fd00:10:96::a"


@pytest.mark.parametrize("place", PLACES)
def test_services_answer_from_everywhere_or_refuse_at_once(six: Six, place: str) -> None:
    web = six.spec("web")
    ingress = until("an address", lambda: six.get(f"{SERVICES}/web")["status"]["loadBalancer"].get("ingress"))
    balanced = ("http", ingress[0]["ip"], 80)
    six.until_answered(place, balanced)
    port = web["ports"][0]["nodePort"]
    probes: list[Probe] = [("http", web["clusterIP"], 80), balanced, *(("http", ip, port) for ip in NODES)]
    found = six.ask(place, probes * 6)
    assert {line.split()[0] for line in found} == {"web-1", "web-2"}
    assert len({line.split()[0] for line in six.ask(place, [("http", six.vip6("sticky"), 80)] * 6)}) == 1
    assert six.ask(place, [("udp", six.vip6("echo"), 53)])[0].startswith("echo ")
    assert six.ask(place, [("http", six.vip6("lone"), 80)]) == ["Error: refused"]


def test_programs_in_pods_find_names_the_api_and_the_host(six: Six) -> None:
    names = ("web.default.svc.cluster.local", "kubernetes.default.svc.cluster.local")
    until("names are answered", lambda: six.vip6("web") in six.in_pod("client", "getent", "ahostsv6", "web"))
    if shutil.which("dig"):
        assert [six.in_pod("client", "dig", "+short", kind, names[0]).split() for kind in ("A", "AAAA")] == [
            [],
            [six.vip6("web")],
        ]
    assert six.in_pod("client", PYTHON, "-c", ASK_THE_API).split() == ["200", "200"]
    where = f"('host.fairlead.internal', {six.exposed})"
    say = f"import socket; print(socket.create_connection({where}, 60).recv(9).decode())"
    assert six.in_pod("client", PYTHON, "-c", say).split() == ["host"]
    assert six.vip6("kubernetes") in six.on_node("node2", "getent", "ahostsv6", names[1])


def test_the_host_reaches_services_on_its_own_loopback(six: Six) -> None:
    port = six.spec("web")["ports"][0]["nodePort"]
    for answer in (
        until("the node port", lambda: from_host(f"http://127.0.0.1:{port}")),
        until("the balancer's port", lambda: from_host(url(six.cluster, "web"))),
    ):
        assert answer["pod"] in {"web-1", "web-2"}
    assert six.get(f"{SERVICES}/web:80/proxy/?format=json")["pod"] in {"web-1", "web-2"}


def test_the_addresses_stay(six: Six) -> None:
    names = ("client", "web-1", "web-2", "echo")
    before = {name: six.ips(name) for name in names}
    old = six.cluster.component("agent-node1")["pid"]
    os.kill(old, signal.SIGKILL)
    until("another agent", lambda: six.cluster.component("agent-node1")["pid"] not in (old, 0))
    create(six.cluster, pod("later", "later", "node1"))
    wait_ready(six.cluster, "later")
    assert six.ips("later")[0] not in {ip for ips in before.values() for ip in ips}
    assert six.cluster.fairlead("down").returncode == 0
    six.cluster.up()
    six.until_restarted(*names)
    assert {name: six.ips(name) for name in names} == before
    six.until_answered("client", ("http", six.vip6("web"), 80))
