"""A cluster for queries of names: root's has both address families, the ordinary user's has IPv4 alone.

Its upstream is a server of this package on the host's loopback: it shows that queries leave the sandbox. No query
goes to any other server."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from fairlead.cli.api import Api
from fairlead.cli.exec import exec_in_pod
from tests.cluster.support import Cluster, free_port, new_cluster, until
from tests.dns.servers import says

MARKS = [
    pytest.mark.cluster,
    pytest.mark.kernel,
    pytest.mark.slow,
    # aiohttp closes the TLS connection of an exec only after the end of its event loop.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning"),
]
needs_dig = pytest.mark.skipif(not shutil.which("dig"), reason="dig is not installed (bind9-dnsutils)")
FAMILIES = {"root": "dual", "user": "ipv4"} if os.getuid() == 0 else {"user": "dual"}
OUTSIDE, OUTSIDE6 = "192.0.2.55", "2001:db8::55"
SERVICES = "/api/v1/namespaces/default/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
PODS = "/api/v1/namespaces/default/pods"
DNS_PODS = "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns"
CONFIG = "/api/v1/namespaces/kube-system/configmaps/fairlead-dns"
TAIL = "default.svc.cluster.local"
WEB = f"web-svc.{TAIL}"
DNS = ("10.96.0.10", "fd00:10:96::a")
BOTH = ("10.96.44.2", "fd00:10:96::4402")
UNREADY = "10.244.98.1"
MANY = 100
"""Number of endpoints of `many`: more than fit a datagram."""


@dataclass(frozen=True)
class Names:
    cluster: Cluster
    api: Api
    dual: bool

    @property
    def servers(self) -> Sequence[str]:
        """Returns the addresses of the DNS servers."""
        return DNS if self.dual else DNS[:1]

    @property
    def clients(self) -> Sequence[str]:
        """Returns the client Pods; the second one uses IPv6."""
        return ("client", "client6") if self.dual else ("client",)

    def in_pod(self, *command: str, pod: str = "client", namespace: str = "default") -> str:
        done = exec_in_pod(
            self.cluster.access().port,
            pki=self.cluster.state / "pki",
            pod=pod,
            command=list(command),
            namespace=namespace,
        )
        return (done.stdout + done.stderr).decode()

    def dig(self, questions: Sequence[str], *words: str) -> dict[str, list[str]]:
        """Returns for each question, such as `cluster.local NS`, the sorted answers in short form."""
        script = 'for q in "$@"; do echo "> $q"; dig +short +tries=1 +time=3 $WORDS $q; done'
        return parted(self.in_pod("env", f"WORDS={' '.join(words)}", "sh", "-c", script, "sh", *questions))

    def codes(self, questions: Sequence[str], *words: str) -> dict[str, list[str]]:
        """Returns the answer's code for each question."""
        status = "sed -n 's/.*status: \\([A-Z]*\\).*/\\1/p'"
        script = f'for q in "$@"; do echo "> $q"; dig +tries=1 +time=3 $WORDS $q | {status}; done'
        return parted(self.in_pod("env", f"WORDS={' '.join(words)}", "sh", "-c", script, "sh", *questions))

    def code(self, *words: str) -> str:
        text = self.in_pod("dig", "+tries=1", "+time=3", *words)
        return text.partition("status: ")[2].partition(",")[0]

    def metrics(self) -> str:
        """Returns the metrics as Prometheus gets them, through the Service."""
        return self.in_pod("curl", "-s", f"http://{DNS[0]}:9153/metrics")


