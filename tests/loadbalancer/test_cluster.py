"""Load balancers with real packets, in clusters of root and of an ordinary user.

The host connects to its loopback only; clients of 172.30.0.x are in a Pod, on a node or on the cluster's fabric.
"""

from __future__ import annotations

import os
import selectors
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fairlead.loadbalancer.announcer.plan import best
from tests.cluster.support import Cluster, free_node_port, free_port, in_one_of, new_cluster, until
from tests.loadbalancer.asking import Asking
from tests.loadbalancer.cluster import (
    ASK_UDP,
    CORE,
    ECHO,
    SERVICES,
    Tree,
    address,
    announcers,
    asking,
    balanced,
    create,
    from_fabric,
    from_host,
    from_node,
    on_fabric,
    pod,
    reasons,
    to_fabric,
    url,
    wait_address,
    wait_ready,
)

ASK_MANY = """
import json, sys, time, urllib.request
seen = set()
for _ in range(int(sys.argv[2])):
    request = urllib.request.Request(sys.argv[1], headers={"Accept": "application/json"})
    seen.add(json.load(urllib.request.urlopen(request, timeout=10))["pod"])
    if len(seen) > 1:
        break
    time.sleep(float(sys.argv[3]))
print(*seen)
"""
"""Prints who answered; ends with the second one."""

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

USERS = ["root", "user"] if os.getuid() == 0 else ["user"]
NODES = ("node1", "node2", "node3")


