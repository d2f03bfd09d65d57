"""A kind that has a schema and no Python type: what a document may declare is treated as what a struct declares."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.api.meta.types import ObjectMeta
from fairlead.api.meta.unstructured import Unstructured, UnstructuredCodec, object_schema
from fairlead.machinery.kinds.checks import check, immutable
from fairlead.machinery.kinds.decode import decode, decode_tree, to_tree
from fairlead.machinery.kinds.kind import Column, Doc, Format, Immutable, Kind, ListMap, OneOf, Range, Required
from fairlead.machinery.managedfields.apply import Write, apply
from fairlead.machinery.managedfields.conform import problems
from fairlead.machinery.managedfields.shape import shape_of
from fairlead.machinery.openapi.document import openapi_v3
from fairlead.machinery.patches.strategic import strategic_patch
from fairlead.machinery.schemas.codec import encode
from fairlead.machinery.schemas.schema import Field, Schema, TypeInfo
from fairlead.machinery.values.status import StatusError


def field(name: str, shape: Any, *markers: Any, item: TypeInfo | None = None, schema: Schema | None = None) -> Field:
    return Field(name, name, TypeInfo(shape, item=item, schema=schema, markers=markers))


def part(*fields: Field) -> Schema:
    return Schema(fields={one.name: one for one in fields}, is_tree=True)


HATCH = part(
    field("name", "string", Required()),
    field("width", "int", Range(1, 9)),
    field("seal", "string", OneOf("rubber", "wax")),
)
SPEC = part(
    field("hatches", "list", ListMap(keys=("name",), patch_key="name"), item=TypeInfo("struct", schema=HATCH)),
    field("home", "string", Immutable(), Doc("The port that the barge belongs to.")),
    field("built", "string", Format("date-time")),
    field("load", "quantity"),
    field("flags", "map", item=TypeInfo("bool")),
)
STATUS = part(field("afloat", "bool"))
SCHEMA = object_schema(
    "Barge",
    [field("spec", "struct", schema=SPEC), field("status", "struct", schema=STATUS)],
    doc="A flat vessel.",
)


def barge_kind() -> Kind[Unstructured]:
    return Kind(
        type=Unstructured,
        own_codec=UnstructuredCodec(SCHEMA),
        kind="Barge",
        group="harbour.example",
        plural="barges",
        status=True,
        generation=True,
        columns=(
            Column("Name", lambda barge, _: barge.metadata.name),
            Column("Hatches", lambda barge, _: len((barge.spec or {}).get("hatches", ())), type="integer"),
        ),
    )


KIND = barge_kind()


def barge(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "harbour.example/v1",
        "kind": "Barge",
        "metadata": {"name": "a", "namespace": "default"},
        "spec": spec,
    }


def read(**spec: Any) -> Unstructured:
    return decode(KIND, encode(barge(**spec))).obj


def test_an_object_is_written_as_it_was_read_with_typed_metadata() -> None:
    tree = barge(hatches=[{"name": "fore", "width": 2}], flags={"red": True})
    obj = decode(KIND, encode(tree)).obj
    assert isinstance(obj.metadata, ObjectMeta)
    assert obj.spec["hatches"][0]["width"] == 2
    assert obj.status is None
    assert to_tree(obj) == tree
    assert KIND.codec.decode(encode(obj)) == obj
    obj.status = {"afloat": True}
    assert to_tree(obj)["status"] == {"afloat": True}


def test_unknown_and_wrong_fields_are_named_by_their_path() -> None:
    with pytest.raises(StatusError, match=r'unknown field "spec\.hatches\[0\]\.colour", unknown field "spec\.mast"'):
        decode(KIND, encode(barge(hatches=[{"name": "x", "colour": 1}], mast=1)))
    pruned = decode(KIND, encode(barge(hatches=[{"name": "x", "colour": 1}], mast=1)), validation="Ignore").obj
    assert pruned.spec == {"hatches": [{"name": "x"}]}
    wrongs: tuple[dict[str, Any], ...] = (
        {"hatches": {}},
        {"hatches": [{"width": "wide"}]},
        {"flags": {"a": "b"}},
        {"load": "heavy"},
    )
    for wrong in wrongs:
        with pytest.raises(StatusError, match="cannot be handled as a Barge"):
            decode_tree(KIND, barge(**wrong))


def test_markers_of_the_schema_are_checked() -> None:
    found = check(KIND, read(hatches=[{"name": "a", "width": 10}, {"seal": "glue"}]))
    assert [(error.path, error.type) for error in found] == [
        ("spec.hatches[0].width", "Invalid"),
        ("spec.hatches[1].name", "Required"),
        ("spec.hatches[1].seal", "NotSupported"),
    ]
    assert check(KIND, read(hatches=[{"name": "a", "width": 9, "seal": "wax"}])) == []
    assert check(KIND, read()) == []
    changed = immutable(KIND, read(home="Hamburg"), read(home="Bremen"))
    assert [error.path for error in changed] == ["spec.home"]


def test_lists_merge_by_the_keys_of_the_schema() -> None:
    old = barge(hatches=[{"name": "fore", "width": 2}, {"name": "aft", "width": 3}])
    patch = {"spec": {"hatches": [{"name": "aft", "width": 4}]}}
    merged = strategic_patch(old, patch, KIND.schema)
    assert {hatch["name"]: hatch.get("width") for hatch in merged["spec"]["hatches"]} == {"fore": 2, "aft": 4}
    write = Write(shape_of(KIND.schema), "me", "harbour.example/v1", "", "2030-01-01T00:00:00Z", None)
    applied = apply({}, old, barge(hatches=[{"name": "mid", "width": 1}]), write)
    assert [hatch["name"] for hatch in applied.tree["spec"]["hatches"]] == ["fore", "aft", "mid"]
    assert list(problems(barge(mast=1), shape_of(KIND.schema))) == [".spec.mast: field not declared in schema"]


def test_openapi_describes_the_kind_and_writes_its_parts_in_place() -> None:
    schemas = openapi_v3([KIND], "harbour.example/v1")["components"]["schemas"]
    found = next(schema for name, schema in schemas.items() if name.endswith("v1.Barge"))
    assert found["description"] == "A flat vessel."
    spec = found["properties"]["spec"]
    assert spec["type"] == "object"
    assert spec["properties"]["home"]["description"] == "The port that the barge belongs to."
    hatches = spec["properties"]["hatches"]
    assert hatches["x-kubernetes-list-map-keys"] == ["name"]
    assert hatches["items"]["required"] == ["name"]
    assert hatches["items"]["properties"]["seal"]["enum"] == ["rubber", "wax"]
    assert found["properties"]["metadata"]["allOf"]
