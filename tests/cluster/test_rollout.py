"""Rollouts under clients that make a new connection for each request: none is lost."""

from __future__ import annotations

import json
import shutil

import pytest

from bench.rollout import HOOKS, REPLICAS, deployment, neighbour, roll_out, service
from tests.cluster.support import free_node_port, free_port, new_cluster, traffic, until
from tests.cluster.test_kill import DEPLOYMENTS, SERVICES, ready_pods

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

IPTABLES = pytest.mark.skipif(
    not (shutil.which("iptables-restore") or shutil.which("iptables-restore", path="/usr/sbin:/sbin")),
    reason="iptables is not installed",
)
ROLLOUTS = 10
CLIENTS = 16


_ASK = """
import json, ssl, sys, urllib.error, urllib.request
pki, name = sys.argv[1:]
tls = ssl.create_default_context(cafile=pki + "/ca.crt")
tls.load_cert_chain(f"{pki}/{name}.crt", f"{pki}/{name}.key")
codes = []
for path in ("fairlead/applied?revision=1", "containerLogs/default/p/c"):
    try:
        codes.append(urllib.request.urlopen(f"https://172.30.0.12:10250/{path}", timeout=10, context=tls).status)
    except urllib.error.HTTPError as error:
        codes.append(error.code)
print(json.dumps(codes))
"""


def test_agents_may_read_only_the_applied_revision() -> None:
    with new_cluster() as cluster:
        cluster.up("--nodes", "2", "--api-port", str(free_port()))

        def codes(name: str) -> list[int]:
            words = (cluster.runner.python, "-c", _ASK, str(cluster.state / "pki"), name)
            found: list[int] = json.loads(cluster.fairlead("shell", "node1", "--", *words).stdout)
            return found

        assert until("an answer", lambda: codes("node-node1")) == [200, 403]
        assert codes("relay") == [403, 403]


@pytest.mark.parametrize(("way", "rollouts"), [("wait", ROLLOUTS), ("sleep", 3)])
@pytest.mark.parametrize("mode", ["nftables", pytest.param("iptables", marks=IPTABLES)])
def test_rollouts_lose_no_request_of_clients_on_a_busy_machine(mode: str, way: str, rollouts: int) -> None:
    with new_cluster() as cluster:
        cluster.up("--nodes", "2", "--proxy-mode", mode, "--api-port", str(free_port()))
        node_port, access = free_node_port(), cluster.access()
        access.call("POST", "/apis/apps/v1/namespaces/default/daemonsets", neighbour())
        access.call("POST", DEPLOYMENTS, deployment(HOOKS[way]))
        access.call("POST", SERVICES, service(node_port))
        until("three Pods Ready", lambda: len(ready_pods(cluster)) >= REPLICAS + 2)
        with (
            traffic(cluster, "node1", clients=CLIENTS) as one,
            traffic(cluster, "node2", "172.30.0.12", node_port, clients=CLIENTS) as two,
        ):
            for number in range(rollouts):
                roll_out(access, number)
        for report in (one, two):
            assert report["failures"] == []
            assert len(report["answers"]) > rollouts, "Pods of every rollout answered"
