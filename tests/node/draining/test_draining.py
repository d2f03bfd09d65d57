"""A Pod that ends is out of the slices, and every node follows, before its containers get the stop signal."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from fairlead.api.core.node.kind import NODE, Node, NodeAddress, NodeCondition, NodeStatus
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, Endpoint, EndpointConditions, EndpointSlice
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.clock import FakeClock
from fairlead.base.ids import RandomIds
from fairlead.node.draining.loop import SILENT_S, Draining
from fairlead.node.draining.plan import agent_address, routed
from fairlead.runtime.fake import FakeClient, run_jumping
from fairlead.runtime.informer import InformerSet
from fairlead.service.wellknown import MANAGED_BY_LABEL

CONTROLLER = "endpointslice-controller.k8s.io"
POD = "uid-of-the-pod"


def piece(*, by: str = CONTROLLER, node: str = "node1", name: str = "web-1", **conditions: Any) -> EndpointSlice:
    given = EndpointConditions(**conditions)
    target = ObjectReference(kind="Pod", uid=POD)
    return EndpointSlice(
        metadata=ObjectMeta(name=name, namespace="default", labels={MANAGED_BY_LABEL: by}),
        addressType="IPv4",
        endpoints=[Endpoint(addresses=["10.244.1.2"], nodeName=node, targetRef=target, conditions=given)],
    )


def node(name: str, ready: str = "True", address: str = "") -> Node:
    address = address or f"172.30.0.1{name[-1]}"
    status = NodeStatus(
        conditions=[NodeCondition(type="Ready", status=ready)],
        addresses=[NodeAddress(type="InternalIP", address=address)],
    )
    return Node(metadata=ObjectMeta(name=name), status=status)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (piece(ready=True), {POD}),
        (piece(), {POD}),
        (piece(ready=False, serving=True, terminating=True), set()),
        (piece(ready=True, terminating=True), set()),
        (piece(ready=False), set()),
        (piece(ready=True, node="node2"), set()),
        (piece(ready=True, by="a person"), set()),
    ],
    ids=["ready", "unsaid", "ending", "ending, and published all the same", "not ready", "elsewhere", "hand-written"],
)
def test_a_pod_is_routed_as_long_as_a_slice_of_the_controllers_has_it_and_it_does_not_end(
    found: EndpointSlice, expected: set[str]
) -> None:
    assert routed(found, "node1") == expected


def test_ready_nodes_are_asked_at_their_address() -> None:
    assert agent_address(node("node2")) == "172.30.0.12:10250"
    assert agent_address(node("node2", address="fd00::12")) == "[fd00::12]:10250"
    assert agent_address(node("node2", ready="Unknown")) == ""
    assert agent_address(Node()) == ""


@dataclass
class Others:
    """The other nodes' agents, by address: the revision that each has applied; None for one that does not answer."""

    applied: dict[str, int | None] = field(default_factory=dict)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    questions: list[str] = field(default_factory=list)

    def follow(self, address: str, revision: int | None) -> None:
        self.applied[address] = revision
        self.moved.set()

    async def ask(self, address: str, revision: int) -> int:
        self.questions.append(address)
        async with asyncio.timeout(1):
            while (self.applied.get(address) or 0) < revision:
                if self.applied.get(address, 0) is None:
                    raise ConnectionError("refused")
                self.moved.clear()
                await self.moved.wait()
        return self.applied[address] or 0


