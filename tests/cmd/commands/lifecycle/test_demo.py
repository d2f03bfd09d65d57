"""`fairlead demo`: ends with a running cluster and proof on the screen; again, it starts afresh."""

from __future__ import annotations

import os
import re

import pytest

from tests.cluster.support import Cluster, new_cluster, until

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

REQUESTS = 300
SERVICES = ["clusterip-service", "loadbalancer-service", "nodeport-service", "webui-svc"]


def demo(cluster: Cluster) -> str:
    done = cluster.fairlead("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def counts(output: str) -> list[list[int]]:
    """Returns the counts of each line of the table of answers: one for each Pod, and last the number of failures."""
    lines = re.findall(r"^\S+ +[\d.]+:80 +(?:Pod \S+|node1) +([\d ]+)$", output, re.MULTILINE)
    return [[int(cell) for cell in line.split()] for line in lines]


def ways_in(output: str) -> list[tuple[str, str]]:
    """Returns the Services and the commands that reach them, from the end of the output."""
    table = output.partition("Reach its Services from here:")[2].partition("Pods reach each other")[0]
    found = re.findall(r"^([a-z]\S+) {2,}(\S.*)$", table, re.MULTILINE)
    assert [name for name, _ in found] == SERVICES
    return found


@pytest.mark.parametrize("who", ["root", "user"] if os.getuid() == 0 else ["user"])
def test_the_demo_proves_that_each_pod_answers_its_share(who: str) -> None:
    with new_cluster(who) as cluster:
        output = demo(cluster)
        found = counts(output)
        assert len(found) == 8
        for *pods, others in found:
            assert others == 0
            assert sum(pods) == REQUESTS
            assert len(pods) == 3
            assert all(0.2 * REQUESTS <= n <= 0.47 * REQUESTS for n in pods)
        for command in ("get svc", "get ep", "get po -o wide"):
            assert f"$ kubectl {command}\nNAME " in output
        assert f'context "fairlead-{cluster.name}" in {cluster.user_kubeconfig}' in output
        assert f"env --name {cluster.name}" not in output
        for name, command in ways_in(output):
            page = cluster.runner.run([*cluster.runner.prefix, "bash", "-c", command])
            assert page.returncode == 0, (name, page.stderr)
            assert "Pod webui-" in page.stdout, (name, page.stdout)
        until("a ready cluster", lambda: cluster.status()["ready"])
        first = cluster.status()["pid"]
        assert demo(cluster).startswith("starting afresh")
        assert cluster.status()["pid"] != first
