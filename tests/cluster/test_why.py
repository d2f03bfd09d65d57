"""The command `fairlead why` on a running cluster: it reads the Pods' sockets, also as an ordinary user."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cluster.support import Cluster, free_port, new_cluster, until
from tests.cluster.test_kill import PODS, SERVICES, ready_pods

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]


def service(name: str, target: int) -> dict[str, Any]:
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": target}]}
    return {"metadata": {"name": name}, "spec": spec}


def why(cluster: Cluster, name: str) -> tuple[int, dict[str, Any]]:
    done = cluster.fairlead("why", f"svc/{name}", "-o", "json")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("who", ["root", "user"])
def test_why_finds_the_port_on_which_the_process_listens(who: str) -> None:
    with new_cluster(who) as cluster:
        cluster.up("--nodes", "1", "--api-port", str(free_port()))
        api = cluster.access()
        containers = [{"name": "web", "image": "nginx"}]
        api.call(
            "POST", PODS, {"metadata": {"name": "web-1", "labels": {"app": "web"}}, "spec": {"containers": containers}}
        )
        api.call("POST", SERVICES, service("right", 80))
        api.call("POST", SERVICES, service("wrong", 8081))
        until("a ready Pod", lambda: len(ready_pods(cluster)) == 1)
        until("a Service that works", lambda: why(cluster, "right")[0] == 0)

        process = next(step for step in why(cluster, "right")[1]["checks"] if step["check"] == "listening")
        assert process["lookedAt"].endswith("every target port has a listener")
        code, told = why(cluster, "wrong")
        assert (code, told["verdict"]) == (1, "fault")
        assert told["cause"] == "nothing listens on target port 8081 (TCP) in Pod web-1: the process listens on 80"
        assert '"path":"/spec/ports/0/targetPort","value":80' in told["cure"]
