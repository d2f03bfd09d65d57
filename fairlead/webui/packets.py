"""Answers `trace` and `rules` for the page.

Rights: the user must be allowed to list the Services, slices, Pods, nodes and ServiceCIDRs of the cluster, and to read
the proxy's settings. The rules in the kernels tell nothing more than these objects. To send a real packet, the user
needs the right to create `pods/exec` of the Pod that sends it, or `nodes/proxy` of the node; `nodes/proxy` of every
node for the host's side.

Bounds: one packet is sent at a time, `_MOST_WAITING` more requests wait, and a packet is awaited for a second.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fairlead.api.core.pod.predicates import is_finished
from fairlead.apiserver.model import User
from fairlead.apiserver.pages import Backend
from fairlead.machinery.values.status import StatusError, bad_request
from fairlead.net.family import IPV4, IPV6
from fairlead.runtime.transport import Transport
from fairlead.webui.explaining import Tree, fetch, required
from fairlead.webui.rights import check_exec, check_node

if TYPE_CHECKING:
    from fairlead.proxy.inspection.live import Observed
    from fairlead.proxy.inspection.places import Objects
    from fairlead.proxy.inspection.tracing import TraceResult
    from fairlead.proxy.inspection.walk import Sender
    from fairlead.proxy.inspection.world import World

Inspect = Callable[[Mapping[str, Any], Mapping[str, bytes]], "tuple[World, Objects]"]
Send = Callable[["Sender", str, int, str, "World"], "Observed"]
"""Sends a packet to an address and port by a protocol, and returns what the nodes saw of it. Raises StatusError."""
_MOST_LINES = 2000
_MOST_WAITING = 4
_SENT = ("tcp", "udp")
_CHOICES = {"protocol": ("tcp", "udp", "sctp"), "family": ("ipv4", "ipv6")}
_FAMILIES = {"ipv4": IPV4, "ipv6": IPV6}
_WORK = "send a packet from there"


class Packets:
    """`inspect` makes the world from the objects at `paths` and from the rules of nodes."""

    def __init__(self, inspect: Inspect, paths: Sequence[str], send: Send) -> None:
        self._inspect = inspect
        self._paths = paths
        self._send = send
        self._sending = threading.Lock()
        """Two traces at once would replace each other's table in the kernel."""
        self._waiting = 0

    async def trace(self, backend: Backend, user: User, query: Mapping[str, str]) -> Tree:
        """Returns what `fairlead trace FROM TO -o json` prints. Raises StatusError."""
        from fairlead.proxy.inspection.tracing import as_tree

        world, _, result = await self._trace(backend, user, query)
        return await asyncio.to_thread(as_tree, result, world)

    async def live(self, backend: Backend, user: User, query: Mapping[str, str], *, alive: Callable[[], bool]) -> Tree:
        """Returns what `fairlead trace FROM TO --live -o json` prints. `alive`: the user's session. Raises
        StatusError."""
        from fairlead.proxy.inspection.live import as_tree as live_tree
        from fairlead.proxy.inspection.live import compare
        from fairlead.proxy.inspection.tracing import as_tree

        world, objects, result = await self._trace(backend, user, query)
        await _check_sender(backend.transport(user), result.sender, objects)
        to = result.destination
        if result.protocol not in _SENT:
            raise bad_request(f"a packet of {result.protocol.upper()} cannot be sent: expected TCP or UDP")
        if not to.addresses:
            raise bad_request(f"{to.label} has no address to send to: {to.note}")
        observed = await self._sent(result, world, alive)
        return as_tree(result, world) | {"live": live_tree(compare(result.ends, observed))}

    async def _sent(self, result: TraceResult, world: World, alive: Callable[[], bool]) -> Observed:
        """Sends the packet to the first address after those of other requests. Raises StatusError."""
        if self._waiting > _MOST_WAITING:
            raise StatusError(429, "TooManyRequests", "other packets are being traced: try again in a few seconds")
        address, port = result.destination.addresses[0]

        def send() -> Observed:
            with self._sending:
                if not alive():
                    raise StatusError(401, "Unauthorized", "the session has ended: call `fairlead ui` again")
                return self._send(result.sender, address, port, result.protocol, world)

        self._waiting += 1
        try:
            return await asyncio.to_thread(send)
        finally:
            self._waiting -= 1

    async def rules(self, backend: Backend, user: User, query: Mapping[str, str]) -> Tree:
        """Returns the rules of one Service on all nodes. Raises StatusError."""
        service = f"{required(query, 'namespace')}/{required(query, 'name')}"
        trees, rules = await self._read(backend, user)
        return await asyncio.to_thread(self._listed, trees, rules, service)

    async def _read(self, backend: Backend, user: User) -> tuple[Mapping[str, Any], Mapping[str, bytes]]:
        transport = backend.transport(user)

        async def tree(path: str) -> Any:
            try:
                return await fetch(transport, path)
            except StatusError as error:
                if error.code == 404:
                    return None
                raise

        trees = {path: await tree(path) for path in self._paths}
        names = [item["metadata"]["name"] for item in trees["/api/v1/nodes"]["items"]]
        answers = await asyncio.gather(*(_rules_of(backend, name) for name in names))
        return trees, {name: answer for name, answer in zip(names, answers, strict=True) if answer}

    async def _trace(
        self, backend: Backend, user: User, query: Mapping[str, str]
    ) -> tuple[World, Objects, TraceResult]:
        wanted = {name: required(query, name) for name in ("from", "to", "namespace")}
        wanted |= {name: query.get(name, "") for name in _CHOICES}
        for name, choices in _CHOICES.items():
            if wanted[name] not in ("", *choices):
                raise bad_request(f"{name}: unknown value {wanted[name]!r}: expected one of {', '.join(choices)}")
        trees, rules = await self._read(backend, user)

        def follow() -> tuple[World, Objects, TraceResult]:
            world, objects = self._inspect(trees, rules)
            return world, objects, _follow(world, objects, wanted, kernel=bool(rules))

        return await asyncio.to_thread(follow)

    def _listed(self, trees: Mapping[str, Any], rules: Mapping[str, bytes], service: str) -> Tree:
        from fairlead.proxy.inspection.lines import list_rules, of_service

        world, _ = self._inspect(trees, rules)
        lines = [
            line
            for node in world.nodes
            for line in of_service(list_rules(node.kernel or node.plan, world.owners, node=node.name), service)
        ]
        return {"lines": [line.as_tree() for line in lines[:_MOST_LINES]], "more": max(0, len(lines) - _MOST_LINES)}


