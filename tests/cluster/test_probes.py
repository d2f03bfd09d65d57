"""The time until a Pod that fails its probe, or terminates, leaves the endpoints.

The measured time begins at the moment that the failing probe's command recorded (the event's text has it). It ends
with the slice's change as a client sees it on a watch: probe, agent, API, controller and watch together. The
product's aim is 100 ms. The asserted limit is generous, because the machine is shared, and the figures are printed.
"""

from __future__ import annotations

import json
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from tests.cluster.support import Cluster, free_port, new_cluster, until

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

PODS = "/api/v1/namespaces/default/pods"
EVENTS = "/api/v1/namespaces/default/events"
SERVICES = "/api/v1/namespaces/default/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
GATE = "example.com/gate"
LIMIT_S = 10.0
"""Far below the 20 s that a Pod gets to end; the aim is 0.1 s."""

Conditions = tuple[bool, bool, bool]
"""ready, serving, terminating"""
READY, FAILED, ENDING = (True, True, False), (False, False, False), (False, True, True)


class Endpoints(threading.Thread):
    """Watches a Service's endpoints: by Pod, each change of its conditions with its time."""

    def __init__(self, cluster: Cluster, service: str) -> None:
        super().__init__(daemon=True)
        self.changes: dict[str, list[tuple[float, Conditions]]] = {}
        self._connection = cluster.access().connect(timeout_s=120)
        path = f"{SLICES}?watch=true&labelSelector=kubernetes.io/service-name={service}"
        self._connection.request("GET", path)
        self._answer = self._connection.getresponse()
        self._closing = False

    def run(self) -> None:
        while line := self._line():
            now = time.time()
            for endpoint in json.loads(line)["object"].get("endpoints") or []:
                told = endpoint["conditions"]
                found = (told["ready"], told["serving"], told["terminating"])
                changes = self.changes.setdefault(endpoint["targetRef"]["name"], [])
                if not changes or changes[-1][1] != found:
                    changes.append((now, found))

    def _line(self) -> bytes:
        try:
            return self._answer.readline()
        except OSError:
            # A read of a socket that is shut down ends in EOF up to Python 3.12, and in a broken pipe since 3.13.
            if not self._closing:
                raise
            return b""

    def close(self) -> None:
        """Closes from another thread: the reader waits in the socket, and a plain close would not wake it."""
        self._closing = True
        self._connection.sock.shutdown(socket.SHUT_RDWR)
        self.join(timeout=60)
        self._answer.close()
        self._connection.close()

    def of(self, pod: str) -> list[Conditions]:
        return [found for _, found in self.changes.get(pod, [])]

    def first(self, pod: str, wanted: Conditions, *, after: float = 0) -> float:
        return next(at for at, found in self.changes[pod] if found == wanted and at >= after)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with new_cluster() as made:
        made.up("--nodes", "2", "--api-port", str(free_port()))
        yield made


def create_pod(cluster: Cluster, name: str, app: str, script: str, *, spec: dict[str, Any], **container: Any) -> None:
    main = {"name": "main", "image": "busybox", "command": ["sh", "-c", script], "ports": [{"containerPort": 80}]}
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": app}},
        "spec": {"containers": [main | container], "terminationGracePeriodSeconds": 1} | spec,
    }
    cluster.access().call("POST", PODS, body)


@contextmanager
def watched_service(cluster: Cluster, app: str) -> Iterator[Endpoints]:
    spec = {"selector": {"app": app}, "ports": [{"port": 80}]}
    cluster.access().call("POST", SERVICES, {"metadata": {"name": app}, "spec": spec})
    endpoints = Endpoints(cluster, app)
    endpoints.start()
    try:
        yield endpoints
    finally:
        endpoints.close()


def unhealthy(cluster: Cluster, pod: str) -> list[float]:
    """Returns when the Pod's readiness probe failed, as the probe's command recorded it."""
    found = []
    for event in cluster.access().call("GET", f"{EVENTS}?fieldSelector=involvedObject.name={pod}")["items"]:
        word = event["message"].removeprefix("Readiness probe failed: ").strip()
        if event["reason"] == "Unhealthy" and word.replace(".", "").isdigit():
            found.append(float(word))
    return sorted(found)


