"""Answers `trace` and `rules` for the page.

Rights: the user must be allowed to list the Services, slices, Pods, nodes and ServiceCIDRs of the cluster, and to read
the proxy's settings. The rules in the kernels tell nothing more than these objects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fairlead.apiserver.model import User
from fairlead.apiserver.pages import Backend
from fairlead.machinery.values.status import StatusError, bad_request
from fairlead.webui.explaining import Tree, fetch, required

if TYPE_CHECKING:
    from fairlead.proxy.inspection.places import Objects
    from fairlead.proxy.inspection.tracing import TraceResult
    from fairlead.proxy.inspection.world import World

Inspect = Callable[[Mapping[str, Any], Mapping[str, bytes]], "tuple[World, Objects]"]
_MOST_LINES = 2000


class Packets:
    """`inspect` makes the world from the objects at `paths` and from the rules of nodes."""

    def __init__(self, inspect: Inspect, paths: Sequence[str]) -> None:
        self._inspect = inspect
        self._paths = paths

    async def trace(self, backend: Backend, user: User, query: Mapping[str, str]) -> Tree:
        """Returns what `fairlead trace FROM TO -o json` prints. Raises StatusError."""
        wanted = {name: required(query, name) for name in ("from", "to", "namespace")}
        trees, rules = await self._read(backend, user)
        return await asyncio.to_thread(self._traced, trees, rules, wanted, query.get("protocol", ""))

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

    def _traced(
        self, trees: Mapping[str, Any], rules: Mapping[str, bytes], wanted: Mapping[str, str], protocol: str
    ) -> Tree:
        from fairlead.proxy.inspection.tracing import as_tree

        world, objects = self._inspect(trees, rules)
        return as_tree(_follow(world, objects, wanted, protocol, kernel=bool(rules)), world)

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


def _follow(world: World, objects: Objects, wanted: Mapping[str, str], protocol: str, *, kernel: bool) -> TraceResult:
    """Traces a packet. Raises StatusError 400 for a place that does not exist."""
    from fairlead.proxy.inspection.places import PlaceError, family_for, find_destination, find_sender
    from fairlead.proxy.inspection.tracing import trace
    from fairlead.proxy.inspection.world import family_of

    namespace = wanted["namespace"]
    try:
        family = family_for(wanted["to"]) or family_for(wanted["from"])
        destination = find_destination(
            wanted["to"], objects, world, namespace=namespace, family=family, protocol=protocol
        )
        first = destination.addresses[0][0] if destination.addresses else ""
        spoken = family_of(first) if first else world.nodes[0].view.family
        sender = find_sender(wanted["from"], objects, world, namespace=namespace, family=spoken)
    except PlaceError as error:
        raise bad_request(str(error)) from error
    return trace(world, sender, destination, kernel=kernel)
