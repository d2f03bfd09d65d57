"""Dataclasses from trees: what fits comes back as it was, and every fault is named by its path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pytest

from fairlead.base.codec import CodecError, Text, decode, encode, wire
from fairlead.base.dataclass import dataclass, field


def even(text: str) -> int:
    if int(text) % 2:
        raise ValueError(f'"{text}" is odd')
    return int(text)


@dataclass(frozen=True, slots=True)
class Inner:
    size: int
    ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class Other:
    on: bool


@dataclass(frozen=True, slots=True)
class Outer:
    name: str
    mode: Literal["", "a", "b"] = ""
    pair: tuple[int, int] = (1, 2)
    many: tuple[str, ...] = ()
    inner: Inner | None = None
    either: tuple[Inner | Other, ...] = ()
    by_name: Mapping[str, Inner] = field(default_factory=dict)
    raw: Any = None
    half: Annotated[int, Text(even)] = 2
    dashed: str = wire("dashed-name", default="")


WHOLE = Outer(
    name="x",
    mode="b",
    pair=(3, 4),
    many=("a", "b"),
    inner=Inner(1, 2.5),
    either=(Other(True), Inner(2)),
    by_name={"k": Inner(3)},
    raw={"any": [1, None]},
    half=4,
    dashed="d",
)


def test_what_is_encoded_is_decoded_again() -> None:
    tree = json.loads(json.dumps(encode(Outer, WHOLE)))
    assert tree["dashed-name"] == "d"
    assert tree["either"][0] == {"type": "Other", "on": True}
    assert decode(Outer, tree) == WHOLE
    assert decode(Outer, {"name": "x"}) == Outer("x")


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ([], "expected an object, got a list"),
        ({}, "name: is missing"),
        ({"name": 1}, "name: expected a string, got an integer"),
        ({"name": None}, "name: expected a string, got null"),
        ({"name": "x", "nmae": "y"}, "nmae: unknown field, did you mean name?"),
        ({"name": "x", "zz": 1}, "zz: unknown field"),
        ({"name": "x", "mode": "c"}, 'mode: "c" is not one of a, b'),
        ({"name": "x", "pair": [1]}, "pair: expected a list of 2, got a list"),
        ({"name": "x", "pair": [1, "2"]}, "pair[1]: expected an integer, got a string"),
        ({"name": "x", "many": ["a", 1]}, "many[1]: expected a string, got an integer"),
        ({"name": "x", "many": "a"}, "many: expected a list of strings, got a string"),
        ({"name": "x", "inner": {}}, "inner.size: is missing"),
        ({"name": "x", "inner": {"size": True}}, "inner.size: expected an integer, got a boolean"),
        ({"name": "x", "inner": {"size": 1, "ratio": "2"}}, "inner.ratio: expected a number, got a string"),
        ({"name": "x", "either": [{"type": "New"}]}, "either[0].type: expected one of Inner, Other, got 'New'"),
        ({"name": "x", "either": [{"on": True}]}, "either[0].type: expected one of Inner, Other, got None"),
        ({"name": "x", "by_name": {"k": {"size": 0.5}}}, "by_name[k].size: expected an integer, got a number"),
        ({"name": "x", "half": "3"}, 'half: "3" is odd'),
        ({"name": "x", "half": 4}, "half: expected a string, got an integer"),
    ],
)
def test_a_fault_is_named_by_its_path(tree: Any, expected: str) -> None:
    with pytest.raises(CodecError) as caught:
        decode(Outer, tree)
    assert str(caught.value) == expected


def test_every_fault_is_named_below_the_root() -> None:
    with pytest.raises(CodecError) as caught:
        decode(Outer, {"many": [1], "zz": 0, "inner": {"size": "1"}}, root="settings")
    assert [fault.path for fault in caught.value.faults] == [
        "settings.many[0]",
        "settings.zz",
        "settings.inner.size",
        "settings.name",
    ]
    assert str(caught.value).count("; ") == 3


def test_another_versions_fields_are_ignored_on_request_at_every_depth() -> None:
    tree = {"name": "x", "zz": 1, "inner": {"size": 1, "zz": 2}}
    assert decode(Outer, tree, unknown=True) == Outer("x", inner=Inner(1))


def test_every_field_must_be_there_on_request() -> None:
    whole = encode(Inner, Inner(1))
    assert decode(Inner, whole, whole=True) == Inner(1)
    del whole["ratio"]
    with pytest.raises(CodecError, match=r"^ratio: is missing$"):
        decode(Inner, whole, whole=True)


def test_null_is_as_if_it_was_absent_on_request() -> None:
    assert decode(Outer, {"name": "x", "many": None, "inner": {"size": 1, "ratio": None}}, nulls=True) == Outer(
        "x", inner=Inner(1)
    )
    with pytest.raises(CodecError, match=r"^name: expected a string, got null$"):
        decode(Outer, {"name": None}, nulls=True)


def test_a_type_that_no_tree_corresponds_to_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="no codec for"):
        encode(set[str], {"x"})
