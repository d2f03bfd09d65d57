"""Kubernetes' strategic merge patch: a merge patch with keyed lists.

A list field marked `ListMap(patch_key=...)` merges item by item, one marked `SetList(merge=True)` as a set; all other
lists are replaced. Directives are part of the patch: `$patch: replace|delete|merge` in an object or an item,
`$deleteFromPrimitiveList/<field>`, `$setElementOrder/<field>`, `$retainKeys`. `kubectl apply`, `edit` and `rollout`
send this format, so the order of merged lists matters too: items of the patch come in its order, and items that only
the server has keep their places among them as far as possible.

If the schema does not have a field, objects merge and lists are replaced; decoding reports the unknown field
afterwards. The arguments stay unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from fairlead.base.dataclass import dataclass
from fairlead.machinery.kinds.kind import ListMap, SetList
from fairlead.machinery.patches.patch import depth_guard
from fairlead.machinery.schemas.schema import Schema, TypeInfo
from fairlead.machinery.values.status import StatusError, bad_request

DIRECTIVE = "$patch"
DELETE_FROM = "$deleteFromPrimitiveList/"
ORDER = "$setElementOrder/"
RETAIN_KEYS = "$retainKeys"

Tree = dict[str, Any]


def strategic_patch(tree: Any, patch: Any, schema: Schema) -> Any:
    """Returns the tree of an object of the schema after the patch. Raises StatusError 400 if the patch is malformed."""
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: a strategic merge patch is an object")
    with depth_guard():
        return _merge_object(tree if isinstance(tree, dict) else {}, patch, TypeInfo("struct", schema=schema))


@dataclass(frozen=True, slots=True)
class _List:
    """The merge rule of one list: by `key` of its items, or as a set if `key` is empty."""

    key: str
    item: TypeInfo | None

    def token(self, item: Any) -> Hashable:
        """Returns a value that is equal for items with the same identity in this list; true and 1 differ."""
        value = item.get(self.key) if self.key and isinstance(item, dict) else item
        return _scalar_token(value)

    def positions(self, items: Iterable[Any]) -> dict[Hashable, int]:
        """Returns the first position of each item. Lists may be long, so each is searched only once."""
        positions: dict[Hashable, int] = {}
        for at, item in enumerate(items):
            positions.setdefault(self.token(item), at)
        return positions


def _scalar_token(value: Any) -> Hashable:
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    return isinstance(value, bool), value


def _is_directive(key: str) -> bool:
    return key in (DIRECTIVE, RETAIN_KEYS) or key.startswith((DELETE_FROM, ORDER))


def _merge_object(tree: Tree, patch: Tree, info: TypeInfo | None) -> Tree:
    directive = patch.get(DIRECTIVE)
    if directive is not None:
        if directive == "replace":
            return _plain_object(patch)
        if directive == "delete":
            return {}
        if directive != "merge":
            raise _bad_directive(directive)
    merged = _retain(dict(tree), patch)
    for key, value in patch.items():
        if key.startswith(DELETE_FROM):
            _delete_from(merged, key.removeprefix(DELETE_FROM), value)
    for key, value in patch.items():
        if not _is_directive(key):
            _merge_field(merged, key, value, info)
    for key, value in patch.items():
        if key.startswith(ORDER):
            name = key.removeprefix(ORDER)
            _set_order(merged, name, value, tree, patch, _list_rule(_field(info, name)))
    return merged


def _merge_field(merged: Tree, key: str, value: Any, info: TypeInfo | None) -> None:
    if value is None:
        merged.pop(key, None)
        return
    known, old = _field(info, key), merged.get(key)
    if isinstance(value, dict):
        if isinstance(old, dict) or DIRECTIVE in value:
            merged[key] = _merge_object(old if isinstance(old, dict) else {}, value, known)
        else:
            merged[key] = _plain(value)
    elif isinstance(value, list) and (rule := _list_rule(known)) is not None:
        merged[key] = _merge_list(old if isinstance(old, list) else [], value, rule)
    else:
        merged[key] = _plain(value) if isinstance(value, list) else value


def _field(info: TypeInfo | None, name: str) -> TypeInfo | None:
    """Returns the type of the patch's member `name` inside a value of type `info`."""
    if info is None:
        return None
    if info.shape == "struct":
        field = info.fields.get(name)
        return field.type if field else None
    return info.item if info.shape == "map" else None


def _list_rule(info: TypeInfo | None) -> _List | None:
    """Returns the merge rule of the list; None if it is replaced."""
    if info is None or info.shape != "list":
        return None
    keyed = info.marker(ListMap)
    if keyed and keyed.patch_key:
        return _List(keyed.patch_key, info.item)
    as_set = info.marker(SetList)
    return _List("", info.item) if as_set and as_set.merge else None


