from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest

from fairlead.api.kinds import KINDS
from fairlead.machinery.kinds.kind import Format, ListMap, Range
from fairlead.machinery.schemas.schema import schema_of, type_info
from tests.machinery.things import Inner, Spec


def test_fields_keep_their_markers_shapes_and_order() -> None:
    schema = schema_of(Spec)
    assert list(schema.fields)[:3] == ["ports", "replicas", "percent"]
    ports, percent = schema.fields["ports"], schema.fields["percent"]
    keyed = ports.marker(ListMap)
    assert keyed is not None
    assert keyed.patch_key == "port"
    assert ports.type.item is not None
    assert ports.type.item.shape == "struct"
    assert percent.type.nullable
    assert percent.type.format == "int32"
    assert percent.marker(Range) == Range(1, 100)
    assert schema.doc == "The desired state of a thing."


def test_a_table_is_made_once() -> None:
    assert schema_of(Spec) is schema_of(Spec)


@pytest.mark.parametrize(
    ("hint", "go"),
    [
        (int, "int32"),
        (Annotated[int, Format("int64")] | None, "int64"),
        (bool, "bool"),
        (str | None, "string"),
        (float, "float64"),
        (list[str], "[]string"),
        (dict[str, list[int]], "map[string][]int32"),
        (list[Inner], "[]v1.Inner"),
        (Annotated[str, Format("date-time")], "v1.Time"),
        (dict[str, Annotated[str, Format("byte")]], "map[string][]uint8"),
        (Annotated[int | str, Format("int-or-string")], "intstr.IntOrString"),
        (Annotated[str | int | float, Format("quantity")], "resource.Quantity"),
        (Annotated[str, Format("quantity")], "resource.Quantity"),
        (msgspec.Raw, "interface {}"),
        (dict[str, Any], "interface {}"),
    ],
)
def test_a_type_has_the_name_that_gos_errors_give_it(hint: Any, go: str) -> None:
    assert type_info(hint).go_name() == go


def test_values_that_json_cannot_express_are_refused() -> None:
    with pytest.raises(TypeError, match="no JSON value"):
        type_info(complex)


def test_every_kind_can_be_read_all_the_way_down() -> None:
    seen: set[Any] = set()
    waiting: list[Any] = [kind.type for kind in KINDS]
    while waiting:
        struct = waiting.pop()
        if struct in seen:
            continue
        seen.add(struct)
        for field in schema_of(struct).fields.values():
            info = field.type
            while info.item is not None:
                info = info.item
            if info.shape == "struct":
                assert info.schema is not None
                waiting.append(info.schema.source)
    assert len(seen) > 100


def test_a_struct_has_the_fields_and_defaults_that_msgspec_sees_and_those_of_its_bases() -> None:
    class Base(msgspec.Struct, kw_only=True):
        must: int
        made: list[str] = msgspec.field(default_factory=list)

    class Below(Base, kw_only=True, rename="camel"):
        some_text: str = "a"
        none: int | None = None
        empty: dict[str, str] = msgspec.field(default_factory=dict)

    seen = {info.encode_name: (info.name, info.default) for info in msgspec.structs.fields(Below)}
    fields = schema_of(Below).fields
    assert list(fields) == list(seen)
    assert {name: (field.attr, field.default) for name, field in fields.items()} == seen
    assert {name: field.type.shape for name, field in fields.items()} == {
        "must": "int",
        "made": "list",
        "someText": "string",
        "none": "int",
        "empty": "map",
    }
