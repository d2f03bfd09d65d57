"""The node's agent: registers the node, runs its pods, serves the kubelet API.

The agent may be killed at any moment. Pods run on under the zygote. A new agent asks the zygote for the present
sandboxes and containers, asks the API for the desired pods, and continues from there.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import shutil
import socket
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.service.kind import SERVICE
from fairlead.api.meta.reference import ObjectReference
from fairlead.base.clock import Clock
from fairlead.base.ids import IdSource
from fairlead.base.keys import key_of
from fairlead.base.log import Log
from fairlead.base.tasks import Nursery, keep_running
from fairlead.net.hostports.run import HostPortRules
from fairlead.net.topology.run import PodAttacher
from fairlead.node.cgroups.detect import find_place
from fairlead.node.cgroups.tree import ControlGroups
from fairlead.node.draining.model import Traffic
from fairlead.node.images.host import HostImages
from fairlead.node.images.inventory import ImageInventory
from fairlead.node.images.resolver import NodeImages
from fairlead.node.nodestatus.heartbeat import Heartbeat
from fairlead.node.nodestatus.hostfacts import read_host
from fairlead.node.nodestatus.ipam import Addresses
from fairlead.node.nodestatus.monitor import NodeMonitor
from fairlead.node.nodestatus.registration import KERNEL_LIMITS_TEXT, NO_KERNEL_LIMITS
from fairlead.node.pods.containers.containerspec import bundle_dir
from fairlead.node.pods.dependencies import Dependencies
from fairlead.node.pods.eviction import Evictions
from fairlead.node.pods.localpod import LocalPod
from fairlead.node.pods.sandbox.hostports import HostPorts
from fairlead.node.pods.sandbox.sandboxes import PodSandboxes
from fairlead.node.pods.worker import PodWorker
from fairlead.node.probes.counts import ProbeCounts
from fairlead.node.runtime.agent.zygoteclient import ZygoteClient, ZygoteEnded, ZygoteVersionError
from fairlead.node.runtime.protocol.messages import Inventory
from fairlead.node.settings import NodeSettings
from fairlead.node.streaming.kubeletapi import KubeletApi, Part
from fairlead.node.streaming.nodeinfo import NodeInfo
from fairlead.node.usage.memorywatch import MemoryWatch
from fairlead.node.usage.meter import Meter
from fairlead.node.volumes import podlogs
from fairlead.node.volumes.podlogs import directory_name
from fairlead.runtime.client import Client
from fairlead.runtime.events import Recorder
from fairlead.runtime.informer import Informer
from fairlead.runtime.revisions import revision_of

_AGAIN_S = 1.0


class Agent:
    """One worker for each pod bound to the node, by uid."""

    def __init__(self, deps: Dependencies, inventory: Inventory) -> None:
        self._deps = deps
        self._inventory = inventory
        self._workers: dict[str, PodWorker] = {}
        self._by_name: dict[tuple[str, str], str] = {}
        self._nursery = Nursery()
        self._change = asyncio.Event()
        """Set after every change of the pods and at the end of each worker."""

    def find(self, namespace: str, name: str) -> PodWorker | None:
        return self._workers.get(self._by_name.get((namespace, name), ""))

    def pods(self) -> list[Pod]:
        """Returns the latest versions of the node's pods."""
        return list(self._deps.pods.items.values())

    def local_pods(self) -> Iterator[LocalPod]:
        return (worker.local for worker in self._workers.values())

    async def sync(self) -> None:
        """Follows the API's pods until cancelled, once the API has said which there are."""
        await self._deps.pods.synced.wait()
        sandboxes, pods = self._deps.sandboxes, list(self._deps.pods.items.values())
        sandboxes.reserve_addresses(pods)
        async with self._nursery:
            self._deps.pods.add_handler(self._changed)
            sandboxes.start()
            await self._remove_orphans()
            self._inventory = Inventory()
            await asyncio.Future()

    async def end_deleted(self) -> None:
        """Kills all pods that are gone from the API, without grace, and waits until they have ended. Raises
        StatusError, ConnectionError."""
        deps = self._deps
        listing = await deps.client.list(POD, fields=f"spec.nodeName={deps.settings.name}")
        live, revision = {pod.metadata.uid for pod in listing.items}, int(listing.resource_version)
        while True:
            self._change.clear()
            stale = [worker for uid, worker in self._workers.items() if uid not in live]
            for worker in stale:
                worker.kill()
            if not stale and all(pod.metadata.uid in live for pod in deps.pods.items.values()):
                return
            await self._change.wait()
            live |= {pod.metadata.uid for pod in deps.pods.items.values() if revision_of(pod.metadata) > revision}

    def _changed(self, key: str, old: Pod | None, new: Pod | None) -> None:
        self._change.set()
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._update(old.metadata.uid, None)
        if new is None:
            return
        uid = new.metadata.uid
        if uid not in self._workers:
            self._adopt(new)
        else:
            self._update(uid, new)

    def _update(self, uid: str, pod: Pod | None) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.update(pod)

    def _adopt(self, pod: Pod) -> None:
        worker = self._make(pod, self._inventory)
        meta = pod.metadata
        self._workers[meta.uid] = worker
        self._by_name[meta.namespace, meta.name] = meta.uid
        self._nursery.spawn(self._run(worker, pod), name=f"pod {meta.namespace}/{meta.name}")

    def _make(self, pod: Pod, inventory: Inventory) -> PodWorker:
        uid = pod.metadata.uid
        sandbox = next((s for s in inventory.sandboxes if s.id == uid), None)
        runs = [run for run in inventory.runs if run.sandbox == uid]
        return PodWorker(self._deps, pod, sandbox=sandbox, runs=runs)

    async def _run(self, worker: PodWorker, pod: Pod) -> None:
        meta = pod.metadata
        while not await self._ran(worker):
            await asyncio.sleep(_AGAIN_S)
            worker = self._workers[meta.uid] = self._make(worker.pod, await self._deps.zygote.inventory())
            latest = self._deps.pods.get(key_of(meta))
            worker.update(latest if latest is not None and latest.metadata.uid == meta.uid else None)
        del self._workers[meta.uid]
        self._change.set()
        if self._by_name.get((meta.namespace, meta.name)) == meta.uid:
            del self._by_name[meta.namespace, meta.name]

    async def _ran(self, worker: PodWorker) -> bool:
        """Runs one pod's worker. A failure affects that pod only, and the pod is started afresh."""
        good = True
        try:
            await worker.sync()
        except* (ZygoteEnded, ZygoteVersionError):
            raise
        except* Exception as group:  # noqa: BLE001 -- a fault in one pod must not end the node
            self._deps.log.error("pod worker failed", pod=worker.uid, error=repr(group.exceptions))
            good = False
        return good

    async def _remove_orphans(self) -> None:
        """Removes sandboxes and files of pods that were deleted from the API."""
        known = {p.metadata.uid for p in self._deps.pods.items.values()}
        for sandbox in self._inventory.sandboxes:
            if sandbox.id not in known:
                await self._deps.sandboxes.remove_orphan(sandbox)
        keep = {directory_name(p.metadata) for p in self._deps.pods.items.values()}
        root = f"{self._deps.settings.state_dir}/pods"
        for name in set(os.listdir(root)) - keep:
            await asyncio.to_thread(shutil.rmtree, f"{root}/{name}", ignore_errors=True)
        await asyncio.to_thread(podlogs.remove_stale, self._deps.settings.state_dir, keep)


