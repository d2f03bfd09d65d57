"""A live cluster's Services switch between the modes of the proxy and back while clients of every kind connect."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
from typing import Any

import pytest

from tests.cluster.support import Cluster, free_node_port, free_port, new_cluster, traffic, until
from tests.cluster.test_kill import DEPLOYMENTS, SERVICES, deployment, ready_pods, service

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

NODES = ("node1", "node2")
EVENTS = "/api/v1/namespaces/kube-system/events"
SETTINGS = "/api/v1/namespaces/kube-system/configmaps/kube-proxy"
_MODE = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:10249/proxyMode', timeout=5).read().decode())"


def kubectl(cluster: Cluster, *arguments: str) -> None:
    command = ["kubectl", "--kubeconfig", str(cluster.state / "kubeconfig"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr


def configure(cluster: Cluster, text: str) -> None:
    patch = json.dumps({"data": {"config.conf": text}})
    kubectl(cluster, "patch", "configmap", "kube-proxy", "--namespace", "kube-system", "--type", "merge", "-p", patch)


def modes(cluster: Cluster) -> set[str]:
    """Returns the modes that the nodes report."""
    python = cluster.runner.python
    return {cluster.fairlead("shell", node, "--", python, "-c", _MODE).stdout.strip() for node in NODES}


class Kept:
    """One connection from the host, through the relay and a node port, which is used repeatedly."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._connection.connect()
        self._socket = self._connection.sock

    def ask(self) -> str:
        self._connection.request("GET", "/")
        text = self._connection.getresponse().read().decode()
        assert self._connection.sock is self._socket, "the connection was made anew"
        return text

    def close(self) -> None:
        self._connection.close()


@pytest.mark.parametrize("who", [pytest.param("root", marks=pytest.mark.root), "user"])
def test_switching_a_live_cluster_refuses_and_ends_no_connection(who: str) -> None:
    if who == "root" and os.getuid() != 0:
        pytest.skip("needs root")
    for program in ("kubectl", "iptables-restore"):
        if not (shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")):
            pytest.skip(f"{program} is not installed")
    with new_cluster(who) as cluster:
        cluster.up("--nodes", "2", "--api-port", str(free_port()))
        node_port = free_node_port()
        cluster.access().call("POST", DEPLOYMENTS, deployment())
        cluster.access().call("POST", SERVICES, service("10.96.7.7", node_port))
        until("three Pods Ready", lambda: len(ready_pods(cluster)) == 3)
        until("the settings", lambda: cluster.access().call("GET", SETTINGS)["data"]["config.conf"])
        kept, answer = until("an answer from the host", lambda: _opened(node_port))
        reports = _switched(cluster, kept, answer, node_port)
        kept.close()
        for report in reports:
            assert report["failures"] == []
            assert sum(report["answers"].values()) > 50
        _wrong_settings_are_told(cluster)
        if who == "user":
            _a_start_asks_for_a_mode(cluster)


def _opened(port: int) -> tuple[Kept, str]:
    """Returns a connection and its first answer: the relay accepts connections before each node has the rules."""
    kept = Kept(port)
    try:
        return kept, kept.ask()
    except BaseException:
        kept.close()
        raise


def _switched(cluster: Cluster, kept: Kept, answer: str, node_port: int) -> list[dict[str, Any]]:
    with (
        traffic(cluster, "node1", "10.96.7.7", 80) as one,
        traffic(cluster, "node2", "172.30.0.11", node_port) as two,
    ):
        for mode in ("iptables", "nftables", "iptables"):
            configure(cluster, f"mode: {mode}\n")
            until(f"both nodes in {mode}", lambda: modes(cluster) == {mode})  # noqa: B023
            assert kept.ask() == answer
        # Switches back once more, and an agent is killed meanwhile.
        configure(cluster, "mode: nftables\n")
        os.kill(cluster.component("agent-node1")["pid"], signal.SIGKILL)
        until("both nodes in nftables", lambda: modes(cluster) == {"nftables"})
        until("no rules of iptables", lambda: not _left(cluster))
        assert kept.ask() == answer
    return [one, two]


def _left(cluster: Cluster) -> str:
    """Returns rules of the proxy's iptables mode that are left on any node."""
    saved = [cluster.fairlead("shell", node, "--", "iptables-save").stdout for node in NODES]
    return "".join(line for text in saved for line in text.splitlines() if "KUBE-" in line)


def _wrong_settings_are_told(cluster: Cluster) -> None:
    configure(cluster, "mode: nftables\nnftables:\n  syncPeriods: 1s\n")

    def told() -> list[str]:
        events = cluster.access().call("GET", EVENTS)["items"]
        return [e["message"] for e in events if e["reason"] == "InvalidConfiguration"]

    messages = until("an event", told)
    assert (
        messages[0]
        == "config.conf: nftables.syncPeriods: unknown field, did you mean syncPeriod?; the old settings stay"
    )
    assert modes(cluster) == {"nftables"}


def _a_start_asks_for_a_mode(cluster: Cluster) -> None:
    assert cluster.fairlead("down").returncode == 0
    cluster.up("--proxy-mode", "iptables")
    until("both nodes in iptables", lambda: modes(cluster) == {"iptables"})
    text = until("the settings", lambda: cluster.access().call("GET", SETTINGS)["data"]["config.conf"])
    assert "mode: iptables" in text
    configure(cluster, "mode: nftables\n")
    until("both nodes in nftables", lambda: modes(cluster) == {"nftables"})
    old = cluster.component("control-plane")["pid"]
    os.kill(old, signal.SIGKILL)
    until("another control plane", lambda: cluster.component("control-plane")["pid"] not in (old, 0))
    until("the API back", lambda: cluster.access().call("GET", SETTINGS))
    assert cluster.fairlead("down").returncode == 0
    cluster.up()
    until("both nodes in nftables", lambda: modes(cluster) == {"nftables"})
