"""kill -9 of the supervisor, of the control plane and of an agent, each while Services are being used and written."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.cluster import descendants, process_name
from tests.cluster.kills import run
from tests.cluster.support import Cluster, free_node_port, free_port, host_footprint, new_cluster, traffic, until
from tests.cluster.victims import GROUPS

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

ROUNDS = 20
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SERVICES = "/api/v1/namespaces/default/services"
PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"


def deployment(replicas: int = 3) -> dict[str, Any]:
    pod = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "fairlead/web"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def service(address: str, node_port: int) -> dict[str, Any]:
    port = {"port": 80, "targetPort": 8080, "nodePort": node_port}
    spec = {"type": "NodePort", "clusterIP": address, "selector": {"app": "web"}, "ports": [port]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}


def ready_pods(cluster: Cluster) -> list[str]:
    def is_ready(pod: dict[str, Any]) -> bool:
        return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))

    return [p["metadata"]["name"] for p in cluster.access().call("GET", PODS)["items"] if is_ready(p)]


@pytest.fixture
def web() -> Iterator[Cluster]:
    """Three nodes, three Pods, one Service at 10.96.7.7:80."""
    with new_cluster() as cluster:
        cluster.up("--nodes", "3", "--api-port", str(free_port()))
        cluster.access().call("POST", DEPLOYMENTS, deployment())
        cluster.access().call("POST", SERVICES, service("10.96.7.7", free_node_port()))
        until("three Pods Ready", lambda: len(ready_pods(cluster)) == 3)
        yield cluster


class Writer(threading.Thread):
    """Creates ConfigMaps one after another and records those that the server acknowledged."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(daemon=True)
        self.cluster, self.acknowledged, self.closed = cluster, list[str](), threading.Event()

    def run(self) -> None:
        access = self.cluster.access()
        number = 0
        while not self.closed.wait(0.002):
            number += 1
            body = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": f"m{number}"},
                "data": {"n": str(number)},
            }
            try:
                access.call("POST", MAPS, body)
            except (OSError, RuntimeError, ValueError):
                continue
            self.acknowledged.append(f"m{number}")

    def finish(self) -> set[str]:
        self.closed.set()
        self.join(120)
        return set(self.acknowledged)


def kill_and_wait_for_another(cluster: Cluster, component: str) -> None:
    old = cluster.component(component)["pid"]
    os.kill(old, signal.SIGKILL)
    until(f"another {component}", lambda: cluster.component(component)["pid"] not in (old, 0))


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def stored_maps(cluster: Cluster) -> set[str]:
    return {m["metadata"]["name"] for m in cluster.access().call("GET", MAPS)["items"]}


def test_control_plane_and_agents_come_back_while_traffic_goes_on_and_nothing_acknowledged_is_lost(
    web: Cluster,
) -> None:
    before = ready_pods(web)
    init = next(pid for pid in web.processes() if process_name(pid) == "fairlead-init")
    parents = {c["name"]: parent_of(c["pid"]) for c in web.status()["components"]}
    assert set(parents.values()) == {init}, "the template has ended, and its children are pid 1's"
    writer = Writer(web)
    writer.start()
    with traffic(web, "node2") as report:
        for number in range(ROUNDS):
            kill_and_wait_for_another(web, "control-plane")
            until("API back", lambda: web.access().call("GET", PODS))
            kill_and_wait_for_another(web, f"agent-node{number % 3 + 1}")
    acknowledged = writer.finish()
    until("all nodes Ready", lambda: all(n["ready"] for n in web.status()["nodes"]))
    assert len(acknowledged) > ROUNDS
    assert acknowledged - stored_maps(web) == set()
    assert report["failures"] == []
    assert sum(report["answers"].values()) > ROUNDS * 10
    assert sorted(ready_pods(web)) == sorted(before), "Pods were replaced though only their agent died"


