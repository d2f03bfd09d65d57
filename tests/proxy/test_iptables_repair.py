"""Damaged chains, takeover, and removal: foreign rules stay."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fairlead.net.family import IPV4
from fairlead.net.iptables.fake import FakeIptables
from fairlead.proxy.iptables.backend import IptablesBackend
from fairlead.proxy.planning.backend import Source
from tests.proxy.atnode import SVC, Node1
from tests.proxy.backends import bring, pods, proxier_of
from tests.proxy.objects import node, service, sticky
from tests.proxy.paths import endpoints_of, made

FOREIGN = "-m comment --comment mine -j MINE"


def spoilt(at: Node1) -> FakeIptables:
    nat, filters = at.tables.tables["nat"], at.tables.tables["filter"]
    nat["MINE"] = ["-j RETURN"]
    for chain in ("PREROUTING", "POSTROUTING"):
        nat[chain].insert(0, FOREIGN)
    filters["MINE"] = []
    filters["FORWARD"].append(FOREIGN)
    # This chain is kubelet's, not the proxy's.
    nat["KUBE-KUBELET-CANARY"] = []
    at.tables.tables["mangle"]["KUBE-IPTABLES-HINT"] = []
    return at.tables


SPOILS: dict[str, Any] = {
    "a chain emptied": lambda t: t.tables["nat"][SVC].clear(),
    "a line gone": lambda t: t.tables["nat"][SVC].pop(1),
    "a line changed": lambda t: t.tables["nat"]["KUBE-MARK-MASQ"].__setitem__(0, "-j RETURN"),
    "a line more": lambda t: t.tables["nat"]["KUBE-SERVICES"].insert(0, "-j RETURN"),
    "a line after the last": lambda t: t.tables["nat"]["KUBE-SERVICES"].append("-j RETURN"),
    "a line twice": lambda t: t.tables["nat"]["KUBE-SERVICES"].insert(0, t.tables["nat"]["KUBE-SERVICES"][0]),
    "the last line gone": lambda t: t.tables["nat"]["KUBE-SERVICES"].pop(),
    "a stale service": lambda t: t.tables["nat"].update({"KUBE-SVC-AAAAAAAAAAAAAAAA": ["-j RETURN"]}),
    "a jump gone": lambda t: t.tables["nat"]["PREROUTING"].remove(t.tables["nat"]["PREROUTING"][-1]),
    "jumps out of order": lambda t: t.tables["filter"]["FORWARD"].reverse(),
    "the tables gone": lambda t: spoilt_tables(t),
}


def spoilt_tables(tables: FakeIptables) -> None:
    """Puts foreign rules into fresh tables."""
    tables.tables.clear()
    tables.tables["mangle"] = tables.table("mangle") | {"KUBE-IPTABLES-HINT": []}
    for table, chains in (("nat", ("PREROUTING", "POSTROUTING")), ("filter", ("FORWARD",))):
        tables.tables[table] = tables.table(table) | {"MINE": ["-j RETURN"] if table == "nat" else []}
        for chain in chains:
            tables.tables[table][chain] = [FOREIGN]
    tables.tables["nat"]["KUBE-KUBELET-CANARY"] = []


@pytest.mark.parametrize("spoil", SPOILS)
def test_foreign_changes_are_repaired_and_foreign_rules_stay(spoil: str) -> None:
    at = Node1()
    at.put(made(), endpoints_of("b", "c"))
    tables = spoilt(at)
    tables.foreign_transactions += 1
    assert at.backend.touched()
    assert not asyncio.run(at.backend.resync()).anything, "his own rules are no damage"
    assert not at.backend.touched()
    before = at.state()
    SPOILS[spoil](tables)
    assert asyncio.run(at.backend.resync()).anything
    assert at.state() == before
    for chain in ("PREROUTING", "POSTROUTING"):
        assert FOREIGN in tables.tables["nat"][chain]
    jumps = [rule for rule in tables.tables["filter"]["FORWARD"] if rule != FOREIGN]
    assert [rule.rpartition(" ")[2] for rule in jumps] == [
        "KUBE-PROXY-FIREWALL",
        "KUBE-FORWARD",
        "KUBE-SERVICES",
        "KUBE-EXTERNAL-SERVICES",
        "FAIRLEAD-UNCLAIMED",
    ]


def test_cleanup_removes_all_own_rules_and_no_others() -> None:
    at = Node1()
    at.put(made(**sticky()), endpoints_of("b", "c"))
    tables = spoilt(at)
    assert asyncio.run(IptablesBackend(tables, proxier_of()).cleanup())
    left = {name: rules for chains in tables.tables.values() for name, rules in chains.items() if rules}
    assert left == {"MINE": ["-j RETURN"], "PREROUTING": [FOREIGN], "POSTROUTING": [FOREIGN], "FORWARD": [FOREIGN]}
    named = [name for chains in tables.tables.values() for name in chains if name.startswith(("KUBE", "FAIRLEAD"))]
    assert sorted(named) == ["KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY"]
    assert not asyncio.run(IptablesBackend(tables, proxier_of()).cleanup())


def test_cleanup_creates_nothing_if_nothing_exists() -> None:
    tables = FakeIptables()
    assert not asyncio.run(IptablesBackend(tables, proxier_of()).cleanup())
    assert (tables.tables, tables.calls) == ({}, 0)


def test_what_is_taken_over_and_right_stays_as_it_is() -> None:
    at = Node1()
    at.put(service(), endpoints_of("b", "c"))
    at.put(service("old", "10.96.0.11"), endpoints_of("b"), name="old")
    before = len(at.tables.log)
    again = IptablesBackend(at.tables, proxier_of(), pods=pods(IPV4))
    outcome = bring(again, {"default/web": Source(service(), endpoints_of("b", "c"))}, node(), whole=True)
    edits = [edit for restore in at.tables.log[before:] for edit in restore.edits]
    assert {edit.verb for edit in edits} == {"delete", "make", "remove"}
    assert outcome.anything
    assert not [name for name in at.tables.tables["nat"] if "10.96.0.11" in str(at.tables.tables["nat"][name])]
