from __future__ import annotations

import dataclasses
import json
from typing import Any

from fairlead.base.instant import Instant
from fairlead.machinery.kinds.decode import encode
from fairlead.machinery.kinds.table import IncludeObject, table, table_event
from tests.machinery.things import THING, Thing, thing


def row(**fields: Any) -> tuple[Thing, bytes]:
    obj = thing(**fields)
    return obj, encode(obj)


def read(include: IncludeObject = "Metadata") -> Any:
    rows = [row(name="a", ports=[{"port": 1}], words=["x", "y"]), row(name="b")]
    return json.loads(table(THING, rows, now=Instant(7.5), include_object=include, metadata=b'{"resourceVersion":"5"}'))


def test_a_table_has_a_header_for_every_column_and_wide_ones_come_with_priority_one() -> None:
    found = read()
    assert (found["kind"], found["apiVersion"], found["metadata"]["resourceVersion"]) == (
        "Table",
        "meta.k8s.io/v1",
        "5",
    )
    assert found["columnDefinitions"][0] == {
        "name": "Name",
        "type": "string",
        "format": "name",
        "description": "The thing's name.",
        "priority": 0,
    }
    assert [(c["name"], c["type"], c["priority"]) for c in found["columnDefinitions"]][1:] == [
        ("Ports", "integer", 0),
        ("Age", "string", 0),
        ("Words", "string", 1),
    ]


def test_cells_are_typed_values() -> None:
    assert [r["cells"] for r in read()["rows"]] == [["a", 1, "7s", "x,y"], ["b", 0, "7s", None]]


def test_rows_carry_as_much_of_the_object_as_was_asked_for() -> None:
    assert [r["object"] for r in read("None")["rows"]] == [None, None]
    assert read("Metadata")["rows"][0]["object"] == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"name": "a", "namespace": "default"},
    }
    assert read("Object")["rows"][0]["object"] == json.loads(row(name="a", ports=[{"port": 1}], words=["x", "y"])[1])


def test_a_watch_event_is_one_line_with_a_table_of_one_row() -> None:
    line = table_event("ADDED", THING, [row()], now=Instant(0.0), resource_version="9")
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    event = json.loads(line)
    assert event["type"] == "ADDED"
    assert event["object"]["metadata"] == {"resourceVersion": "9"}
    assert len(event["object"]["rows"]) == 1
    assert len(json.loads(table_event("BOOKMARK", THING, [], now=Instant(0.0)))["object"]["rows"]) == 0


def test_a_kind_without_columns_shows_name_and_age() -> None:
    bare = dataclasses.replace(THING, columns=())
    obj = thing()
    obj.metadata.creationTimestamp = "1970-01-01T00:00:00Z"
    found = json.loads(table(bare, [(obj, encode(obj))], now=Instant(60.0)))
    assert found["rows"][0]["cells"] == ["a", "60s"]
