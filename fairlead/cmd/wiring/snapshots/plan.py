"""Decides what a reset or a restored snapshot writes to the store. Pure.

A *base object* is one that a fresh cluster has. A reset keeps base objects, and what belongs to the running cluster:
Nodes, their Leases, and everything that base objects own, such as the Pods of cluster DNS. It deletes all other keys,
of whatever kind; a list of kinds could miss one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from fairlead.store.model import Delete, Operation, Put

ROOT = "/registry/"
NODES = f"{ROOT}minions/"
LEASES = f"{ROOT}leases/kube-node-lease/"
SERVICES = f"{ROOT}services/specs/"
PODS = f"{ROOT}pods/"
ENDPOINTS = f"{ROOT}services/endpoints/"
_OF_SERVER = ("uid", "creationTimestamp", "generation", "resourceVersion", "managedFields", "selfLink")
_SYSTEM_DOMAIN = "kubernetes.io"
_DERIVED = ("deployment.kubernetes.io/",)
"""Annotations that controllers add to base objects."""
_NODE_LIFECYCLE = "node.kubernetes.io/"

Tree = dict[str, Any]
Objects = Mapping[str, bytes]
"""Objects as the store has them, by key."""


def reset(current: Objects, base: Objects) -> list[Operation]:
    """Returns the writes that leave only base objects, as they are in `base`, and what belongs to the cluster."""
    trees = _parse(current)
    kept = _kept(trees, base)
    operations: list[Operation] = [Delete(key) for key in current if key not in kept]
    operations += [
        Put(key, value)
        for key in kept & base.keys()
        if (value := _renewed(trees[key], msgspec.json.decode(base[key]))) is not None
    ]
    operations += [Put(key, value) for key, value in base.items() if key not in current]
    operations += [
        Put(key, value) for key in kept if key.startswith(NODES) and (value := _cleaned_node(trees[key])) is not None
    ]
    return operations


def restore(current: Objects, saved: Objects, base: Objects) -> list[Operation]:
    """Returns the writes that bring a cluster back to the saved objects. `current` is the state after a reset.

    What runs goes on: Nodes and Leases keep their status, and owned objects of base objects stay as they are if the
    snapshot has them too.
    """
    trees, old = _parse(current), _parse(saved)
    kept = _kept(trees, base)
    operations: list[Operation] = [Delete(key) for key in current if key not in saved and not _of_cluster(key)]
    for key, value in saved.items():
        if key.startswith(NODES):
            if key in trees and (node := _saved_node(trees[key], old[key])) is not None:
                operations.append(Put(key, node))
        elif _of_cluster(key) or current.get(key) == value:
            continue
        elif not (key in kept and key not in base and _uid(trees[key]) == _uid(old[key])):
            operations.append(Put(key, _not_ready(old[key]) if key.startswith(PODS) else value))
    return operations


def _parse(objects: Objects) -> dict[str, Tree]:
    return {key: msgspec.json.decode(value) for key, value in objects.items()}


def _of_cluster(key: str) -> bool:
    """Returns whether the nodes write the object and it must not go back in time."""
    return key.startswith((NODES, LEASES))


def _uid(tree: Tree) -> str:
    return str(tree["metadata"].get("uid", ""))


def _kept(trees: Mapping[str, Tree], base: Objects) -> set[str]:
    kept = {key for key in trees if key in base or key.startswith(NODES)}
    kept |= {key for key in trees if key.startswith(LEASES) and NODES + key.removeprefix(LEASES) in trees}
    services = {key.removeprefix(SERVICES) for key in kept if key.startswith(SERVICES)}
    kept |= {key for key in trees if key.startswith(ENDPOINTS) and key.removeprefix(ENDPOINTS) in services}
    uids = {_uid(trees[key]) for key in kept}
    while owned := {key for key in _owned(trees, uids) if key not in kept}:
        kept |= owned
        uids |= {_uid(trees[key]) for key in owned}
    return kept


def _owned(trees: Mapping[str, Tree], uids: set[str]) -> Iterator[str]:
    """Yields the objects whose controller is one of these."""
    for key, tree in trees.items():
        owners = tree["metadata"].get("ownerReferences", ())
        if any(owner.get("controller") and owner.get("uid") in uids for owner in owners):
            yield key


def _renewed(now: Tree, fresh: Tree) -> bytes | None:
    """Returns a base object with its first content and its present identity and status; None if it is unchanged."""
    if _content(now) == _content(fresh):
        return None
    meta = {key: value for key, value in fresh["metadata"].items() if key not in _OF_SERVER}
    meta |= {key: now["metadata"][key] for key in _OF_SERVER if key in now["metadata"]}
    tree = fresh | {"metadata": meta}
    if "generation" in meta:
        meta["generation"] += 1
    if "status" in now:
        tree["status"] = now["status"]
    return msgspec.json.encode(tree)


def _content(tree: Tree) -> Tree:
    """Returns the parts of an object that its author decides."""
    meta = {key: value for key, value in tree["metadata"].items() if key not in _OF_SERVER}
    meta["annotations"] = {k: v for k, v in meta.get("annotations", {}).items() if not k.startswith(_DERIVED)}
    meta["finalizers"] = sorted(meta.get("finalizers", ()))
    content = {key: value for key, value in tree.items() if key not in ("metadata", "status")}
    if content.get("aggregationRule"):
        content.pop("rules", None)  # a controller fills them
    return content | {"metadata": meta}


def _cleaned_node(node: Tree) -> bytes | None:
    """Returns the Node without what users have added; None if there is nothing to remove."""
    meta, spec = dict(node["metadata"]), dict(node.get("spec", {}))
    for name in ("labels", "annotations"):
        if name in meta:
            meta[name] = {key: value for key, value in meta[name].items() if _is_system(key)}
    meta.pop("finalizers", None)
    spec.pop("unschedulable", None)
    spec = _with_taints(spec, _lifecycle_taints(spec))
    return _changed(node, meta, spec)


def _saved_node(now: Tree, saved: Tree) -> bytes | None:
    """Returns the Node with the labels, annotations and taints of the snapshot; None if it has them."""
    meta, spec = dict(now["metadata"]), dict(now.get("spec", {}))
    for part, source, names in (
        (meta, saved["metadata"], ("labels", "annotations")),
        (spec, saved.get("spec", {}), ("unschedulable",)),
    ):
        for name in names:
            part.pop(name, None)
            if name in source:
                part[name] = source[name]
    saved_taints = saved.get("spec", {}).get("taints", [])
    others = [taint for taint in saved_taints if not taint["key"].startswith(_NODE_LIFECYCLE)]
    spec = _with_taints(spec, [*_lifecycle_taints(spec), *others])
    return _changed(now, meta, spec)


def _not_ready(pod: Tree) -> bytes:
    """Returns a Pod that is not ready yet: it has to be started again."""
    status = dict(pod.get("status", {}))
    if status.get("phase") == "Running":
        status["conditions"] = [
            c | {"status": "False"} if c.get("type") in ("Ready", "ContainersReady") else c
            for c in status.get("conditions", ())
        ]
        for name in ("containerStatuses", "initContainerStatuses"):
            if name in status:
                status[name] = [s | {"ready": False, "started": False} for s in status[name]]
    return msgspec.json.encode(pod | {"status": status} if status else pod)


def _is_system(key: str) -> bool:
    domain = key.partition("/")[0] if "/" in key else ""
    return domain == _SYSTEM_DOMAIN or domain in ("beta.kubernetes.io", "topology.kubernetes.io")


def _lifecycle_taints(spec: Tree) -> list[Tree]:
    """Returns the taints of controllers, which say how a node is. The taint of a cordon belongs to its user."""
    taints: Iterable[Tree] = spec.get("taints", ())
    cordon = f"{_NODE_LIFECYCLE}unschedulable"
    return [taint for taint in taints if taint["key"].startswith(_NODE_LIFECYCLE) and taint["key"] != cordon]


def _with_taints(spec: Tree, taints: list[Tree]) -> Tree:
    rest = {key: value for key, value in spec.items() if key != "taints"}
    return rest | {"taints": taints} if taints else rest


def _changed(node: Tree, meta: Tree, spec: Tree) -> bytes | None:
    changed = node | {"metadata": meta, "spec": spec}
    return None if changed == node else msgspec.json.encode(changed)