def _host_images(settings: NodeSettings) -> HostImages:
    return HostImages(files=settings.catalogues, version=settings.version, homes=settings.homes)


async def run(  # noqa: PLR0913 -- the wiring's one way in
    settings: NodeSettings,
    client: Client,
    *,
    zygote: socket.socket,
    attacher: PodAttacher,
    traffic: Traffic,
    parts: Mapping[str, Part],
    clock: Clock,
    rng: random.Random,
    ids: IdSource,
    log: Log,
) -> None:
    """Runs until cancelled, in the node's network namespace. Raises `ZygoteEnded` if the zygote has died: every
    container has died with it, so the caller must start a new zygote and a new agent.

    `zygote` is the agent's end of the SOCK_SEQPACKET pair whose other end `node.zygote.main` has. `parts` has
    further texts that the node's API serves, by path.
    """
    _make_directories(settings)
    line = ZygoteClient(zygote, epoch=int(clock.now() * 1000), new_id=partial(new_container_id, ids))
    zygote_pid = await line.start()
    inventory = await line.inventory()
    cgroups = _control_groups(settings, inventory)
    host = read_host(settings.state_dir, node=settings.name, kernel_limits=cgroups is not None)
    nodes = Informer(client, NODE, fields=f"metadata.name={settings.name}", log=log)
    recorder = Recorder(client, component="kubelet", host=settings.name, clock=clock, log=log)
    stored = ImageInventory(settings.image_store, settings.hide[0] if settings.hide else "")
    monitor = NodeMonitor(settings, stored, client, recorder, clock=clock, log=log)
    deps = Dependencies(
        settings=settings,
        client=client,
        zygote=line,
        sandboxes=_sandboxes(settings, line, attacher, inventory, log),
        images=NodeImages(_host_images(settings), settings, client=client, clock=clock),
        recorder=recorder,
        pods=Informer(client, POD, fields=f"spec.nodeName={settings.name}", log=log),
        services=Informer(client, SERVICE, log=log),
        traffic=traffic,
        monitor=monitor,
        cgroups=cgroups,
        memory=MemoryWatch(),
        probe_counts=ProbeCounts(),
        memory_bytes=host.memory_kib * 1024,
        allocatable=host.capacity,
        clock=clock,
        rng=rng,
        log=log,
    )
    heartbeat = Heartbeat(settings, host, client, nodes, monitor, clock=clock, log=log)
    if cgroups is None:
        _report_missing_limits(settings.name, deps.recorder)
    agent = Agent(deps, inventory)
    evictions = Evictions(agent.local_pods, monitor, settings.state_dir)
    api = _kubelet_api(agent, deps, parts, zygote_pid=zygote_pid)
    works = [work.run() for work in (nodes, deps.pods, deps.services, deps.recorder)]
    works += [heartbeat.report(), monitor.watch(), evictions.watch(), agent.sync(), deps.memory.measure()]
    works.append(deps.images.prepare_host_layer())
    await _run_all(line, [*works, keep_running("kubelet API", api.serve, log=log)])


