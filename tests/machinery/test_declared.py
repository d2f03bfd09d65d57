"""Kinds that are declared by their identity and loaded at their first use."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from fairlead.machinery.kinds.declared import declare, deferred, is_loaded, with_type
from fairlead.machinery.kinds.discovery import api_resources
from fairlead.machinery.kinds.kind import Identity, Kind
from fairlead.machinery.kinds.scheme import Scheme
from tests.machinery import dinghy
from tests.ships import Ship

IDENTITY = Identity(kind="Boat", group="harbour.example", plural="boats", singular="boat", short_names=("bt",))


def test_discovery_paths_and_a_scheme_need_the_identity_only() -> None:
    kind = declare("tests.no_such_module", IDENTITY)
    scheme = Scheme([kind])
    assert scheme.by_resource("harbour.example", "v1", "boats") is kind
    assert kind.path("default", "a") == "/apis/harbour.example/v1/namespaces/default/boats/a"
    found = api_resources(scheme, "harbour.example/v1")
    assert found is not None
    assert found["resources"][0]["shortNames"] == ["bt"]
    assert with_type(kind, Ship).type is Ship
    assert not is_loaded(kind)


def test_the_first_use_of_a_field_of_the_strategy_imports_the_module_once_and_the_kind_stays_the_same() -> None:
    kind: Kind[Ship] = dinghy.DINGHY
    assert kind.columns[0].name == "Name"
    assert kind is dinghy.DINGHY
    assert type(kind) is Kind
    assert is_loaded(kind)
    assert kind.rules(Ship()) == ()
    assert dataclasses.replace(kind, plural="floats").path() == "/apis/harbour.example/v1/floats"


@pytest.mark.parametrize(
    ("module", "constant"),
    [("tests.ships", "STRATEGY"), ("tests.ships", "Ship")],
    ids=["none", "other type"],
)
def test_a_kind_without_a_strategy_in_its_module_is_an_error(module: str, constant: str) -> None:
    kind = declare(module, IDENTITY, constant)
    with pytest.raises(AttributeError, match=rf"{module} has no {constant} of Boat, harbour\.example/v1: columns"):
        _ = kind.columns
    assert not is_loaded(kind)


def test_an_attribute_that_no_kind_has_is_an_error_and_imports_nothing() -> None:
    with pytest.raises(AttributeError, match="unknown attribute: sails"):
        _ = declare("tests.no_such_module", IDENTITY).sails  # type: ignore[attr-defined]


def test_a_module_may_have_the_strategies_of_several_kinds() -> None:
    kind = declare("tests.machinery.dinghy.kind", IDENTITY, strategy="RAFT_STRATEGY")
    assert [column.name for column in kind.columns] == ["Planks"]


def test_a_deferred_function_is_imported_at_its_call() -> None:
    assert deferred("tests.ships", "ship_kind")().kind == "Ship"
    with pytest.raises(ModuleNotFoundError):
        deferred("tests.no_such_module", "ship_kind")()


@pytest.mark.slow
def test_the_list_of_kinds_loads_no_declared_kind() -> None:
    code = (
        "from fairlead.api.kinds import built_in\n"
        "from fairlead.machinery.kinds.declared import is_loaded\n"
        "from fairlead.machinery.kinds import discovery\n"
        "from fairlead.apiserver.watchcache.resource import Resources\n"
        "from fairlead.store.memory import MemoryStore\n"
        "scheme = built_in()\n"
        "declared = [kind for kind in scheme if not is_loaded(kind)]\n"
        "Resources(scheme, MemoryStore())\n"
        "discovery.aggregated(scheme, core=False), discovery.aggregated(scheme, core=True)\n"
        "print(*[kind.resource for kind in declared if is_loaded(kind)])\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
