"""A Service in front of a program on the user's own machine, as docs/loadbalancer.md tells."""

from __future__ import annotations

import http.server
import os
import socket
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from tests.cluster.support import Cluster, free_port, new_cluster, until
from tests.loadbalancer.cluster import ASK, CORE, create, from_node, pod

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

USERS = ["root", "user"] if os.getuid() == 0 else ["user"]
SEND = """
import socket, sys
sock = socket.socket(type=socket.SOCK_DGRAM); sock.settimeout(3)
sock.connect((sys.argv[1], int(sys.argv[2])))
for size in map(int, sys.argv[3:]):
    sock.send(b"x" * size)
for _ in sys.argv[3:]:
    try:
        data = sock.recv(65536)
        print(data[:16].split(b" x")[0].decode(), len(data))
    except OSError as e:
        print("failed:", type(e).__name__)
"""
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"from the host to " + self.client_address[0].encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """A program on the host's loopback."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def udp_port() -> Iterator[int]:
    """A program on the host's loopback that answers each client's datagrams by their number, from the first on."""
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        counts: dict[object, int] = {}

        def serve() -> None:
            while True:
                try:
                    data, client = server.recvfrom(65536)
                    counts[client] = counts.get(client, 0) + 1
                    server.sendto(f"{counts[client]} {client[0]} ".encode() + data, client)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.fixture(params=USERS)
def cluster(request: pytest.FixtureRequest, port: int, udp_port: int) -> Iterator[Cluster]:
    with new_cluster(request.param) as made:
        made.up("--expose-host", f"{port},{udp_port}/udp", "--api-port", str(free_port()))
        yield made


def log_of(cluster: Cluster, name: str) -> str:
    connection = cluster.access().connect()
    try:
        connection.request("GET", f"{CORE}/pods/{name}/log")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def answered(cluster: Cluster, name: str) -> bool:
    return "from the host to 127.0.0.1" in log_of(cluster, name)


def test_pods_reach_an_exposed_port_by_a_service_and_by_name_and_no_other_port(cluster: Cluster, port: int) -> None:
    meta = {"name": "database"}
    spec = {"ports": [{"port": 80, "targetPort": port}]}
    create(cluster, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})
    cluster.access().call(
        "POST",
        SLICES,
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "database", "labels": {"kubernetes.io/service-name": "database"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["172.30.0.1"]}],
            "ports": [{"port": port}],
        },
    )
    ip = cluster.access().call("GET", f"{CORE}/services/database")["spec"]["clusterIP"]
    until("an answer on the node", lambda: "from the host" in from_node(cluster, "node1", f"http://{ip}/"))
    assert "failed:" in from_node(cluster, "node1", f"http://172.30.0.1:{free_port()}/")
    alias = {"type": "ExternalName", "externalName": "host.fairlead.internal"}
    create(cluster, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "alias"}, "spec": alias})
    places = ["http://database/", f"http://host.fairlead.internal:{port}/", f"http://alias:{port}/"]
    for i, place in enumerate(places):
        script = f"import sys\nsys.argv.append('{place}')\n{ASK}"
        client = pod(f"asks{i}", "asks", image="debian", command=["/usr/bin/python3", "-uc", script])
        client["spec"]["restartPolicy"] = "OnFailure"
        create(cluster, client)
        until("an answer in the Pod", partial(answered, cluster, f"asks{i}"))


def datagrams(cluster: Cluster, port: int, *sizes: int) -> list[str]:
    numbers = map(str, (port, *sizes))
    done = cluster.fairlead("shell", "node1", "--", "/usr/bin/python3", "-c", SEND, "172.30.0.1", *numbers)
    return done.stdout.splitlines()


def test_datagrams_reach_an_exposed_udp_port_and_are_answered_and_no_other_port_is_reached(
    cluster: Cluster, port: int, udp_port: int
) -> None:
    burst = [20 + i for i in range(10)]
    for _ in range(2):  # another socket, so another client
        assert datagrams(cluster, udp_port, *burst) == [
            f"{i} 127.0.0.1 {size + len(f'{i} 127.0.0.1 ')}" for i, size in enumerate(burst, 1)
        ]
    assert datagrams(cluster, udp_port, 60000) == [f"1 127.0.0.1 {60000 + len('1 127.0.0.1 ')}"]
    assert datagrams(cluster, port, 20) == ["failed: ConnectionRefusedError"], "that one is exposed for TCP"
    assert "failed:" in from_node(cluster, "node1", f"http://172.30.0.1:{udp_port}/"), "that one is exposed for UDP"
    closed = free_port()
    cluster.fairlead("down")
    cluster.up("--expose-host", f"{udp_port}/udp,{closed}/udp")
    until("an answer", lambda: datagrams(cluster, udp_port, 20) == [f"1 127.0.0.1 {20 + len('1 127.0.0.1 ')}"])
    assert datagrams(cluster, closed, 20) == ["failed: TimeoutError"], "nobody is there on the host"
    assert datagrams(cluster, udp_port, 20) == [f"1 127.0.0.1 {20 + len('1 127.0.0.1 ')}"]


def test_the_list_is_kept_and_can_be_emptied(cluster: Cluster, port: int) -> None:
    cluster.fairlead("down")
    cluster.up()
    place = f"http://172.30.0.1:{port}/"
    until("an answer", lambda: "from the host" in from_node(cluster, "node1", place))
    cluster.fairlead("down")
    cluster.up("--expose-host", "none")
    assert "failed:" in from_node(cluster, "node1", place)
