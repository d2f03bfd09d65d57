"""A node with its agent, on a network of one node, against an API server in memory. Runs inside `in_sandbox`."""

from __future__ import annotations

import asyncio
import random
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Network
from typing import Any, TypeVar

import aiohttp
import msgspec

from fairlead.api.core.event.kind import EVENT
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.base.clock import RealClock
from fairlead.base.ids import RandomIds
from fairlead.base.log import Log
from fairlead.base.tasks import stop
from fairlead.net import linux
from fairlead.net.model import ClusterNetwork
from fairlead.net.netlink.run import Netlink
from fairlead.net.topology.run import PodAttacher, add_node, build_fabric
from fairlead.node import agent
from fairlead.node.draining.fake import FakeTraffic
from fairlead.node.runtime.agent.zygoteclient import ZygoteClient
from fairlead.node.settings import NodeSettings
from fairlead.node.volumes.podlogs import PodLogs
from fairlead.runtime.fake import FakeClient
from tests.node.sandbox import fork_zygote, in_sandbox, single_id

R = TypeVar("R")


class NodeBench:
    """One node called `node1`; the agent can be stopped and started again."""

    def __init__(self, directory: str, zygote: socket.socket) -> None:
        self.clock = RealClock()
        rng = random.Random(7)
        self.rng, self.ids = rng, RandomIds(rng)
        self.client = FakeClient(clock=self.clock, ids=self.ids)
        self.zygote = zygote
        self.attacher = PodAttacher(Netlink())
        self.traffic = FakeTraffic()
        self.settings = NodeSettings(
            name="node1",
            ips=("172.30.0.11",),
            pod_cidrs=("10.244.1.0/24",),
            state_dir=directory,
            hide=(directory,),
            single_id=single_id(),
        )

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[asyncio.Task[None]]:
        """An agent for as long as the block lasts; afterwards it is as if it had been killed."""
        log = Log("node1", clock=self.clock, write=sys.stderr.write, level="warn")
        work = agent.run(
            self.settings,
            self.client,
            zygote=self.zygote,
            attacher=self.attacher,
            traffic=self.traffic,
            parts={},
            clock=self.clock,
            rng=self.rng,
            ids=self.ids,
            log=log,
        )
        task = asyncio.ensure_future(work)
        try:
            yield task
        finally:
            await stop(task)

    async def create(self, name: str, *containers: dict[str, Any], **spec: Any) -> Pod:
        """A pod bound to the node."""
        tree = {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"nodeName": "node1", "restartPolicy": "Always", "containers": list(containers)} | spec,
        }
        return await self.client.create(POD, msgspec.convert(tree, Pod))

    async def until(self, name: str, good: Callable[[Pod], bool], *, seconds: float = 40.0) -> Pod:
        pod = await self.client.get(POD, name, "default")
        at = time.monotonic()
        while not good(pod):
            if time.monotonic() - at > seconds:
                raise AssertionError(f"not reached: {msgspec.json.encode(pod.status)!r} {await self.events()}")
            await asyncio.sleep(0.005)
            pod = await self.client.get(POD, name, "default")
        return pod

    async def gone(self, name: str) -> None:
        while any(p.metadata.name == name for p in (await self.client.list(POD)).items):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def events(self) -> list[str]:
        found = (await self.client.list(EVENT)).items
        return [f"{e.type} {e.reason} {e.message}" for e in found]

    async def event(self, reason: str) -> str:
        """Waits for an event of this reason; returns its message."""
        async with asyncio.timeout(30):
            while not (found := [e for e in (await self.client.list(EVENT)).items if e.reason == reason]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return found[0].message

    async def recorded(self, *texts: str) -> list[str]:
        """Waits until each text is in an event; returns all events."""
        async with asyncio.timeout(30):
            while True:
                events = await self.events()
                if all(any(text in event for event in events) for text in texts):
                    return events
                await asyncio.sleep(0.01)

    async def get(self, ip: str, port: int, path: str = "/") -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(f"http://{ip}:{port}{path}") as response:
            return response.status, await response.text()

    async def sandboxes(self) -> list[str]:
        """Returns the zygote's sandboxes; call this only while no agent reads the answers instead."""
        reader = ZygoteClient(self.zygote, epoch=time.monotonic_ns(), new_id=lambda: "")
        asyncio.get_running_loop().remove_reader(self.zygote.fileno())
        await reader.start()
        found = await reader.inventory()
        reader.stop()
        return [s.id for s in found.sandboxes]

    def renew_zygote(self) -> None:
        self.zygote = fork_zygote()

    def log(self, pod: Pod, container: str, attempt: int = 0) -> list[str]:
        with open(PodLogs(self.settings.state_dir, pod.metadata).path(container, attempt)) as file:
            return [line.rstrip("\n").split(" ", 3)[3] for line in file]

    async def first_lines(self, pod: Pod, container: str, *, count: int = 1) -> list[str]:
        """Waits until the container has logged that many lines; returns all."""
        async with asyncio.timeout(30):
            while len(lines := self.log(pod, container)) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return lines


def ready(pod: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)


def on_node(work: Callable[[NodeBench], Awaitable[R]], *, ordinary: bool = False) -> R:
    """Runs `work` in the network namespace of a node."""

    def body(directory: str) -> R:
        network = ClusterNetwork(pod_cidr=IPv4Network("10.244.0.0/16"))
        zygote = fork_zygote()
        build_fabric(network)
        linux.setns(add_node(network, 1, 1), linux.CLONE_NEWNET)

        async def main() -> R:
            return await work(NodeBench(directory, zygote))

        return asyncio.run(main())

    return in_sandbox(body, ordinary=ordinary)


def shell(script: str, **extra: object) -> dict[str, object]:
    """A container that runs a script of the host's shell."""
    return {"name": "main", "image": "busybox", "command": ["sh", "-c", script]} | extra
