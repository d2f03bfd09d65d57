"""Snapshots and pods for the scheduler's tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.api.core.node.kind import Node
from fairlead.api.core.pod.kind import Pod
from fairlead.scheduler.cache.podinfo import pod_info
from fairlead.scheduler.cache.snapshot import Snapshot
from fairlead.scheduler.explain import with_preemption
from fairlead.scheduler.plan import Chosen, Unschedulable, choose
from fairlead.scheduler.preemption.plan import NoPreemption, preempt
from tests.controllers.factories import node, pod


def wanting(name: str = "new", **fields: Any) -> Pod:
    """Returns a pending pod; keywords are fields of its spec or arguments of the factory."""
    spec_fields = {key: fields.pop(key) for key in list(fields) if hasattr(pod().spec, key)}
    made = pod(name, node="", ip="", phase="Pending", ready=False, **fields)
    for key, value in spec_fields.items():
        setattr(made.spec, key, value)
    return made


def asking(
    name: str = "new", *, app: str = "web", priority: int = 0, policy: str | None = None, **requests: str
) -> Pod:
    """Returns a pending pod with these requests."""
    made = wanting(name, labels={"app": app}, priority=priority, preemptionPolicy=policy)
    made.spec.containers[0].resources.requests = dict(requests)
    return made


def world(nodes: Sequence[Node], **placed: str) -> Snapshot:
    """`placed`: pods by name, with the node that each is on."""
    snapshot = Snapshot()
    for n in nodes:
        snapshot.put_node(n)
    for name, where in placed.items():
        snapshot.put_pod(f"default/{name}", pod(name), where)
    return snapshot


def three(**fields: Any) -> list[Node]:
    return [node(f"node{i}", **fields) for i in (1, 2, 3)]


def first(names: Sequence[str]) -> str:
    return names[0]


def chosen(p: Pod, snapshot: Snapshot) -> str:
    result = choose(pod_info(p), snapshot, tie=first)
    assert isinstance(result, Chosen), result
    return result.node


def refused(p: Pod, snapshot: Snapshot) -> str:
    result = choose(pod_info(p), snapshot, tie=first)
    assert isinstance(result, Unschedulable), result
    return result.message


def result_message(p: Pod, snapshot: Snapshot) -> str:
    info = pod_info(p)
    found = choose(info, snapshot, tie=first)
    assert isinstance(found, Unschedulable), found
    outcome = preempt(info, snapshot, found, ())
    assert isinstance(outcome, NoPreemption)
    return with_preemption(found.message, outcome.message)
