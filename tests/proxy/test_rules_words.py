"""Every rule that the proxy makes is annotated with words and with the objects that it comes from, in both modes."""

from __future__ import annotations

import pytest

from fairlead.net.family import IPV4, Family
from fairlead.net.nft.model import Chain
from fairlead.proxy.inspection.comparing import compare, compare_with_plan, without_leftovers
from fairlead.proxy.inspection.lines import RuleLine, line_of, list_rules, of_service
from fairlead.proxy.inspection.listing import raw_of_service, render, render_difference
from fairlead.proxy.inspection.ruleset import IptablesRules, NftRules
from fairlead.proxy.inspection.world import World
from tests.proxy.backends import FAKES, IPTABLES, NFTABLES, Kind
from tests.proxy.inspected import world_of
from tests.proxy.objects import service, slice_of, sticky
from tests.proxy.paths import CASES, Case, endpoints_of, made
from tests.proxy.test_paths import FAMILIES, of_family


def lines_of(world: World) -> list[RuleLine]:
    return [line for node in world.nodes for line in list_rules(node.plan, world.owners, node=node.name)]


def world(case: Case, family: Family, kind: Kind) -> World:
    return world_of([case.service], case.slices, family, kind)


@FAKES
@FAMILIES
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_rule_has_words_and_every_element_of_a_service_its_owner(case: Case, family: Family, kind: Kind) -> None:
    lines = lines_of(world(of_family(case, family), family, kind))
    assert [line for line in lines if not line.words or "not a rule" in line.words or "stale" in line.words] == []
    own = of_service(lines, "default/web")
    assert own, "the case has rules of its Service"
    for line in own:
        if "goes to Pod" in line.words or "translates the address to" in line.words:
            assert line.owner.slice == "default/web-1"
    elements = [one for one in lines if one.place.startswith("map") and not one.place.endswith("dispatch")]
    assert {one.owner.service for one in elements} <= {"default/web"}


STICKY = Case("sticky", made(loadBalancerSourceRanges=["10.9.0.0/16"], **sticky()), endpoints_of("b", "c"))


@FAKES
def test_the_words_name_addresses_endpoints_ranges_and_times(kind: Kind) -> None:
    text = render(of_service(lines_of(world(STICKY, IPV4, kind)), "default/web"), order=["node1", "node2"])
    for words in (
        "cluster IP of default/web, port 80",
        "external IP of default/web",
        "load balancer IP of default/web",
        "to node port 30080 (node port of default/web",
        "allows clients in 10.9.0.0/16",
        "on node1 (10.244.1.3:8080, slice default/web-1)",
        "600 s",
    ):
        assert words in text, words  # fmt: skip


def test_nodes_with_the_same_rules_are_shown_once() -> None:
    far = Case("far", service(), [slice_of("192.0.2.1")])
    same = render(of_service(lines_of(world(far, IPV4, NFTABLES)), "default/web"), order=["node1", "node2"])
    assert same.startswith("node1, node2: nftables, IPv4\n")
    other = render(of_service(lines_of(world(STICKY, IPV4, NFTABLES)), "default/web"), order=["node1", "node2"])
    assert "\nnode2: nftables, IPv4\n" in other


def test_the_raw_form_of_a_service_is_that_of_the_kernels_programs() -> None:
    nft, tables = world(STICKY, IPV4, NFTABLES), world(STICKY, IPV4, IPTABLES)
    raw = [
        raw_of_service(
            each.nodes[0], of_service(list_rules(each.nodes[0].plan, each.owners, node="node1"), "default/web")
        )
        for each in (nft, tables)
    ]
    assert raw[0].startswith("table ip fairlead {\n\tmap services {\n\t\telements = { tcp . 10.96.0.10 . 80 : 0x")
    assert "-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment" in raw[1]
    assert raw[1].rstrip().endswith("COMMIT")


@FAKES
def test_a_line_survives_the_way_through_json(kind: Kind) -> None:
    lines = lines_of(world(STICKY, IPV4, kind))
    again = [line_of(line.as_tree()) for line in lines]
    assert [line.as_tree() for line in again] == [line.as_tree() for line in lines]
    assert not compare(lines, again)


@FAKES
def test_a_difference_has_what_came_and_what_went(kind: Kind) -> None:
    before, after = (lines_of(world(Case("x", made(), endpoints_of(*pods)), IPV4, kind)) for pods in ("b", "bc"))
    difference = compare(before, after)
    assert {line.owner.pod or line.owner.address for line in difference.added} >= {"10.244.2.2:8080"}
    assert difference.removed
    text = render_difference(difference, old="before", new="after")
    assert text.startswith("- before\n+ after\n")
    assert "10.244.2.2" in text
    assert render_difference(compare(after, after), old="a", new="b") == "no difference between a and b"


def test_places_of_endpoints_and_unused_chains_are_no_difference_to_the_plan() -> None:
    case = Case("x", made(), endpoints_of("b", "c"))
    made_world = world(case, IPV4, NFTABLES)
    rules = made_world.nodes[0].plan
    assert isinstance(rules, NftRules)
    plan = without_leftovers(rules, list_rules(rules, made_world.owners, node="node1"))
    slots = rules.listing.elements["endpoints"]
    first = next(iter(slots)).rpartition(" . ")[0]
    key, other = f"{first} . 0x00000000", f"{first} . 0x00000001"
    slots[key], slots[other] = slots[other], slots[key]
    chains = {**rules.listing.chains, "slots_9": Chain("slots_9", ("meta mark set numgen random mod 9",))}
    rules.listing.elements["dispatch"]["0x00000009"] = "goto slots_9"
    moved = NftRules(rules.family, type(rules.listing)(chains, rules.listing.elements, {}, rules.listing.dynamic))
    kernel = list_rules(moved, made_world.owners, node="node1")
    assert compare(plan, kernel).added
    assert not compare_with_plan(plan, without_leftovers(moved, kernel))


def test_a_foreign_rule_is_named_as_such_and_taken_as_one_that_does_not_match() -> None:
    tables = {"nat": {"PREROUTING": ("-m time --timestart 08:00 -j ACCEPT",)}}
    lines = list_rules(IptablesRules(IPV4, tables), world(STICKY, IPV4, IPTABLES).owners, node="node1")
    assert [line.words for line in lines] == ["not a rule of the proxy"]