def parted(text: str) -> dict[str, list[str]]:
    """Returns the lines by the `> question` that precedes them."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("> "):
            mine = found[line[2:]] = []
        else:
            mine.append(line)
    return {question: sorted(lines) for question, lines in found.items()}


def pod(name: str, image: str = "busybox", *, app: str = "none", **spec: Any) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "c", "image": image}
    if image == "busybox":
        container["command"] = ["sleep", "infinity"]
    fields = {"terminationGracePeriodSeconds": 0, "containers": [container]} | spec
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": app}}, "spec": fields}


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="package")
def outside() -> Iterator[int]:
    """Runs an upstream on the loopback that knows every name."""
    reply = says(OUTSIDE, six=OUTSIDE6)
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


@pytest.fixture(params=FAMILIES, scope="package")
def names(request: pytest.FixtureRequest, outside: int) -> Iterator[Names]:
    with new_cluster(request.param) as cluster:
        where = ("--upstream", f"127.0.0.1:{outside}", "--ip-family", FAMILIES[request.param])
        cluster.up("--nodes", "2", "--api-port", str(free_port()), *where)
        api = Api(cluster.access().port, pki=cluster.state / "pki")
        made = Names(cluster, api, FAMILIES[request.param] == "dual")
        fill(made)
        until("the pods run", lambda: all_ready(api))
        until("names are answered", lambda: "10.96.44.1" in made.in_pod("getent", "ahostsv4", WEB))
        until("endpoints are answered", lambda: len(made.in_pod("getent", "ahostsv4", "db").splitlines()) == 6)
        yield made
        api.close()


def fill(names: Names) -> None:
    api = names.api
    api.call("POST", PODS, pod("client"))
    searches = [TAIL, "svc.cluster.local", "cluster.local"]
    config = {"nameservers": [DNS[1]], "searches": searches, "options": [{"name": "ndots", "value": "5"}]}
    if names.dual:
        api.call("POST", PODS, pod("client6", dnsPolicy="None", dnsConfig=config))
    api.call("POST", PODS, pod("web", "fairlead/web", app="web"))
    for n in range(2):
        api.call("POST", PODS, pod(f"db-{n}", app="db", hostname=f"db-{n}", subdomain="db"))
    http = [{"name": "http", "port": 80, "targetPort": 8080}]
    prefer = {"ipFamilyPolicy": "PreferDualStack"}
    both = list(BOTH) if names.dual else [BOTH[0]]
    web = {"app": "web"}
    for made in (
        service("web-svc", clusterIP="10.96.44.1", selector=web, ports=http),
        service("both", clusterIP=both[0], clusterIPs=both, selector=web, ports=http, **prefer),
        service("db", clusterIP="None", selector={"app": "db"}, ports=http, **prefer),
        service("out", type="ExternalName", externalName="www.example.org"),
        service("alias", type="ExternalName", externalName=f"both.{TAIL}"),
        service("lost", type="ExternalName", externalName=f"nobody.{TAIL}"),
        service("many", clusterIP="None", ports=http),
        service("empty", clusterIP="None", selector={"app": "nobody"}, ports=http),
        service("lazy", clusterIP="None", ports=http),
        service("eager", clusterIP="None", ports=http, publishNotReadyAddresses=True),
    ):
        api.call("POST", SERVICES, made)
    api.call("POST", SLICES, endpoint_slice("many", [f"10.244.99.{n + 1}" for n in range(MANY)]))
    for name in ("lazy", "eager"):
        api.call("POST", SLICES, endpoint_slice(name, [UNREADY], ready=False))


def endpoint_slice(name: str, addresses: Sequence[str], *, ready: bool = True) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": [a], "conditions": {"ready": ready}} for a in addresses],
    }


def all_ready(api: Api) -> bool:
    found = [*api.get(PODS)["items"], *api.get("/api/v1/namespaces/kube-system/pods")["items"]]
    return len(found) >= 5 and all(ready(one) for one in found)


def ready(one: Any) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in one["status"].get("conditions", []))


def dns_ready(api: Api) -> int:
    """Returns the number of ready DNS Pods; -1 while one is terminating."""
    found = api.get(DNS_PODS)["items"]
    return sum(ready(one) for one in found) if all("deletionTimestamp" not in p["metadata"] for p in found) else -1


def ips_of(api: Api, name: str) -> list[str]:
    """Returns the addresses, IPv4 first."""
    return [one["ip"] for one in api.get(f"{PODS}/{name}")["status"].get("podIPs", [])]
