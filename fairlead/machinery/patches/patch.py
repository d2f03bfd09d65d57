"""JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386) on JSON trees.

Both leave their arguments unchanged and may share parts with the result. A malformed patch is a 400. A patch that does
not apply to this object is a 422, as upstream answers, but with the reason in its text.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fairlead.machinery.values.status import StatusError, bad_request

MAX_OPERATIONS = 10_000
"""Upstream's limit, so that one request cannot occupy the server for long."""
MAX_COPIED_BYTES = 3 << 20
"""Bounds the growth by `copy`: thirty doublings would otherwise turn a few hundred bytes into a gigabyte. Upstream's
limit, counted here as characters of strings and names plus eight for each value."""
_VALUE_BYTES = 8

_REJECTED = "the server rejected our request due to an error in our request"


def does_not_apply(why: str) -> StatusError:
    """Returns a 422: the patch is well formed but does not apply to this object."""
    return StatusError(422, "Invalid", f"{_REJECTED}: {why}")


@contextmanager
def depth_guard() -> Iterator[None]:
    """Turns a tree nested deeper than the interpreter's recursion limit into a bad request."""
    try:
        yield
    except RecursionError:
        raise bad_request("error decoding patch: exceeded max depth") from None


def merge_patch(tree: Any, patch: Any) -> Any:
    """Applies RFC 7386: objects merge, null deletes, all else replaces. Raises StatusError 400."""
    with depth_guard():
        return _merge(tree, patch)


def _merge(tree: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(tree) if isinstance(tree, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


def json_patch(tree: Any, operations: Any) -> Any:
    """Applies RFC 6902: every operation in order, or none. Raises StatusError 400 or 422."""
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: a JSON patch is a list of operations")
    if len(operations) > MAX_OPERATIONS:
        text = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        raise StatusError(413, "RequestEntityTooLarge", f"Request entity too large: {text}")
    with depth_guard():
        document = _Document(copy.deepcopy(tree))
        for operation in operations:
            _apply(document, operation)
        return document.root


class _Document:
    """The tree during the patch. A path is a list of keys; that of the root is empty."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.copied = 0

    def get(self, path: list[str], pointer: str) -> Any:
        node = self.root
        for key in path:
            node = _child(node, key, pointer)
        return node

    def add(self, path: list[str], pointer: str, value: Any) -> None:
        if not path:
            self.root = value
            return
        parent, key = self.get(path[:-1], pointer), path[-1]
        if isinstance(parent, dict):
            parent[key] = value
        elif isinstance(parent, list):
            parent.insert(len(parent) if key == "-" else _index(key, len(parent) + 1, pointer), value)
        else:
            raise does_not_apply(f"add operation does not apply: doc is missing path: {pointer}")

    def replace(self, path: list[str], pointer: str, value: Any) -> None:
        self.get(path, pointer)
        if not path:
            self.root = value
            return
        parent, key = self.get(path[:-1], pointer), path[-1]
        parent[key if isinstance(parent, dict) else _index(key, len(parent), pointer)] = value

    def remove(self, path: list[str], pointer: str) -> Any:
        value = self.get(path, pointer)
        if not path:
            raise does_not_apply("remove operation does not apply: the whole document cannot be removed")
        parent, key = self.get(path[:-1], pointer), path[-1]
        del parent[key if isinstance(parent, dict) else _index(key, len(parent), pointer)]
        return value

    def duplicate(self, value: Any) -> Any:
        self.copied += _size(value)
        if self.copied > MAX_COPIED_BYTES:
            raise does_not_apply("copy operations of this patch make the object too large")
        return copy.deepcopy(value)


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return _VALUE_BYTES + sum(map(len, value)) + sum(map(_size, value.values()))
    if isinstance(value, list):
        return _VALUE_BYTES + sum(map(_size, value))
    return _VALUE_BYTES + (len(value) if isinstance(value, str) else 0)


def _child(node: Any, key: str, pointer: str) -> Any:
    if isinstance(node, dict) and key in node:
        return node[key]
    if isinstance(node, list):
        return node[_index(key, len(node), pointer)]
    raise does_not_apply(f"doc is missing path: {pointer}")


def _index(key: str, length: int, pointer: str) -> int:
    if not (key.isascii() and key.isdigit()) or (len(key) > 1 and key[0] == "0"):
        raise does_not_apply(f"doc is missing path: {pointer}")
    if len(key) > 9 or int(key) >= length:
        raise does_not_apply(f"index {key} is out of bounds: {pointer}")
    return int(key)


def _pointer(operation: dict[str, Any], member: str) -> tuple[list[str], str]:
    """Parses a pointer of RFC 6901: `/a/b~1c` names `b/c` in `a`; the empty pointer is the root."""
    pointer = operation.get(member)
    if not isinstance(pointer, str):
        raise bad_request(f"error decoding patch: operation has no {member!r}")
    if not pointer:
        return [], pointer
    if not pointer.startswith("/"):
        raise bad_request(f"error decoding patch: {member!r} must start with '/': {pointer}")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")], pointer


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise bad_request("error decoding patch: operation has no 'value'")
    return copy.deepcopy(operation["value"])


def _apply(document: _Document, operation: Any) -> None:
    if not isinstance(operation, dict):
        raise bad_request("error decoding patch: an operation is an object")
    apply = _OPERATIONS.get(str(operation.get("op")))
    if apply is None:
        raise bad_request(f"error decoding patch: unexpected kind: {operation.get('op')}")
    apply(document, operation)


def _add(document: _Document, operation: dict[str, Any]) -> None:
    document.add(*_pointer(operation, "path"), _value(operation))


def _replace(document: _Document, operation: dict[str, Any]) -> None:
    document.replace(*_pointer(operation, "path"), _value(operation))


def _remove(document: _Document, operation: dict[str, Any]) -> None:
    document.remove(*_pointer(operation, "path"))


def _move(document: _Document, operation: dict[str, Any]) -> None:
    source, source_pointer = _pointer(operation, "from")
    path, pointer = _pointer(operation, "path")
    if path[: len(source)] == source and len(path) > len(source):
        raise does_not_apply(f"move operation does not apply: {pointer} is inside {source_pointer}")
    if path != source:
        document.add(path, pointer, document.remove(source, source_pointer))
    else:
        document.get(source, source_pointer)


def _copy(document: _Document, operation: dict[str, Any]) -> None:
    value = document.get(*_pointer(operation, "from"))
    document.add(*_pointer(operation, "path"), document.duplicate(value))


def _test(document: _Document, operation: dict[str, Any]) -> None:
    path, pointer = _pointer(operation, "path")
    if not same(document.get(path, pointer), _value(operation)):
        raise does_not_apply(f"testing value {pointer} failed")


_OPERATIONS: dict[str, Callable[[_Document, dict[str, Any]], None]] = {
    "add": _add,
    "replace": _replace,
    "remove": _remove,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def same(a: Any, b: Any) -> bool:
    """Returns whether JSON values are equal: as in Python, except that true is not 1."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return isinstance(a, bool) is isinstance(b, bool) and bool(a == b)
