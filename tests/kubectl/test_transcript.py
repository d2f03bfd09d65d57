"""The life of the seed manifests with the real kubectl: create, get, request, scale, roll, undo, delete.

The tests of this module build on one another on one cluster, as a person would type the commands."""

from __future__ import annotations

import re
import time
from collections import Counter
from functools import partial

import pytest

from fairlead.cli.requests import count_by_name, shell_script
from tests.cluster.support import until
from tests.kubectl.conftest import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

REQUESTS = 300
LEAST, MOST = 0.20, 0.47
CLUSTER_IP = "10.100.100.100"
SERVICES = {"webui-svc": "10.96.10.100", "clusterip-service": CLUSTER_IP, "nodeport-service": "10.100.100.200"}


def rows(table: str) -> list[list[str]]:
    """Returns the cells of a table without its header."""
    return [re.split(r"\s{2,}", line.strip()) for line in table.splitlines()[1:]]


def pods(kubectl: Kubectl) -> list[str]:
    return kubectl("get", "po", "-l", "app=webui", "-o", "name").replace("pod/", "").split()


def endpoints(kubectl: Kubectl, service: str = "webui-svc") -> set[str]:
    path = "{.subsets[*].addresses[*].ip}"
    return set(kubectl("get", "ep", service, "-o", f"jsonpath={path}").split())


def from_node(kubectl: Kubectl, address: str, port: int = 80, *, node: str = "node1", count: int = 1) -> list[bytes]:
    done = kubectl.on_node(node, "bash", "-c", shell_script(address, port, count))
    assert done.returncode == 0, done.stderr
    return done.stdout.encode().split(b"\f")[:-1]


def answering(kubectl: Kubectl, *, count: int = 60) -> Counter[str]:
    return +count_by_name(from_node(kubectl, CLUSTER_IP, count=count), pods(kubectl))


def test_each_file_is_created(kubectl: Kubectl) -> None:
    for file, text in (
        ("webui-deployment.yaml", "deployment.apps/webui created\n"),
        ("webui-svc.yaml", "service/webui-svc created\n"),
        ("clusterip-nginx.yaml", "service/clusterip-service created\n"),
        ("nodeport-nginx.yaml", "service/nodeport-service created\n"),
    ):
        assert kubectl("create", "-f", file) == text
    assert kubectl("rollout", "status", "deployment/webui", "--timeout=120s").endswith(
        'deployment "webui" successfully rolled out\n'
    )
    until("three endpoints", lambda: all(len(endpoints(kubectl, service)) == 3 for service in SERVICES))
    for node in ("node1", "node2", "node3"):
        for address in SERVICES.values():
            until(f"{address} on {node}", partial(from_node, kubectl, address, node=node))
    until("the node port on the host", lambda: on_host(kubectl, 1))


def test_get_svc_shows_addresses_and_ports(kubectl: Kubectl) -> None:
    found = {row[0]: row[1:5] for row in rows(kubectl("get", "svc"))}
    assert found == {
        "kubernetes": ["ClusterIP", "10.96.0.1", "<none>", "443/TCP"],
        "webui-svc": ["ClusterIP", "10.96.10.100", "<none>", "80/TCP"],
        "clusterip-service": ["ClusterIP", CLUSTER_IP, "<none>", "80/TCP"],
        "nodeport-service": ["NodePort", "10.100.100.200", "<none>", f"80:{kubectl.node_port}/TCP"],
    }


def test_get_ep_shows_three_pods_behind_each_service(kubectl: Kubectl) -> None:
    found = {row[0]: row[1] for row in rows(kubectl("get", "ep"))}
    assert set(found) == {"kubernetes", *SERVICES}
    assert len({found[name] for name in SERVICES}) == 1
    assert re.fullmatch(r"(10\.244\.\d+\.\d+:80,){2}10\.244\.\d+\.\d+:80", found["webui-svc"])


def test_get_po_wide_shows_one_running_pod_a_node(kubectl: Kubectl) -> None:
    found = rows(kubectl("get", "po", "-o", "wide"))
    assert [row[1:4] for row in found] == [["1/1", "Running", "0"]] * 3
    assert {row[6] for row in found} == {"node1", "node2", "node3"}
    assert {row[5] for row in found} == endpoints(kubectl)


def test_describe_svc_tells_the_whole_story(kubectl: Kubectl) -> None:
    text = kubectl("describe", "svc", "nodeport-service")
    found = dict(re.findall(r"^(\S[^:]*):\s+(.*)$", text, re.MULTILINE))
    assert found["Name"] == "nodeport-service"
    assert found["Selector"] == "app=webui"
    assert found["Type"] == "NodePort"
    assert found["IP"] == "10.100.100.200"
    assert found["TargetPort"] == "80/TCP"
    assert found["NodePort"] == f"<unset>  {kubectl.node_port}/TCP"
    assert set(found["Endpoints"].replace(":80", "").split(",")) == endpoints(kubectl)


def test_the_pulled_event_and_the_image_id_name_what_really_runs(kubectl: Kubectl) -> None:
    pod = pods(kubectl)[0]
    until("the event", lambda: re.search(r"Pulled .*nginx:1\.14", kubectl("describe", "po", pod)))
    image_id = kubectl("get", "po", pod, "-o", "jsonpath={.status.containerStatuses[0].imageID}")
    assert image_id.startswith("host://")


