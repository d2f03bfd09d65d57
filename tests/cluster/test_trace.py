"""The commands `fairlead rules` and `fairlead trace` on a running cluster, also as an ordinary user."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cluster.support import Cluster, free_port, new_cluster, until
from tests.cluster.test_kill import PODS, SERVICES, ready_pods

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

SETTINGS = "/api/v1/namespaces/kube-system/configmaps/kube-proxy"


def pod(name: str, app: str) -> dict[str, Any]:
    containers = [{"name": "web", "image": "nginx"}]
    return {"metadata": {"name": name, "labels": {"app": app}}, "spec": {"containers": containers}}


def service(name: str, app: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"selector": {"app": app}, "ports": [{"port": 80}], **spec}}


def ask(cluster: Cluster, command: str, *arguments: str) -> tuple[int, Any]:
    done = cluster.fairlead(command, *arguments, "-o", "json")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def traced(cluster: Cluster, *arguments: str) -> dict[str, Any]:
    tree: dict[str, Any] = ask(cluster, "trace", *arguments)[1]
    return tree


def check_rules(cluster: Cluster, mode: str) -> None:
    until("the rules of the plan", lambda: ask(cluster, "rules", "--diff", "plan") == (0, {"removed": [], "added": []}))
    code, lines = ask(cluster, "rules", "svc/web")
    assert code == 0
    assert {line["mode"] for line in lines} == {mode}
    assert {line["node"] for line in lines} == {"node1", "node2"}
    assert {line["service"] for line in lines} == {"default/web"}
    assert {line["pod"] for line in lines if "pod" in line} == {"default/web-1", "default/web-2"}
    assert all(line["words"] and "not a rule" not in line["words"] for line in ask(cluster, "rules")[1])
    raw = cluster.fairlead("rules", "--raw", "--node", "node1").stdout
    assert ("table ip fairlead {" in raw) == (mode == "nftables")
    assert ("*nat\n:PREROUTING ACCEPT" in raw) == (mode == "iptables")


def check_traces(cluster: Cluster, node_port: int) -> None:
    for sender in ("pod/client", "node/node1", "host"):
        tree = traced(cluster, sender, "svc/web", "--live")
        assert tree["agrees"], tree["differences"]
        assert {end["pod"] for end in tree["kernel"]} == {"default/web-1", "default/web-2"}
        assert [end["probability"] for end in tree["kernel"]] == [0.5, 0.5]
        assert tree["live"]["outcome"] == "answered"
        assert tree["live"]["agrees"], tree["live"]
        assert set(tree["live"]["rules"].values()) <= {"agree", "another port"}
    published = until("the published port", lambda: answered(cluster, "host", f"127.0.0.1:{node_port}"))
    assert {end["pod"] for end in published["kernel"]} == {"default/web-1", "default/web-2"}
    assert published["to"]["label"].endswith("(Service default/open)")
    assert published["live"]["agrees"], published["live"]
    refused = traced(cluster, "pod/client", "svc/empty", "--live")
    assert [end["reason"] for end in refused["kernel"]] == ["Service default/empty has no endpoints for port 80"]
    assert refused["live"]["outcome"] == "refused"
    assert refused["live"]["agrees"], refused["live"]


def answered(cluster: Cluster, *arguments: str) -> dict[str, Any]:
    """Returns the trace if a real connection was answered, else nothing."""
    tree = traced(cluster, *arguments, "--live")
    return tree if tree["live"]["outcome"] == "answered" else {}


def settled(cluster: Cluster, *arguments: str) -> bool:
    tree = traced(cluster, *arguments)
    return bool(tree["agrees"]) and len(tree["kernel"]) == 2


@pytest.mark.parametrize("who", ["root", "user"])
def test_rules_and_traces_agree_with_real_packets_in_both_modes(who: str) -> None:
    with new_cluster(who) as cluster:
        cluster.up("--nodes", "2", "--api-port", str(free_port()))
        api = cluster.access()
        for one in (pod("web-1", "web"), pod("web-2", "web"), pod("client", "client")):
            api.call("POST", PODS, one)
        made = [
            service("web", "web"),
            service("empty", "nothing", type="NodePort"),
            service("open", "web", type="NodePort"),
        ]
        for one in made:
            api.call("POST", SERVICES, one)
        node_port = api.call("GET", f"{SERVICES}/open")["spec"]["ports"][0]["nodePort"]
        until("ready Pods", lambda: len(ready_pods(cluster)) == 3)
        until("both endpoints", lambda: settled(cluster, "pod/client", "svc/web"))
        check_rules(cluster, "nftables")
        check_traces(cluster, node_port)
        settings = api.call("GET", SETTINGS)
        settings["data"]["config.conf"] = settings["data"]["config.conf"].replace("mode: nftables", "mode: iptables")
        api.call("PUT", SETTINGS, settings)
        until("iptables", lambda: {line["mode"] for line in ask(cluster, "rules")[1]} == {"iptables"})
        until("both endpoints", lambda: settled(cluster, "pod/client", "svc/web"))
        check_rules(cluster, "iptables")
        check_traces(cluster, node_port)


def test_a_difference_between_two_calls_and_a_foreign_change_are_shown() -> None:
    with new_cluster() as cluster:
        cluster.up("--api-port", str(free_port()))
        api = cluster.access()
        first = cluster.fairlead("rules", "--diff")
        assert (first.returncode, "no earlier call" in first.stderr) == (1, True)
        cluster.fairlead("rules")
        api.call("POST", SERVICES, service("web", "web", type="NodePort"))
        until("refusal", lambda: ask(cluster, "rules", "svc/web")[1])
        code, tree = ask(cluster, "rules", "svc/web", "--diff")
        assert (code, tree) == (0, {"removed": [], "added": []}), "the last call was the one that found the rules"
        api.call("DELETE", f"{SERVICES}/web")
        until("no rules", lambda: "lacks rules" in _stdout_or_error(cluster))
        flush = "from fairlead.net.nft.run import NftKernel; NftKernel().run_text('flush chain ip fairlead output')"
        assert cluster.fairlead("shell", "node1", "--", cluster.runner.python, "-c", flush).returncode == 0
        code, tree = ask(cluster, "rules", "--diff", "plan")
        assert code == 1
        assert {line["place"] for line in tree["removed"]} == {"chain output"}
        trace = traced(cluster, "node/node1", "svc/kubernetes")
        assert not trace["agrees"]
        assert trace["differences"]


def _stdout_or_error(cluster: Cluster) -> str:
    done = cluster.fairlead("rules", "svc/web")
    return "lacks rules" if "there is no Service" in done.stderr else done.stdout
