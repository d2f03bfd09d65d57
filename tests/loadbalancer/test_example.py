"""A user's first load balancer: the example's two files, typed as they stand there; reached from three places."""

from __future__ import annotations

import subprocess
import time
import urllib.request

import pytest

from tests.cluster.support import ROOT, Cluster, free_port, new_cluster, until
from tests.kubectl.conftest import USERS, find_kubectl
from tests.loadbalancer.cluster import ASK, CORE, create, on_fabric, pod, url, wait_ready

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

EXAMPLES = ROOT / "examples"
NAME = "loadbalancer-service"


def kubectl(cluster: Cluster, *arguments: str) -> str:
    command = [find_kubectl(), "--kubeconfig", str(cluster.state / "kubeconfig"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr
    return done.stdout


def asked(cluster: Cluster, where: str) -> str:
    """Asks from a Pod."""
    return kubectl(cluster, "exec", "asks", "--", "/usr/bin/python3", "-c", ASK, where)


@pytest.mark.parametrize("who", USERS)
def test_the_example_has_an_address_at_once_and_its_page_everywhere(who: str) -> None:
    find_kubectl()
    with new_cluster(who) as cluster:
        cluster.up("--nodes", "2", "--api-port", str(free_port()))
        sleeps = ["/usr/bin/python3", "-c", "import time; time.sleep(600)"]
        create(cluster, pod("asks", "asks", image="debian", command=sleeps))
        kubectl(cluster, "create", "-f", str(EXAMPLES / "webui-deployment.yaml"))
        kubectl(cluster, "rollout", "status", "deployment/webui", "--timeout=120s")
        wait_ready(cluster, "asks")

        kubectl(cluster, "create", "-f", str(EXAMPLES / "loadbalancer-nginx.yaml"))
        start = time.monotonic()
        path = f"{CORE}/services/{NAME}"
        points = until(
            "an address", lambda: cluster.access().call("GET", path)["status"]["loadBalancer"].get("ingress")
        )
        # The aim of 0.1 s is measured by bench/loadbalancer.py. This limit is between a busy machine's reaction and the
        # next resync.
        assert time.monotonic() - start < 10
        assert points == [{"ip": "172.30.0.200", "ipMode": "VIP", "ports": [{"port": 80, "protocol": "TCP"}]}]
        line = kubectl(cluster, "get", "svc", NAME).splitlines()[1].split()
        assert (line[1], line[3]) == ("LoadBalancer", "172.30.0.200")

        where = "http://172.30.0.200/"
        assert "Pod webui-" in until("the page in a Pod", lambda: asked(cluster, where))
        fabric = until("the page on the fabric", lambda: on_fabric(cluster, "/usr/bin/python3", "-c", ASK, where))
        assert "Pod webui-" in fabric
        with urllib.request.urlopen(url(cluster, NAME), timeout=60) as answer:
            assert b"Pod webui-" in answer.read()