@dataclass
class World:
    api: FakeClient
    draining: Draining
    others: Others
    group: asyncio.TaskGroup

    async def change(self, **conditions: Any) -> int:
        """Changes the Pod's endpoint; returns the revision of the change."""
        found = await self.api.get(ENDPOINT_SLICE, "web-1", "default")
        found.endpoints[0].conditions = EndpointConditions(**conditions)
        written = await self.api.update(ENDPOINT_SLICE, found)
        await asyncio.sleep(0.01)
        return int(written.metadata.resourceVersion)

    async def drain(self, *, takes_s: float, within_s: float = 5.0) -> bool:
        """Returns the result of `drained`, on a clock that jumps."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        drained = await self.draining.drained(POD, within_s)
        assert loop.time() - start == pytest.approx(takes_s, abs=0.15)
        return drained


FAR = 1 << 40


@asynccontextmanager
async def running() -> AsyncIterator[World]:
    """The agent of node1; node2 and node3 are ready, node4 is not."""
    api = FakeClient(clock=FakeClock(), ids=RandomIds(random.Random(1)))
    others = Others({"172.30.0.12:10250": FAR, "172.30.0.13:10250": FAR})

    async def here(revision: int, within_s: float) -> int:
        return FAR

    draining = Draining("node1", applied=here, ask=others.ask)
    informers = InformerSet(api)
    draining.follow(informers)
    for name in ("node1", "node2", "node3"):
        await api.create(NODE, node(name))
    await api.create(NODE, node("node4", ready="Unknown"))
    await api.create(ENDPOINT_SLICE, piece(ready=True))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(informers.run())
        await informers.wait_synced()
        yield World(api, draining, others, group)
        task.cancel()


def story(body: Callable[[World], Awaitable[None]]) -> None:
    async def go() -> None:
        async with running() as at:
            await body(at)

    run_jumping(go())


def test_a_pod_is_drained_once_it_is_out_of_the_slices_and_the_last_node_follows() -> None:
    async def body(at: World) -> None:
        at.others.follow("172.30.0.13:10250", 1)
        task = at.group.create_task(at.draining.drained(POD, 60))
        await asyncio.sleep(1)
        assert at.others.questions == [], "it is still in a slice"
        revision = await at.change(ready=False, serving=True, terminating=True)
        await asyncio.sleep(0.5)
        assert sorted(at.others.questions) == ["172.30.0.12:10250", "172.30.0.13:10250"]
        at.others.follow("172.30.0.13:10250", revision - 1)
        await asyncio.sleep(0.1)
        assert not task.done(), "one node is not there yet"
        at.others.follow("172.30.0.13:10250", revision)
        assert await task

    story(body)


def test_the_own_proxies_are_waited_for_too() -> None:
    async def go() -> None:
        asked: list[int] = []
        reached = asyncio.Event()

        async def here(revision: int, within_s: float) -> int:
            asked.append(revision)
            await reached.wait()
            return revision

        draining = Draining("node1", applied=here, ask=Others().ask)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(draining.drained(POD, 60))
            await asyncio.sleep(1)
            assert (len(asked), task.done()) == (1, False)
            reached.set()
            assert await task

    run_jumping(go())


def test_pods_that_end_at_once_cost_one_question_a_node() -> None:
    async def body(at: World) -> None:
        revision = await at.change(ready=False)
        at.others.follow("172.30.0.12:10250", revision)
        at.others.follow("172.30.0.13:10250", revision)
        assert all(await asyncio.gather(*(at.draining.drained(f"pod {n}", 5) for n in range(50))))
        assert sorted(at.others.questions) == ["172.30.0.12:10250", "172.30.0.13:10250"]

    story(body)


def test_a_node_that_does_not_answer_delays_the_first_pod_by_the_limit_and_the_next_by_little() -> None:
    async def body(at: World) -> None:
        await at.change(ready=False)
        at.others.follow("172.30.0.12:10250", None)
        assert not await at.drain(takes_s=5)
        assert await at.drain(takes_s=SILENT_S)
        at.others.follow("172.30.0.12:10250", FAR)
        assert await at.drain(takes_s=0)
        await at.change(ready=False, serving=False)
        at.others.follow("172.30.0.12:10250", None)
        assert await at.drain(takes_s=0), "what it said before is enough"

    story(body)


def test_draining_does_not_wait_for_deleted_or_unready_nodes() -> None:
    async def body(at: World) -> None:
        await at.change(ready=False)
        at.others.follow("172.30.0.12:10250", None)
        await at.api.delete(NODE, "node2")
        await asyncio.sleep(0.01)
        assert await at.drain(takes_s=0)
        assert at.others.questions == ["172.30.0.13:10250"]

    story(body)


def test_draining_ends_at_the_limit_if_a_slice_keeps_the_pod() -> None:
    async def body(at: World) -> None:
        assert not await at.drain(takes_s=2, within_s=2)

    story(body)
