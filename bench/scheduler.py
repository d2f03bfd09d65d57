"""Prints how many pending Pods a second the scheduler places on Nodes without machines, beside upstream's scheduler.

.venv/bin/python -m bench.scheduler [PODS] [NODES]

The API server, its store on disk and our scheduler run in one process, as in a cluster; upstream's program, whose path
is in FAIRLEAD_TEST_KUBE_SCHEDULER, connects to an equal server by TLS. Pods are created before the scheduler starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import resource
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

import fairlead.scheduler.loop
from fairlead.api.core.node.kind import NODE, Node, NodeCondition, NodeStatus
from fairlead.api.core.pod.containers.container import Container, ResourceRequirements
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.spec import PodSpec
from fairlead.api.core.serviceaccount.kind import SERVICE_ACCOUNT, ServiceAccount
from fairlead.api.kinds import built_in
from fairlead.api.meta.types import ObjectMeta, Resources
from fairlead.apiserver.model import SYSTEM, component
from fairlead.apiserver.server import ApiServer
from fairlead.apiserver.settings import ApiSettings
from fairlead.base.clock import RealClock
from fairlead.base.ids import RandomIds
from fairlead.base.log import SILENT
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.wiring import pki, tls
from fairlead.runtime.informer import Informer
from fairlead.runtime.typed import ApiClient
from fairlead.scheduler.metrics import SchedulerMetrics
from fairlead.store.sqlite import SqliteStore

PROGRAM = "FAIRLEAD_TEST_KUBE_SCHEDULER"
_AT_ONCE = 50
_KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: bench
clusters: [{{name: bench, cluster: {{server: "https://127.0.0.1:{port}", certificate-authority: {pki}/ca.crt}}}}]
users: [{{name: bench, user: {{client-certificate: {pki}/admin.crt, client-key: {pki}/admin.key}}}}]
contexts: [{{name: bench, context: {{cluster: bench, user: bench}}}}]
"""


@contextlib.asynccontextmanager
async def api_server(home: Path) -> AsyncIterator[tuple[ApiServer, ApiClient]]:
    """Yields a server with a store on disk, and a client of the same process."""
    folder, clock, rng = home / "pki", RealClock(), random.Random(7)
    folder.mkdir(parents=True)
    pki.make(pki.missing(ClusterConfig("bench"), folder, clock=clock), folder, clock=clock)
    sock = socket.create_server(("127.0.0.1", 0))
    (home / "kubeconfig").write_text(_KUBECONFIG.format(port=sock.getsockname()[1], pki=folder))
    settings = ApiSettings(
        advertise_address="172.30.0.1", token_keys=pki.token_keys(folder), ca_pem=(folder / "ca.crt").read_text()
    )
    store = SqliteStore.open(home / "store.db")
    ids = RandomIds(rng)
    server = ApiServer(store, scheme=built_in(), settings=settings, clock=clock, rng=rng, ids=ids, log=SILENT)
    await server.start()
    await server.serve([sock], tls.server(folder, "apiserver", require_client=False))
    try:
        yield server, ApiClient(server.transport(SYSTEM))
    finally:
        await server.stop()
        await store.close()


async def fill(client: ApiClient, pods: int, nodes: int) -> None:
    meta = ObjectMeta(name="default", namespace="default")
    await client.create(SERVICE_ACCOUNT, ServiceAccount(metadata=meta))
    for number in range(nodes):
        amounts: Resources = {"cpu": "32", "memory": "64Gi", "pods": "110"}
        ready = NodeCondition(type="Ready", status="True")
        node = Node(metadata=ObjectMeta(name=f"node{number}", labels={"kubernetes.io/hostname": f"node{number}"}))
        made = await client.create(NODE, node)
        made.status = NodeStatus(capacity=amounts, allocatable=amounts, conditions=[ready])
        await client.update(NODE, made, subresource="status")
    for begin in range(0, pods, _AT_ONCE):
        numbers = range(begin, min(pods, begin + _AT_ONCE))
        await asyncio.gather(*(client.create(POD, pod(f"p{number}")) for number in numbers))


def pod(name: str) -> Pod:
    resources = ResourceRequirements(requests={"cpu": "100m", "memory": "100Mi"})
    container = Container(name="main", image="registry.k8s.io/pause:3.10", resources=resources)
    spec = PodSpec(containers=[container])
    return Pod(metadata=ObjectMeta(name=name, namespace="default", labels={"app": "bench"}), spec=spec)


async def all_placed(client: ApiClient, pods: int) -> None:
    placed: set[str] = set()
    done = asyncio.Event()

    def seen(key: str, old: Pod | None, new: Pod | None) -> None:
        if new is not None and new.spec.nodeName:
            placed.add(key)
        if len(placed) == pods:
            done.set()

    informer = Informer(client, POD)
    informer.add_handler(seen)
    watching = asyncio.ensure_future(informer.run())
    try:
        await done.wait()
    finally:
        watching.cancel()


async def ours(pods: int, nodes: int) -> float:
    """Returns the seconds until all Pods have Nodes."""
    with tempfile.TemporaryDirectory() as home:
        async with api_server(Path(home)) as (server, client):
            await fill(client, pods, nodes)
            own = ApiClient(server.transport(component("system:kube-scheduler")))
            begin = time.monotonic()
            work = fairlead.scheduler.loop.run(
                own, clock=RealClock(), rng=random.Random(1), metrics=SchedulerMetrics(RealClock())
            )
            running = asyncio.ensure_future(work)
            await all_placed(client, pods)
            seconds = time.monotonic() - begin
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            return seconds


async def upstreams(program: str, pods: int, nodes: int) -> float:
    """Returns the same for upstream's program, without its limit of 50 requests a second."""
    with tempfile.TemporaryDirectory() as home:
        async with api_server(Path(home)) as (_, client):
            await fill(client, pods, nodes)
            options = ["--leader-elect=false", f"--cert-dir={home}", "--bind-address=127.0.0.1", "--secure-port=0"]
            options += ["--kube-api-qps=5000", "--kube-api-burst=5000", f"--kubeconfig={home}/kubeconfig"]
            quiet = asyncio.subprocess.DEVNULL
            begin = time.monotonic()
            process = await asyncio.create_subprocess_exec(program, *options, stdout=quiet, stderr=quiet, cwd=home)
            try:
                await all_placed(client, pods)
                return time.monotonic() - begin
            finally:
                process.terminate()
                await process.wait()


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    pods = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    nodes = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    result: dict[str, float] = {"pods": pods, "nodes": nodes}
    runs: dict[str, Callable[[], Coroutine[Any, Any, float]]] = {"fairlead": lambda: ours(pods, nodes)}
    if program := os.environ.get(PROGRAM):
        runs["kube_scheduler"] = lambda: upstreams(program, pods, nodes)
    for name, run in runs.items():
        used = cpu_s()
        seconds = uvloop.run(run())
        result[f"{name}_s"] = round(seconds, 2)
        result[f"{name}_pods_per_s"] = round(pods / seconds)
        result[f"{name}_cpu_s_of_this_process"] = round(cpu_s() - used, 1)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
