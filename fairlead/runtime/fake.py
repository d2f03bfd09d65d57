"""A client with a small in-memory server, for tests of components that use the API.

The server keeps what clients rely on: one revision counter, conflicts, uid preconditions, generated names, finalizers,
graceful pod deletion, a separate status, selectors, and watches that resume. `tests/contract/test_client.py` runs the
same tests over this server and over the API server. The server sets no defaults and validates nothing, not even that a
namespace exists: use `fairlead.apiserver` over a memory store for that.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from fairlead.api.meta.deleteoptions import DeleteOptions
from fairlead.api.meta.deletion import can_be_removed, plan_deletion
from fairlead.api.meta.types import Object
from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass
from fairlead.base.ids import IdSource
from fairlead.base.instant import render_time
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.patches.patch import json_patch, merge_patch
from fairlead.machinery.patches.strategic import strategic_patch
from fairlead.machinery.schemas.schema import Schema
from fairlead.machinery.values.selectors import parse_field_selector, parse_label_selector
from fairlead.machinery.values.status import (
    OBJECT_MODIFIED,
    StatusError,
    already_exists,
    conflict,
    expired,
    namespace_terminating,
    not_found,
)
from fairlead.runtime.client import EventType, Listing, PatchType, WatchEvent

T = TypeVar("T", bound=Object)
R = TypeVar("R")
Tree = dict[str, Any]
Key = tuple[str, str, str]
"""Resource, namespace, name."""


@dataclass(frozen=True, slots=True)
class _Change:
    revision: int
    type: EventType
    key: Key
    tree: Tree
    """The object; for a deleted one, its last state with the revision of the deletion."""
    before: Tree | None


class FakeClient:
    """Implements `Client`. `down = True` makes every request fail as if the connection were refused."""

    def __init__(self, *, clock: Clock, ids: IdSource) -> None:
        self.down = False
        self.writes: list[str] = []
        """`verb path` of each write that was accepted."""
        self.refuse: Callable[[str, str], StatusError | None] = lambda verb, path: None
        self._clock = clock
        self._ids = ids
        self._revision = 0
        self._objects: dict[Key, Tree] = {}
        self._kinds: dict[str, Kind[Any]] = {}
        """The kinds of the objects created so far, by resource."""
        self._history: list[_Change] = []
        self._compacted = 0
        self._changed: set[asyncio.Event] = set()

    async def get(self, kind: Kind[T], name: str, namespace: str = "") -> T:
        self._reach()
        return _typed(kind, self._find(kind, name, namespace))

    async def list(self, kind: Kind[T], namespace: str = "", *, labels: str = "", fields: str = "") -> Listing[T]:
        self._reach()
        selection = _Selection(kind, namespace, labels, fields)
        return Listing([_typed(kind, tree) for tree in self._select(selection)], str(self._revision))

    async def watch(
        self, kind: Kind[T], namespace: str = "", *, labels: str = "", fields: str = "", resource_version: str
    ) -> AsyncIterator[WatchEvent[T]]:
        self._reach()
        selection = _Selection(kind, namespace, labels, fields)
        at = int(resource_version or 0)
        if 0 < at < self._compacted:
            raise expired(f"too old resource version: {at} ({self._compacted})")
        wake = asyncio.Event()
        self._changed.add(wake)
        try:
            if not at:
                at, present = self._revision, self._select(selection)
                for tree in present:
                    yield WatchEvent("ADDED", _typed(kind, tree))
            while True:
                wake.clear()
                self._reach()
                for change in [change for change in self._history if change.revision > at]:
                    at = change.revision
                    type = selection.event_type(change)
                    if type is not None:
                        yield WatchEvent(type, _typed(kind, change.tree))
                await wake.wait()
        finally:
            self._changed.discard(wake)

    async def create(self, kind: Kind[T], obj: T) -> T:
        self._allow("create", kind.path(obj.metadata.namespace))
        tree = _tree(kind, obj)
        meta = tree["metadata"]
        if not meta.get("name"):
            meta["name"] = meta.get("generateName", "") + self._ids.suffix()
        key = (kind.resource, meta.get("namespace", ""), meta["name"])
        if key[1] and "deletionTimestamp" in self._objects.get(("namespaces", "", key[1]), {}).get("metadata", {}):
            raise namespace_terminating(kind.plural, kind.group, meta["name"], key[1])
        if key in self._objects:
            raise already_exists(kind.plural, kind.group, meta["name"])
        meta["uid"] = self._ids.uid()
        meta["creationTimestamp"] = render_time(self._clock.now())
        if kind.generation:
            meta["generation"] = 1
        self._kinds.setdefault(kind.resource, kind)
        self.writes.append(f"create {kind.plural} {meta['name']}")
        return _typed(kind, self._commit("ADDED", key, tree))

    async def update(self, kind: Kind[T], obj: T, *, subresource: str = "") -> T:
        meta = obj.metadata
        self._allow("update", kind.path(meta.namespace, meta.name, subresource))
        old = self._find(kind, meta.name, meta.namespace)
        if meta.resourceVersion and meta.resourceVersion != old["metadata"]["resourceVersion"]:
            raise conflict(kind.plural, kind.group, meta.name, OBJECT_MODIFIED)
        return _typed(kind, self._replace(kind, old, _tree(kind, obj), subresource))

    async def patch(
        self,
        kind: Kind[T],
        name: str,
        namespace: str = "",
        *,
        patch: Any,
        type: PatchType = "application/merge-patch+json",
        subresource: str = "",
    ) -> T:
        self._allow("patch", kind.path(namespace, name, subresource))
        old = self._find(kind, name, namespace)
        new = _PATCHES[type](json.loads(json.dumps(old)), json.loads(json.dumps(patch)), kind.schema)
        for field in ("resourceVersion", "uid"):
            if new["metadata"].get(field, old["metadata"][field]) != old["metadata"][field]:
                raise conflict(kind.plural, kind.group, name, OBJECT_MODIFIED)
        return _typed(kind, self._replace(kind, old, new, subresource))

    async def delete(
        self,
        kind: Kind[T],
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        grace_period_seconds: int | None = None,
        propagation: str = "",
    ) -> None:
        self._allow("delete", kind.path(namespace, name))
        old = self._find(kind, name, namespace)
        meta = old["metadata"]
        if uid and uid != meta["uid"]:
            text = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {meta['uid']}"
            raise conflict(kind.plural, kind.group, name, text)
        whole = self._kinds[kind.resource]
        options = DeleteOptions(gracePeriodSeconds=grace_period_seconds, propagationPolicy=propagation or None)
        verdict = plan_deletion(whole, _typed(whole, old), options, now=self._clock.now())
        self.writes.append(f"delete {kind.plural} {name}")
        key = (kind.resource, namespace, name)
        if verdict.remove:
            self._commit("DELETED", key, old)
        elif verdict.obj is not None:
            self._commit("MODIFIED", key, _tree(whole, verdict.obj))

    async def raw(self, method: str, path: str, *, body: bytes = b"", query: Mapping[str, str] | None = None) -> bytes:
        """Handles bindings, namespace finalization, limited lists and collection deletes."""
        self._allow(method.lower(), path)
        parts = path.strip("/").split("/")
        if parts[-1] == "binding":
            self._bind(parts[3], parts[5], json.loads(body)["target"]["name"])
        elif parts[-1] == "finalize":
            key = ("namespaces", "", parts[3])
            tree = self._objects[key] | {"spec": json.loads(body).get("spec", {})}
            self._commit("MODIFIED" if tree["spec"].get("finalizers") else "DELETED", key, tree)
        else:
            return await self._collection(method, path)
        return b"{}"

    def compact(self) -> None:
        """Drops the history: watches that start in the past get 410."""
        self._compacted = self._revision
        self._history.clear()

    def interrupt(self, *, down: bool) -> None:
        """Stops the server and every watch, or starts the server again."""
        self.down = down
        self._wake_all()

    def _select(self, selection: _Selection) -> Sequence[Tree]:
        return [tree for key, tree in sorted(self._objects.items()) if selection.holds(key, tree)]

    async def _collection(self, method: str, path: str) -> bytes:
        for kind in self._kinds.values():
            namespace = path.strip("/").split("/")[-2]
            if path == kind.path(namespace):
                items = (await self.list(kind, namespace)).items
                if method == "DELETE":
                    for obj in items:
                        await self.delete(kind, obj.metadata.name, namespace)
                return msgspec.json.encode({"metadata": {}, "items": items})
        raise StatusError(404, "NotFound", f"no such path {path}")

    def _bind(self, namespace: str, name: str, node: str) -> None:
        key = ("pods", namespace, name)
        old = self._objects.get(key)
        if old is None:
            raise not_found("pods", "", name)
        if old.get("spec", {}).get("nodeName"):
            raise conflict("pods", "", name, f"pod {name} is already assigned to node")
        conditions = [c for c in old.get("status", {}).get("conditions", []) if c["type"] != "PodScheduled"]
        conditions.append({"type": "PodScheduled", "status": "True"})
        status = old.get("status", {}) | {"conditions": conditions}
        self._commit("MODIFIED", key, old | {"spec": old.get("spec", {}) | {"nodeName": node}, "status": status})

    def _replace(self, kind: Kind[Any], old: Tree, new: Tree, subresource: str) -> Tree:
        meta = old["metadata"]
        tree = _with_status(kind, old, new) if subresource == "status" else dict(new)
        if not subresource and kind.status:
            tree["status"] = old.get("status", {})
        tree["metadata"] = tree["metadata"] | {field: meta[field] for field in _SERVER_FIELDS if field in meta}
        tree["metadata"]["resourceVersion"] = meta["resourceVersion"]
        if _sparse(tree) == _sparse(old):
            return old
        if kind.generation and tree.get("spec") != old.get("spec"):
            tree["metadata"]["generation"] = meta.get("generation", 0) + 1
        key = (kind.resource, meta.get("namespace", ""), meta["name"])
        self.writes.append(f"update {kind.plural}{'/' + subresource if subresource else ''} {meta['name']}")
        whole = self._kinds[kind.resource]
        return self._commit("DELETED" if can_be_removed(whole, _typed(whole, tree)) else "MODIFIED", key, tree)

    def _commit(self, type: EventType, key: Key, tree: Tree) -> Tree:
        self._revision += 1
        before = self._objects.get(key)
        tree = tree | {"metadata": tree["metadata"] | {"resourceVersion": str(self._revision)}}
        if type == "DELETED":
            del self._objects[key]
        else:
            self._objects[key] = tree
        self._history.append(_Change(self._revision, type, key, tree, before))
        self._wake_all()
        return tree

    def _wake_all(self) -> None:
        for wake in self._changed:
            wake.set()

    def _find(self, kind: Kind[Any], name: str, namespace: str) -> Tree:
        obj = self._objects.get((kind.resource, namespace, name))
        if obj is None:
            raise not_found(kind.plural, kind.group, name)
        return obj

    def _allow(self, verb: str, path: str) -> None:
        self._reach()
        error = self.refuse(verb, path)
        if error is not None:
            raise error

    def _reach(self) -> None:
        if self.down:
            raise ConnectionRefusedError("the fake server is down")


def _with_status(kind: Kind[Any], old: Tree, new: Tree) -> Tree:
    """Returns the object with the parts of the other that its status endpoint writes."""
    kept = {name: old["metadata"][name] for name in kind.status_leaves if name in old["metadata"]}
    rest = {name: value for name, value in new["metadata"].items() if name not in kind.status_leaves}
    return old | {"status": new.get("status", {}), "metadata": rest | kept}


def _typed(kind: Kind[T], tree: Tree) -> T:
    return msgspec.convert(tree, kind.type)


def _tree(kind: Kind[Any], obj: Object) -> Tree:
    tree: Tree = json.loads(msgspec.json.encode(obj))
    tree["metadata"] = tree.get("metadata", {})
    return {"kind": kind.kind, "apiVersion": kind.api_version} | tree


class _Selection:
    """The objects that a list or a watch selects."""

    def __init__(self, kind: Kind[Any], namespace: str, labels: str, fields: str) -> None:
        self._kind = kind
        self._namespace = namespace
        self._labels = parse_label_selector(labels)
        self._fields = parse_field_selector(fields)
        self._read: dict[str, Callable[[Any], str]] = {
            "metadata.name": lambda obj: str(obj.metadata.name),
            "metadata.namespace": lambda obj: str(obj.metadata.namespace),
            **kind.fields,
        }
        self._fields.check_supported(self._read)

    def holds(self, key: Key, tree: Tree) -> bool:
        if key[0] != self._kind.resource or (self._namespace and key[1] != self._namespace):
            return False
        if self._labels.empty and self._fields.empty:
            return True
        obj = _typed(self._kind, tree)
        return self._labels.matches(obj.metadata.labels) and self._fields.matches(lambda field: self._read[field](obj))

    def event_type(self, change: _Change) -> EventType | None:
        """Returns the event type of a change for this watch: an object may enter or leave the selection."""
        before = change.before is not None and self.holds(change.key, change.before)
        after = change.type != "DELETED" and self.holds(change.key, change.tree)
        if after:
            return "MODIFIED" if before else "ADDED"
        return "DELETED" if before else None


_SERVER_FIELDS = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "name",
    "namespace",
)

_PATCHES: dict[PatchType, Callable[[Any, Any, Schema], Any]] = {
    "application/json-patch+json": lambda tree, patch, _: json_patch(tree, patch),
    "application/merge-patch+json": lambda tree, patch, _: merge_patch(tree, patch),
    "application/strategic-merge-patch+json": strategic_patch,
}


_MAPS = frozenset({"labels", "annotations", "matchLabels", "nodeSelector", "data", "stringData"})
"""Fields in which every entry counts, an empty value too."""


def _sparse(tree: Any) -> Any:
    """Returns the tree without empty values: a write that only changes these changes nothing."""
    if isinstance(tree, dict):
        small = {key: value if key in _MAPS else _sparse(value) for key, value in tree.items()}
        return {key: value for key, value in small.items() if value not in ({}, [], None, "")}
    return [_sparse(item) for item in tree] if isinstance(tree, list) else tree


class JumpLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer if nothing is ready: hours pass in milliseconds."""

    def __init__(self) -> None:
        super().__init__()
        self._at = 0.0

    def time(self) -> float:
        return self._at

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self._at = max(self._at, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def run_jumping(work: Coroutine[Any, Any, R]) -> R:
    """Runs the work to its end on a `JumpLoop`."""
    with asyncio.Runner(loop_factory=JumpLoop) as runner:
        return runner.run(work)
