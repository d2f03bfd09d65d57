"""The text of a trace: the ends first, then one way for those that differ by the draw alone."""

from __future__ import annotations

import pytest

from fairlead.base.dataclass import replace
from fairlead.cmd.commands.explaining.trace import exit_code
from fairlead.net.family import IPV4
from fairlead.proxy.inspection.places import Destination
from fairlead.proxy.inspection.report import render
from fairlead.proxy.inspection.tracing import as_tree, trace
from fairlead.proxy.inspection.wayout import WayOut
from fairlead.proxy.inspection.world import World
from tests.proxy.backends import FAKES, IPTABLES, NFTABLES, Kind
from tests.proxy.inspected import sender_of, world_of
from tests.proxy.objects import service, slice_of
from tests.proxy.paths import BALANCED, VIP, Case, endpoints_of, made


def text(case: Case, kind: Kind, who: str, ip: str, number: int = 80, *, every: bool = False) -> str:
    world = world_of([case.service], case.slices, IPV4, kind)
    found = trace(world, sender_of(who, IPV4), Destination("Service default/web", ((ip, number),), "tcp"), kernel=False)
    return render(found, world, every=every)


FAR = Case("far", service(), [slice_of("10.244.2.2", "10.244.2.3")])


@FAKES
def test_ends_that_differ_by_the_draw_alone_share_one_way(kind: Kind) -> None:
    said = text(FAR, kind, "a", VIP)
    assert "  50.0%  reaches endpoint (10.244.2.2:8080, slice default/web-1), as 10.244.1.2" in said
    assert "  50.0%  reaches endpoint (10.244.2.3:8080, slice default/web-1), as 10.244.1.2" in said
    assert said.count("the way of: ") == 1
    assert "(the other ends differ by the draw alone)" in said
    assert text(FAR, kind, "a", VIP, every=True).count("the way of: ") == 2


@FAKES
def test_every_node_on_the_way_is_shown(kind: Kind) -> None:
    said = text(FAR, kind, "a", VIP)
    assert f"  node1 ({kind}): 10.244.1.2 -> {VIP}:80, by link veth1" in said
    assert f"  node2 ({kind}): 10.244.1.2 -> 10.244.2.2:8080, by link eth0" in said


@FAKES
def test_a_masqueraded_client_and_a_refusal_are_named(kind: Kind) -> None:
    assert "as 172.30.0.11, masqueraded by node1" in text(FAR, kind, "fabric", VIP)
    refused = text(Case("none", service(), []), kind, "a", VIP)
    assert "100.0%  refused by node1: Service default/web has no endpoints for port 80" in refused
    assert "by the plan; the kernels' rules were not read" in refused


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (IPTABLES, "filter FORWARD[3]  rules of Services by their addresses: no rule of KUBE-SERVICES matches"),
        (NFTABLES, "@unserved has no tcp . 10.244.2.2 . 8080"),
    ],
)
def test_rules_that_do_nothing_take_one_line(kind: Kind, said: str) -> None:
    assert said in text(FAR, kind, "a", VIP)


@FAKES
def test_an_end_in_json_has_every_step_with_its_words_and_owner(kind: Kind) -> None:
    case = Case("web", made(), endpoints_of("b"))
    world: World = world_of([case.service], case.slices, IPV4, kind)
    found = trace(world, sender_of("a", IPV4), Destination("x", ((BALANCED, 80),), "tcp"), kernel=False)
    (end,) = as_tree(found, world)["plan"]
    assert (end["kind"], end["address"], end["slice"], end["service"]) == (
        "pod", "10.244.1.3", "default/web-1", "default/web",
    )  # fmt: skip
    assert (end["port"], end["servicePort"]) == (8080, "80"), "the packet's port, and the Service's"
    steps = [step for hop in end["hops"] for step in hop["steps"]]
    assert all(step["words"] for step in steps)
    assert any((step.get("service"), step.get("servicePort")) == ("default/web", "80") for step in steps)
    assert not any("port" in step for step in steps)
    assert any("dnat to 10.244.1.3 port 8080" in step["effects"] for step in steps)
    assert any("masquerade" in step["effects"] for step in steps)


OUTSIDE = "203.0.113.9"


@FAKES
@pytest.mark.parametrize(
    ("way_out", "protocol", "kind_of_end", "said"),
    [
        (WayOut(is_open=False), "tcp", "unreachable",
         f"does not arrive at {OUTSIDE}:80: nothing leaves the cluster without a way out, which "
         "`fairlead down && fairlead up --detach --egress` opens"),
        (WayOut(is_open=True), "tcp", "outside", f"leaves the cluster at {OUTSIDE}:80: goes by the default route"),
        (WayOut(is_open=True), "sctp", "unreachable", "the way out carries TCP and UDP, and no SCTP"),
        (WayOut(is_open=True, refused=("203.0.0.0/8", "203.0.113.0/24", "fd00::/8")), "tcp", "unreachable",
         "`fairlead up --egress-refuse` lists 203.0.113.0/24"),
        (WayOut(is_open=True, inside=("203.0.113.0/24",)), "tcp", "unreachable",
         f"packets to 203.0.113.0/24 never leave the cluster, and nothing in it has the address {OUTSIDE}"),
    ],
)  # fmt: skip
def test_a_packet_leaves_the_cluster_only_by_its_way_out(
    kind: Kind, way_out: WayOut, protocol: str, kind_of_end: str, said: str
) -> None:
    world = replace(world_of([FAR.service], FAR.slices, IPV4, kind), way_out=way_out)
    for who in ("a", "node1"):
        to = Destination(OUTSIDE, ((OUTSIDE, 80),), protocol)
        found = trace(world, sender_of(who, IPV4), to, kernel=False)
        assert [end.kind for end in found.ends] == [kind_of_end]
        assert said in render(found, world)
        assert exit_code(found) == (0 if kind_of_end == "outside" else 1)