def test_new_pods_are_reached_after_the_control_plane_and_an_agent_died(web: Cluster) -> None:
    kill_and_wait_for_another(web, "agent-node1")
    kill_and_wait_for_another(web, "control-plane")
    until("API back", lambda: web.access().call("GET", PODS))
    web.access().call(
        "PUT",
        f"{DEPLOYMENTS}/web/scale",
        {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"replicas": 6},
        },
    )
    names = until("six Pods Ready", lambda: found if len(found := ready_pods(web)) == 6 else [])

    def all_answered() -> bool:
        with traffic(web, "node1") as report:
            threading.Event().wait(1)
        return {a.split()[1] for a in report["answers"]} >= set(names)

    until("answers of all six", all_answered)


@pytest.mark.parametrize("who", [pytest.param("root", marks=pytest.mark.root), "user"])
def test_killed_supervisor_leaves_nothing_on_the_host_and_up_brings_the_objects_back(who: str) -> None:
    if who == "root" and os.getuid() != 0:
        pytest.skip("needs root")
    before = host_footprint()
    with new_cluster(who) as cluster:
        api, node_port = free_port(), free_node_port()
        cluster.up("--nodes", "3", "--api-port", str(api))
        cluster.access().call("POST", DEPLOYMENTS, deployment())
        cluster.access().call("POST", SERVICES, service("10.96.7.7", node_port))
        until("three Pods Ready", lambda: len(ready_pods(cluster)) == 3)
        writer = Writer(cluster)
        writer.start()
        until("a load", lambda: len(writer.acknowledged) > 20)
        processes = cluster.processes()
        assert len(processes) > 8
        os.kill(cluster.status()["pid"], signal.SIGKILL)
        until("all processes gone", lambda: not [p for p in processes if alive(p)])
        acknowledged = writer.finish()
        # The kernel removes interfaces of a network namespace in a work queue.
        until("the host as it was", lambda: host_footprint() == before)
        assert cluster.fairlead("status").returncode != 0
        cluster.up()
        assert acknowledged - stored_maps(cluster) == set()
        found = cluster.access().call("GET", f"{SERVICES}/web")
        assert found["spec"]["clusterIP"] == "10.96.7.7"
        assert found["spec"]["ports"][0]["nodePort"] == node_port
        until("three Pods Ready again", lambda: len(ready_pods(cluster)) == 3)
    until("the host as it was", lambda: host_footprint() == before)


def alive(pid: int) -> bool:
    """Returns whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def test_every_kind_of_process_is_killed_alone_and_in_groups_and_nothing_acknowledged_is_lost() -> None:
    report = run(len(GROUPS), seed=7)
    assert report.lost == set(), report
    assert report.acknowledged > len(GROUPS), report
    assert set(report.tallies) == set(GROUPS)
    for group in (("relay",), ("relay", "control-plane")):
        assert report.tallies[group].errors["ConnectionRefusedError"] == 0, report


def test_a_start_whose_template_is_killed_fails_with_the_reason_and_the_next_one_succeeds() -> None:
    with new_cluster() as cluster:
        command = cluster.runner.command("up", "--name", cluster.name, "--detach", "--api-port", str(free_port()))
        with cluster.runner.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as starting:

            def template() -> int:
                return next((p for p in descendants(starting.pid) if process_name(p) == "fairlead-fork"), 0)

            os.kill(until("the template", template), signal.SIGKILL)
            _, told = starting.communicate(timeout=120)
        assert starting.returncode == 1
        assert "the components' template was ended by SIGKILL" in told
        assert told.count("\n") == 1
        cluster.up()
        until("a ready cluster", lambda: cluster.status()["ready"])


def test_pid_1_outlives_a_refused_fork_and_starts_the_component_once_it_may() -> None:
    with new_cluster("user") as cluster:
        cluster.up("--api-port", str(free_port()))
        init = next(pid for pid in cluster.processes() if process_name(pid) == "fairlead-init")
        limit = [*cluster.runner.prefix, "prlimit", f"--pid={init}"]
        relay, log = cluster.component("relay")["pid"], cluster.state / "logs" / "sandbox.log"
        subprocess.run([*limit, "--nproc=1:"], check=True)
        os.kill(relay, signal.SIGKILL)
        until("a refusal", lambda: "cannot start relay: too many processes: a limit is reached" in log.read_text())
        until("a ready cluster", lambda: cluster.status()["ready"])
        subprocess.run([*limit, "--nproc=10000:"], check=True)
        until("another relay", lambda: cluster.component("relay")["pid"] not in (0, relay))
