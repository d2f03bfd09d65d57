"""Prints how long controllers need for StatefulSets, Jobs and DaemonSets, beside upstream's controller manager.

.venv/bin/python -m bench.workloads

A StatefulSet of 100 replicas (all at once), a Job of 500 completions (100 at a time), and 3 DaemonSets on 100 Nodes.
The Nodes exist only as objects: `Machines` in this process writes the status of each Pod, at once. So the figures are
those of controllers and API server. The API server, its store on disk and our controllers run in one process, as in a
cluster; upstream's program, whose path is in FAIRLEAD_TEST_KUBE_CONTROLLER_MANAGER, connects to an equal server by TLS.
CPU is that of the controllers, the server and `Machines` together.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import uvloop

import fairlead.controllers
from bench.scheduler import api_server, cpu_s, fill
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.status import PodCondition
from fairlead.api.kinds import built_in
from fairlead.apiserver.model import component, service_account
from fairlead.apiserver.server import ApiServer
from fairlead.base.clock import RealClock
from fairlead.base.ids import RandomIds
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.informer import Informer
from fairlead.runtime.typed import ApiClient

PROGRAM = "FAIRLEAD_TEST_KUBE_CONTROLLER_MANAGER"
NODES, REPLICAS, COMPLETIONS, AT_ONCE, DAEMON_SETS = 100, 100, 500, 100, 3
_WORKERS = 32
_NEVER_S = 1e6
"""Age of a Node's lease, which these Nodes do not have, from which the Node counts as dead."""
_QPS = ["--kube-api-qps=5000", "--kube-api-burst=5000"]
_OPTIONS = ["--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=0", *_QPS]
_CHOICE = ["--controllers=*,-node-lifecycle-controller"]
_EVERY_S = 0.01

Tree = dict[str, Any]


class Machines:
    """Plays the nodes' agents: Pods run, or have succeeded, as soon as they are seen; deleted Pods go."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._informer = Informer(client, POD)
        self._informer.add_handler(self._changed)
        self._keys: asyncio.Queue[str] = asyncio.Queue()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._informer.run())
            for _ in range(_WORKERS):
                group.create_task(self._work())

    def _changed(self, key: str, old: Pod | None, new: Pod | None) -> None:
        if new is not None and (new.status.phase in ("", "Pending") or new.metadata.deletionTimestamp):
            self._keys.put_nowait(key)

    async def _work(self) -> None:
        while True:
            pod = self._informer.get(await self._keys.get())
            if pod is None:
                continue
            with contextlib.suppress(StatusError):  # a conflict: the change that caused it comes as an event
                await self._advance(pod)

    async def _advance(self, pod: Pod) -> None:
        meta = pod.metadata
        if meta.deletionTimestamp:
            await self._client.delete(POD, meta.name, meta.namespace, uid=meta.uid, grace_period_seconds=0)
        elif pod.status.phase in ("", "Pending"):
            ends = pod.spec.restartPolicy == "Never"
            ready = PodCondition(type="Ready", status="False" if ends else "True")
            status: Tree = {"phase": "Succeeded" if ends else "Running", "conditions": [ready]}
            patch = {"metadata": {"uid": meta.uid}, "status": status}
            await self._client.patch(POD, meta.name, meta.namespace, patch=patch, subresource="status")


def template(app: str, restart: str = "Always") -> Tree:
    container = {"name": "main", "image": "registry.k8s.io/pause:3.10"}
    return {"metadata": {"labels": {"app": app}}, "spec": {"restartPolicy": restart, "containers": [container]}}


def selected(app: str, **spec: Any) -> Tree:
    return {"selector": {"matchLabels": {"app": app}}, "template": template(app), **spec}


def stateful_set(name: str, replicas: int) -> Tree:
    return selected(name, serviceName=name, replicas=replicas, podManagementPolicy="Parallel")


def job(name: str, completions: int) -> Tree:
    return {"completions": completions, "parallelism": AT_ONCE, "template": template(name, "Never")}


class Cluster:
    """The server under test."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def create(self, plural: str, name: str, spec: Tree) -> None:
        body = json.dumps({"metadata": {"name": name}, "spec": spec}).encode()
        await self._client.raw("POST", self._path(plural), body=body)

    async def status(self, plural: str, name: str) -> Tree:
        tree = json.loads(await self._client.raw("GET", f"{self._path(plural)}/{name}"))
        status: Tree = tree.get("status") or {}
        return status

    async def reach(self, plural: str, name: str, **status: int) -> None:
        """Waits until the status has these numbers. One poll costs 0.1 ms of CPU."""
        while not status.items() <= (await self.status(plural, name)).items():  # noqa: ASYNC110
            await asyncio.sleep(_EVERY_S)

    @staticmethod
    def _path(plural: str) -> str:
        group = "batch" if plural == "jobs" else "apps"
        return f"/apis/{group}/v1/namespaces/default/{plural}"

    async def warm_up(self) -> None:
        """Waits until all three controllers work."""
        await self.create("statefulsets", "warm", stateful_set("warm", 1))
        await self.create("jobs", "warm-job", job("warm-job", 1))
        await self.create("daemonsets", "warm-agent", selected("warm-agent"))
        await self.reach("statefulsets", "warm", readyReplicas=1)
        await self.reach("jobs", "warm-job", succeeded=1)
        await self.reach("daemonsets", "warm-agent", numberReady=NODES)

    async def set_of_replicas(self) -> None:
        await self.create("statefulsets", "db", stateful_set("db", REPLICAS))
        await self.reach("statefulsets", "db", readyReplicas=REPLICAS)

    async def completions(self) -> None:
        await self.create("jobs", "many", job("many", COMPLETIONS))
        await self.reach("jobs", "many", succeeded=COMPLETIONS)

    async def agents(self) -> None:
        names = [f"agent{number}" for number in range(DAEMON_SETS)]
        for name in names:
            await self.create("daemonsets", name, selected(name))
        for name in names:
            await self.reach("daemonsets", name, numberReady=NODES)


