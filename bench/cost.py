"""CPU time of an operation in each process of a cluster: the figure that a busy machine distorts least.

`python -m bench.cost [rounds]`. Three nodes; the median of the rounds, in milliseconds of all cores. What controllers,
proxies, relay and DNS do because of an operation is counted to its end, not only while the client waits.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.api import config_map, creates, measure
from bench.api_lists import UPDATES, WATCHERS, bare, collection, service, watched
from bench.cluster import Access, descendants, free_port, fresh_cluster, process_name

COUNT = 1000
_CALM_MS, _LOOK_S = 25.0, 0.5
"""The cluster is idle if all processes together used less than this between two polls."""

Costs = dict[str, float]


def used_ms(pids: list[int]) -> Costs:
    """Returns the CPU time so far by kind of process; DNS runs under the interpreter's name."""
    found: Costs = {}
    for pid in pids:
        try:
            tasks = list(Path(f"/proc/{pid}/task").iterdir())
            name = process_name(pid).rstrip("0123456789.")
            spent = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6
        except OSError:
            continue
        found[name] = found.get(name, 0.0) + spent
    return found


def calm(pids: list[int]) -> Costs:
    """Waits until all processes are idle."""
    before = used_ms(pids)
    while True:
        time.sleep(_LOOK_S)
        now = used_ms(pids)
        if sum(now.values()) - sum(before.values()) < _CALM_MS:
            return now
        before = now


def own_ms() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1e3


def cost(pids: list[int], count: int, work: Callable[[], object]) -> Costs:
    before, mine = calm(pids), own_ms()
    work()
    client = own_ms() - mine
    spent = {name: ms - before.get(name, 0.0) for name, ms in calm(pids).items()} | {"client": client}
    return {name: ms / count for name, ms in spent.items()}


def run_round(access: Access, pids: list[int], number: int) -> dict[str, Costs]:
    port, tls, names = access.port, access.tls, f"r{number}-"
    for namespace in ("full", "bare"):
        access.call("POST", "/api/v1/namespaces", {"metadata": {"name": f"{namespace}{number}"}})
    maps = "/api/v1/namespaces/default/configmaps"

    def make(path: str, body: Callable[[str], bytes]) -> Callable[[], object]:
        return lambda: measure(port, tls, creates(path, body, names, COUNT))

    return {
        "create ConfigMap": cost(pids, COUNT, make(maps, config_map)),
        "create Service without selector": cost(pids, COUNT, make(collection(f"bare{number}"), bare)),
        "create Service": cost(pids, COUNT, make(collection(f"full{number}"), service)),
        f"update seen by {WATCHERS} watchers": cost(pids, UPDATES, lambda: watched(access, number)),
    }


def main(rounds: int = 5) -> None:
    with fresh_cluster("benchcost") as cluster:
        started = cluster.run("up", "--detach", "--nodes", "3", "--api-port", str(free_port()))
        if started.returncode:
            raise SystemExit(started.stdout + started.stderr)
        access = cluster.access()
        access.call("POST", "/api/v1/namespaces", {"metadata": {"name": "small"}})
        measure(access.port, access.tls, creates(collection("small"), bare, "s", UPDATES))
        time.sleep(2)
        pids = descendants(cluster.status()["pid"])
        found = [run_round(access, pids, number) for number in range(rounds)]
    load = os.getloadavg()[0]
    print(f"ms of processor time an operation, median of {rounds} (load of the whole machine: {load:.1f})")
    for what in found[0]:
        costs = {name: statistics.median(r[what].get(name, 0.0) for r in found) for name in found[0][what]}
        shown = "  ".join(f"{name} {ms:.3f}" for name, ms in sorted(costs.items()) if ms >= 0.005)
        print(f"  {what:32s} {sum(costs.values()):.3f}:  {shown}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
