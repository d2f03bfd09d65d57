from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.machinery.patches.patch import json_patch, merge_patch, same
from fairlead.machinery.patches.strategic import strategic_patch
from fairlead.machinery.schemas.schema import schema_of
from fairlead.machinery.values.status import StatusError
from tests.machinery.things import Spec

scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2)
trees = st.recursive(
    scalars,
    lambda t: st.lists(t, max_size=3) | st.dictionaries(st.text("abc", max_size=1), t, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text("abc", min_size=1, max_size=1), trees, max_size=3)


@pytest.mark.parametrize(
    ("tree", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c"], ["c"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7386_hold(tree: Any, patch: Any, result: Any) -> None:
    assert merge_patch(tree, patch) == result


@settings(max_examples=60)
@given(trees, trees)
def test_a_merge_patch_is_idempotent_and_leaves_its_arguments_alone(tree: Any, patch: Any) -> None:
    before = copy.deepcopy((tree, patch))
    once = merge_patch(tree, patch)
    assert (tree, patch) == before
    assert merge_patch(once, patch) == once


@pytest.mark.parametrize(
    ("tree", "operation", "result"),
    [
        ({"a": 1}, {"op": "add", "path": "/b", "value": 2}, {"a": 1, "b": 2}),
        ({"a": [1, 3]}, {"op": "add", "path": "/a/1", "value": 2}, {"a": [1, 2, 3]}),
        ({"a": [1]}, {"op": "add", "path": "/a/-", "value": 2}, {"a": [1, 2]}),
        ({"a": [1]}, {"op": "add", "path": "/a/1", "value": 2}, {"a": [1, 2]}),
        ({"a": 1}, {"op": "add", "path": "", "value": 2}, 2),
        ({"a": 1}, {"op": "replace", "path": "", "value": 2}, 2),
        ({"a": 1, "b": 2}, {"op": "remove", "path": "/a"}, {"b": 2}),
        ({"a": [1, 2]}, {"op": "remove", "path": "/a/0"}, {"a": [2]}),
        ({"a": [1, 2]}, {"op": "replace", "path": "/a/0", "value": None}, {"a": [None, 2]}),
        ({"a": {"b": 1}}, {"op": "move", "from": "/a/b", "path": "/c"}, {"a": {}, "c": 1}),
        ({"a": [1, 2, 3]}, {"op": "move", "from": "/a/0", "path": "/a/2"}, {"a": [2, 3, 1]}),
        ({"a": 1}, {"op": "move", "from": "/a", "path": "/a"}, {"a": 1}),
        ({"a": {"b": 1}}, {"op": "copy", "from": "/a", "path": "/c"}, {"a": {"b": 1}, "c": {"b": 1}}),
        ({"a/b": 1, "m~n": 2}, {"op": "replace", "path": "/a~1b", "value": 3}, {"a/b": 3, "m~n": 2}),
        ({"m~n": 2}, {"op": "test", "path": "/m~0n", "value": 2}, {"m~n": 2}),
        ({"": 1}, {"op": "remove", "path": "/"}, {}),
    ],
)
def test_each_operation_of_rfc_6902_does_what_it_says(tree: Any, operation: Any, result: Any) -> None:
    before = copy.deepcopy(tree)
    assert json_patch(tree, [operation]) == result
    assert tree == before


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ({"op": "remove", "path": "/x"}, 422),
        ({"op": "remove", "path": ""}, 422),
        ({"op": "replace", "path": "/x", "value": 1}, 422),
        ({"op": "add", "path": "/x/y", "value": 1}, 422),
        ({"op": "add", "path": "/s/y", "value": 1}, 422),
        ({"op": "add", "path": "/l/4", "value": 1}, 422),
        ({"op": "add", "path": "/l/-1", "value": 1}, 422),
        ({"op": "add", "path": "/l/01", "value": 1}, 422),
        ({"op": "remove", "path": "/l/-"}, 422),
        ({"op": "test", "path": "/one", "value": True}, 422),
        ({"op": "test", "path": "/one", "value": 2}, 422),
        ({"op": "move", "from": "/l", "path": "/l/0"}, 422),
        ({"op": "copy", "from": "/x", "path": "/y"}, 422),
        ({"op": "add", "path": "/x"}, 400),
        ({"op": "add", "path": "x", "value": 1}, 400),
        ({"op": "add", "value": 1}, 400),
        ({"op": "move", "path": "/x"}, 400),
        ({"op": "frob", "path": "/x"}, 400),
        ({}, 400),
        (7, 400),
    ],
)
def test_what_does_not_apply_is_422_and_what_is_no_patch_is_400(operation: Any, code: int) -> None:
    with pytest.raises(StatusError) as caught:
        json_patch({"one": 1, "l": [1, 2], "s": "text"}, [operation])
    assert caught.value.code == code


def test_a_json_patch_is_a_list_of_bounded_length() -> None:
    with pytest.raises(StatusError, match="a JSON patch is a list"):
        json_patch({}, {})
    with pytest.raises(StatusError) as caught:
        json_patch({}, [{"op": "test", "path": "", "value": {}}] * 10_001)
    assert caught.value.code == 413


@pytest.mark.slow
def test_copies_of_copies_cannot_fill_the_memory() -> None:
    bomb = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 40
    with pytest.raises(StatusError, match="too large"):
        json_patch({"a": [1]}, bomb)


@settings(max_examples=60)
@given(objects, objects)
def test_replacing_key_by_key_turns_any_object_into_any_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    operations: list[dict[str, Any]] = [{"op": "remove", "path": f"/{k}"} for k in old]
    operations += [{"op": "add", "path": f"/{k}", "value": v} for k, v in new.items()]
    operations += [{"op": "test", "path": "", "value": new}]
    assert same(json_patch(old, operations), new)


def test_nesting_beyond_all_measure_is_a_bad_request() -> None:
    deep: Any = {}
    for _ in range(3000):
        deep = {"a": deep}
    with pytest.raises(StatusError, match="exceeded max depth"):
        merge_patch({}, deep)
    with pytest.raises(StatusError, match="exceeded max depth"):
        json_patch({}, [{"op": "add", "path": "/a", "value": deep}])
    with pytest.raises(StatusError, match="exceeded max depth"):
        strategic_patch({}, deep, schema_of(Spec))
