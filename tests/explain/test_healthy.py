"""`why` never claims a fault on a healthy world."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from fairlead.explain.finding import Status
from fairlead.explain.report import render
from fairlead.runtime.fake import run_jumping
from tests.explain.world import dns, explained

Tree = dict[str, Any]
SERVICES = 10


def service(rng: random.Random, name: str) -> Iterator[Tree]:
    """Yields a Service that works, its Pods, and their sockets."""
    kind = rng.choice(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "headless", "by hand"])
    protocol, number = rng.choice(["TCP", "UDP"]), rng.choice([80, 8080, 9000])
    target = number if kind == "headless" else rng.choice([number, "main"])
    port = {"name": "p", "port": number if kind == "headless" else 80, "targetPort": target, "protocol": protocol}
    meta: Tree = {"name": name}
    spec: Tree = {"ports": [port], "selector": {"app": name}}
    if kind in ("NodePort", "LoadBalancer"):
        spec["type"] = kind
    if kind == "headless":
        spec["clusterIP"] = "None"
    spec |= rng.choice([{}, {"publishNotReadyAddresses": True}, {"sessionAffinity": "ClientIP"}])
    if kind == "ExternalName":
        spec = {"type": kind, "externalName": "db.example.com"}
    if kind == "by hand":
        spec = {"ports": [port | {"targetPort": number}]}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
    if kind == "by hand":
        yield {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["192.0.2.1"]}],
            "ports": [{"name": "p", "port": number, "protocol": protocol}],
        }
    elif kind != "ExternalName":
        yield from pods(rng, name, number, protocol)


def pods(rng: random.Random, name: str, number: int, protocol: str) -> Iterator[Tree]:
    address = rng.choice(["0.0.0.0", "::"])
    for at in range(1, rng.randint(2, 4)):
        labels = {"app": name} | rng.choice([{}, {"tier": "front"}, {"version": f"v{at}"}])
        ports = [{"name": "main", "containerPort": number, "protocol": protocol}]
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{name}-{at}", "labels": labels},
            "spec": {
                "nodeName": f"node{1 + at % 2}",
                "containers": [{"name": "c", "image": "nginx", "ports": ports}],
            },
        }
        if rng.random() < 0.7:  # the sockets of the others cannot be read
            sockets = [[protocol, address, number], ["TCP", "127.0.0.1", 4321]]
            yield {"kind": "Sockets", "pods": {f"{name}-{at}": sockets}}


async def diagnose_all(seed: int) -> dict[str, tuple[Status, str]]:
    rng, names = random.Random(seed), [f"svc{n}" for n in range(SERVICES)]
    documents = [tree for name in names for tree in service(rng, name)]
    async with explained([*dns(), *documents], []) as why:
        found = {name: await why(name, "default", "") for name in names}
    return {name: (one.status, render(one)) for name, one in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_no_fault_is_claimed_of_a_service_that_works(seed: int) -> None:
    for name, (status, text) in run_jumping(diagnose_all(seed)).items():
        assert status in (Status.OK, Status.NOTE), f"seed {seed}, {name}:\n{text}"
