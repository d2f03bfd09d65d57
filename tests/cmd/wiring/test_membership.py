"""Nodes that count as Ready, and the deletion of Nodes that the settings no longer have."""

from __future__ import annotations

from fairlead.api.core.node.kind import Node, NodeCondition, NodeStatus
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.instant import Instant, render_time
from fairlead.cmd.wiring.membership import not_ready, stale_nodes

START = Instant(1_700_000_000.7)


def node(name: str, *, ready: str = "True", beat_s: float = 0.0) -> Node:
    beat = render_time(Instant(START + beat_s))
    condition = NodeCondition(type="Ready", status=ready, lastHeartbeatTime=beat)
    return Node(metadata=ObjectMeta(name=name), status=NodeStatus(conditions=[condition]))


def test_a_node_that_is_not_there_is_missing() -> None:
    assert not_ready([node("node1")], ["node1", "node2"], since=START) == {"node2"}


def test_a_node_that_is_not_ready_is_missing() -> None:
    assert not_ready([node("node1", ready="False")], ["node1"], since=START) == {"node1"}
    assert not_ready([Node(metadata=ObjectMeta(name="node1"))], ["node1"], since=START) == {"node1"}


def test_readiness_from_before_this_start_does_not_count() -> None:
    assert not_ready([node("node1", beat_s=-5)], ["node1"], since=START) == {"node1"}
    assert not_ready([node("node1", beat_s=0.1)], ["node1"], since=START) == set()


def test_others_do_not_matter() -> None:
    assert not_ready([node("node1"), node("node7", ready="Unknown")], ["node1"], since=START) == set()


def test_nodes_of_an_earlier_start_go_and_the_users_own_machines_stay() -> None:
    there = ["node1", "node2", "node10", "node0", "m1", "node-1", "mynode3"]
    assert stale_nodes(there, ["node1"]) == ["node10", "node2"]
