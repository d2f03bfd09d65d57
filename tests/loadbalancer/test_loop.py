"""The controller as a whole, against an API server in memory: what it writes, and which events it sends, in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.core.event.kind import EVENT
from fairlead.api.core.node.kind import NODE, Node, NodeCondition, NodeStatus
from fairlead.api.core.service.kind import SERVICE
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.ids import RandomIds
from fairlead.base.log import SILENT
from fairlead.base.tasks import run_all
from fairlead.loadbalancer.loop import controller
from fairlead.loadbalancer.pool import parse_pool, problem
from fairlead.machinery.values.status import StatusError
from fairlead.net.model import ClusterNetwork
from fairlead.runtime.apply import Applier
from fairlead.runtime.events import Recorder
from fairlead.runtime.fake import FakeClient, run_jumping
from fairlead.runtime.informer import InformerSet
from fairlead.runtime.loop import run_controller
from fairlead.runtime.queue import WorkQueue
from tests.controllers.world import LoopClock
from tests.loadbalancer.world import balanced


@dataclass
class Context:
    client: FakeClient
    informers: InformerSet
    recorders: list[Recorder] = field(default_factory=list)

    def applier(self, component: str) -> Applier:
        recorder = Recorder(self.client, component=component, clock=LoopClock())
        self.recorders.append(recorder)
        return Applier(self.client, informers=self.informers, recorder=recorder, clock=LoopClock())

    def queue(self) -> WorkQueue:
        return WorkQueue(rng=random.Random(1))


@dataclass
class World:
    client: FakeClient
    read: int = 0

    async def add(self, name: str = "web", **spec: Any) -> None:
        made = balanced(name, **spec)
        made.metadata.uid = ""
        await self.client.create(SERVICE, made)

    async def change(self, name: str = "web", *, annotations: dict[str, str] | None = None, **spec: Any) -> None:
        patch: dict[str, Any] = {"spec": spec}
        if annotations:
            patch["metadata"] = {"annotations": annotations}
        await self.client.patch(SERVICE, name, "default", patch=patch)

    async def node(self, name: str, ready: str) -> None:
        status = NodeStatus(conditions=[NodeCondition(type="Ready", status=ready)])
        if name in {n.metadata.name for n in (await self.client.list(NODE)).items}:
            patch = {"status": {"conditions": [{"type": "Ready", "status": ready}]}}
            await self.client.patch(NODE, name, patch=patch, subresource="status")
        else:
            await self.client.create(NODE, Node(metadata=ObjectMeta(name=name), status=status))

    async def address(self, name: str = "web") -> str:
        points = (await self.client.get(SERVICE, name, "default")).status.loadBalancer.ingress
        return ",".join(point.ip for point in points)

    async def pool(self, text: str, **more: str) -> None:
        """Writes the ConfigMap as `kubectl apply` would."""
        data = {"pool": text, **more}
        meta = ObjectMeta(name="fairlead-loadbalancer", namespace="kube-system")
        try:
            await self.client.create(CONFIG_MAP, ConfigMap(metadata=meta, data=data))
        except StatusError:
            await self.client.patch(CONFIG_MAP, meta.name, meta.namespace, patch={"data": data})

    async def said(self) -> list[str]:
        """Since the last time: each event in the order in which it was sent."""
        await asyncio.sleep(60)
        events = (await self.client.list(EVENT)).items
        lines = [f"{e.involvedObject.name} {e.reason}: {e.message}" for e in sorted(events, key=_sent)]
        for event in events:
            await self.client.delete(EVENT, event.metadata.name, event.metadata.namespace)
        return lines


def _sent(event: Any) -> str:
    return str(event.metadata.name).rpartition(".")[2]


def story(
    body: Callable[[World], Awaitable[None]],
    pool: str = "172.30.0.200-201",
    prepare: Callable[[World], Awaitable[None]] | None = None,
) -> None:
    async def go() -> None:
        client = FakeClient(clock=LoopClock(), ids=RandomIds(random.Random(1)))
        world = World(client)
        for name in ("node1", "node2"):
            await world.node(name, "True")
        if prepare is not None:
            await prepare(world)
        context = Context(client, InformerSet(client, log=SILENT))
        one = controller(context, pool=parse_pool(pool), problem=partial(problem, network=ClusterNetwork()))

        async def work() -> None:
            await context.informers.wait_synced()
            await run_controller(one, log=SILENT)

        running = run_all(context.informers.run(), work(), *(recorder.run() for recorder in context.recorders))
        async with asyncio.TaskGroup() as group:
            task = group.create_task(running)
            await body(world)
            task.cancel()

    run_jumping(go())


ENSURED = ["web EnsuringLoadBalancer: Ensuring load balancer", "web EnsuredLoadBalancer: Ensured load balancer"]


def test_the_events_of_a_services_life_have_upstreams_texts() -> None:
    async def body(world: World) -> None:
        await world.add(type="ClusterIP")
        assert await world.said() == []
        await world.change(type="LoadBalancer")
        assert await world.said() == ["web Type: ClusterIP -> LoadBalancer", *ENSURED]
        assert await world.address() == "172.30.0.200"
        await world.change(loadBalancerSourceRanges=["10.0.0.0/8"])
        assert await world.said() == ["web LoadBalancerSourceRanges: [] -> [10.0.0.0/8]", *ENSURED]
        await world.change(loadBalancerIP="172.30.0.201")
        assert await world.said() == ["web LoadbalancerIP:  -> 172.30.0.201", *ENSURED]
        assert await world.address() == "172.30.0.201"
        await world.change(sessionAffinity="ClientIP")
        assert await world.said() == ENSURED
        await world.change(annotations={"fairlead.dev/host-urls": "80/TCP=http://127.0.0.1"})
        assert await world.said() == []
        await world.change(type="ClusterIP")
        assert await world.said() == [
            "web Type: LoadBalancer -> ClusterIP",
            "web DeletingLoadBalancer: Deleting load balancer",
            "web DeletedLoadBalancer: Deleted load balancer",
        ]
        assert await world.address() == ""

    story(body)


def test_the_failure_event_follows_the_event_about_the_request() -> None:
    async def body(world: World) -> None:
        await world.add("other", loadBalancerIP="172.30.0.200")
        await world.add()
        await world.said()
        await world.change(loadBalancerIP="172.30.0.200")
        told = await world.said()
        assert [line.split(":")[0] for line in told] == [
            "web LoadbalancerIP",
            "web EnsuringLoadBalancer",
            "web SyncLoadBalancerFailed",
        ]
        assert await world.address() == "172.30.0.201"
        await world.client.delete(SERVICE, "other", "default")
        assert [line for line in await world.said() if line.startswith("web")] == [ENSURED[1]]
        assert await world.address() == "172.30.0.200"

    story(body)


def test_other_hosts_are_told_on_each_service_that_has_an_address() -> None:
    async def body(world: World) -> None:
        await world.add()
        await world.add("plain", type="ClusterIP")
        await world.said()
        await world.node("node1", "Unknown")
        assert await world.said() == ["web UpdatedLoadBalancer: Updated load balancer with new hosts"]
        await world.node("node1", "False")
        assert await world.said() == []
        await world.node("node2", "False")
        text = "There are no available nodes for LoadBalancer service default/web"
        assert await world.said() == [f"web UnAvailableLoadBalancer: {text}"]
        await world.node("node2", "True")
        assert await world.said() == ["web UpdatedLoadBalancer: Updated load balancer with new hosts"]

    story(body)


def test_a_configured_pool_applies_at_once_and_the_default_again_without_it() -> None:
    async def body(world: World) -> None:
        for name in ("a", "b"):
            await world.add(name)
        await world.said()
        assert [await world.address(name) for name in ("a", "b")] == ["172.30.0.200", "172.30.0.201"]
        await world.pool("172.30.0.201-201,192.168.7.8/29")
        assert await world.said() == ["a EnsuredLoadBalancer: Ensured load balancer"]
        assert [await world.address(name) for name in ("a", "b")] == ["192.168.7.9", "172.30.0.201"]
        await world.client.delete(CONFIG_MAP, "fairlead-loadbalancer", "kube-system")
        await world.said()
        assert [await world.address(name) for name in ("a", "b")] == ["172.30.0.200", "172.30.0.201"]

    story(body)


def test_an_invalid_pool_makes_one_event_and_the_previous_pool_stays() -> None:
    async def body(world: World) -> None:
        await world.add()
        await world.pool("172.30.0.210-210")
        await world.said()
        for text, why in (
            ("many", 'invalid address range: "many"'),
            ("10.244.3.1-9", "10.244.3.1-10.244.3.9 overlaps the Pods' range 10.244.0.0/16"),
        ):
            await world.pool(text)
            (line,) = await world.said()
            assert line.startswith(f"fairlead-loadbalancer InvalidConfiguration: pool: {why}")
            assert line.endswith("; 172.30.0.210-172.30.0.210 stays in force")
            assert await world.address() == "172.30.0.210"

    story(body)


def test_an_unknown_key_makes_an_event_and_the_previous_pool_stays() -> None:
    async def body(world: World) -> None:
        await world.add()
        await world.said()
        await world.pool("172.30.0.210-210", pools="172.30.0.220-220")
        (line,) = await world.said()
        assert "InvalidConfiguration: pools: unknown field, did you mean pool?; " in line
        assert await world.address() == "172.30.0.200"

    story(body)


def test_after_a_start_no_service_is_looked_at_before_the_pool_is_known() -> None:
    async def prepare(world: World) -> None:
        await world.pool("172.30.0.240-240")
        await world.add()
        meta = {"finalizers": ["service.kubernetes.io/load-balancer-cleanup"]}
        await world.client.patch(SERVICE, "web", "default", patch={"metadata": meta})
        point = {"ip": "172.30.0.240", "ipMode": "VIP", "ports": [{"port": 80, "protocol": "TCP"}]}
        status = {"status": {"loadBalancer": {"ingress": [point]}}}
        await world.client.patch(SERVICE, "web", "default", patch=status, subresource="status")

    async def body(world: World) -> None:
        assert await world.said() == []
        assert await world.address() == "172.30.0.240"

    story(body, prepare=prepare)
