"""A cluster without machines: the fake API, all controllers, the scheduler, and kubelets that only write status."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, ClassVar, TypeVar, cast

import msgspec

import fairlead.controllers
from fairlead.api.apps.deployment.kind import DEPLOYMENT, Deployment
from fairlead.api.apps.replicaset.kind import REPLICA_SET, ReplicaSet
from fairlead.api.coordination.lease.kind import LEASE, Lease, LeaseSpec
from fairlead.api.core.namespace.kind import NAMESPACE, Namespace, NamespaceSpec, NamespaceStatus
from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.kinds import built_in
from fairlead.api.meta.types import ObjectMeta
from fairlead.apiserver.extensions import Extensions
from fairlead.apiserver.model import SYSTEM, User, component, service_account
from fairlead.apiserver.server import ApiServer
from fairlead.apiserver.settings import ApiSettings
from fairlead.base.clock import Clock
from fairlead.base.ids import RandomIds
from fairlead.base.instant import Instant, render_micro_time, render_time
from fairlead.base.log import Log
from fairlead.base.tasks import Nursery
from fairlead.controllers.context import Context
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import Client
from fairlead.runtime.fake import FakeClient, run_jumping
from fairlead.runtime.informer import Informer
from fairlead.runtime.loop import Controller
from fairlead.runtime.typed import ApiClient
from fairlead.scheduler import loop as scheduler
from fairlead.scheduler.metrics import SchedulerMetrics
from fairlead.store.memory import MemoryStore
from tests.apiserver.tokenkeys import KEYS
from tests.controllers.factories import NOW, node

START_S = 0.05
W = TypeVar("W", bound="World")


ClientAs = Callable[[User], Client]
"""Returns a client of a user."""


class LoopClock:
    """Wall time that follows the jumping loop."""

    def now(self) -> Instant:
        return Instant(NOW + asyncio.get_running_loop().time())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class World:
    settings: ClassVar[Mapping[str, Any]] = {}
    """Settings of the controllers other than the default."""

    def __init__(self, client_as: ClientAs, clock: Clock, nursery: Nursery, scheme: Scheme) -> None:
        self.scheme = scheme
        self._client_as = client_as
        client = client_as(SYSTEM)
        self.client = client
        self.clock = clock
        self.broken_images: set[str] = set()
        self.exit_codes: dict[str, int] = {}
        """Exit codes of images whose pods end by themselves, a second after their start."""
        self.silent: set[str] = set()
        self.problems: list[str] = []
        self.nursery = nursery
        self.scheduling = SchedulerMetrics(clock)
        self._ips = iter(range(2, 60000))
        self.pods_seen = Informer(client, POD)

    def start(self) -> None:
        rng = random.Random(1)
        log = Log("", clock=self.clock, write=self.problems.append, level="error")
        settings = fairlead.controllers.Settings(log=log, **self.settings)
        self.nursery.spawn(
            fairlead.controllers.run(
                self._client_as(component("system:kube-controller-manager")),
                client_of=lambda name: self._client_as(service_account("kube-system", name)),
                scheme=self.scheme,
                clock=self.clock,
                rng=rng,
                ids=RandomIds(rng),
                ca_pem="PEM",
                settings=settings,
                also=self.also(),
            )
        )
        self.nursery.spawn(
            scheduler.run(
                self._client_as(component("system:kube-scheduler")),
                clock=self.clock,
                rng=rng,
                metrics=self.scheduling,
                log=log,
            )
        )
        self.pods_seen.add_handler(self._kubelet)
        self.nursery.spawn(self.pods_seen.run())
        self.nursery.spawn(self._heartbeats())

    def also(self) -> Sequence[Callable[[Context], Controller]]:
        """Controllers from elsewhere that run beside the others."""
        return ()

    def _kubelet(self, key: str, old: Pod | None, new: Pod | None) -> None:
        if new is None or not new.spec.nodeName or new.spec.nodeName in self.silent:
            return
        if new.metadata.deletionTimestamp:
            if old is None or not old.metadata.deletionTimestamp:
                self.nursery.spawn(self._end(new))
        elif old is None or not old.spec.nodeName:
            self.nursery.spawn(self._begin(new))

    async def _begin(self, pod: Pod) -> None:
        await asyncio.sleep(START_S)
        number = next(self._ips)
        ip = f"10.244.{number >> 8}.{number & 255}"
        works = pod.spec.containers[0].image not in self.broken_images
        ready = {"type": "Ready", "status": "True" if works else "False"}
        ready["lastTransitionTime"] = started = render_time(self.clock.now())
        status = {"phase": "Running", "startTime": started, "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [ready]}
        await self._try(
            lambda: self.client.patch(
                POD, pod.metadata.name, pod.metadata.namespace, patch={"status": status}, subresource="status"
            )
        )

        if pod.spec.containers[0].image in self.exit_codes:
            await self._finish(pod, self.exit_codes[pod.spec.containers[0].image])

    async def _finish(self, pod: Pod, code: int) -> None:
        await asyncio.sleep(1)
        ended = {"exitCode": code, "finishedAt": render_time(self.clock.now())}
        status = {
            "phase": "Failed" if code else "Succeeded",
            "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": ended["finishedAt"]}],
            "containerStatuses": [
                {"name": pod.spec.containers[0].name, "state": {"terminated": ended}, "ready": False}
                | {"image": "", "imageID": "", "restartCount": 0}
            ],
        }
        meta = pod.metadata
        await self._try(
            lambda: self.client.patch(POD, meta.name, meta.namespace, patch={"status": status}, subresource="status")
        )

    async def _end(self, pod: Pod) -> None:
        await asyncio.sleep(START_S)
        meta = pod.metadata
        await self._try(
            lambda: self.client.delete(POD, meta.name, meta.namespace, uid=meta.uid, grace_period_seconds=0)
        )

    async def _heartbeats(self) -> None:
        while True:
            with contextlib.suppress(ConnectionError):
                for found in (await self.client.list(NODE)).items:
                    name = found.metadata.name
                    if name not in self.silent:
                        await self._renew(name)
            await asyncio.sleep(10)

    async def _renew(self, name: str) -> None:
        spec = {"renewTime": render_micro_time(self.clock.now())}
        await self._try(lambda: self.client.patch(LEASE, name, "kube-node-lease", patch={"spec": spec}))

    async def _try(self, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Retries if the server fails or is away; stops if the object is deleted or has changed."""
        while True:
            try:
                await work()
            except StatusError as error:
                if error.code not in (404, 409, 500):
                    raise
                if error.code == 500:
                    await asyncio.sleep(0.1)
                    continue
            except ConnectionError:
                await asyncio.sleep(0.1)
                continue
            return

    async def pods(self, **labels: str) -> list[Pod]:
        found = (await self.client.list(POD)).items
        return [p for p in found if labels.items() <= p.metadata.labels.items()]

    async def deployment(self, name: str = "web") -> Deployment:
        return await self.client.get(DEPLOYMENT, name, "default")

    async def sets(self) -> list[ReplicaSet]:
        return (await self.client.list(REPLICA_SET)).items


