"""Connections that a node tries from a Pod's network namespace."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from fairlead.net.netlink.model import set_up
from fairlead.net.netlink.run import Netlink
from fairlead.node.streaming.trying import MOST, try_all
from tests.net.sandbox import in_sandbox


def _try_in_own_namespace() -> list[tuple[str, str]]:
    with Netlink() as netlink:
        netlink.execute([set_up(socket.if_nametoindex("lo"))])
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        numbers = [one.getsockname()[1] for one in (server, closed)]
        netns = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            targets = [*(f"127.0.0.1,{number}" for number in numbers), "192.0.2.1,80"]
            found = asyncio.run(try_all(netns, targets))
        finally:
            os.close(netns)
    return [(one["outcome"], one["detail"]) for one in found]


@pytest.mark.kernel
def test_outcomes_are_accepted_refused_and_out_of_reach() -> None:
    outcomes = in_sandbox(_try_in_own_namespace)
    assert outcomes == [("answered", ""), ("refused", ""), ("unreachable", "Network is unreachable")]


@pytest.mark.parametrize(
    "targets", [["web,80"], ["10.0.0.1"], ["10.0.0.1,0"], ["10.0.0.1,x"], ["10.0.0.1,1"] * (MOST + 1)]
)
def test_other_targets_are_refused_before_any_is_tried(targets: list[str]) -> None:
    with pytest.raises(ValueError, match=r"address|ADDRESS,PORT|at most 16"):
        asyncio.run(try_all(-1, targets))
