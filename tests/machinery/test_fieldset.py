"""Sets of fields: the algebra of sets holds, and what comes from outside is brought into normal form or refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.machinery.managedfields.fieldset import (
    Fields,
    FieldsError,
    difference,
    field_set,
    intersection,
    parse_fields,
    paths,
    show,
    union,
)

STEPS = ("f:a", "f:b", 'k:{"name":"x"}', 'v:"y"', "i:0")
PATHS = st.lists(st.sampled_from(STEPS), min_size=1, max_size=4).map(tuple)
SETS = st.frozensets(PATHS, max_size=12)


def of(members: frozenset[tuple[str, ...]]) -> Fields:
    """A set put together without the functions that are tested."""
    root: Fields = {}
    for path in members:
        node = root
        for step in path:
            node = node.setdefault(step, {})
        node["."] = {}
    return parse_fields(root)


def members(fields: Fields) -> frozenset[tuple[str, ...]]:
    return frozenset(paths(fields))


@given(SETS, SETS)
def test_the_algebra_is_that_of_sets_of_paths(one: Any, other: Any) -> None:
    assert members(of(one)) == one
    assert members(union(of(one), of(other))) == one | other
    assert members(difference(of(one), of(other))) == one - other
    assert members(intersection(of(one), of(other))) == one & other


@given(SETS, SETS)
def test_results_are_in_normal_form_and_in_order(one: Any, other: Any) -> None:
    for found in (union(of(one), of(other)), difference(of(one), of(other)), intersection(of(one), of(other))):
        assert parse_fields(found) == found
    assert repr(union(of(one), of(other))) == repr(of(one | other))


def test_what_changes_nothing_gives_the_same_set_back() -> None:
    fields = of(frozenset({("f:a", "f:b"), ("f:b",)}))
    assert union(fields, of(frozenset({("f:b",)}))) is fields
    assert difference(fields, of(frozenset({("f:a",)}))) is fields


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({"f:a": {".": {}}}, {"f:a": {}}),
        ({".": {}, "f:a": {}}, {"f:a": {}}),
        ({"f:b": {}, "f:a": {}}, {"f:a": {}, "f:b": {}}),
        ({'k:{"protocol": "TCP", "port": 80}': {}}, {'k:{"port":80,"protocol":"TCP"}': {}}),
        ({'v: "x"': {}, "i:07": {}}, {'v:"x"': {}, "i:7": {}}),
        ({'k:{"port":443}': {}, 'k:{"port":80}': {}}, {'k:{"port":80}': {}, 'k:{"port":443}': {}}),
    ],
)
def test_sets_from_outside_are_brought_into_normal_form(given_: Any, expected: Any) -> None:
    found = parse_fields(given_)
    assert found == expected
    assert list(found) == list(expected)


@pytest.mark.parametrize(
    "bad",
    [[], "f:a", {"a": {}}, {"f:a": []}, {"f:a": None}, {"k:x": {}}, {"k:{}": {}}, {"k:[]": {}}, {"i:x": {}}, {"": {}}],
)
def test_what_is_no_set_is_refused(bad: Any) -> None:
    with pytest.raises(FieldsError):
        parse_fields(bad)


@pytest.mark.slow
def test_a_set_without_an_end_is_refused() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"f:a": deep}
    with pytest.raises(FieldsError):
        parse_fields(deep)


def test_paths_read_as_upstreams() -> None:
    path = ("f:spec", "f:ports", 'k:{"port":80,"protocol":"TCP"}', "f:targetPort")
    assert show(path) == '.spec.ports[port=80,protocol="TCP"].targetPort'
    assert show(("f:metadata", "f:finalizers", 'v:"a/b"')) == '.metadata.finalizers[="a/b"]'
    assert show(("f:x", "i:3")) == ".x[3]"
    assert members(field_set(("a", "b"), ("a",))) == {("f:a", "f:b"), ("f:a",)}