def test_a_pod_reaches_the_cluster_ip_and_each_pod_answers_its_share(kubectl: Kubectl) -> None:
    names = pods(kubectl)
    output = kubectl("exec", names[0], "--", "bash", "-c", shell_script(CLUSTER_IP, 80, REQUESTS))
    shares(count_by_name(output.encode().split(b"\f")[:-1], names))


@pytest.mark.parametrize("service", SERVICES)
def test_a_node_reaches_each_service_and_each_pod_answers_its_share(kubectl: Kubectl, service: str) -> None:
    shares(count_by_name(from_node(kubectl, SERVICES[service], count=REQUESTS), pods(kubectl)))


def shares(counts: Counter[str]) -> None:
    assert counts["?"] == 0
    assert sum(counts.values()) == REQUESTS
    named = {name: n for name, n in counts.items() if name != "?"}
    assert len(named) == 3
    assert all(LEAST * REQUESTS <= n <= MOST * REQUESTS for n in named.values()), named


@pytest.mark.parametrize("index", [1, 2, 3])
def test_each_node_s_address_serves_the_node_port(kubectl: Kubectl, index: int) -> None:
    answers = from_node(kubectl, f"172.30.0.{10 + index}", kubectl.node_port, node="node2", count=5)
    assert count_by_name(answers, pods(kubectl))["?"] == 0


def test_the_host_s_loopback_serves_the_node_port(kubectl: Kubectl) -> None:
    counts = on_host(kubectl, 60)
    assert counts["?"] == 0
    assert len(+counts) == 3


def on_host(kubectl: Kubectl, count: int) -> Counter[str]:
    from fairlead.cli.requests import get

    return count_by_name((get("127.0.0.1", kubectl.node_port) for _ in range(count)), pods(kubectl))


def test_logs_show_the_requests(kubectl: Kubectl) -> None:
    assert '"GET / HTTP/1.0" 200' in kubectl("logs", pods(kubectl)[0])


def test_endpoints_and_answers_follow_the_scale(kubectl: Kubectl) -> None:
    for replicas in (5, 2):
        assert kubectl("scale", "deployment/webui", f"--replicas={replicas}") == "deployment.apps/webui scaled\n"
        until(f"{replicas} endpoints", lambda n=replicas: len(endpoints(kubectl)) == n)  # type: ignore[misc]
        until(f"{replicas} Pods", lambda n=replicas: len(pods(kubectl)) == n)  # type: ignore[misc]
        until(f"{replicas} answering", lambda n=replicas: len(answering(kubectl)) == n)  # type: ignore[misc]
        assert answering(kubectl)["?"] == 0
    kubectl("scale", "deployment/webui", "--replicas=3")
    kubectl("rollout", "status", "deployment/webui", "--timeout=120s")


def test_a_rolling_update_goes_through_and_can_be_undone(kubectl: Kubectl) -> None:
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    before = set(pods(kubectl))
    assert "image updated" in kubectl("set", "image", "deployment/webui", "nginx-container=nginx:1.16")
    kubectl("rollout", "status", "deployment/webui", "--timeout=120s")
    until("the old Pods' end", lambda: len(pods(kubectl)) == 3)
    assert not before & set(pods(kubectl))
    assert kubectl("get", "deployment/webui", "-o", image) == "nginx:1.16"
    history = rows(kubectl("rollout", "history", "deployment/webui"))
    assert [row[0] for row in history if row[0].isdigit()] == ["1", "2"]
    assert kubectl("rollout", "undo", "deployment/webui") == "deployment.apps/webui rolled back\n"
    kubectl("rollout", "status", "deployment/webui", "--timeout=120s")
    assert kubectl("get", "deployment/webui", "-o", image) == "nginx:1.14"
    until("the updated Pods' end", lambda: len(pods(kubectl)) == 3)
    until("three that answer", lambda: len(answering(kubectl)) == 3)


def test_a_killed_pod_is_replaced(kubectl: Kubectl) -> None:
    victim = pods(kubectl)[0]
    assert kubectl("delete", "po", victim, "--wait=false") == f'pod "{victim}" deleted\n'
    until("three others", lambda: victim not in pods(kubectl) and len(endpoints(kubectl)) == 3)


@pytest.mark.parametrize("service", SERVICES)
def test_the_address_of_a_deleted_service_refuses_at_once(kubectl: Kubectl, service: str) -> None:
    assert kubectl("delete", "svc", service) == f'service "{service}" deleted\n'
    script = f"exec 3<>/dev/tcp/{SERVICES[service]}/80"

    def refused() -> bool:
        began = time.monotonic()
        done = kubectl.on_node("node3", "bash", "-c", script)
        assert time.monotonic() - began < 20, "it timed out instead of being refused"
        return done.returncode != 0 and "refused" in done.stderr

    until("a refusal", refused)


def test_the_host_s_port_closed_with_its_service(kubectl: Kubectl) -> None:
    from fairlead.cli.requests import get

    def refused() -> bool:
        try:
            get("127.0.0.1", kubectl.node_port)
        except ConnectionRefusedError:
            return True
        return False

    until("a refusal", refused)


def test_a_deleted_deployment_takes_its_pods_with_it(kubectl: Kubectl) -> None:
    assert kubectl("delete", "-f", "webui-deployment.yaml") == 'deployment.apps "webui" deleted\n'
    until("no Pods", lambda: pods(kubectl) == [])
    until("no ReplicaSets", lambda: kubectl("get", "rs", "-o", "name") == "")
