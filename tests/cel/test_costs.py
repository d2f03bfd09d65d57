"""The cost of expressions as they run and as it is estimated before."""

from __future__ import annotations

import pytest

from fairlead.cel.environment import Environment
from fairlead.cel.schemas import schema_type

TEXT = {"type": "string"}
SHORT = {"type": "string", "maxLength": 10}
SCHEMA = {
    "type": "object",
    "properties": {
        "text": TEXT,
        "short": SHORT,
        "count": {"type": "integer"},
        "few": {"type": "array", "maxItems": 10, "items": SHORT},
        "many": {"type": "array", "items": {"type": "integer"}},
        "by": {"type": "object", "maxProperties": 5, "additionalProperties": TEXT},
    },
}
TYPE = schema_type(SCHEMA).type


def _program(source: str):  # type: ignore[no-untyped-def]
    assert TYPE is not None
    return Environment({"self": TYPE}).compile(source)


@pytest.mark.parametrize(
    ("source", "cost"),
    [
        ("self.count == 5", 3),
        ("self.text.startsWith('abc')", 3),
        ("self.text == 'x' || true", 3),
        ("self.few.all(e, e.size() > 0)", 15),
        ("self.few.map(e, e).size() == 2", 31),
        ("self.few == ['a', 'b']", 3),
        ("has(self.text)", 1),
        ("[1, 2, 3].size() == 3", 2),
        ("quantity('1Mi').isInteger()", 2),
    ],
)
def test_cost_of_evaluation_is_upstreams(source: str, cost: int) -> None:
    values = {"self": {"text": "abc", "count": 5, "few": ["a", "b"], "by": {}}}
    assert _program(source).evaluate_counting(values)[1] == cost


@pytest.mark.parametrize(
    ("source", "most"),
    [
        ("self.count == 5", 2),
        ("self.text.matches('a')", 314575),
        ("self.short.contains('ab')", 6),
        ("self.few.all(e, e == 'x')", 53),
        ("self.few.map(e, e).size() == 1", 145),
        ("self.many.all(e, e > 0)", 7864318),
        ("self.by.all(k, k.size() > 0)", 33),
        ("has(self.text)", 1),
    ],
)
def test_estimate_follows_the_bounds_of_the_schema(source: str, most: int) -> None:
    assert TYPE is not None
    assert _program(source).estimate(TYPE).high == most
