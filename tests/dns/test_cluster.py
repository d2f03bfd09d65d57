"""Names as programs see them: from pods and nodes of a real cluster, by glibc, dig, busybox and curl.

The upstream is a server of this test's own on the host's loopback: it shows that questions find their way out of the
sandbox, and nothing here is ever asked of anybody else.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import socket
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from fairlead.cli.api import Api
from fairlead.cli.exec import exec_in_pod
from tests.cluster.support import Cluster, free_port, new_cluster, until
from tests.dns.servers import says

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.kernel,
    pytest.mark.slow,
    # aiohttp leaves the TLS connection of an exec to be closed later than its event loop lives.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning"),
]

USERS = ["root", "user"] if os.getuid() == 0 else ["user"]
OUTSIDE = "192.0.2.55"
PODS = "/api/v1/namespaces/default/pods"
CONFIG = "/api/v1/namespaces/kube-system/configmaps/fairlead-dns"
WEB = "web-svc.default.svc.cluster.local"


@dataclass(frozen=True)
class Names:
    cluster: Cluster
    api: Api

    def in_pod(self, *command: str, pod: str = "client", namespace: str = "default") -> str:
        done = exec_in_pod(
            self.cluster.access().port,
            pki=self.cluster.state / "pki",
            pod=pod,
            command=list(command),
            namespace=namespace,
        )
        return (done.stdout + done.stderr).decode()

    def dig(self, *words: str) -> list[str]:
        """Answers in short form."""
        return sorted(self.in_pod("dig", "+short", "+tries=1", "+time=3", *words).splitlines())

    def code(self, *words: str) -> str:
        text = self.in_pod("dig", "+tries=1", "+time=3", *words)
        return text.partition("status: ")[2].partition(",")[0]


def pod(name: str, image: str = "busybox", *, app: str = "none", **spec: Any) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "c", "image": image}
    if image == "busybox":
        container["command"] = ["sleep", "infinity"]
    fields = {"terminationGracePeriodSeconds": 0, "containers": [container]} | spec
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": app}}, "spec": fields}


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module")
def outside() -> Iterator[int]:
    """An upstream that knows every name, on the loopback."""
    reply = says(OUTSIDE)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.2)
        going = True

        def work() -> None:
            while going:
                try:
                    data, peer = sock.recvfrom(4096)
                except TimeoutError:
                    continue
                sock.sendto(reply(data, False) or b"", peer)

        thread = threading.Thread(target=work)
        thread.start()
        yield sock.getsockname()[1]
        going = False
        thread.join()


@pytest.fixture(params=USERS, scope="module")
def names(request: pytest.FixtureRequest, outside: int) -> Iterator[Names]:
    with new_cluster(request.param) as cluster:
        cluster.up("--nodes", "2", "--api-port", str(free_port()), "--upstream", f"127.0.0.1:{outside}")
        api = Api(cluster.access().port, pki=cluster.state / "pki")
        made = Names(cluster, api)
        api.call("POST", PODS, pod("client"))
        api.call("POST", PODS, pod("web", "fairlead/web", app="web"))
        for n in range(2):
            api.call("POST", PODS, pod(f"db-{n}", app="db", hostname=f"db-{n}", subdomain="db"))
        services = "/api/v1/namespaces/default/services"
        http = [{"name": "http", "port": 80, "targetPort": 8080}]
        api.call("POST", services, service("web-svc", clusterIP="10.96.44.1", selector={"app": "web"}, ports=http))
        api.call("POST", services, service("db", clusterIP="None", selector={"app": "db"}, ports=http))
        api.call("POST", services, service("out", type="ExternalName", externalName="www.example.org"))
        until("the pods run", lambda: all_ready(api))
        until("names are answered", lambda: "10.96.44.1" in made.in_pod("getent", "ahostsv4", WEB))
        until("endpoints are answered", lambda: len(made.in_pod("getent", "ahostsv4", "db").splitlines()) == 6)
        yield made
        api.close()
        with warnings.catch_warnings(action="ignore"):
            gc.collect()  # what aiohttp left of the last exec


def tail() -> str:
    return "default.svc.cluster.local"


def all_ready(api: Api) -> bool:
    found = [*api.get(PODS)["items"], *api.get("/api/v1/namespaces/kube-system/pods")["items"]]
    return len(found) >= 5 and all(ready(one) for one in found)


def ready(one: Any) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in one["status"].get("conditions", []))


def ip_of(api: Api, name: str) -> str:
    return str(api.get(f"{PODS}/{name}")["status"].get("podIP", "none yet"))


needs_dig = pytest.mark.skipif(not shutil.which("dig"), reason="dig is not installed (bind9-dnsutils)")


@needs_dig
@pytest.mark.parametrize("way", ["+notcp", "+tcp"])
def test_dig_in_a_pod_finds_every_kind_of_name(names: Names, way: str) -> None:
    first, second = (ip_of(names.api, f"db-{n}") for n in range(2))
    web = ip_of(names.api, "web")
    dashed = web.replace(".", "-")
    wanted = {
        f"{WEB} A": ["10.96.44.1"],
        f"{WEB} AAAA": [],
        f"_http._tcp.{WEB} SRV": [f"0 100 80 {WEB}."],
        f"db.{tail()} A": sorted([first, second]),
        f"db-0.db.{tail()} A": [first],
        f"_http._tcp.db.{tail()} SRV": [f"0 50 8080 db-{n}.db.{tail()}." for n in range(2)],
        f"{dashed}.default.pod.cluster.local A": [web],
        f"{dashed}.{WEB} A": [web],
        f"out.{tail()} A": [OUTSIDE, "www.example.org."],
        "-x 10.96.44.1": [f"{WEB}."],
        f"-x {first}": [f"db-0.db.{tail()}."],
        "dns-version.cluster.local TXT": ['"1.1.0"'],
        "cluster.local NS": ["ns.dns.cluster.local."],
        "www.example.com A": [OUTSIDE],
    }
    found = {asked: names.dig(way, *asked.split()) for asked in wanted}
    assert found == wanted
    assert names.code(way, f"nobody.{tail()}") == "NXDOMAIN"
    assert names.code(way, f"*.{tail()}") == "NXDOMAIN"
    assert names.code(way, WEB, "MX") == "NOERROR"


def test_glibc_in_a_pod_finds_short_names_through_the_search_list(names: Names) -> None:
    for name in ("web-svc", "web-svc.default", "web-svc.default.svc", WEB):
        assert names.in_pod("getent", "ahostsv4", name).split()[0] == "10.96.44.1", name
    assert names.in_pod("getent", "hosts", "10.96.44.1").split() == ["10.96.44.1", WEB]
    assert names.in_pod("getent", "ahostsv4", "out").split()[0] == OUTSIDE
    assert names.in_pod("getent", "ahostsv4", "nobody.default.svc.cluster.local.") == ""


@pytest.mark.skipif(not shutil.which("busybox"), reason="busybox is not installed")
def test_busybox_in_a_pod_finds_names(names: Names) -> None:
    assert "Address: 10.96.44.1" in names.in_pod("busybox", "nslookup", WEB)


def test_a_page_is_fetched_by_name_from_a_pod_and_from_a_node(names: Names) -> None:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    assert "web" in names.in_pod("curl", "-s", "http://web-svc")
    done = names.cluster.fairlead("shell", "node2", "--", "curl", "-s", f"http://{WEB}")
    assert "web" in done.stdout
    node = names.cluster.fairlead("shell", "node1", "--", "getent", "ahostsv4", "web-svc.default")
    assert node.stdout.split()[0] == "10.96.44.1"


def test_resolv_conf_follows_dns_policy_and_dns_config(names: Names) -> None:
    policies: dict[str, tuple[dict[str, Any], list[str]]] = {
        "plain": ({}, ["search default.svc.cluster.local svc.cluster.local cluster.local", "nameserver 10.96.0.10",
                       "options ndots:5"]),
        "hosts": ({"dnsPolicy": "Default"}, ["nameserver 172.30.0.1"]),
        "node": ({"hostNetwork": True}, ["nameserver 172.30.0.1"]),
        "both": ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"},
                 ["search default.svc.cluster.local svc.cluster.local cluster.local", "nameserver 10.96.0.10",
                  "options ndots:5"]),
        "own": ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.96.0.10"], "searches": ["a.test"],
                                                    "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}},
                ["search a.test", "nameserver 10.96.0.10", "options ndots:2 edns0"]),
    }  # fmt: skip
    for name, (spec, _) in policies.items():
        names.api.call("POST", PODS, pod(f"p-{name}", **spec))
    for name, (_, wanted) in policies.items():
        until(f"{name} runs", lambda name=name: ready(names.api.get(f"{PODS}/p-{name}")))  # type: ignore[misc]
        found = names.in_pod("cat", "/etc/resolv.conf", pod=f"p-{name}").splitlines()
        assert found == wanted, name
    assert names.in_pod("getent", "ahostsv4", "www.example.net", pod="p-hosts").split()[0] == OUTSIDE
    for name in policies:
        names.api.call("DELETE", f"{PODS}/p-{name}")


def test_endpoints_that_come_and_go_are_followed(names: Names) -> None:
    services = "/api/v1/namespaces/default/services"
    names.api.call("POST", services, service("late", clusterIP="None", selector={"app": "late"}, ports=[{"port": 1}]))
    names.api.call("POST", PODS, pod("late", app="late"))
    until(
        "its pod has a name",
        lambda: names.in_pod("getent", "ahostsv4", "late").split()[:1] == [ip_of(names.api, "late")],
    )
    names.api.call("DELETE", f"{PODS}/late")
    until("the name is gone", lambda: names.in_pod("getent", "ahostsv4", f"late.{tail()}.") == "")
    names.api.call("DELETE", f"{services}/late")


def test_settings_are_taken_over_and_a_broken_one_is_told_and_keeps_the_old(names: Names) -> None:
    before = names.api.get(CONFIG)
    changed = json.loads(json.dumps(before))
    changed["metadata"].pop("resourceVersion")
    changed["data"]["hosts"] = "192.0.2.99 gate.test"
    names.api.call("PUT", CONFIG, changed)
    until("the hosts line is known", lambda: "192.0.2.99" in names.in_pod("getent", "ahostsv4", "gate.test"))
    changed["data"]["pods"] = "perhaps"
    names.api.call("PUT", CONFIG, changed)
    events = "/api/v1/namespaces/kube-system/events"
    told = until(
        "an event",
        lambda: [e for e in names.api.get(events)["items"] if e["reason"] == "InvalidConfiguration"],
    )
    assert told[0]["message"].startswith("pods: 'perhaps' is not one of insecure, verified, disabled")
    assert "192.0.2.99" in names.in_pod("getent", "ahostsv4", "gate.test")
    before["metadata"].pop("resourceVersion")
    names.api.call("PUT", CONFIG, before)
    until("the hosts line is forgotten", lambda: OUTSIDE in names.in_pod("getent", "ahostsv4", "gate.test"))


def test_metrics_and_probes_are_served_on_corednss_ports(names: Names) -> None:
    dns = names.api.get("/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns")["items"][0]
    ip = dns["status"]["podIP"]
    for url, words in (
        (f"http://{ip}:8181/ready", "OK"),
        (f"http://{ip}:8080/health", "OK"),
        ("http://10.96.0.10:9153/metrics", "coredns_dns_requests_total"),
    ):
        done = names.cluster.fairlead("shell", "node1", "--", "curl", "-s", url)
        assert words in done.stdout, url


def test_names_come_back_after_the_pod_is_killed_and_after_scaling_to_zero_and_back(names: Names) -> None:
    pods = "/api/v1/namespaces/kube-system/pods"
    old = names.api.get(f"{pods}?labelSelector=k8s-app%3Dkube-dns")["items"][0]["metadata"]["name"]
    names.api.call("DELETE", f"{pods}/{old}")
    until("names are answered again", lambda: "10.96.44.1" in names.in_pod("getent", "ahostsv4", "web-svc"))
    scale = "/apis/apps/v1/namespaces/kube-system/deployments/fairlead-dns/scale"
    for replicas in (0, 2):
        tree = names.api.get(scale)
        tree["spec"]["replicas"] = replicas
        del tree["metadata"]["resourceVersion"]
        names.api.call("PUT", scale, tree)
        wanted = replicas
        until(f"{wanted} pods are ready", lambda wanted=wanted: dns_ready(names.api) == wanted)  # type: ignore[misc]
    until("names are answered once more", lambda: "10.96.44.1" in names.in_pod("getent", "ahostsv4", "web-svc"))


def dns_ready(api: Api) -> int:
    found = api.get("/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns")["items"]
    return sum(ready(one) for one in found) if all("deletionTimestamp" not in p["metadata"] for p in found) else -1


def test_what_the_user_changed_stays_over_a_restart(names: Names) -> None:
    found = names.api.get("/apis/apps/v1/namespaces/kube-system/deployments/fairlead-dns")
    assert found["spec"]["replicas"] == 2
    control = names.cluster.component("control-plane")
    os.kill(control["pid"], 9)
    until("the API is back", lambda: names.cluster.component("control-plane")["pid"] not in (0, control["pid"]))
    until("it answers", lambda: names.api.get(CONFIG))
    assert names.api.get("/apis/apps/v1/namespaces/kube-system/deployments/fairlead-dns")["spec"]["replicas"] == 2
