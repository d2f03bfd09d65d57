"""Any input decodes to an object or to a 400, and the fast and the slow decoder agree."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.machinery.kinds.decode import Decoded, FieldValidation, decode, decode_tree, encode
from fairlead.machinery.schemas.schema import Schema, TypeInfo
from fairlead.machinery.values.status import StatusError
from tests.machinery.things import THING, Thing

texts = st.sampled_from(["", "a", "1", "1Gi", "2026-01-01T00:00:00Z", "\ud800", "YQ=="])
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | texts,
    lambda t: st.lists(t, max_size=2) | st.dictionaries(texts, t, max_size=2),
    max_leaves=4,
)


def fitting(info: TypeInfo, depth: int) -> st.SearchStrategy[Any]:
    if depth == 0:
        return anything
    match info.shape:
        case "struct":
            return structs(info.schema, depth)
        case "list" if info.item:
            return st.lists(fitting(info.item, depth - 1), max_size=2)
        case "map" if info.item:
            return st.dictionaries(texts, fitting(info.item, depth - 1), max_size=2)
        case "int":
            return st.integers(-10, 10)
        case "bool":
            return st.booleans()
        case _:
            return texts


def structs(schema: Schema | None, depth: int) -> st.SearchStrategy[Any]:
    fields = {f.name: fitting(f.type, depth - 1) for f in (schema.fields if schema else {}).values()}
    return st.fixed_dictionaries({}, optional=fields)


wild = structs(THING.schema, 4) | anything


def attempt(tree: Any, validation: FieldValidation) -> Decoded[Thing] | StatusError:
    try:
        return decode(THING, json.dumps(tree).encode(), validation=validation)
    except StatusError as e:
        return e


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(wild)
def test_any_body_gives_an_object_or_a_bad_request(tree: Any) -> None:
    strict, warned, ignored = attempt(tree, "Strict"), attempt(tree, "Warn"), attempt(tree, "Ignore")
    if isinstance(warned, StatusError):
        assert warned.code == 400
        assert isinstance(strict, StatusError)
        assert isinstance(ignored, StatusError)
        assert ignored.message == warned.message
        return
    assert isinstance(ignored, Decoded)
    assert encode(ignored.obj) == encode(warned.obj)
    assert isinstance(strict, StatusError) is bool(warned.warnings)
    assert encode(decode(THING, encode(warned.obj)).obj) == encode(warned.obj)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(wild)
def test_a_null_more_changes_nothing_but_the_way_taken(tree: Any) -> None:
    if not isinstance(tree, dict):
        return
    plain, slow = attempt(tree, "Warn"), attempt(tree | {"status": tree.get("status")}, "Warn")
    if isinstance(plain, Decoded):
        assert isinstance(slow, Decoded)
        assert encode(slow.obj) == encode(plain.obj)
        # A lone surrogate in a dropped field harms no bytes, but a tree holding one cannot be written down at all.
        if "\\ud800" not in json.dumps(tree):
            assert encode(decode_tree(THING, tree, validation="Ignore").obj) == encode(plain.obj)