async def _rules_of(backend: Backend, node: str) -> bytes:
    try:
        return await backend.read_node(node, "/rules")
    except StatusError:  # the node's agent restarts
        return b""


async def _check_sender(transport: Transport, sender: Sender, objects: Objects) -> None:
    """Raises StatusError 403 if the user may not send packets from there."""
    if not sender.link:
        return await check_node(transport, sender.node, _WORK)
    for key, pod in objects.pods.items():
        if sender.address in [one.ip for one in pod.status.podIPs] and not is_finished(pod):
            namespace, _, name = key.rpartition("/")
            return await check_exec(transport, namespace, name, _WORK)
    raise bad_request(f"from: no Pod has the address {sender.address}")


def _follow(world: World, objects: Objects, wanted: Mapping[str, str], *, kernel: bool) -> TraceResult:
    """Traces a packet. Raises StatusError 400 for a place that does not exist."""
    from fairlead.proxy.inspection.places import PlaceError, family_for, find_destination, find_sender
    from fairlead.proxy.inspection.tracing import trace
    from fairlead.proxy.inspection.world import family_of

    namespace = wanted["namespace"]
    try:
        family = family_for(wanted["to"]) or family_for(wanted["from"]) or _FAMILIES.get(wanted["family"])
        destination = find_destination(
            wanted["to"], objects, world, namespace=namespace, family=family, protocol=wanted["protocol"]
        )
        first = destination.addresses[0][0] if destination.addresses else ""
        spoken = family_of(first) if first else world.nodes[0].view.family
        sender = find_sender(wanted["from"], objects, world, namespace=namespace, family=spoken)
    except PlaceError as error:
        raise bad_request(str(error)) from error
    return trace(world, sender, destination, kernel=kernel)
