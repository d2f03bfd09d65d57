"""A Service in front of a program on the user's own machine, as docs/loadbalancer.md tells."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from tests.cluster.support import Cluster, free_port, new_cluster, until
from tests.loadbalancer.cluster import ASK, CORE, create, from_node, pod

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

USERS = ["root", "user"] if os.getuid() == 0 else ["user"]
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


@pytest.fixture(params=USERS)
def cluster(request: pytest.FixtureRequest, port: int) -> Iterator[Cluster]:
    with new_cluster(request.param) as made:
        made.up("--expose-host", str(port), "--api-port", str(free_port()))
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
    places = ["http://database/", f"http://host.fairlead.internal:{port}/"]
    for i, place in enumerate(places):
        script = f"import sys\nsys.argv.append('{place}')\n{ASK}"
        client = pod(f"asks{i}", "asks", image="debian", command=["/usr/bin/python3", "-uc", script])
        client["spec"]["restartPolicy"] = "OnFailure"
        create(cluster, client)
        until("an answer in the Pod", partial(answered, cluster, f"asks{i}"))


def test_the_list_is_kept_and_can_be_emptied(cluster: Cluster, port: int) -> None:
    cluster.fairlead("down")
    cluster.up()
    place = f"http://172.30.0.1:{port}/"
    until("an answer", lambda: "from the host" in from_node(cluster, "node1", place))
    cluster.fairlead("down")
    cluster.up("--expose-host", "none")
    assert "failed:" in from_node(cluster, "node1", place)
