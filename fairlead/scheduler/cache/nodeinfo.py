"""A node with the pods on it and sums over them.

Sums are updated and not recomputed: choosing a node must cost the same whether a node runs one pod or a hundred.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

from fairlead.api.core.node.kind import Node, Taint
from fairlead.api.core.pod.hostports import HostPort
from fairlead.base.dataclass import dataclass, field
from fairlead.scheduler.cache.podinfo import LabelSet, PodInfo
from fairlead.scheduler.cache.resources import Amounts, allocatable_of

T = TypeVar("T")

NOT_READY = "node.kubernetes.io/not-ready"
CORDONED = "node.kubernetes.io/unschedulable"


@dataclass(slots=True)
class NodeInfo:
    """A node with its pods and the sums of their resources, ports and groups."""

    node: Node
    name: str
    labels: Mapping[str, str]
    allocatable: Amounts | None
    """None if the node does not report resources, so that every pod fits."""
    hard_taints: tuple[Taint, ...]
    """Taints that keep pods away: effects NoSchedule and NoExecute."""
    soft_taints: tuple[Taint, ...]
    images: Mapping[str, int]
    """Sizes in bytes of the images on the node, by each of their names."""
    pods: dict[str, PodInfo] = field(default_factory=dict)
    used: Counter[str] = field(default_factory=Counter)
    weight: Counter[str] = field(default_factory=Counter)
    ports: Counter[HostPort] = field(default_factory=Counter)
    groups: Counter[str] = field(default_factory=Counter)
    """Number of pods of each group that are not terminating."""
    label_sets: Counter[LabelSet] = field(default_factory=Counter)

    def add(self, pod: PodInfo) -> None:
        self.pods[pod.key] = pod
        _add(self.used, pod.requests)
        _add(self.weight, pod.weight)
        for port in pod.ports:
            self.ports[port] += 1
        self.label_sets[pod.label_set] += 1
        if not pod.label_set[2]:
            self.groups[pod.group] += 1

    def drop(self, key: str) -> None:
        pod = self.pods.pop(key)
        _subtract(self.used, pod.requests)
        _subtract(self.weight, pod.weight)
        for port in pod.ports:
            _decrement(self.ports, port)
        _decrement(self.label_sets, pod.label_set)
        if not pod.label_set[2]:
            _decrement(self.groups, pod.group)

    def copy(self) -> NodeInfo:
        """Returns a copy whose pods can be changed without effect on this one."""
        return NodeInfo(
            self.node,
            self.name,
            self.labels,
            self.allocatable,
            self.hard_taints,
            self.soft_taints,
            self.images,
            dict(self.pods),
            Counter(self.used),
            Counter(self.weight),
            Counter(self.ports),
            Counter(self.groups),
            Counter(self.label_sets),
        )

    def update(self, node: Node) -> None:
        """Replaces the node and keeps the pods."""
        self.node = node
        self.labels = node.metadata.labels
        self.allocatable = allocatable_of(node)
        self.hard_taints, self.soft_taints = _hard_taints(node), _soft_taints(node)
        self.images = _images(node)


def node_info(node: Node) -> NodeInfo:
    return NodeInfo(
        node=node,
        name=node.metadata.name,
        labels=node.metadata.labels,
        allocatable=allocatable_of(node),
        hard_taints=_hard_taints(node),
        soft_taints=_soft_taints(node),
        images=_images(node),
    )


def _hard_taints(node: Node) -> tuple[Taint, ...]:
    """Returns the node's taints, and the one that a node which is not ready gets as soon as its controller sees it."""
    taints = tuple(t for t in node.spec.taints if t.effect in ("NoSchedule", "NoExecute"))
    if any(c.type == "Ready" and c.status == "True" for c in node.status.conditions):
        return taints
    if any(t.key == NOT_READY and t.effect == "NoSchedule" for t in taints):
        return taints
    return (*taints, Taint(key=NOT_READY, effect="NoSchedule"))


def _soft_taints(node: Node) -> tuple[Taint, ...]:
    return tuple(t for t in node.spec.taints if t.effect == "PreferNoSchedule")


def _images(node: Node) -> Mapping[str, int]:
    return {name: image.sizeBytes or 0 for image in node.status.images for name in image.names}


def _decrement(counter: Counter[T], key: T) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]


def _add(total: Counter[str], amounts: Amounts) -> None:
    for name, value in amounts.items():
        total[name] += value


def _subtract(total: Counter[str], amounts: Amounts) -> None:
    for name, value in amounts.items():
        total[name] -= value