@contextlib.asynccontextmanager
async def background(*work: Any) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def measure(cluster: Cluster, other_cpu_s: Callable[[], float]) -> Tree:
    """Returns seconds and CPU of each workload."""
    await cluster.warm_up()
    runs = {
        f"statefulset_{REPLICAS}": cluster.set_of_replicas,
        f"job_{COMPLETIONS}": cluster.completions,
        f"daemonsets_{DAEMON_SETS}x{NODES}": cluster.agents,
    }
    result: Tree = {}
    for name, run in runs.items():
        begin, used = time.monotonic(), cpu_s() + other_cpu_s()
        await run()
        result[f"{name}_s"] = round(time.monotonic() - begin, 2)
        result[f"{name}_cpu_s"] = round(cpu_s() + other_cpu_s() - used, 2)
    return result


def our_controllers(server: ApiServer) -> Any:
    rng = random.Random(1)
    return fairlead.controllers.run(
        ApiClient(server.transport(component("system:kube-controller-manager"))),
        client_of=lambda name: ApiClient(server.transport(service_account("kube-system", name))),
        scheme=built_in(),
        clock=RealClock(),
        rng=rng,
        ids=RandomIds(rng),
        ca_pem="",
        settings=fairlead.controllers.Settings(node_grace_s=_NEVER_S),
    )


async def ours() -> Tree:
    with tempfile.TemporaryDirectory() as home:
        async with api_server(Path(home)) as (server, client):
            await fill(client, 0, NODES)
            async with background(our_controllers(server), Machines(client).run()):
                return await measure(Cluster(client), lambda: 0.0)


async def upstreams(program: str) -> Tree:
    """Returns the same for upstream's program, without its limit of 20 requests a second."""
    with tempfile.TemporaryDirectory() as home:
        async with api_server(Path(home)) as (_, client):
            await fill(client, 0, NODES)
            options = [*_OPTIONS, *_CHOICE, f"--cert-dir={home}", f"--kubeconfig={home}/kubeconfig"]
            quiet = asyncio.subprocess.DEVNULL
            process = await asyncio.create_subprocess_exec(program, *options, stdout=quiet, stderr=quiet, cwd=home)
            try:
                async with background(Machines(client).run()):
                    return await measure(Cluster(client), lambda: cpu_of(process.pid))
            finally:
                process.terminate()
                await process.wait()


def cpu_of(pid: int) -> float:
    """Returns the seconds of CPU that a process has used (proc(5), stat: utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    results: dict[str, Mapping[str, Any]] = {"fairlead": uvloop.run(ours())}
    if program := os.environ.get(PROGRAM):
        results["kube_controller_manager"] = uvloop.run(upstreams(program))
    print(json.dumps(results))


if __name__ == "__main__":
    main()
