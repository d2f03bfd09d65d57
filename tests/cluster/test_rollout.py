"""Rolling restarts under clients that make a new connection for each request: none is lost."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.cluster.support import Cluster, free_node_port, free_port, new_cluster, traffic, until
from tests.cluster.test_kill import DEPLOYMENTS, PODS, SERVICES, deployment, ready_pods, service

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

IPTABLES = pytest.mark.skipif(
    not (shutil.which("iptables-restore") or shutil.which("iptables-restore", path="/usr/sbin:/sbin")),
    reason="iptables is not installed",
)
RESTARTS = 3


def restart(cluster: Cluster, number: int) -> None:
    """Runs a rolling restart and waits for its end."""
    api = cluster.access()
    before = {pod["metadata"]["name"] for pod in api.call("GET", PODS)["items"]}
    found = api.call("GET", f"{DEPLOYMENTS}/web")
    found["spec"]["template"]["metadata"]["annotations"] = {"restarted": str(number)}
    api.call("PUT", f"{DEPLOYMENTS}/web", found)

    def done() -> bool:
        names = {pod["metadata"]["name"] for pod in api.call("GET", PODS)["items"]}
        return names.isdisjoint(before) and len(ready_pods(cluster)) == 3

    until(f"the end of restart {number}", done)


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


@pytest.mark.parametrize("mode", ["nftables", pytest.param("iptables", marks=IPTABLES)])
def test_a_rolling_restart_loses_no_request_through_any_node(mode: str) -> None:
    with new_cluster() as cluster:
        cluster.up("--nodes", "2", "--proxy-mode", mode, "--api-port", str(free_port()))
        node_port = free_node_port()
        cluster.access().call("POST", DEPLOYMENTS, deployment())
        cluster.access().call("POST", SERVICES, service("10.96.7.7", node_port))
        until("three Pods Ready", lambda: len(ready_pods(cluster)) == 3)
        with (
            traffic(cluster, "node1") as one,
            traffic(cluster, "node2") as two,
            traffic(cluster, "node1", "172.30.0.12", node_port) as three,
        ):
            for number in range(RESTARTS):
                restart(cluster, number)
        for report in (one, two, three):
            assert report["failures"] == []
            assert len(report["answers"]) > RESTARTS, "Pods of every restart answered"
