"""All nodes with the pods on them, and the objects that plug-ins read. The scheduler changes it with each event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

from fairlead.api.core.node.kind import Node
from fairlead.api.core.pod.kind import Pod
from fairlead.api.meta.types import Object
from fairlead.base.dataclass import dataclass
from fairlead.machinery.kinds.kind import Kind
from fairlead.scheduler.cache.nodeinfo import NodeInfo, node_info
from fairlead.scheduler.cache.podinfo import PodInfo, pod_info

T = TypeVar("T", bound=Object)


@dataclass(frozen=True, slots=True)
class Placed:
    """A pod and the name of its node."""

    info: PodInfo
    node: str


class Snapshot:
    """Nodes, placed and nominated pods, namespaces, and objects of further kinds."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self.namespaces: dict[str, Mapping[str, str]] = {}
        self.generation = 0
        """Grows with every change that a decision can depend on."""
        self.with_anti_affinity: dict[str, Placed] = {}
        """Pods with required anti-affinity, by key; rare in most clusters."""
        self.with_affinity: dict[str, Placed] = {}
        """Pods with any other inter-pod terms, by key; their terms count in scores."""
        self.nominated: dict[str, Placed] = {}
        """Waiting pods with the node that preemption makes room on, by key."""
        self.images: Counter[str] = Counter()
        """Number of nodes that have each image, by its name."""
        self.reserved_volumes: dict[str, str] = {}
        """Names of volumes that are about to be bound, with the keys of their claims."""
        self._objects: dict[str, Mapping[str, Any]] = {}
        self._placed: dict[str, Placed] = {}

    def objects(self, kind: Kind[T]) -> Mapping[str, T]:
        """Returns the objects of a kind that a plug-in declared, by key."""
        return cast("Mapping[str, T]", self._objects.get(kind.resource, {}))

    def share(self, kind: Kind[Any], objects: Mapping[str, Any]) -> None:
        """Makes the objects of a kind visible to plug-ins. The mapping may be changed later; call `changed` then."""
        self._objects[kind.resource] = objects

    def changed(self) -> None:
        self.generation += 1

    def put_node(self, node: Node) -> None:
        """Adds or updates the node. If it is new, pods placed on it before are counted."""
        name = node.metadata.name
        info = self.nodes.get(name)
        if info is None:
            info = self.nodes[name] = node_info(node)
            for placed in self._placed.values():
                if placed.node == name:
                    info.add(placed.info)
        elif info.node is node:
            return
        else:
            self.images.subtract(info.images.keys())
            info.update(node)
        self.images.update(info.images.keys())
        self.generation += 1

    def remove_node(self, name: str) -> None:
        info = self.nodes.pop(name, None)
        if info is not None:
            self.images.subtract(info.images.keys())
            self.generation += 1

    def put_pod(self, key: str, pod: Pod, node: str) -> None:
        """Records that the pod is on the node, or is about to be."""
        self.place(pod_info(pod, key=key), node)

    def place(self, info: PodInfo, node: str) -> None:
        key = info.key
        self.remove_pod(key)
        placed = self._placed[key] = Placed(info, node)
        terms = info.terms
        if terms.required_anti:
            self.with_anti_affinity[key] = placed
        if terms.required or terms.preferred or terms.preferred_anti:
            self.with_affinity[key] = placed
        target = self.nodes.get(node)
        if target is not None:
            target.add(info)
        self.generation += 1

    def remove_pod(self, key: str) -> None:
        placed = self._placed.pop(key, None)
        if placed is None:
            return
        self.with_anti_affinity.pop(key, None)
        self.with_affinity.pop(key, None)
        target = self.nodes.get(placed.node)
        if target is not None and key in target.pods:
            target.drop(key)
        self.generation += 1

    def placed(self) -> Iterable[Placed]:
        return self._placed.values()

    def node_of(self, key: str) -> str:
        """Returns the name of the pod's node; empty if the pod is not placed."""
        placed = self._placed.get(key)
        return placed.node if placed else ""

    def nominate(self, info: PodInfo, node: str) -> None:
        """Keeps room on the node for a waiting pod; pods of lower priority cannot have it."""
        old = self.nominated.get(info.key)
        if old is None or old.node != node or old.info is not info:
            self.nominated[info.key] = Placed(info, node)
            self.generation += 1

    def withdraw(self, key: str) -> None:
        """Ends the nomination of a pod."""
        if self.nominated.pop(key, None) is not None:
            self.generation += 1

    def simulate(self, name: str, *, remove: Iterable[str] = (), add: Iterable[PodInfo] = ()) -> Snapshot:
        """Returns a snapshot in which the node has other pods. All else is shared with this snapshot."""
        gone, more = list(remove), list(add)
        other = Snapshot()
        other.namespaces, other.images = self.namespaces, self.images
        other.nominated, other._objects = self.nominated, self._objects
        other.reserved_volumes = self.reserved_volumes
        node = self.nodes[name].copy()
        other.nodes = self.nodes | {name: node}
        other.with_anti_affinity, other.with_affinity = dict(self.with_anti_affinity), dict(self.with_affinity)
        other._placed = self._placed
        for key in gone:
            node.drop(key)
            other.with_anti_affinity.pop(key, None)
            other.with_affinity.pop(key, None)
        for info in more:
            node.add(info)
            placed = Placed(info, name)
            if info.terms.required_anti:
                other.with_anti_affinity[info.key] = placed
            if info.terms.required or info.terms.preferred or info.terms.preferred_anti:
                other.with_affinity[info.key] = placed
        return other