def earlier_failures(cluster: Cluster, pod: str, at: float) -> list[float]:
    return [failed for failed in unhealthy(cluster, pod) if failed < at]


def conditions(cluster: Cluster, pod: str) -> dict[str, str]:
    return {c["type"]: c["status"] for c in cluster.access().call("GET", f"{PODS}/{pod}")["status"]["conditions"]}


def turn_gate(cluster: Cluster, pod: str, status: str) -> None:
    """Sets the gate as its controller would. A status update needs the current version, so it is retried on
    conflict."""

    def written() -> bool:
        read = cluster.access().call("GET", f"{PODS}/{pod}")
        others = [c for c in read["status"]["conditions"] if c["type"] != GATE]
        read["status"]["conditions"] = [*others, {"type": GATE, "status": status}]
        return bool(cluster.access().call("PUT", f"{PODS}/{pod}/status", read))

    until(f"the gate {status}", written)


def report(what: str, times_s: list[float]) -> None:
    shown = ", ".join(f"{1000 * t:.0f}" for t in sorted(times_s))
    print(f"{what}: median {1000 * statistics.median(times_s):.0f} ms, all {shown}")  # noqa: T201


def test_a_pod_whose_probe_fails_is_soon_out_of_the_ready_endpoints(cluster: Cluster) -> None:
    command = ["sh", "-c", "test ! -e /tmp/bad || { date +%s.%N; exit 1; }"]
    probe = {"exec": {"command": command}, "periodSeconds": 1, "failureThreshold": 1}
    turns = "while :; do rm -f /tmp/bad; sleep 2.3; touch /tmp/bad; sleep 2.3; done"
    with watched_service(cluster, "moody") as endpoints:
        pods = [f"moody-{number}" for number in range(4)]
        for pod in pods:
            create_pod(cluster, pod, "moody", turns, spec={}, readinessProbe=probe, image="debian")
        until("each Pod out twice", lambda: all(endpoints.of(pod).count(FAILED) >= 3 for pod in pods))
        times = []
        for pod in pods:
            outs = [
                at
                for (_, before), (at, found) in zip(endpoints.changes[pod], endpoints.changes[pod][1:], strict=False)
                if (before, found) == (READY, FAILED)
            ]
            for at in outs:
                failures = until("its event", partial(earlier_failures, cluster, pod, at))
                times += [at - max(failures)]
        report("from the failed probe to ready=false", times)
        assert len(times) >= 8
        assert statistics.median(times) < LIMIT_S


def test_a_pod_that_is_to_end_is_marked_at_once(cluster: Cluster) -> None:
    with watched_service(cluster, "ending") as endpoints:
        pods = [f"ending-{number}" for number in range(4)]
        for pod in pods:
            create_pod(cluster, pod, "ending", "trap '' TERM; sleep 60 & wait; wait", spec={})
        until("four Pods Ready", lambda: all(READY in endpoints.of(pod) for pod in pods))
        times = []
        for pod in pods:
            asked = time.time()
            cluster.access().call("DELETE", f"{PODS}/{pod}", {"gracePeriodSeconds": 20})
            until("its mark", lambda pod=pod: any(found[2] for found in endpoints.of(pod)))  # type: ignore[misc]
            times.append(endpoints.first(pod, ENDING) - asked)
        report("from the deletion to terminating=true", times)
        assert statistics.median(times) < LIMIT_S


def test_a_pod_is_unready_until_its_readiness_gate_is_true(cluster: Cluster) -> None:
    with watched_service(cluster, "gated") as endpoints:
        gates = {"readinessGates": [{"conditionType": GATE}]}
        create_pod(cluster, "gated-0", "gated", "sleep 600", spec=gates)
        until("its endpoint", lambda: endpoints.of("gated-0") == [FAILED])
        until("ready containers", lambda: conditions(cluster, "gated-0")["ContainersReady"] == "True")
        for status, wanted in (("True", READY), ("False", FAILED)):
            turn_gate(cluster, "gated-0", status)
            until(f"the gate {status}", lambda wanted=wanted: endpoints.of("gated-0")[-1] == wanted)  # type: ignore[misc]
        assert endpoints.of("gated-0") == [FAILED, READY, FAILED]
