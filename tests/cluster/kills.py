"""Kills every kind of process of a cluster, alone and in groups, while its Service and its API are used.

    python -m tests.cluster.kills 100               each kill after the cluster has recovered from the last one
    python -m tests.cluster.kills 100 --every 1.5   one kill each 1.5 s, whatever state the cluster is in

Prints a line for each group: how often it was killed, the longest time without a successful request at the node port
and without an answer of the API, failed requests by kind; then the acknowledged objects that are lost.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import random
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.cluster.support import Cluster, free_node_port, free_port, new_cluster, until
from tests.cluster.victims import CONTAINERS, GROUPS, Victims

NODES = REPLICAS = 3
MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SERVICES = "/api/v1/namespaces/default/services"
_PAUSE_S = 0.005
_TIMEOUT_S = 5.0
_SETTLED_S = 1.2
"""Wait after a recovery: a component that lived longer than a second has not failed at its start."""


class Probe(threading.Thread):
    """Asks repeatedly, and records the times of answers and the errors."""

    def __init__(self, ask: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._ask = ask
        self._closed = threading.Event()
        self._successes = [time.monotonic()]
        self._errors: list[tuple[float, str]] = []

    def run(self) -> None:
        while not self._closed.wait(_PAUSE_S):
            try:
                self._ask()
            except (OSError, RuntimeError, ValueError, http.client.HTTPException) as e:
                self._errors.append((time.monotonic(), type(e).__name__))
            else:
                self._successes.append(time.monotonic())

    def finish(self) -> None:
        self._closed.set()
        self.join()

    def answered_since(self, at: float) -> bool:
        return self._successes[-1] > at

    def gap(self, begin: float, end: float) -> float:
        """Returns the longest time without an answer of which any part lies in the interval."""
        ends = [*self._successes, max(end, self._successes[-1])]
        return max((b - a for a, b in pairwise(ends) if b >= begin and a <= end), default=0.0)

    def errors(self, begin: float, end: float) -> Counter[str]:
        return Counter(name for at, name in self._errors if begin <= at <= end)


@dataclass
class Tally:
    """The results of one group's kills."""

    kills: int = 0
    service_gap_s: float = 0.0
    api_gap_s: float = 0.0
    recovery_s: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, service: Probe, api: Probe, begin: float, end: float) -> None:
        self.kills += 1
        self.service_gap_s = max(self.service_gap_s, service.gap(begin, end))
        self.api_gap_s = max(self.api_gap_s, api.gap(begin, end))
        self.recovery_s = max(self.recovery_s, end - begin)
        self.errors += service.errors(begin, end)


@dataclass
class Report:
    tallies: dict[tuple[str, ...], Tally]
    acknowledged: int
    lost: set[str]

    @property
    def service_gap_s(self) -> float:
        return max(tally.service_gap_s for tally in self.tallies.values())

    def __str__(self) -> str:
        lines = [
            f"{' + '.join(group):50} {t.kills:3} kills  node port {t.service_gap_s:6.2f} s  API {t.api_gap_s:6.2f} s  "
            f"recovered {t.recovery_s:6.2f} s  {dict(t.errors) or ''}"
            for group, t in self.tallies.items()
        ]
        kills = sum(t.kills for t in self.tallies.values())
        lines.append(f"{kills} kills, {self.acknowledged} objects acknowledged, lost: {sorted(self.lost) or 'none'}")
        return "\n".join(lines)


class Writer:
    """Creates ConfigMaps and remembers which of them the API acknowledged."""

    def __init__(self, cluster: Cluster) -> None:
        self._access = cluster.access()
        self._number = 0
        self.acknowledged: set[str] = set()

    def write(self) -> None:
        self._number += 1
        name = f"m{self._number}"
        self._access.call("POST", MAPS, {"metadata": {"name": name}, "data": {"n": name}})
        self.acknowledged.add(name)


