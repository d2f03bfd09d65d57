"""Rules that every kind must follow; walks `KINDS`."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlead.api.kinds import KINDS, built_in
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.checks import check
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.schemas.schema import Schema, TypeInfo, schema_of, type_info
from fairlead.machinery.values.names import NAME_RULES

ROOT = Path(__file__).parents[2] / "fairlead" / "api"
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)


def schemas(struct: Any, seen: dict[Any, Schema] | None = None) -> dict[Any, Schema]:
    """The schema of a type and of every type in it."""
    seen = {} if seen is None else seen
    if struct not in seen:
        seen[struct] = schema_of(struct)
        for field in seen[struct].fields.values():
            inner = field.type.item or field.type
            if inner.shape == "struct":
                assert inner.schema is not None
                schemas(inner.schema.source, seen)
    return seen


def empty(kind: Kind[Any]) -> Any:
    return kind.default(msgspec.json.decode(b"{}", type=kind.type))


def test_no_two_kinds_share_a_name_by_which_they_are_looked_up() -> None:
    resources = Counter((kind.group, kind.version, name) for kind in KINDS for name in (kind.plural, *kind.short_names))
    assert max(resources.values()) == 1
    assert max(Counter(kind.kind for kind in KINDS if kind.conversion is None).values()) == 1


@every_kind
def test_a_kind_is_found_by_its_resource_and_by_its_name(kind: Kind[Any]) -> None:
    assert built_in().by_resource(kind.group, kind.version, kind.plural) is kind
    assert built_in().by_gvk(kind.group, kind.version, kind.kind) is kind
    assert kind.singular == kind.kind.lower()


USED_AT_START = {
    "clusterrolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "configmaps",
    "deployments.apps",
    "endpoints",
    "endpointslices.discovery.k8s.io",
    "events",
    "events.events.k8s.io",
    "ipaddresses.networking.k8s.io",
    "leases.coordination.k8s.io",
    "namespaces",
    "nodes",
    "pods",
    "priorityclasses.scheduling.k8s.io",
    "replicasets.apps",
    "replicationcontrollers",
    "rolebindings.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "secrets",
    "serviceaccounts",
    "servicecidrs.networking.k8s.io",
    "services",
}
"""Kinds of which every cluster has objects or a controller from the start."""


@pytest.mark.slow
def test_a_kind_that_a_new_cluster_does_not_use_is_declared_and_not_imported_at_the_start() -> None:
    code = (
        "from fairlead.api.kinds import built_in\n"
        "from fairlead.machinery.kinds.declared import is_loaded\n"
        "print(*[kind.resource for kind in built_in() if is_loaded(kind)])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split()) - USED_AT_START
    assert not loaded, "declare them in their folder's __init__.py (CONTRIBUTING.md, To add a kind)"


def declared_types() -> Iterator[tuple[Kind[Any], str]]:
    """Yields the declared kinds with the type that their declaration names: the type checker cannot compare the two."""
    for path in sorted(ROOT.rglob("__init__.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).startswith("Kind["):
                module = import_module(".".join(path.parent.relative_to(ROOT.parents[1]).parts))
                yield getattr(module, ast.unparse(node.target)), ast.unparse(node.annotation)[5:-1]


@pytest.mark.parametrize(("kind", "type"), list(declared_types()), ids=lambda value: getattr(value, "kind", ""))
def test_a_kind_is_declared_with_the_type_of_its_strategy(kind: Kind[Any], type: str) -> None:
    assert kind.type.__name__ == type


def test_an_unknown_kind_is_not_found() -> None:
    assert built_in().by_gvk("", "v1", "Ship") is None
    assert built_in().by_resource("", "v1", "ships") is None


@every_kind
def test_every_type_of_a_kind_has_a_schema_and_lists_that_merge_by_fields_that_exist(kind: Kind[Any]) -> None:
    from fairlead.machinery.kinds.kind import ListMap

    for schema in schemas(kind.type).values():
        for field in schema.fields.values():
            if merge := field.marker(ListMap):
                assert field.type.item is not None
                keys = {*merge.keys, merge.patch_key} - {""}
                assert keys <= field.type.item.fields.keys(), (schema.name, field.name)


@every_kind
def test_managed_fields_of_a_client_are_accepted(kind: Kind[Any]) -> None:
    entry = {"manager": "kubectl", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {}}}
    body = msgspec.json.encode({"metadata": {"managedFields": [entry]}})
    found = msgspec.json.decode(body, type=kind.type).metadata.managedFields
    assert msgspec.json.decode(msgspec.json.encode(found)) == [entry]


@every_kind
def test_what_is_written_reads_back_the_same(kind: Kind[Any]) -> None:
    obj = empty(kind)
    assert msgspec.json.decode(msgspec.json.encode(obj), type=kind.type) == obj


@every_kind
def test_defaults_applied_again_change_nothing(kind: Kind[Any]) -> None:
    once = msgspec.json.encode(empty(kind))
    assert msgspec.json.encode(kind.default(msgspec.json.decode(once, type=kind.type))) == once


@every_kind
def test_an_empty_object_can_be_checked_shown_selected_and_warned_of(kind: Kind[Any]) -> None:
    obj = kind.prepare_create(empty(kind))
    check(kind, obj)
    list(kind.transition(obj, empty(kind)))
    list(kind.warnings(obj))
    kind.prepare_update(obj, empty(kind))
    for column in kind.columns:
        assert isinstance(column.cell(obj, Instant(0.0)), str | int)
    for field in kind.fields.values():
        assert isinstance(field(obj), str)


@every_kind
def test_a_kind_has_a_table_with_a_name_and_a_known_rule_for_names(kind: Kind[Any]) -> None:
    assert "Name" in [column.name for column in kind.columns]
    assert kind.name_rule in NAME_RULES
    wide = [column.wide for column in kind.columns]
    assert kind.kind == "Event" or wide == sorted(wide)


def filled(info: TypeInfo, within: frozenset[Any] = frozenset()) -> Any:
    """A JSON value that sets everything there is to set; a type within itself stays empty."""
    if info.shape == "struct":
        if info.schema in within:
            return {}
        return {name: filled(field.type, within | {info.schema}) for name, field in info.fields.items()}
    match info.shape:
        case "list":
            assert info.item is not None
            return [filled(info.item, within)]
        case "map":
            assert info.item is not None
            return {"key": filled(info.item, within)}
        case "bool":
            return True
        case "int" | "int-or-string":
            return 7
        case "float":
            return 1.5
        case "quantity":
            return "7m"
        case "raw":
            return {"a": [1, 2.5, None]}
        case _:
            return "eA==" if info.format == "byte" else "x"


@every_kind
def test_an_object_with_every_field_set_is_accepted_whole_and_written_as_it_was(kind: Kind[Any]) -> None:
    tree = filled(type_info(kind.type))
    obj = msgspec.json.decode(msgspec.json.encode(tree), type=kind.type)
    assert msgspec.json.decode(msgspec.json.encode(obj)) == tree
    check(kind, kind.prepare_create(kind.default(obj)))