def _retain(tree: Tree, patch: Tree) -> Tree:
    """Applies `$retainKeys`, the list of the only keys that may stay; it must contain all keys that the patch sets."""
    keys = patch.get(RETAIN_KEYS)
    if keys is None:
        return tree
    if not isinstance(keys, list):
        raise bad_request(f"error decoding patch: {RETAIN_KEYS} is a list of keys")
    for key, value in patch.items():
        if not _is_directive(key) and value is not None and key not in keys:
            raise bad_request(f"error decoding patch: {key!r} is set by the patch but missing from {RETAIN_KEYS}")
    return {k: v for k, v in tree.items() if k in keys}


def _delete_from(merged: Tree, name: str, values: Any) -> None:
    if not isinstance(values, list):
        raise bad_request(f"error decoding patch: {DELETE_FROM}{name} is a list")
    old = merged.get(name)
    if isinstance(old, list):
        gone = set(map(_scalar_token, values))
        merged[name] = [v for v in old if _scalar_token(v) not in gone]


def _merge_list(old: list[Any], patch: list[Any], rule: _List) -> list[Any]:
    if not rule.key:
        distinct = {rule.token(v): v for v in reversed([*old, *patch])}
        return _ordered(list(distinct.values())[::-1], patch, old, rule)
    for item in patch:
        if not isinstance(item, dict):
            raise bad_request(f"error decoding patch: items of a list merged by {rule.key!r} are objects")
        if item.get(DIRECTIVE) not in (None, "delete", "merge", "replace"):
            raise _bad_directive(item[DIRECTIVE])
        if item.get(DIRECTIVE) != "replace" and rule.key not in item:
            raise bad_request(f"map: {_shown(item)} does not contain declared merge key: {rule.key}")
    if any(item.get(DIRECTIVE) == "replace" for item in patch):
        return [_plain(item) for item in patch if item.keys() != {DIRECTIVE} and item.get(DIRECTIVE) != "delete"]
    gone = {rule.token(item) for item in patch if item.get(DIRECTIVE) == "delete"}
    ordinary = [item for item in patch if item.get(DIRECTIVE) != "delete"]
    merged = _merge_items([have for have in old if rule.token(have) not in gone], ordinary, rule)
    return _ordered(merged, ordinary, old, rule)


def _merge_items(merged: list[Any], items: list[Tree], rule: _List) -> list[Any]:
    positions = rule.positions(merged)
    for item in items:
        at = positions.get(rule.token(item))
        if at is None:
            positions[rule.token(item)] = len(merged)
            merged.append(_plain(item))
        else:
            merged[at] = _merge_object(merged[at], item, rule.item)
    return merged


def _set_order(merged: Tree, name: str, order: Any, tree: Tree, patch: Tree, rule: _List | None) -> None:
    if not isinstance(order, list):
        raise bad_request(f"error decoding patch: {ORDER}{name} is a list")
    items = merged.get(name)
    if not isinstance(items, list) or rule is None:
        return
    given, listed = patch.get(name), rule.positions(order)
    for item in given if isinstance(given, list) else []:
        if not (isinstance(item, dict) and DIRECTIVE in item) and rule.token(item) not in listed:
            raise bad_request(f"The order in patch list: {_shown(given)} doesn't match {ORDER}{name}: {_shown(order)}")
    before = tree.get(name)
    merged[name] = _ordered(items, order, before if isinstance(before, list) else [], rule)


def _ordered(items: list[Any], order: list[Any], before: list[Any], rule: _List) -> list[Any]:
    """Returns the items named by `order` in its order; each other item stays before the first one that followed it."""
    rank, place = _ranking(rule, order), _ranking(rule, before)
    named = sorted((i for i in items if rank(i) >= 0), key=rank)
    others = sorted((i for i in items if rank(i) < 0), key=place)
    result: list[Any] = []
    taken = 0
    for item in named:
        at = place(item)
        while taken < len(others) and at >= 0 and 0 <= place(others[taken]) < at:
            result.append(others[taken])
            taken += 1
        result.append(item)
    return result + others[taken:]


def _ranking(rule: _List, items: list[Any]) -> Callable[[Any], int]:
    positions = rule.positions(items)
    return lambda item: positions.get(rule.token(item), -1)


def _plain(value: Any) -> Any:
    """Returns a part of the patch as it enters the object: without directives, nulls and items that only say
    `delete`."""
    if isinstance(value, dict):
        return {} if value.get(DIRECTIVE) == "delete" else _plain_object(value)
    if isinstance(value, list):
        return [_plain(v) for v in value if not (isinstance(v, dict) and v.get(DIRECTIVE) == "delete")]
    return value


def _plain_object(value: Tree) -> Tree:
    return {k: _plain(v) for k, v in value.items() if v is not None and not _is_directive(k)}


def _shown(value: Any) -> str:
    return str(value)[:200]


def _bad_directive(directive: Any) -> StatusError:
    return bad_request(f"unknown patch type: {directive}")
