"""The ways to a Pod through the API server, and manually written endpoints, with the real kubectl."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cluster.support import until
from tests.kubectl.conftest import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

SERVICES = "/api/v1/namespaces/default/services"


def apply(kubectl: Kubectl, *objects: dict[str, object]) -> None:
    path = kubectl.manifests / "made.json"
    path.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": objects}))
    kubectl("apply", "-f", str(path))


@contextmanager
def port_forward(kubectl: Kubectl, what: str, port: int, *, websockets: bool) -> Iterator[int]:
    """Runs `kubectl port-forward`; yields its port. Without WebSockets it uses SPDY, as kubectl before 1.31 did."""
    runner = kubectl.cluster.runner
    environment = runner.environment | {
        "KUBECONFIG": str(kubectl.cluster.state / "kubeconfig"),
        "HOME": str(kubectl.cluster.home),
        "KUBECTL_PORT_FORWARD_WEBSOCKETS": str(websockets).lower(),
    }
    command = [*runner.prefix, kubectl.binary, "port-forward", what, f":{port}"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            assert running.stdout is not None
            line = running.stdout.readline()
            assert line.startswith("Forwarding from 127.0.0.1:"), (line, running.stderr and running.stderr.read())
            yield int(line.split(":")[1].split(" ")[0])
        finally:
            running.terminate()


def test_a_service_a_pod_and_a_node_are_reached_through_the_api_server(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "webui-deployment.yaml", "-f", "webui-svc.yaml")
    kubectl("rollout", "status", "deployment/webui", "--timeout=120s")
    until(
        "an answer through the proxy",
        lambda: kubectl.try_("get", "--raw", f"{SERVICES}/webui-svc/proxy/").returncode == 0,
    )
    assert kubectl("get", "--raw", f"{SERVICES}/webui-svc:80/proxy/")
    assert kubectl("get", "--raw", f"{SERVICES}/http:webui-svc:80/proxy/")
    pod = kubectl("get", "po", "-l", "app=webui", "-o", "name").split()[0].replace("pod/", "")
    assert kubectl("get", "--raw", f"/api/v1/namespaces/default/pods/{pod}:80/proxy/")
    assert kubectl("get", "--raw", "/api/v1/nodes/node1/proxy/healthz") == "ok"


def test_a_service_without_endpoints_says_so(kubectl: Kubectl) -> None:
    kubectl("create", "service", "clusterip", "empty", "--tcp=80:80")
    refused = kubectl.try_("get", "--raw", f"{SERVICES}/empty/proxy/")
    assert refused.stderr == 'Error from server (ServiceUnavailable): no endpoints available for service "empty"\n'


def test_port_forward_reaches_a_pod_again_and_again(kubectl: Kubectl) -> None:
    pod = kubectl("get", "po", "-l", "app=webui", "-o", "name").split()[0]
    for what, websockets in ((pod, True), ("service/webui-svc", False)):
        with port_forward(kubectl, what, 80, websockets=websockets) as port:
            for _ in range(3):
                done = subprocess.run(
                    ["curl", "-sS", "--max-time", "5", f"http://127.0.0.1:{port}/"], capture_output=True, check=True
                )
                assert done.stdout


# Runs in a separate process, because that library leaves sockets open.
PYTHON_CLIENT = """
import sys
from kubernetes import client, config
from kubernetes.stream import portforward
core = client.CoreV1Api(config.new_client_from_config(sys.argv[1]))
forwarded = portforward(core.connect_get_namespaced_pod_portforward, sys.argv[2], "default", ports="80")
connection = forwarded.socket(80)
connection.settimeout(5)
connection.sendall(b"GET / HTTP/1.1\\r\\nHost: pod\\r\\nConnection: close\\r\\n\\r\\n")
print(connection.recv(12).decode(), forwarded.error(80))
print(bool(core.connect_get_namespaced_service_proxy("webui-svc", "default")))
"""


def test_the_python_client_forwards_ports_too(kubectl: Kubectl) -> None:
    pod = kubectl("get", "po", "-l", "app=webui", "-o", "name").split()[0].replace("pod/", "")
    command = [sys.executable, "-c", PYTHON_CLIENT, str(kubectl.cluster.state / "kubeconfig"), pod]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    assert done.stdout == "HTTP/1.1 200 None\nTrue\n", done.stderr


def test_hand_written_endpoints_become_slices_and_go_with_their_service(kubectl: Kubectl) -> None:
    meta = {"name": "outside", "namespace": "default"}
    ports = [{"port": 80}]
    apply(
        kubectl,
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": ports}},
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": meta,
            "subsets": [{"addresses": [{"ip": "203.0.113.7"}], "ports": ports}],
        },
    )
    selector = ("-l", "kubernetes.io/service-name=outside")
    label = "endpointslice\\.kubernetes\\.io/managed-by"
    path = f"jsonpath={{.items[*].endpoints[*].addresses[*]}} {{.items[*].metadata.labels.{label}}}"
    wanted = "203.0.113.7 endpointslicemirroring-controller.k8s.io"
    until("the mirrored slice", lambda: kubectl("get", "endpointslices", *selector, "-o", path) == wanted)
    kubectl("delete", "service", "outside")
    until("the slice's end", lambda: kubectl("get", "endpointslices", *selector, "-o", "name") == "")
    until("the Endpoints' end", lambda: kubectl.try_("get", "endpoints", "outside").returncode != 0)


def test_a_replication_controller_runs_and_scales(kubectl: Kubectl) -> None:
    container = {"name": "web", "image": "nginx:1.14"}
    template = {"metadata": {"labels": {"app": "rc"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"app": "rc"}, "template": template}
    meta = {"name": "old", "namespace": "default"}
    apply(kubectl, {"apiVersion": "v1", "kind": "ReplicationController", "metadata": meta, "spec": spec})
    ready = ("get", "rc", "old", "-o", "jsonpath={.status.readyReplicas}")
    until("one ready pod", lambda: kubectl(*ready) == "1")
    kubectl("scale", "rc", "old", "--replicas=3")
    until("three ready pods", lambda: kubectl(*ready) == "3")
    assert kubectl("get", "rc", "old", "--no-headers").split()[:4] == ["old", "3", "3", "3"]
    kubectl("delete", "rc", "old")
    until("the pods' end", lambda: kubectl("get", "po", "-l", "app=rc", "-o", "name") == "")


def test_the_nodes_logs_are_read_through_the_api_server(kubectl: Kubectl) -> None:
    for path in ("node1/proxy/logs/", "node1:10250/proxy/logs/"):
        page = kubectl("get", "--raw", f"/api/v1/nodes/{path}")
        assert '<a href="pods/">pods/</a>' in page
        assert '<a href="kubelet.log">kubelet.log</a>' in page
    assert "registered" in kubectl("get", "--raw", "/api/v1/nodes/node1/proxy/logs/kubelet.log")
    refused = kubectl.try_("get", "--raw", "/api/v1/nodes/node1/proxy/logs/pods/nothing/")
    assert refused.returncode != 0
