"""A client with a small server inside it, in memory: for tests of whatever talks to the API.

It keeps what controllers rely on: one revision counter, conflicts, uid preconditions, generated names,
finalizers, graceful pod deletion, status apart from the rest, watches that resume. It knows no defaults and
checks nothing: `fairlead.apiserver` over a memory store is the thing for that.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, TypeVar

import msgspec

from fairlead.api.meta.types import Object
from fairlead.base.clock import Clock
from fairlead.base.ids import IdSource
from fairlead.base.instant import render_time
from fairlead.machinery.kind import Kind
from fairlead.machinery.status import (
    OBJECT_MODIFIED,
    StatusError,
    already_exists,
    conflict,
    expired,
    method_not_allowed,
    namespace_terminating,
    not_found,
)
from fairlead.runtime.client import EventType, Listing, PatchType, WatchEvent

T = TypeVar("T", bound=Object)
R = TypeVar("R")
Tree = dict[str, Any]
Key = tuple[str, str, str]


class FakeClient:
    """Implements `Client`. `down = True` makes every request fail as if nothing listened."""

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
        """By resource: the kinds of which something was created."""
        self._history: list[tuple[int, EventType, Key, Tree]] = []
        self._compacted = 0
        self._changed: set[asyncio.Event] = set()

    async def get(self, kind: Kind[T], name: str, namespace: str = "") -> T:
        self._reach()
        return _typed(kind, self._find(kind, name, namespace))

    async def list(self, kind: Kind[T], namespace: str = "", *, labels: str = "", fields: str = "") -> Listing[T]:
        self._reach()
        found = [_typed(kind, tree) for key, tree in sorted(self._objects.items()) if _in(kind, key, namespace)]
        return Listing([obj for obj in found if _selected(kind, obj, fields)], str(self._revision))

    async def watch(
        self, kind: Kind[T], namespace: str = "", *, labels: str = "", fields: str = "", resource_version: str
    ) -> AsyncIterator[WatchEvent[T]]:
        at = int(resource_version or 0)
        if at < self._compacted:
            raise expired(f"too old resource version: {at} ({self._compacted})")
        wake = asyncio.Event()
        self._changed.add(wake)
        try:
            while True:
                self._reach()
                for revision, type, key, tree in [entry for entry in self._history if entry[0] > at]:
                    at = revision
                    obj = _typed(kind, tree) if _in(kind, key, namespace) else None
                    if obj is not None and _selected(kind, obj, fields):
                        yield WatchEvent(type, obj)
                wake.clear()
                if not self._history or self._history[-1][0] <= at:
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
        if type != "application/merge-patch+json":
            raise method_not_allowed()
        old = self._find(kind, name, namespace)
        return _typed(kind, self._replace(kind, old, _merge(old, json.loads(json.dumps(patch))), subresource))

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
            raise conflict(kind.plural, kind.group, name, f"Precondition failed: UID in precondition: {uid}")
        finalizers = list(meta.get("finalizers", []))
        extra = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(propagation)
        if extra and extra not in finalizers:
            finalizers.append(extra)
        whole = self._kinds[kind.resource]
        obj = _typed(whole, old)
        if whole.holds_itself(obj):
            whole.mark_deleted(obj)
            obj.metadata.deletionTimestamp = render_time(self._clock.now())
            self._commit("MODIFIED", (kind.resource, namespace, name), _tree(whole, obj))
            return
        graceful = whole.grace_s(obj, grace_period_seconds) != 0
        self.writes.append(f"delete {kind.plural} {name}")
        key = (kind.resource, namespace, name)
        if finalizers or graceful:
            if not meta.get("deletionTimestamp") or finalizers != meta.get("finalizers", []):
                stamped = meta | {"deletionTimestamp": render_time(self._clock.now()), "finalizers": finalizers}
                self._commit("MODIFIED", key, old | {"metadata": stamped})
            return
        self._commit("DELETED", key, old)

    async def raw(self, method: str, path: str, *, body: bytes = b"", query: Mapping[str, str] | None = None) -> bytes:
        """Bindings, namespace finalization, limited lists and collection deletes."""
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
        """Forgets the history: watches from the past get 410."""
        self._compacted = self._revision
        self._history.clear()

    def interrupt(self, *, down: bool) -> None:
        """Takes the server away, and every watch with it, or brings it back."""
        self.down = down
        self._wake_all()

    async def _collection(self, method: str, path: str) -> bytes:
        for kind in self._kinds.values():
            namespace = path.strip("/").split("/")[-2]
            if path == kind.path(namespace):
                found = (await self.list(kind, namespace)).items
                if method == "DELETE":
                    for obj in found:
                        await self.delete(kind, obj.metadata.name, namespace)
                return msgspec.json.encode({"metadata": {}, "items": found})
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
        tree = old | {"status": new.get("status", {})} if subresource == "status" else dict(new)
        if not subresource and kind.status:
            tree["status"] = old.get("status", {})
        kept = ("uid", "creationTimestamp", "deletionTimestamp", "generation", "name", "namespace")
        tree["metadata"] = tree["metadata"] | {field: meta[field] for field in kept if field in meta}
        tree["metadata"]["resourceVersion"] = meta["resourceVersion"]
        if _sparse(tree) == _sparse(old):
            return old
        if kind.generation and tree.get("spec") != old.get("spec"):
            tree["metadata"]["generation"] = meta.get("generation", 0) + 1
        key = (kind.resource, meta.get("namespace", ""), meta["name"])
        self.writes.append(f"update {kind.plural}{'/' + subresource if subresource else ''} {meta['name']}")
        gone = meta.get("deletionTimestamp") and meta.get("finalizers") and not tree["metadata"].get("finalizers")
        return self._commit("DELETED" if gone else "MODIFIED", key, tree)

    def _commit(self, type: EventType, key: Key, tree: Tree) -> Tree:
        self._revision += 1
        tree = tree | {"metadata": tree["metadata"] | {"resourceVersion": str(self._revision)}}
        if type == "DELETED":
            del self._objects[key]
        else:
            self._objects[key] = tree
        self._history.append((self._revision, type, key, tree))
        self._wake_all()
        return tree

    def _wake_all(self) -> None:
        for wake in self._changed:
            wake.set()

    def _find(self, kind: Kind[Any], name: str, namespace: str) -> Tree:
        found = self._objects.get((kind.resource, namespace, name))
        if found is None:
            raise not_found(kind.plural, kind.group, name)
        return found

    def _allow(self, verb: str, path: str) -> None:
        self._reach()
        error = self.refuse(verb, path)
        if error is not None:
            raise error

    def _reach(self) -> None:
        if self.down:
            raise ConnectionRefusedError("the fake server is down")


def _typed(kind: Kind[T], tree: Tree) -> T:
    return msgspec.convert(tree, kind.type)


def _tree(kind: Kind[Any], obj: Object) -> Tree:
    tree: Tree = json.loads(msgspec.json.encode(obj))
    tree["metadata"] = tree.get("metadata", {})
    return {"kind": kind.kind, "apiVersion": kind.api_version} | tree


def _in(kind: Kind[Any], key: Key, namespace: str) -> bool:
    return key[0] == kind.resource and (not namespace or key[1] == namespace)


def _selected(kind: Kind[T], obj: T, fields: str) -> bool:
    read = {"metadata.name": lambda o: o.metadata.name, "metadata.namespace": lambda o: o.metadata.namespace}
    read |= kind.fields
    for term in filter(None, fields.split(",")):
        path, _, value = term.replace("==", "=").partition("=")
        if read[path.removesuffix("!")](obj) == value and path.endswith("!"):
            return False
        if read[path.removesuffix("!")](obj) != value and not path.endswith("!"):
            return False
    return True


def _merge(old: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    base = old if isinstance(old, dict) else {}
    merged = {key: value for key, value in base.items() if key not in patch}
    return merged | {key: _merge(base.get(key), value) for key, value in patch.items() if value is not None}


_MAPS = frozenset({"labels", "annotations", "matchLabels", "nodeSelector", "data", "stringData"})
"""Fields of which every entry counts, an empty value too."""


def _sparse(tree: Any) -> Any:
    """Without what is empty: a write that changes only that is no change."""
    if isinstance(tree, dict):
        small = {key: value if key in _MAPS else _sparse(value) for key, value in tree.items()}
        return {key: value for key, value in small.items() if value not in ({}, [], None, "")}
    return [_sparse(item) for item in tree] if isinstance(tree, list) else tree


class JumpLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer when nothing is ready: hours pass in milliseconds."""

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
    """Runs to the end on a `JumpLoop`."""
    with asyncio.Runner(loop_factory=JumpLoop) as runner:
        return runner.run(work)
