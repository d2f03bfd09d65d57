"""The cluster of a story: the API server with all controllers, the scheduler and fake kubelets on the jumping loop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import fairlead.loadbalancer.loop
from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.kinds import built_in
from fairlead.apiserver.server import ApiServer
from fairlead.apiserver.settings import ApiSettings
from fairlead.base.ids import RandomIds
from fairlead.base.instant import render_time
from fairlead.base.log import Log
from fairlead.base.tasks import Nursery
from fairlead.controllers.context import Context
from fairlead.loadbalancer.pool import parse_pool, problem
from fairlead.machinery.kinds.kind import Kind
from fairlead.runtime.loop import Controller
from fairlead.runtime.typed import ApiClient
from fairlead.store.memory import MemoryStore
from tests.apiserver.tokenkeys import KEYS
from tests.controllers.world import LoopClock, World, add_node
from tests.proxy.backends import BOTH
from tests.proxy.paths import NODES, ZONES

CIDRS = {"ipv4": "10.96.0.0/12", "dual": "10.96.0.0/12,fd00:10:96::/112"}
POOL = "172.30.0.200-203"


class Cluster(World):
    """Two nodes. Kubelets give Pods addresses in the order of their start."""

    server: ApiServer
    families = "ipv4"

    def also(self) -> tuple[Callable[[Context], Controller], ...]:
        pool = parse_pool(POOL)
        return (partial(fairlead.loadbalancer.loop.controller, pool=pool, problem=partial(problem, network=BOTH)),)

    def kind_of(self, word: str) -> Kind[object]:
        """The kind with this plural, singular or short name. Raises KeyError."""
        for kind in self.scheme:
            if word in (kind.plural, kind.kind.lower(), *kind.short_names):
                return kind
        raise KeyError(f"no kind is called {word!r}")

    async def _begin(self, pod: Pod) -> None:
        await asyncio.sleep(0.05)
        number = next(self._ips)
        at = int(pod.spec.nodeName[-1])
        ips = [f"10.244.{at}.{number}"]
        ips += [f"fd00:10:244:{at}::{number:x}"] if self.families == "dual" else []
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": render_time(self.clock.now())}
        if pod.spec.containers[0].image in self.broken_images:
            ready["status"] = "False"
        status = {"phase": "Running", "podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips], "conditions": [ready]}
        await self._write_status(pod.metadata.name, status)

    async def set_ready(self, name: str, *, ready: bool) -> None:
        """Reports a Pod's readiness as its kubelet does."""
        time = render_time(self.clock.now())
        condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": time}
        await self._write_status(name, {"conditions": [condition]})

    async def _write_status(self, name: str, status: object) -> None:
        await self._try(lambda: self.client.patch(POD, name, "default", patch={"status": status}, subresource="status"))


@asynccontextmanager
async def cluster(families: str) -> AsyncIterator[Cluster]:
    """Starts everything; fails at the end if a controller or the server logged an error."""
    clock, rng, problems = LoopClock(), random.Random(7), list[str]()
    log = Log("", clock=clock, write=problems.append, level="error")
    scheme = built_in()
    settings = ApiSettings(advertise_address="172.30.0.1", token_keys=KEYS, ca_pem="PEM", service_cidr=CIDRS[families])
    server = ApiServer(
        MemoryStore(), scheme=scheme, settings=settings, clock=clock, rng=rng, ids=RandomIds(rng), log=log
    )
    await server.start()
    try:
        client = ApiClient(server.transport())
        for name, ip in NODES.items():
            await add_node(client, name, clock)
            await client.patch(NODE, name, patch={"metadata": {"labels": {"topology.kubernetes.io/zone": ZONES[name]}}})
            addresses = [{"type": "InternalIP", "address": ip}]
            await client.patch(NODE, name, patch={"status": {"addresses": addresses}}, subresource="status")
        async with Nursery() as nursery:
            made = Cluster(lambda user: ApiClient(server.transport(user)), clock, nursery, scheme)
            made.server, made.families = server, families
            made.start()
            await asyncio.sleep(1)
            yield made
        problems += made.problems
    finally:
        await server.stop()
    assert problems == []
