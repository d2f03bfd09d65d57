"""Time and CPU of `fairlead why` in a cluster with 10,000 Services, as a user sees it: a process from start to end.

    python -m bench.explain [SERVICES] [ROUNDS]

Measured: a Service that works (a connection and a question of DNS are tried), the same read only, a Service whose
selector matches nothing, and a name in DNS. Beside it the same with one Service, and the start of a Python that does
nothing. `bench.lint` measures `fairlead lint`.
"""

from __future__ import annotations

import subprocess
import sys
import time

import uvloop

from bench.api import handing_out
from bench.api_lists import collection, service
from bench.cluster import FAIRLEAD, Access, Cluster, free_port, fresh_cluster
from bench.load import post, run
from bench.processes import measure

CONNECTIONS = 8
WEB = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "nginx"}]},
}
CASES = (
    ("works", ("svc/web",)),
    ("works, read only", ("svc/web", "--passive")),
    ("matches nothing", ("svc/typo",)),
    ("a name", ("dns", "web")),
)


def create(access: Access, count: int) -> None:
    requests = handing_out(post(collection("default"), service(f"other-{n}", {})) for n in range(count))
    uvloop.run(run(access.port, access.tls, requests, connections=CONNECTIONS))


def _why(cluster: Cluster, *words: str) -> list[str]:
    return [*FAIRLEAD, "why", "--name", cluster.name, *words]


def _measure(cluster: Cluster, title: str, rounds: int) -> None:
    for case, words in CASES:
        spent = measure(_why(cluster, *words), rounds, cluster.environment)
        print(f"{title:>8} Services, {case:18} {spent}", flush=True)


def _wait(cluster: Cluster) -> None:
    """Waits until the Service works."""
    deadline = time.monotonic() + 30
    while subprocess.run(
        _why(cluster, "svc/web"), check=False, env=cluster.environment, stdout=subprocess.DEVNULL
    ).returncode:
        if time.monotonic() > deadline:
            raise SystemExit("the Service does not work within 30 s")
        time.sleep(0.2)


def main() -> None:
    services = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with fresh_cluster() as cluster:
        cluster.run("up", "--detach", "--nodes", "2", "--api-port", str(free_port()))
        access = cluster.access()
        access.call("POST", "/api/v1/namespaces/default/pods", WEB)
        for name in ("web", "typo"):
            access.call("POST", collection("default"), _service(name, "web" if name == "web" else "wbe"))
        _wait(cluster)
        _measure(cluster, "2", rounds)
        create(access, services)
        _measure(cluster, str(services), rounds)
    print(f"an empty Python process {measure([sys.executable, '-c', ''], rounds, {})!s:>39}")


def _service(name: str, app: str) -> dict[str, object]:
    spec = {"selector": {"app": app}, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


if __name__ == "__main__":
    main()