@contextmanager
def web_cluster() -> Iterator[tuple[Cluster, int]]:
    """Yields a cluster with three nodes and Pods and a Service, and the Service's node port."""
    with new_cluster() as cluster:
        cluster.up("--nodes", str(NODES), "--api-port", str(free_port()))
        api, node_port = cluster.access(), free_node_port()
        labels = {"app": "web"}
        pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "fairlead/web"}]}}
        deployment = {"replicas": REPLICAS, "selector": {"matchLabels": labels}, "template": pod}
        ports = [{"port": 80, "targetPort": 8080, "nodePort": node_port}]
        service = {"type": "NodePort", "selector": labels, "ports": ports}
        api.call(
            "POST", "/apis/apps/v1/namespaces/default/deployments", {"metadata": {"name": "web"}, "spec": deployment}
        )
        api.call("POST", "/api/v1/namespaces/default/services", {"metadata": {"name": "web"}, "spec": service})
        until("all is well", lambda: is_well(cluster))
        yield cluster, node_port


def started_anew(victims: Victims, names: Collection[str], before: Mapping[str, int]) -> bool:
    now = victims.restarts()
    return all(now.get(name, 0) > before[name] for name in names)


def is_well(cluster: Cluster) -> bool:
    """Returns whether every component runs, every node and Pod is Ready, and no Pod is terminating."""
    api = cluster.access()
    objects = api.call("GET", "/api/v1/nodes")["items"] + api.call("GET", PODS)["items"]
    running = all(c["pid"] for c in Victims(cluster).components())
    staying = not any("deletionTimestamp" in o["metadata"] for o in objects)
    return running and staying and len(objects) > NODES + REPLICAS and all(map(is_ready, objects))


def replace_restarted(cluster: Cluster) -> None:
    """Deletes Pods whose containers have been restarted, since the next restart would wait (10 s, then twice that)."""
    api = cluster.access()
    restarted = [p["metadata"] for p in api.call("GET", PODS)["items"] if has_restarted(p)]
    for meta in restarted:
        api.call("DELETE", f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}", {"gracePeriodSeconds": 1})
    if restarted:
        until("other Pods", lambda: is_well(cluster))


def has_restarted(pod: dict[str, Any]) -> bool:
    return any(status["restartCount"] for status in pod["status"].get("containerStatuses", []))


def is_ready(obj: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in obj.get("status", {}).get("conditions", []))


def ask(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        if answer.status != http.client.OK:
            raise OSError(f"status {answer.status}")


def run(rounds: int, *, seed: int, every_s: float = 0.0, groups: Sequence[tuple[str, ...]] = GROUPS) -> Report:
    """Kills each group in turn, in an order that the seed decides."""
    rng = random.Random(seed)
    with web_cluster() as (cluster, node_port):
        victims, writer = Victims(cluster), Writer(cluster)
        service, api = Probe(lambda: ask(node_port)), Probe(writer.write)
        service.start()
        api.start()
        intervals: list[tuple[tuple[str, ...], float, float]] = []
        order: list[tuple[str, ...]] = []
        for _ in range(rounds):
            order = order or rng.sample(groups, len(groups))
            group, before, begin = order.pop(), victims.restarts(), time.monotonic()
            killed = victims.kill(group, rng)
            if every_s:
                threading.Event().wait(every_s)
            else:
                what = f"recovery of {group}, seed {seed}"
                until(what, lambda k=killed, b=before: started_anew(victims, k, b) and is_well(cluster), limit_s=120)  # type: ignore[misc]
                at = time.monotonic()
                until(what, lambda a=at: service.answered_since(a))  # type: ignore[misc]
            intervals.append((group, begin, time.monotonic()))
            if not every_s:
                replace_restarted(cluster)
                threading.Event().wait(_SETTLED_S)
        until("recovery of all", lambda: is_well(cluster), limit_s=120)
        service.finish()
        api.finish()
        stored = {m["metadata"]["name"] for m in cluster.access().call("GET", MAPS)["items"]}
    tallies: defaultdict[tuple[str, ...], Tally] = defaultdict(Tally)
    for group, begin, end in intervals:
        tallies[group].add(service, api, begin, end)
    return Report(dict(sorted(tallies.items())), len(writer.acknowledged), writer.acknowledged - stored)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", type=int)
    parser.add_argument("--every", type=float, default=0.0, metavar="S", help="do not wait for recovery")
    parser.add_argument("--components", action="store_true", help="spare containers, whose restarts back off")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    groups = [group for group in GROUPS if not (args.components and CONTAINERS & set(group))]
    report = run(args.rounds, seed=args.seed, every_s=args.every, groups=groups)
    sys.stdout.write(f"{report}\n")
    return bool(report.lost)


if __name__ == "__main__":
    sys.exit(main())
