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


@pytest.mark.parametrize("who", ["root", "user"])
def test_why_tries_connections_and_names_from_the_place_that_is_asked(who: str) -> None:
    with new_cluster(who) as cluster:
        cluster.up("--nodes", "2", "--api-port", str(free_port()))
        api = cluster.access()
        for name, label in (("web-1", "web"), ("client", "client")):
            spec = {"nodeName": "node2", "containers": [{"name": "web", "image": "nginx"}]}
            api.call("POST", PODS, {"metadata": {"name": name, "labels": {"app": label}}, "spec": spec})
        api.call("POST", SERVICES, service("right", 80))
        api.call("POST", SERVICES, service("wrong", 8081))
        until("ready Pods", lambda: len(ready_pods(cluster)) == 2)
        until("a Service that works", lambda: why(cluster, "right")[0] == 0)

        def step(*arguments: str, check: str, name: str = "right") -> tuple[str, str]:
            done = cluster.fairlead("why", f"svc/{name}", "-o", "json", *arguments)
            found = {one["check"]: one for one in json.loads(done.stdout)["checks"]}
            if check not in found:
                return "absent", ""
            return found[check]["status"], found[check]["cause"] or found[check]["lookedAt"]

        for sender, label in (
            ((), "node1"),
            (("--from", "pod/client"), "pod/client"),
            (("--from", "node/node2"), "node2"),
        ):
            status, text = step(*sender, check="connection")
            assert (status, text.startswith(f"a connection from {label} to 10.")) == ("ok", True), text
            assert step(*sender, check="lookup")[0] == "ok"
        assert step("--from", "pod/client", check="kernel-rules")[0] == "ok"
        status, text = step("--from", "pod/client", "--http", check="requests")
        assert (status, "port 80: HTTP/1.1 200 OK, " in text) == ("ok", True), text
        assert step("--from", "pod/web-1", check="hairpin")[0] == "note"
        assert step("--passive", check="connection") == ("absent", "")
        assert step(check="connection", name="wrong")[1].endswith("port 80 was refused")
        secure = cluster.fairlead("why", "svc/kubernetes", "-o", "json")
        found = {one["check"]: one for one in json.loads(secure.stdout)["checks"]}
        assert (found["app-protocol"]["status"], found["app-protocol"]["lookedAt"].rpartition(": ")[2]) == (
            "ok",
            "443/TCP HTTPS",
        )
        bad = cluster.fairlead("why", "svc/right", "--from", "pod/nobody")
        assert (bad.returncode, bad.stderr) == (
            2,
            'fairlead: --from pod/nobody: there is no Pod "nobody" in this namespace\n',
        )

        dns = cluster.fairlead("why", "dns", "right", "--from", "pod/client")
        assert dns.returncode == 0, dns.stderr
        assert "right resolves from pod/client to 10." in dns.stdout
        assert "as right.default.svc.cluster.local (query 1)" in dns.stdout
        elsewhere = cluster.fairlead("why", "dns", "right", "-n", "kube-system")
        assert elsewhere.returncode == 1
        assert "namespace default has Service right: its name is right.default" in elsewhere.stdout
        assert cluster.fairlead("why", "pod/web-1").returncode == 0
        assert cluster.fairlead("why", "deploy/none").returncode == 1
