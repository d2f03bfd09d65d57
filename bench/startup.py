"""Time from the command to the first answered request, and the memory of an idle cluster of three nodes.

Each round is a new cluster with a new state directory. `python -m bench.startup [rounds [flags of up]]`, such as
`5 --ip-family dual`; the baseline is what an empty Python process that only imports the HTTP server costs, since no
start can be quicker than that.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.cluster import (
    FAIRLEAD,
    Access,
    Cluster,
    descendants,
    free_port,
    fresh_cluster,
    process_name,
    pss_kib,
    wait_until,
)

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "fairlead/web"}]},
        },
    },
}


def service(node_port: int) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {
            "type": "NodePort",
            "selector": {"app": "web"},
            "ports": [{"port": 80, "targetPort": 8080, "nodePort": node_port}],
        },
    }


@dataclass(frozen=True)
class Round:
    api_ready_ms: float
    nodes_ready_ms: float
    pods_ready_ms: float
    first_answer_ms: float
    pss_mib: float
    by_process: dict[str, float]


def ready(items: list[dict[str, object]], count: int) -> bool:
    """Returns True if so many objects have the condition Ready=True."""

    def is_ready(item: dict[str, object]) -> bool:
        status = item.get("status")
        conditions = status.get("conditions", []) if isinstance(status, dict) else []
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    return sum(map(is_ready, items)) >= count


def api_ready(cluster: Cluster) -> float:
    """Returns the time at which /readyz answers 200. The socket is open before the server is ready: one connection
    waits."""

    def probe() -> bool:
        try:
            connection = cluster.access().connect()
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except (OSError, ValueError, KeyError, TypeError):
            return False

    return wait_until("API ready", probe)


def answered(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def pods_ready(access: Access) -> bool:
    return ready(access.call("GET", "/api/v1/namespaces/default/pods")["items"], 3)


def run_round(number: int, flags: Sequence[str] = ()) -> Round:
    with fresh_cluster(f"bench{number}") as cluster:
        node_port = 30000 + free_port() % 2768
        command = [*FAIRLEAD, "up", "--detach", "--nodes", "3", "--name", cluster.name, "--api-port", str(free_port())]
        command += flags
        start = time.perf_counter()
        with subprocess.Popen(command, env=cluster.environment, stdout=subprocess.DEVNULL) as up:
            at_api = api_ready(cluster)
            access = cluster.access()
            at_nodes = wait_until("nodes Ready", lambda: ready(access.call("GET", "/api/v1/nodes")["items"], 3))
            if up.wait(60) != 0:
                raise RuntimeError("fairlead up failed")
        time.sleep(3)
        pids = descendants(cluster.status()["pid"])
        memory = [(process_name(p), pss_kib(p) / 1024) for p in pids]
        applied = time.perf_counter()
        access.call("POST", "/apis/apps/v1/namespaces/default/deployments", DEPLOYMENT)
        access.call("POST", "/api/v1/namespaces/default/services", service(node_port))
        at_answer = wait_until("first answer", lambda: answered(node_port))
        at_pods = wait_until("pods Ready", lambda: pods_ready(access))
        by_process: dict[str, float] = {}
        for name, mib in memory:
            by_process[name] = by_process.get(name, 0) + mib
        return Round(
            (at_api - start) * 1e3,
            (at_nodes - start) * 1e3,
            (at_pods - applied) * 1e3,
            (at_answer - applied) * 1e3,
            sum(mib for _, mib in memory),
            by_process,
        )


def baseline_ms() -> float:
    """Measures the interpreter and the import of the HTTP server alone."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import aiohttp.web, uvloop, msgspec"], check=True)
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def main(rounds: int = 5, out: Path | None = None, flags: Sequence[str] = ()) -> None:
    base = baseline_ms()
    results = [run_round(n, flags) for n in range(rounds)]
    figures = {
        "command to API ready": (statistics.median(r.api_ready_ms for r in results), 700.0, "ms"),
        "command to 3 nodes Ready": (statistics.median(r.nodes_ready_ms for r in results), 1000.0, "ms"),
        "apply to 3 Pods Ready": (statistics.median(r.pods_ready_ms for r in results), 1000.0, "ms"),
        "apply to first answered request": (statistics.median(r.first_answer_ms for r in results), 1000.0, "ms"),
        "memory, all processes, idle (PSS)": (statistics.median(r.pss_mib for r in results), 150.0, "MiB"),
    }
    said = f" with {' '.join(flags)}" if flags else ""
    print(f"start-up{said}, median of {rounds}; baseline (interpreter + HTTP server import alone): {base:.0f} ms")
    for name, (value, aim, unit) in figures.items():
        print(f"  {name:36s} {value:8.0f} {unit:4s} (aim {aim:.0f})")
    print("  PSS by process name: " + ", ".join(f"{n} {m:.0f}" for n, m in sorted(results[-1].by_process.items())))
    if out:
        out.write_text(json.dumps({n: v for n, (v, _, _) in figures.items()} | {"baseline_ms": base}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, flags=sys.argv[2:])
