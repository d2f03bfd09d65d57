"""Prints the requests lost while a Deployment is rolled out again and again, beside the same without the wait.

.venv/bin/python -m bench.rollout [ROLLOUTS [CLIENTS]]

Clients that open a new connection for each request ask three Pods through their cluster IP and through a node port, so
many through each, while each node runs a container that uses all the CPU it gets. The Pods' server (`webserver.py`)
closes its port as soon as it gets its stop signal. Three ways in which a Pod ends:

- `wait`: the agent sends the stop signal once no proxy sends new connections to the Pod.
- `sleep`: a preStop hook sleeps for a second before that.
- `no_wait`: a preStop hook sends the stop signal at once, as if agents did not wait for the proxies.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import traffic, webserver
from bench.cluster import FAIRLEAD, Access, Cluster, free_port, fresh_cluster, wait_until

ADDRESS, NODE_ADDRESS = "10.96.7.7", "172.30.0.12"
HOOKS: Mapping[str, Mapping[str, Any] | None] = {
    "wait": None,
    "sleep": {"sleep": {"seconds": 1}},
    "no_wait": {"exec": {"command": ["sh", "-c", "kill -TERM 1"]}},
}
MODES = ("nftables", "iptables")
REPLICAS = 3
_ROLLOUTS, _CLIENTS = 10, 16
_DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
_PODS = "/api/v1/namespaces/default/pods?labelSelector=app%3Dweb"


def deployment(hook: Mapping[str, Any] | None) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "web",
        "image": "fairlead/web",
        "command": ["python3", "-c", Path(webserver.__file__).read_text()],
        "readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1},
    }
    if hook is not None:
        container["lifecycle"] = {"preStop": hook}
    pod = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    spec = {"replicas": REPLICAS, "selector": {"matchLabels": {"app": "web"}}, "template": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def service(node_port: int) -> dict[str, Any]:
    port = {"port": 80, "targetPort": 8080, "nodePort": node_port}
    spec = {"type": "NodePort", "clusterIP": ADDRESS, "selector": {"app": "web"}, "ports": [port]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}


def neighbour() -> dict[str, Any]:
    """A DaemonSet whose containers use all the CPU that they get."""
    container = {"name": "busy", "image": "fairlead/web", "command": ["sh", "-c", "while :; do :; done"]}
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    pod = {"metadata": {"labels": {"app": "busy"}}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "busy"},
        "spec": {"selector": {"matchLabels": {"app": "busy"}}, "template": pod},
    }


def is_ready(pod: Mapping[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))


def roll_out(access: Access, number: int) -> None:
    """Replaces all Pods; returns once the last old one is gone."""
    before = {pod["metadata"]["name"] for pod in access.call("GET", _PODS)["items"]}

    def is_changed() -> bool:
        made = access.call("GET", f"{_DEPLOYMENTS}/web")
        made["spec"]["template"]["metadata"]["annotations"] = {"rollout": str(number)}
        try:
            access.call("PUT", f"{_DEPLOYMENTS}/web", made)
        except RuntimeError as error:
            if "409" not in str(error):  # the controller may write in between
                raise
            return False
        return True

    wait_until(f"the change of rollout {number}", is_changed, limit_s=60, every_s=0.01)

    def done() -> bool:
        pods = access.call("GET", _PODS)["items"]
        return before.isdisjoint(pod["metadata"]["name"] for pod in pods) and len(pods) == REPLICAS == ready(pods)

    wait_until(f"the end of rollout {number}", done, limit_s=180, every_s=0.05)


def ready(pods: list[dict[str, Any]]) -> int:
    return sum(map(is_ready, pods))


@contextmanager
def load(
    home: Path, shell: Callable[[str], list[str]], node: str, address: str, port: int, clients: int
) -> Iterator[dict[str, Any]]:
    """Sends requests from a node while the block lasts; afterwards the dictionary has the results."""
    script = home / "traffic.py"
    shutil.copy(traffic.__file__, script)
    script.chmod(0o644)
    command = [*shell(node), str(script), address, str(port), str(clients)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd="/")
    report: dict[str, Any] = {}
    try:
        yield report
    finally:
        out, error = process.communicate("", timeout=60)
        report.update(json.loads(out) if out else {"failures": [error], "answers": {}})


def one(cluster: Cluster, mode: str, way: str, rollouts: int, clients: int) -> dict[str, Any]:
    """Returns the figures of one way in one mode, in a new cluster."""
    done = cluster.run("up", "--detach", "--nodes", "2", "--proxy-mode", mode, "--api-port", str(free_port()))
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    access = cluster.access()
    node_port = 30000 + free_port() % 2768
    access.call("POST", "/apis/apps/v1/namespaces/default/daemonsets", neighbour())
    access.call("POST", _DEPLOYMENTS, deployment(HOOKS[way]))
    access.call("POST", "/api/v1/namespaces/default/services", service(node_port))
    wait_until("the Pods are Ready", lambda: ready(access.call("GET", _PODS)["items"]) == REPLICAS)

    def shell(node: str) -> list[str]:
        return [
            "env",
            f"XDG_STATE_HOME={cluster.home}",
            *FAIRLEAD,
            "shell",
            "--name",
            cluster.name,
            node,
            "--",
            "python3",
        ]

    with (
        load(cluster.home, shell, "node1", ADDRESS, 80, clients) as inside,
        load(cluster.home, shell, "node1", NODE_ADDRESS, node_port, clients) as outside,
    ):
        begin = time.monotonic()
        for number in range(rollouts):
            roll_out(access, number)
        seconds = time.monotonic() - begin
    return {
        "mode": mode,
        "way": way,
        "rollouts": rollouts,
        "clients": 2 * clients,
        "seconds_each": round(seconds / rollouts, 2),
        "requests": sum(inside["answers"].values()) + sum(outside["answers"].values()),
        "lost_cluster_ip": len(inside["failures"]),
        "lost_node_port": len(outside["failures"]),
        "first_failures": (inside["failures"] + outside["failures"])[:3],
    }


def main() -> None:
    rollouts = int(sys.argv[1]) if len(sys.argv) > 1 else _ROLLOUTS
    clients = int(sys.argv[2]) if len(sys.argv) > 2 else _CLIENTS
    for mode in MODES:
        for way in HOOKS:
            with fresh_cluster("benchrollout") as cluster:
                print(json.dumps(one(cluster, mode, way, rollouts, clients)), flush=True)


if __name__ == "__main__":
    main()
