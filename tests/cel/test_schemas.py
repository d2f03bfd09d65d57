"""Types of structural schemas, and values that conform to them."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.cel.environment import CompileError, Environment
from fairlead.cel.schemas import conversion, escape, schema_type

INT = {"type": "integer"}


def _evaluate(schema: dict[str, Any], source: str, value: Any, *, root: bool = False) -> Any:
    found = schema_type(schema, root=root).type
    assert found is not None
    convert = conversion(schema)
    bound = value if convert is None else convert(value)
    return Environment({"self": found}).compile(source).evaluate({"self": bound})


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("plain", "plain"),
        ("a-b", "a__dash__b"),
        ("a.b/c", "a__dot__b__slash__c"),
        ("a__b", "a__underscores__b"),
        ("namespace", "__namespace__"),
        ("1st", ""),
        ("a b", ""),
    ],
)
def test_names_are_escaped_as_upstream_escapes_them(name: str, escaped: str) -> None:
    assert escape(name) == escaped


@pytest.mark.parametrize(
    ("schema", "value", "source"),
    [
        ({"type": "number"}, 5, "self == 5.0"),
        ({"type": "string", "format": "date-time"}, "2020-01-01T00:00:00Z", "self.getFullYear() == 2020"),
        ({"type": "string", "format": "date"}, "2020-01-02", "self.getDate() == 2"),
        ({"type": "string", "format": "duration"}, "1h", "self == duration('60m')"),
        ({"type": "string", "format": "byte"}, "aGk=", "self == b'hi'"),
        ({"x-kubernetes-int-or-string": True}, "10%", "type(self) == string && self.endsWith('%')"),
        ({"x-kubernetes-int-or-string": True}, 10, "type(self) == int && self < 20"),
        ({"type": "object", "properties": {"a-b": INT, "namespace": INT}}, {"a-b": 1, "namespace": 2},
         "self.a__dash__b == 1 && self.__namespace__ == 2 && self.namespace == 2"),
        ({"type": "object", "properties": {"o": {"type": "object", "properties": {"n": INT}}}}, {"o": {}},
         "has(self.o) && !has(self.o.n)"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, {"a": 1}, "self['a'] == 1.0 && self.a == 1.0"),
    ],
)  # fmt: skip
def test_values_have_the_types_of_their_schema(schema: dict[str, Any], value: Any, source: str) -> None:
    assert _evaluate(schema, source, value) is True


def test_lists_with_a_list_type_are_compared_as_sets_and_maps() -> None:
    as_set = {"type": "array", "items": INT, "x-kubernetes-list-type": "set"}
    assert _evaluate(as_set, "self == [2, 1]", [1, 2])
    assert _evaluate(as_set, "self + [2, 3] == [3, 2, 1]", [1, 2])
    as_map = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        "items": {"type": "object", "properties": {"k": INT, "v": INT}},
    }
    pair = [{"k": 1, "v": 1}, {"k": 2, "v": 2}]
    assert _evaluate({"type": "object", "properties": {"a": as_map, "b": as_map}}, "self.a == self.b",
                     {"a": pair, "b": pair[::-1]})  # fmt: skip


def test_roots_have_the_fields_of_every_resource() -> None:
    schema = {"type": "object", "properties": {"spec": {"type": "object"}}}
    value = {"kind": "Foo", "apiVersion": "v1", "metadata": {"name": "x"}, "spec": {}}
    assert _evaluate(schema, "self.metadata.name == 'x' && self.kind == 'Foo'", value, root=True)
    with pytest.raises(CompileError, match="undefined field 'labels'"):
        _evaluate(schema, "self.metadata.labels.size() == 0", value, root=True)


def test_values_without_a_schema_cannot_be_named() -> None:
    schema = {"type": "object", "properties": {"any": {"x-kubernetes-preserve-unknown-fields": True}}}
    with pytest.raises(CompileError, match="undefined field 'any'"):
        _evaluate(schema, "self.any == 1", {"any": 1})