async def add_namespace(client: Client, name: str = "default") -> None:
    obj = Namespace(
        metadata=ObjectMeta(name=name),
        spec=NamespaceSpec(finalizers=["kubernetes"]),
        status=NamespaceStatus(phase="Active"),
    )
    await client.create(NAMESPACE, obj)


async def add_node(client: Client, name: str, clock: Clock) -> None:
    wanted = node(name)
    made = await client.create(NODE, wanted)
    await client.update(NODE, msgspec.structs.replace(made, status=wanted.status), subresource="status")
    renewed = LeaseSpec(holderIdentity=name, leaseDurationSeconds=40, renewTime=render_micro_time(clock.now()))
    await client.create(LEASE, Lease(metadata=ObjectMeta(name=name, namespace="kube-node-lease"), spec=renewed))


Story = Callable[[World], Coroutine[Any, Any, None]]


def in_world(story: Story, *, nodes: int = 3, make: type[World] = World) -> None:
    """Runs the story twice: over the fake API, and over the real API server with its store in memory."""
    run_jumping(_over_fake(story, nodes, make))
    run_jumping(_over_server(story, nodes, make=make))


def in_fake_world(story: Story, *, nodes: int = 3) -> None:
    """Runs a story that needs the fake's controls."""
    run_jumping(_over_fake(story, nodes))


async def _over_fake(story: Story, nodes: int, make: type[World] = World) -> None:
    clock = LoopClock()
    client = FakeClient(clock=clock, ids=RandomIds(random.Random(7)))
    await add_namespace(client)
    await _tell(story, make(lambda _: client, clock, Nursery(), built_in()), nodes)


def in_served_world(story: Story, *, extensions: Extensions | None = None) -> None:
    """Runs the story over the real API server with extensions."""
    run_jumping(_over_server(story, 3, extensions))


def run_story_with(make: Callable[..., W], story: Callable[[W], Coroutine[Any, Any, None]]) -> None:
    """Runs a story of another sort of world over the real API server."""
    run_jumping(_over_server(cast("Story", story), 3, make=cast("type[World]", make)))


async def _over_server(
    story: Story, nodes: int, extensions: Extensions | None = None, *, make: type[World] = World
) -> None:
    clock, rng = LoopClock(), random.Random(7)
    problems: list[str] = []
    log = Log("", clock=clock, write=problems.append, level="error")
    settings = ApiSettings(
        advertise_address="172.30.0.1", token_keys=KEYS, ca_pem="PEM", extensions=extensions or Extensions()
    )
    scheme = built_in()
    server = ApiServer(
        MemoryStore(), scheme=scheme, settings=settings, clock=clock, rng=rng, ids=RandomIds(rng), log=log
    )
    await server.start()
    try:
        await _tell(story, make(lambda user: ApiClient(server.transport(user)), clock, Nursery(), scheme), nodes)
    finally:
        await server.stop()
    assert problems == []


async def _tell(story: Story, world: World, nodes: int) -> None:
    """Fails also if a controller logged an error."""
    for number in range(1, nodes + 1):
        await add_node(world.client, f"node{number}", world.clock)
    async with world.nursery:
        world.start()
        await asyncio.sleep(0.1)
        await story(world)
        assert world.problems == []