@pytest.fixture(params=USERS, scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Three nodes, a web Pod on each."""
    with new_cluster(request.param) as made:
        made.up("--nodes", "3", "--api-port", str(free_port()))
        create(made, *(pod(f"web-{n}", "web", n) for n in NODES))
        wait_ready(made, *(f"web-{n}" for n in NODES))
        yield made


@pytest.fixture(autouse=True)
def services_gone(cluster: Cluster) -> Iterator[None]:
    yield
    for service in cluster.access().call("GET", SERVICES)["items"]:
        if service["metadata"]["name"] != "kubernetes":
            cluster.access().call("DELETE", f"{SERVICES}/{service['metadata']['name']}")
    left = f"{SERVICES}?fieldSelector=spec.type%3DLoadBalancer"
    until("no Service left", lambda: not cluster.access().call("GET", left)["items"])


def test_the_page_is_served_at_the_address_from_everywhere(cluster: Cluster) -> None:
    create(cluster, balanced("shop", "web"))
    where = f"http://{wait_address(cluster, 'shop')}/"
    page = until("the page on the host", lambda: from_host(url(cluster, "shop")))
    assert page["pod"] in {f"web-{n}" for n in NODES}
    until("an answer on the fabric", partial(serves, cluster, where))
    for node in NODES:
        until(f"an answer on {node}", partial(answers_on, cluster, node, where))
    until("its events", lambda: {"EnsuringLoadBalancer", "EnsuredLoadBalancer"} <= set(reasons(cluster, "shop")))


def test_a_pod_reaches_the_address(cluster: Cluster) -> None:
    create(cluster, balanced("shop", "web"))
    where = f"http://{wait_address(cluster, 'shop')}/"
    script = (
        f"import time, urllib.request\nprint(urllib.request.urlopen('{where}', timeout=3).read().decode(), flush=True)"
    )
    client = pod("asks", "client", image="debian", command=["/usr/bin/python3", "-c", script + "\ntime.sleep(60)"])
    create(cluster, client)
    logs = f"{CORE}/pods/asks/log"
    until("an answer in the Pod's log", lambda: "web-node" in str(raw(cluster, logs)))
    cluster.access().call("DELETE", f"{CORE}/pods/asks?gracePeriodSeconds=0")


def raw(cluster: Cluster, path: str) -> bytes:
    connection = cluster.access().connect()
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def test_when_the_announcing_node_dies_another_one_answers(cluster: Cluster) -> None:
    create(cluster, balanced("shop", "lonely"))
    where = wait_address(cluster, "shop")
    first = best(where, NODES)
    second = best(where, [n for n in NODES if n != first])
    (third,) = set(NODES) - {first, second}
    create(cluster, pod("lonely", "lonely", third))
    wait_ready(cluster, "lonely")
    link = f"node{first.removeprefix('node')}"
    page = url(cluster, "shop")
    until("its node", lambda: announcers(cluster, where) == [first])

    def move() -> None:
        try:
            with asking(page) as report:
                until("answers", lambda: report.answers > 20)
                on_fabric(cluster, "ip", "link", "set", link, "down")
                answers = report.answers
                until("answers again", lambda: report.answers > answers + 20)
            assert report.failures == []
            assert report.slowest_s < 5, "a client that waits five seconds would have given up"
            assert second in announcers(cluster, where)
        finally:
            on_fabric(cluster, "ip", "link", "set", link, "up")
            until("back again", lambda: announcers(cluster, where) == [first])

    try:
        in_one_of(5, move)
    finally:
        cluster.access().call("DELETE", f"{CORE}/pods/lonely?gracePeriodSeconds=0")


def test_a_dying_node_costs_its_own_addresses_two_seconds_and_others_nothing(cluster: Cluster) -> None:
    """A move as seen by clients on the fabric, which learn of it from the announcement only."""
    # Addresses come in order: as many Services as it takes until two nodes have one.
    names = [f"s{i}" for i in range(8)]
    create(cluster, *(balanced(name, "lonely") for name in names))
    homes = {where: best(where, NODES) for where in (wait_address(cluster, name) for name in names)}
    dying, living = next((a, b) for a in homes for b in homes if homes[a] != homes[b])
    (third,) = set(NODES) - {homes[dying], homes[living]}
    create(cluster, pod("lonely", "lonely", third))
    wait_ready(cluster, "lonely")
    enter = to_fabric(cluster)

    def all_answer() -> None:
        for where in (dying, living):
            until("its node", partial(is_announced, cluster, where, homes[where]))
            until("an answer", partial(serves, cluster, f"http://{where}/", "lonely"))

    def move() -> None:
        try:
            # Patient, so that only a lost request counts, and not one that a busy machine is slow with.
            stays = Asking(enter, f"http://{living}/", patience_s=2)
            with stays, Asking(enter, f"http://{dying}/") as moves:
                on_fabric(cluster, "ip", "link", "set", homes[dying], "down")
                moves.more(30)
            assert moves.report.longest_s < 2.5, moves.report
            assert stays.report.failed == 0, stays.report
        finally:
            on_fabric(cluster, "ip", "link", "set", homes[dying], "up")
            all_answer()

    all_answer()
    try:
        in_one_of(5, move)
    finally:
        cluster.access().call("DELETE", f"{CORE}/pods/lonely?gracePeriodSeconds=0")


def test_the_local_policy_is_announced_where_a_pod_is_and_keeps_the_clients_address(cluster: Cluster) -> None:
    node_port = free_node_port()
    ports = [{"port": 80, "targetPort": 8080, "nodePort": node_port}]
    local = balanced("near", "near", externalTrafficPolicy="Local", ports=ports)
    create(cluster, pod("near", "near", "node2"), local)
    wait_ready(cluster, "near")
    where = wait_address(cluster, "near")
    until("node2", lambda: announcers(cluster, where) == ["node2"])
    page = until("the page", lambda: from_host(url(cluster, "near")))
    assert (page["pod"], page["client"]) == ("near", "172.30.0.1")
    by_port = f"http://127.0.0.1:{node_port}/"
    until("the page by the node port", lambda: from_host(by_port))

    def ask_nine_times() -> None:
        with asking(by_port) as report:
            until("some answers", lambda: report.answers >= 9)
        assert not report.failures
        assert report.slowest_s < 0.5, "a node without a Pod was asked, which says nothing"

    in_one_of(5, ask_nine_times)
    cluster.access().call("DELETE", f"{CORE}/pods/near?gracePeriodSeconds=0")
    until("nobody", lambda: announcers(cluster, where) == [])


def test_source_ranges_keep_others_out(cluster: Cluster) -> None:
    create(cluster, balanced("closed", "web", loadBalancerSourceRanges=["192.0.2.0/24"]))
    create(cluster, balanced("open", "web", loadBalancerSourceRanges=["172.30.0.1/32"]))
    assert "failed:" in from_fabric(cluster, f"http://{wait_address(cluster, 'closed')}/")
    where = f"http://{wait_address(cluster, 'open')}/"
    until("an answer", partial(serves, cluster, where))
    page = until("the page on the host", lambda: from_host(url(cluster, "open")))
    assert page["pod"].startswith("web-")


def test_services_share_an_address_on_different_ports(cluster: Cluster) -> None:
    meta = {"annotations": {"fairlead.dev/allow-shared-ip": "both"}}
    create(cluster, balanced("a", "web", meta=meta), balanced("b", "web", port=81, meta=meta))
    where = wait_address(cluster, "a")
    assert wait_address(cluster, "b") == where
    for port in (80, 81):
        until("an answer", partial(serves, cluster, f"http://{where}:{port}/"))


def test_an_exhausted_pool_makes_an_event_and_a_freed_address_goes_to_a_waiting_service(cluster: Cluster) -> None:
    names = [f"many{i}" for i in range(52)]
    for name in names:
        create(cluster, balanced(name, "nobody", allocateLoadBalancerNodePorts=False))
    given = until("51 addresses", lambda: got if len(got := [n for n in names if address(cluster, n)]) == 51 else [])
    assert len({address(cluster, n) for n in given}) == 51
    (waiting,) = set(names) - set(given)
    text = until("an event", lambda: reasons(cluster, waiting).get("SyncLoadBalancerFailed", ""))
    assert "all 51 addresses of the pool 172.30.0.200-172.30.0.250 are in use" in text
    freed = address(cluster, given[7])
    cluster.access().call("DELETE", f"{SERVICES}/{given[7]}")
    assert until("the freed address", lambda: address(cluster, waiting)) == freed


def test_datagrams_reach_pods_by_balancer_and_by_node_port(cluster: Cluster) -> None:
    create(cluster, pod("echo", "echo", "node3", image="debian", command=["/usr/bin/python3", "-c", ECHO]))
    ports: list[Tree] = [{"port": 5353, "protocol": "UDP"}]
    create(cluster, balanced("echo", "echo", ports=ports), balanced("echo-node", "echo", type="NodePort", ports=ports))
    wait_ready(cluster, "echo")
    for name in ("echo", "echo-node"):
        answer = until("an answer", partial(ask_datagram, url(cluster, name)))
        assert answer.startswith("hi from ")
    where = wait_address(cluster, "echo")
    command = ("/usr/bin/python3", "-c", ASK_UDP, where, "5353")
    until("an answer", lambda: on_fabric(cluster, *command).startswith("hi from "))
    cluster.access().call("DELETE", f"{CORE}/pods/echo?gracePeriodSeconds=0")


def test_a_client_on_the_fabric_stays_with_its_pod_until_its_time_is_over(cluster: Cluster) -> None:
    config = {"clientIP": {"timeoutSeconds": 1}}
    create(cluster, balanced("sticky", "web", sessionAffinity="ClientIP", sessionAffinityConfig=config))
    where = f"http://{wait_address(cluster, 'sticky')}/"
    until("an answer", partial(serves, cluster, where))

    def ask_at_once() -> None:
        found = on_fabric(cluster, "/usr/bin/python3", "-c", ASK_MANY, where, "20", "0.01")
        assert len(found.split()) == 1, "it was sent to several"

    in_one_of(5, ask_at_once)
    # Each time it may be sent to the same again: once in three, so once in 50,000 runs every time.
    later = on_fabric(cluster, "/usr/bin/python3", "-c", ASK_MANY, where, "10", "1.2")
    assert len(later.split()) > 1, "the time-out is not heeded"


def test_without_node_ports_it_serves_everywhere_all_the_same(cluster: Cluster) -> None:
    create(cluster, balanced("bare", "web", allocateLoadBalancerNodePorts=False))
    where = f"http://{wait_address(cluster, 'bare')}/"
    until("an answer", partial(serves, cluster, where))
    spec = cluster.access().call("GET", f"{SERVICES}/bare")["spec"]
    assert "nodePort" not in spec["ports"][0]
    until("an answer on node1", partial(answers_on, cluster, "node1", where))
    page = until("the page on the host", lambda: from_host(url(cluster, "bare")))
    assert page["pod"].startswith("web-")


def serves(cluster: Cluster, where: str, pod_name: str = "web-node") -> bool:
    """Returns True if the Pod's name is in the answer to a client on the fabric."""
    return pod_name in from_fabric(cluster, where)


def answers_on(cluster: Cluster, node: str, where: str) -> bool:
    """Returns True if a web Pod answers a client on the node."""
    return "web-node" in from_node(cluster, node, where)


def is_announced(cluster: Cluster, where: str, node: str) -> bool:
    return announcers(cluster, where) == [node]


def ask_datagram(where: str) -> str:
    place = urlsplit(where)
    assert (place.scheme, place.hostname) == ("udp", "127.0.0.1")
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(1)
        sock.connect(("127.0.0.1", place.port))
        sock.send(b"hi")
        return sock.recv(100).decode()


def test_a_published_port_without_endpoints_is_closed_and_keeps_its_url(cluster: Cluster) -> None:
    # A port that no other program takes while the relay does not listen on it.
    create(cluster, pod("brief", "brief"), balanced("brief", "brief", port=free_port()))
    wait_ready(cluster, "brief")
    before = url(cluster, "brief")
    until("the page", lambda: from_host(before))
    cluster.access().call("DELETE", f"{CORE}/pods/brief?gracePeriodSeconds=0")

    def refused() -> bool:
        try:
            socket.create_connection(("127.0.0.1", urlsplit(before).port or 80), 10).close()
        except ConnectionRefusedError:
            return True
        return False

    until("a refusal", refused)
    assert "(no Pod matches the selector app=brief)" in cluster.fairlead("services").stdout
    create(cluster, pod("brief", "brief"))
    wait_ready(cluster, "brief")
    until("the page again", lambda: from_host(before))
    assert url(cluster, "brief") == before
    cluster.access().call("DELETE", f"{CORE}/pods/brief?gracePeriodSeconds=0")


def test_ten_thousand_connections_are_held_and_all_of_them_work(cluster: Cluster) -> None:
    limit = relay_descriptors(cluster)
    # The relay gives published ports half of its descriptors, two for each connection.
    count = min(10_000, limit // 4 - 10, own_descriptors() - 200)
    create(cluster, balanced("crowd", "web"))
    place = urlsplit(until("a URL", lambda: url(cluster, "crowd")))
    until("the page", lambda: from_host(place.geturl()))
    relay = cluster.component("relay")["pid"]
    socks: list[socket.socket] = []
    try:
        socks.extend(socket.create_connection(("127.0.0.1", place.port or 80), 10) for _ in range(count))
        until("all of them carried", lambda: open_descriptors(relay) >= 2 * count)
        in_one_of(5, partial(assert_idle, relay))
        assert answered(socks) == count
    finally:
        for sock in socks:
            sock.close()
    until("all of them gone", lambda: open_descriptors(relay) < 200)
    if limit >= 40_100:
        assert count == 10_000


def assert_idle(pid: int) -> None:
    busy, start = cpu_s(pid), time.monotonic()
    time.sleep(1)
    assert (cpu_s(pid) - busy) / (time.monotonic() - start) < 0.1, "it is busy with idle connections"


def answered(socks: list[socket.socket]) -> int:
    """Asks on every connection, and counts those that answer."""
    waiting = selectors.DefaultSelector()
    for sock in socks:
        sock.setblocking(False)
        sock.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        waiting.register(sock, selectors.EVENT_READ)
    count, end = 0, time.monotonic() + 120
    while waiting.get_map() and time.monotonic() < end:
        for key, _ in waiting.select(1):
            assert isinstance(key.fileobj, socket.socket)
            count += key.fileobj.recv(4096).startswith(b"HTTP/1.1 200")
            waiting.unregister(key.fileobj)
    waiting.close()
    return count


def relay_descriptors(cluster: Cluster) -> int:
    pid = cluster.component("relay")["pid"]
    line = next(x for x in Path(f"/proc/{pid}/limits").read_text().splitlines() if x.startswith("Max open files"))
    return int(line.split()[3])


def own_descriptors() -> int:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(soft, hard)


def open_descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_browser_shows_the_page_that_open_names(cluster: Cluster, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium on this machine")
    create(cluster, balanced("shop", "web"))
    page = until("a URL", lambda: url(cluster, "shop"))
    shot = tmp_path / "page.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=640,200"]
    quiet = [
        f"--user-data-dir={tmp_path / 'profile'}",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--proxy-server=direct://",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    ]
    common = [browser, *options, *quiet]
    done = subprocess.run([*common, "--dump-dom", page], capture_output=True, text=True, timeout=180, check=False)
    assert "web-node" in done.stdout, done.stderr
    subprocess.run([*common, f"--screenshot={shot}", page], capture_output=True, timeout=180, check=True)
    assert shot.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert shot.stat().st_size > 2000, "an empty page is smaller"


def test_addresses_and_urls_outlive_a_restart_of_the_cluster(cluster: Cluster) -> None:
    # Ports that no other program takes while the cluster is stopped.
    create(cluster, balanced("a", "web", port=free_port()), balanced("b", "web", port=free_port()))
    before = [wait_address(cluster, name) for name in ("a", "b")]
    pages = [url(cluster, name) for name in ("a", "b")]
    assert cluster.fairlead("down").returncode == 0
    cluster.up()
    assert [address(cluster, name) for name in ("a", "b")] == before
    for name, page in zip(("a", "b"), pages, strict=True):
        until("the page", partial(from_host, page))
        assert url(cluster, name) == page
