"""Properties of pruning and defaults, over schemas and values at random."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.apiextensions.structural.node import Node
from fairlead.api.apiextensions.structural.pruning import default, prune, prune_nulls
from fairlead.api.apiextensions.structural.validation import validate

Tree = dict[str, Any]
NAMES = st.sampled_from("abcd")
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text("xyz", max_size=3))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)


def _scalar(type: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Tree]:
    return st.fixed_dictionaries({"type": st.just(type)}, optional={"default": values, "nullable": st.booleans()})


def _object(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    closed = st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(NAMES, inner, max_size=3)},
        optional={"x-kubernetes-preserve-unknown-fields": st.just(True), "default": st.just({})},
    )
    opened = st.fixed_dictionaries({"type": st.just("object"), "additionalProperties": inner | st.just(True)})
    return closed | opened


SCHEMAS = st.recursive(
    _scalar("string", st.text("xyz", max_size=3)) | _scalar("integer", st.integers(-9, 9)),
    lambda inner: _object(inner) | st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
    max_leaves=8,
)
ROOTS = st.fixed_dictionaries({"type": st.just("object"), "properties": st.dictionaries(NAMES, SCHEMAS, max_size=4)})


def _complete(value: Tree, node: Node) -> Tree:
    prune_nulls(value, node)
    default(value, node)
    return value


@given(ROOTS, OBJECTS)
def test_a_pruned_value_has_nothing_more_to_prune(schema: Tree, value: Tree) -> None:
    node = Node(schema)
    removed = prune(value, node)
    again = deepcopy(value)
    assert prune(again, node) == []
    assert again == value
    assert len(set(removed)) == len(removed)


@given(ROOTS, OBJECTS)
def test_a_completed_value_is_complete_and_has_no_unknown_fields(schema: Tree, value: Tree) -> None:
    node = Node(schema)
    prune(value, node)
    _complete(value, node)
    assert _complete(deepcopy(value), node) == value
    assert prune(deepcopy(value), node) == []


@given(ROOTS, OBJECTS)
def test_an_unchanged_value_is_never_refused(schema: Tree, value: Tree) -> None:
    node = Node(schema)
    assert list(validate(value, node, old=deepcopy(value))) == []


@given(ROOTS)
def test_a_schema_is_read_without_loss(schema: Tree) -> None:
    assert Node(Node(schema).tree()).tree() == Node(schema).tree()
