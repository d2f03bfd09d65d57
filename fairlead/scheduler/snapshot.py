"""The scheduler's view of the cluster: nodes with the pods on them, updated with each change.

Sums are updated and not recomputed: choosing a node must cost the same whether a node runs one pod or a hundred.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from fairlead.api.core.node.kind import Node
from fairlead.api.core.pod.hostports import HostPort, host_ports
from fairlead.api.core.pod.kind import Pod
from fairlead.api.meta.types import controller_of
from fairlead.base.dataclass import dataclass, field
from fairlead.scheduler.resources import Amounts, allocatable_of, requests_of


@dataclass(frozen=True, slots=True)
class Placed:
    """A pod on a node, with the resources that it uses there."""

    pod: Pod
    node: str
    requests: Amounts
    weight: Amounts
    ports: frozenset[HostPort]
    group: str


@dataclass(slots=True)
class NodeInfo:
    """A node with its pods and the sums of their resources, ports and groups."""

    node: Node
    allocatable: Amounts | None
    pods: dict[str, Placed] = field(default_factory=dict)
    used: Counter[str] = field(default_factory=Counter)
    weight: Counter[str] = field(default_factory=Counter)
    ports: Counter[HostPort] = field(default_factory=Counter)
    groups: Counter[str] = field(default_factory=Counter)

    @property
    def labels(self) -> Mapping[str, str]:
        return self.node.metadata.labels

    def add(self, key: str, placed: Placed) -> None:
        self.pods[key] = placed
        self.used.update(placed.requests)
        self.weight.update(placed.weight)
        self.ports.update(placed.ports)
        self.groups[placed.group] += 1

    def drop(self, key: str) -> None:
        placed = self.pods.pop(key)
        self.used.subtract(placed.requests)
        self.weight.subtract(placed.weight)
        self.ports.subtract(placed.ports)
        self.groups[placed.group] -= 1


class Snapshot:
    """Nodes, placed pods and namespaces. The scheduler changes it with each event."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self.namespaces: dict[str, Mapping[str, str]] = {}
        self.claims: set[str] = set()
        """Keys of the PersistentVolumeClaims. Empty, because the kind is not served yet."""
        self.with_anti_affinity: dict[str, Placed] = {}
        """Pods with required anti-affinity, by key; rare in most clusters."""
        self._placed: dict[str, Placed] = {}

    def put_node(self, node: Node) -> None:
        """Adds or updates the node. If it is new, pods placed on it before are counted."""
        name = node.metadata.name
        node_info = self.nodes.get(name)
        if node_info is None:
            node_info = self.nodes[name] = NodeInfo(node, allocatable_of(node))
            for key, placed in self._placed.items():
                if placed.node == name:
                    node_info.add(key, placed)
        elif node_info.node is not node:
            node_info.node = node
            node_info.allocatable = allocatable_of(node)

    def remove_node(self, name: str) -> None:
        self.nodes.pop(name, None)

    def put_pod(self, key: str, pod: Pod, node: str) -> None:
        """Records that the pod is on the node, or is about to be."""
        self.remove_pod(key)
        placed = Placed(pod, node, requests_of(pod), requests_of(pod, assume=True), host_ports(pod), group_of(pod))
        self._placed[key] = placed
        if _has_anti_affinity(pod):
            self.with_anti_affinity[key] = placed
        node_info = self.nodes.get(node)
        if node_info is not None:
            node_info.add(key, placed)

    def remove_pod(self, key: str) -> None:
        placed = self._placed.pop(key, None)
        self.with_anti_affinity.pop(key, None)
        if placed is not None:
            node_info = self.nodes.get(placed.node)
            if node_info is not None and key in node_info.pods:
                node_info.drop(key)

    def node_of(self, key: str) -> str:
        """Returns the name of the pod's node; empty if the pod is not placed."""
        placed = self._placed.get(key)
        return placed.node if placed else ""


def group_of(pod: Pod) -> str:
    """Returns the group of the pod. Pods of one group are spread: those of one controller, else those with the same
    labels."""
    owner = controller_of(pod.metadata)
    if owner is not None:
        return owner.uid
    labels = ",".join(f"{key}={value}" for key, value in sorted(pod.metadata.labels.items()))
    return f"{pod.metadata.namespace}/{labels}" if labels else f"{pod.metadata.namespace}/{pod.metadata.name}"


def _has_anti_affinity(pod: Pod) -> bool:
    affinity = pod.spec.affinity
    anti = affinity.podAntiAffinity if affinity else None
    return bool(anti and anti.requiredDuringSchedulingIgnoredDuringExecution)
