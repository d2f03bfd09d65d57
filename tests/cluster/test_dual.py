"""A cluster of both address families for its users: from Pods, nodes and the fabric, by address and by name."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import socket
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from ipaddress import ip_address, ip_network

import pytest

from tests.cluster.dual import DUAL, FOLLOW, PYTHON, Dual, Probe, echo, fill, service
from tests.cluster.support import free_port, new_cluster, until
from tests.loadbalancer.cluster import PODS, SERVICES, Tree, create, from_host, pod, url, wait_ready

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.kernel,
    pytest.mark.slow,
    # aiohttp closes the TLS connection of an exec only after the end of its event loop.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning"),
]

USERS = ["root", "user"] if os.getuid() == 0 else ["user"]
MODES = {"user": "nftables", "root": "iptables" if shutil.which("ip6tables-restore") else "nftables"}
NODES = ("fd00:172:30::b", "fd00:172:30::c")
PLACES = ("client-1", "client-2", "host", "node1", "node2", "fabric")
DOMAIN = "default.svc.cluster.local"


@pytest.fixture(scope="module", params=USERS)
def dual(request: pytest.FixtureRequest) -> Iterator[Dual]:
    with new_cluster(request.param) as cluster:
        mode = MODES[request.param]
        cluster.up("--nodes", "2", "--ip-family", "dual", "--api-port", str(free_port()), "--proxy-mode", mode)
        yield fill(cluster)
        with warnings.catch_warnings(action="ignore"):
            gc.collect()  # leftovers of aiohttp's last exec


def answerers(lines: list[str]) -> set[str]:
    return {line.split()[0] for line in lines}


def both_answer(dual: Dual, place: str) -> bool:
    return answerers(dual.ask(place, [("http", dual.vip6("web"), 80)] * 16)) == {"web-1", "web-2"}


def test_nodes_and_pods_have_an_address_of_each_family(dual: Dual) -> None:
    node = dual.get("/api/v1/nodes/node2")
    assert node["spec"]["podCIDRs"] == ["10.244.2.0/24", "fd00:10:244:2::/64"]
    own = [a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"]
    assert own == ["172.30.0.12", "fd00:172:30::c"]
    four, six = dual.ips("web-2")
    assert (four.rpartition(".")[0], six.rpartition("::")[0]) == ("10.244.2", "fd00:10:244:2")
    status = dual.get(f"{PODS}/host")["status"]
    assert [e["ip"] for e in status["podIPs"]] == [e["ip"] for e in status["hostIPs"]] == ["172.30.0.11", NODES[0]]
    hosts = [line.split()[0] for line in dual.in_pod("db-1", "cat", "/etc/hosts").splitlines() if "db-1" in line]
    assert hosts == dual.ips("db-1")
    shown = dual.cluster.fairlead("status").stdout
    assert "172.30.0.12,fd00:172:30::c" in shown
    assert "10.244.2.0/24,fd00:10:244:2::/64" in shown


def test_a_pod_has_its_addresses_in_variables_and_may_open_low_ports(dual: Dual) -> None:
    fields = ("podIP", "podIPs", "hostIP", "hostIPs")
    env = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": f"status.{name}"}}} for name in fields]
    server = "socket.create_server(('::', 80), family=socket.AF_INET6, dualstack_ipv6=True)"
    listen = f"import socket, time; listener = {server}; time.sleep(600)"
    told = pod("told", "told", "node2", image="debian", env=env, command=[PYTHON, "-c", listen])
    told["spec"]["terminationGracePeriodSeconds"] = 0
    told["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": 80}, "periodSeconds": 1}
    create(dual.cluster, told)
    wait_ready(dual.cluster, "told")
    shown = dual.in_pod("told", "printenv", *fields).splitlines()
    own = dual.ips("told")
    assert shown == [own[0], ",".join(own), "172.30.0.12", "172.30.0.12,fd00:172:30::c"]


@pytest.mark.parametrize("place", PLACES)
def test_pods_cluster_ips_and_node_ports_answer_from_everywhere(dual: Dual, place: str) -> None:
    web, both, six = dual.spec("web"), dual.spec("both"), dual.spec("six")
    port, six_port = web["ports"][0]["nodePort"], six["ports"][0]["nodePort"]
    pods: list[Probe] = [("http", ip, 8080) for name in ("web-1", "web-2") for ip in dual.ips(name)]
    services: list[Probe] = [("http", ip, 80) for ip in (*web["clusterIPs"], *both["clusterIPs"], six["clusterIP"])]
    nodes: list[Probe] = [("http", ip, p) for ip in NODES for p in (port, six_port)]
    also: list[Probe] = [] if place == "fabric" else [("http", "2001:db8::5", 80)]
    found = dual.ask(place, [*pods, *services * 5, *nodes, *also])
    assert [line.split()[0] for line in found[:4]] == ["web-1", "web-1", "web-2", "web-2"]
    assert answerers(found[4:]) == {"web-1", "web-2"}


def test_a_pods_own_address_is_seen_but_by_itself(dual: Dual) -> None:
    (_, six) = dual.ips("client-1")
    seen = dual.ask("client-1", [("http", dual.vip6("web"), 80)] * 4)
    assert {line.split()[1] for line in seen} == {six}
    hairpin = dual.ask("web-1", [("http", dual.vip6("web"), 80)] * 16)
    assert answerers(hairpin) == {"web-1", "web-2"}
    assert {line.split()[1] for line in hairpin} == {NODES[0], dual.ips("web-1")[1]}
    port = dual.spec("web")["ports"][0]["nodePort"]
    from_node = dual.ask("fabric", [("http", NODES[1], port)] * 4)
    assert {line.split()[1] for line in from_node} <= {NODES[1]}


@pytest.mark.parametrize("place", PLACES)
def test_ports_without_endpoints_are_refused_at_once(dual: Dual, place: str) -> None:
    lone = dual.spec("lone")
    probes: list[Probe] = [("http", ip, 80) for ip in lone["clusterIPs"]]
    probes += [("http", ip, lone["ports"][0]["nodePort"]) for ip in NODES]
    probes += [("udp", dual.vip6("lone-udp"), 53)] * 3
    probes += [("http", dual.vip6("web"), 81), ("http", "fd00:10:96::ffff", 80)]
    assert dual.ask(place, probes) == ["Error: refused"] * len(probes)


def test_clients_stick_and_datagrams_find_their_way(dual: Dual) -> None:
    for place in ("client-1", "node2"):
        assert len(answerers(dual.ask(place, [("http", dual.vip6("sticky"), 80)] * 8))) == 1
        four, six = dual.ask(place, [("udp", ip, 53) for ip in dual.spec("echo")["clusterIPs"]])
        own = dual.ips("client-1") if place == "client-1" else ["172.30.0.12", NODES[1]]
        if place == "client-1":
            assert (four, six) == (f"echo {own[0]}", f"echo {own[1]}")
        else:
            assert {four.split()[0], six.split()[0]} == {"echo"}


def test_a_udp_client_that_keeps_its_socket_follows_to_the_next_pod(dual: Dual) -> None:
    create(dual.cluster, service("moving", "moving", port=53, target=5353, protocol="UDP", ipFamilies=["IPv6"]))
    first, second = echo("moving-1", "node1"), echo("moving-2", "node2")
    for one in (first, second):
        one["metadata"]["labels"]["app"] = "moving"
    create(dual.cluster, first)
    wait_ready(dual.cluster, "moving-1")
    dual.until_answered("node1", ("udp", dual.vip6("moving"), 53))
    runner = dual.cluster.runner
    command = runner.command(
        "shell", "--name", dual.cluster.name, "node1", "--", PYTHON, "-c", FOLLOW, dual.vip6("moving")
    )
    with runner.start(command, stdout=subprocess.PIPE) as following:
        assert following.stdout is not None
        assert following.stdout.readline() == "moving-1\n"
        dual.cluster.access().call("DELETE", f"{PODS}/moving-1?gracePeriodSeconds=0")
        create(dual.cluster, second)
        assert following.stdout.readline() == "moving-2\n"


@pytest.mark.skipif(not shutil.which("dig"), reason="no dig on this host")
def test_names_have_addresses_of_both_families(dual: Dual) -> None:
    web, db = dual.spec("web")["clusterIPs"], [dual.ips(f"db-{n}") for n in (1, 2)]
    until("names are answered", lambda: dual.dig("AAAA", f"web.{DOMAIN}") == [web[1]])
    assert dual.dig("A", f"web.{DOMAIN}") == [web[0]]
    assert dual.dig("AAAA", f"single.{DOMAIN}") == []
    assert dual.dig("A", f"six.{DOMAIN}") == []
    assert dual.dig("AAAA", f"db.{DOMAIN}") == sorted(ips[1] for ips in db)
    assert dual.dig("AAAA", f"db-1.db.{DOMAIN}") == [db[0][1]]
    assert dual.dig("-x", web[1]) == [f"web.{DOMAIN}."]
    assert dual.dig("-x", db[1][1]) == [f"db-2.db.{DOMAIN}."]
    dashed = db[0][1].replace(":", "-")
    assert dual.dig("AAAA", f"{dashed}.default.pod.cluster.local") == [db[0][1]]
    srv = dual.in_pod("client-1", "dig", "+noall", "+answer", "+additional", "SRV", f"_main._tcp.web.{DOMAIN}")
    assert {(line.split()[3], line.split()[-1]) for line in srv.splitlines() if "\tA" in line} == {
        ("A", web[0]),
        ("AAAA", web[1]),
    }


def test_programs_resolve_and_connect_over_ipv6(dual: Dual) -> None:
    until("names are answered", lambda: dual.vip6("web") in dual.in_pod("client-2", "getent", "ahostsv6", "web"))
    if shutil.which("curl"):
        for place in (dual.in_pod("client-2", "curl", "-6sS", "http://web/"), dual.on_node("node1", *_curl())):
            assert place.startswith("Pod web-"), place
    assert dual.in_pod("db-1", "getent", "ahostsv6", "db-1").split()[0] == dual.ips("db-1")[1]


def _curl() -> tuple[str, ...]:
    return ("curl", "-6sS", f"http://web.{DOMAIN}/")


def test_a_service_is_upgraded_and_downgraded_while_it_is_used(dual: Dual) -> None:
    def patch(spec: Tree) -> None:
        with closing(dual.cluster.access().connect()) as connection:
            headers = {"Content-Type": "application/merge-patch+json"}
            connection.request("PATCH", f"{SERVICES}/single", json.dumps({"spec": spec}), headers)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()

    (four,) = dual.spec("single")["clusterIPs"]
    patch(DUAL)
    kept, six = dual.spec("single")["clusterIPs"]
    assert kept == four
    assert six.startswith("fd00:10:96::")
    for place in PLACES:
        dual.until_answered(place, ("http", six, 80))
    patch({"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"], "clusterIPs": [four]})
    until("nobody answers", lambda: dual.ask("client-1", [("http", six, 80)]) == ["Error: refused"])
    assert answerers(dual.ask("client-1", [("http", four, 80)])) <= {"web-1", "web-2"}


def test_balancers_learn_over_ipv6_which_nodes_have_endpoints(dual: Dual) -> None:
    spec: Tree = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"} | DUAL
    create(dual.cluster, service("near", "near", **spec), pod("near", "near", "node2"))
    wait_ready(dual.cluster, "near")
    port = dual.spec("near")["healthCheckNodePort"]
    ask = ("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} ")
    if not shutil.which("curl"):
        pytest.skip("no curl on this host")

    def codes() -> str:
        return "".join(dual.on_node("node1", *ask, f"http://[{ip}]:{port}/") for ip in NODES)

    until("the nodes tell", lambda: codes() == "503 200 ")
    assert dual.on_node("node1", *ask, f"http://[{NODES[1]}]:10256/healthz") == "200 "


def test_a_load_balancer_has_an_address_of_each_family_that_answers_everywhere(dual: Dual) -> None:
    create(dual.cluster, service("shop", "web", type="LoadBalancer", **DUAL))

    def given() -> list[str]:
        points = dual.get(f"{SERVICES}/shop")["status"]["loadBalancer"].get("ingress", [])
        return [point["ip"] for point in points]

    four, six = until("two addresses", lambda: ips if len(ips := given()) == 2 else [])
    assert ip_address(four) in ip_network("172.30.0.192/26")
    assert 0xC8 <= int(ip_address(six)) - int(ip_address("fd00:172:30::")) <= 0xFA
    for place in PLACES:
        dual.until_answered(place, ("http", six, 80))
        assert answerers(dual.ask(place, [("http", ip, 80) for ip in (four, six) * 8])) == {"web-1", "web-2"}


def test_a_service_of_ipv6_alone_is_reached_through_the_api_and_on_the_hosts_loopback(dual: Dual) -> None:
    page = dual.get(f"{SERVICES}/six:80/proxy/?format=json")
    assert page["pod"] in {"web-1", "web-2"}
    create(
        dual.cluster,
        service("six-lb", "web", type="LoadBalancer", ipFamilies=["IPv6"]),
        service("six-udp", "echo", port=53, target=5353, protocol="UDP", type="NodePort", ipFamilies=["IPv6"]),
    )
    port, udp = (dual.spec(name)["ports"][0]["nodePort"] for name in ("six", "six-udp"))
    for answer in (
        until("the node port", lambda: from_host(f"http://127.0.0.1:{port}")),
        until("the balancer's port", lambda: from_host(url(dual.cluster, "six-lb"))),
    ):
        assert answer["pod"] in {"web-1", "web-2"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1)
        sock.connect(("127.0.0.1", udp))

        def echoed() -> bytes:
            sock.send(b"hello")
            return sock.recv(100)

        assert until("an echo", echoed).startswith(b"echo ")


def test_the_addresses_stay_when_an_agent_dies_and_when_the_cluster_is_stopped(dual: Dual) -> None:
    names = ("client-1", "web-1", "web-2", "db-2")
    before = {name: dual.ips(name) for name in names}
    services = {name: dual.spec(name)["clusterIPs"] for name in ("web", "six", "db")}
    old = dual.cluster.component("agent-node1")["pid"]
    os.kill(old, signal.SIGKILL)
    assert both_answer(dual, "node1")
    until("another agent", lambda: dual.cluster.component("agent-node1")["pid"] not in (old, 0))
    create(dual.cluster, pod("later", "later", "node1"))
    wait_ready(dual.cluster, "later", *names)
    assert {name: dual.ips(name) for name in names} == before
    assert len({ip for name in (*names, "later", "db-1") for ip in dual.ips(name)}) == 12
    assert dual.cluster.fairlead("down").returncode == 0
    refused = dual.cluster.fairlead("up", "--detach", "--ip-family", "ipv4")
    assert refused.returncode == 2
    assert "was created with --ip-family dual" in refused.stderr
    dual.cluster.up()
    assert {name: dual.spec(name)["clusterIPs"] for name in services} == services
    dual.until_restarted(*names)
    assert {name: dual.ips(name) for name in names} == before
    for place in ("client-1", "node2", "fabric"):
        until(f"both answer in {place}", partial(both_answer, dual, place))
