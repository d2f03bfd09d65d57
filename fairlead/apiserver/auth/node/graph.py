"""The objects of a node: its Pods and what these refer to; follows the cache of Pods.

A question is answered from the Pods of one node, so nothing is kept up to date but their names; the references of a
Pod are computed when a node first asks. Rejected: upstream's graph of all objects, which costs each write of a Pod.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from fairlead.api.core.pod.kind import POD
from fairlead.apiserver.auth.node.references import Reference, references_of, secrets_of_volume
from fairlead.apiserver.watchcache.cache import Entry, Event
from fairlead.apiserver.watchcache.resource import Resources

_NODE_NAME = "spec.nodeName"
Tree = dict[str, Any]


class NodeGraph:
    """Answers whether an object belongs to a node."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._pods = resources.of(POD).cache
        self._by_node: dict[str, set[str]] | None = None
        """The keys of the Pods of each node; None until a node first asks."""
        self._references: dict[str, tuple[Entry, frozenset[Reference]]] = {}

    def has_pod(self, node: str, namespace: str, name: str) -> bool:
        return f"{namespace}/{name}" in self._pods_of(node)

    def refers(self, node: str, plural: str, namespace: str, name: str) -> bool:
        """Returns whether a Pod of the node refers to the object: one of a namespace, or a PersistentVolume."""
        wanted = (plural, name)
        if plural == "persistentvolumes":
            return any(volume == name for _, volume, _ in self._volumes(node))
        if any(wanted in self._references_of(key) for key in self._in_namespace(node, namespace)):
            return True
        return plural == "secrets" and any(
            (namespace, name) in secrets_of_volume(spec, claimed) for claimed, _, spec in self._volumes(node)
        )

    def is_on_node(self, group: str, plural: str, name: str, node: str) -> bool:
        """Returns whether a cluster-scoped object has this node in `spec.nodeName`."""
        tree = self._read(group, plural, name)
        return tree is not None and tree.get("spec", {}).get("nodeName") == node

    def _volumes(self, node: str) -> Iterator[tuple[str, str, Tree]]:
        """Yields the claim's namespace, the name and the spec of each PersistentVolume that the node's Pods use."""
        for key in self._pods_of(node):
            namespace = key.partition("/")[0]
            for plural, name in self._references_of(key):
                if plural != "persistentvolumeclaims":
                    continue
                claim = self._read("", plural, f"{namespace}/{name}")
                volume = claim.get("spec", {}).get("volumeName", "") if claim is not None else ""
                tree = self._read("", "persistentvolumes", volume) if volume else None
                if tree is not None and _is_claimed(tree, namespace, name):
                    yield namespace, volume, tree["spec"]

    def _read(self, group: str, plural: str, key: str) -> Tree | None:
        """Returns an object as a JSON tree; None if the object, or the kind, does not exist."""
        resource = self._resources.find(group, "v1", plural)
        entry = resource.cache.get(key) if resource is not None else None
        return msgspec.json.decode(entry.raw) if entry is not None else None

    def _in_namespace(self, node: str, namespace: str) -> list[str]:
        prefix = f"{namespace}/"
        return [key for key in self._pods_of(node) if key.startswith(prefix)]

    def _references_of(self, key: str) -> frozenset[Reference]:
        entry = self._pods.get(key)
        if entry is None:
            return frozenset()
        known = self._references.get(key)
        if known is None or known[0] is not entry:
            known = self._references[key] = entry, references_of(msgspec.json.decode(entry.raw))
        return known[1]

    def _pods_of(self, node: str) -> set[str]:
        if self._by_node is None:
            self._by_node = {}
            for entry in self._pods.select():
                self._put(entry)
            self._pods.listeners[self] = self._changed
        return self._by_node.get(node, set())

    def _put(self, entry: Entry) -> None:
        assert self._by_node is not None
        if node := entry.field(_NODE_NAME):
            self._by_node.setdefault(node, set()).add(entry.key)

    def _changed(self, event: Event) -> None:
        assert self._by_node is not None
        entry = event.entry
        if event.type == "DELETED":
            node = entry.field(_NODE_NAME)
            self._references.pop(entry.key, None)
            keys = self._by_node.get(node)
            if keys is not None:
                keys.discard(entry.key)
                if not keys:
                    del self._by_node[node]
        elif event.previous is None or not event.previous.field(_NODE_NAME):
            self._put(entry)


def _is_claimed(volume: Tree, namespace: str, name: str) -> bool:
    claim = volume.get("spec", {}).get("claimRef") or {}
    return claim.get("namespace") == namespace and claim.get("name") == name