async def _run_all(line: ZygoteClient, works: Iterable[Coroutine[Any, Any, Any]]) -> None:
    """Runs all works until cancelled. Raises `ZygoteEnded` if the zygote has died."""
    lost = False  # what is raised in an `except*` comes out in a group
    try:
        async with asyncio.TaskGroup() as group:
            for work in (*works, line.wait_gone()):
                group.create_task(work)
    except* (ZygoteEnded, ZygoteVersionError):
        lost = True
    finally:
        line.stop()
    if lost:
        await line.wait_gone()


def _sandboxes(
    settings: NodeSettings, line: ZygoteClient, attacher: PodAttacher, inventory: Inventory, log: Log
) -> PodSandboxes:
    return PodSandboxes(
        settings,
        line,
        attacher=attacher,
        addresses=_addresses(settings, inventory),
        host_ports=HostPorts(HostPortRules()),
        log=log,
    )


def _kubelet_api(agent: Agent, deps: Dependencies, parts: Mapping[str, Part], *, zygote_pid: int) -> KubeletApi:
    settings, clock = deps.settings, deps.clock
    meter = Meter(settings.name, deps.zygote, zygote_pid=zygote_pid, clock=clock)
    return KubeletApi(
        settings,
        agent,
        NodeInfo(settings, agent, meter=meter, monitor=deps.monitor, probes=deps.probe_counts),
        end_deleted=agent.end_deleted,
        zygote=deps.zygote,
        traffic=deps.traffic,
        parts=parts,
        clock=clock,
    )


def _make_directories(settings: NodeSettings) -> None:
    for directory in (bundle_dir(settings), f"{settings.state_dir}/pods"):
        os.makedirs(directory, exist_ok=True)
    podlogs.prepare(settings.state_dir)


def _report_missing_limits(node: str, recorder: Recorder) -> None:
    about = ObjectReference(kind="Node", apiVersion="v1", name=node, uid=node)
    recorder.event(about, "Warning", NO_KERNEL_LIMITS, KERNEL_LIMITS_TEXT)


def new_container_id(ids: IdSource) -> str:
    """Returns an id in the form that container runtimes use: 64 hexadecimal digits."""
    return (ids.uid() + ids.uid()).replace("-", "")


def _control_groups(settings: NodeSettings, inventory: Inventory) -> ControlGroups | None:
    """Returns the node's control groups without those of runs that have ended; None if this user may make none."""
    name = hashlib.sha256(settings.state_dir.encode()).hexdigest()[:8]
    place = find_place(f"fairlead-{name}")
    if place is None:
        return None
    with open(f"{settings.state_dir}/cgroups", "w", encoding="utf-8") as file:  # for `fairlead down`
        file.write("".join(f"{root}\n" for root in place.roots))
    groups = ControlGroups(place)
    groups.remove_orphans({run.id for run in inventory.runs if run.exit is None})
    return groups


def _addresses(settings: NodeSettings, inventory: Inventory) -> Addresses:
    """Returns the node's addresses, with those of running pods marked as allocated."""
    addresses = Addresses(settings.pod_cidrs)
    for sandbox in inventory.sandboxes:
        if sandbox.record.ips[0] not in settings.ips:
            addresses.allocate(sandbox.record.ips[0])
    return addresses
