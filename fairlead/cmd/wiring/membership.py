"""Deletes Nodes that the settings no longer have, and reports when all nodes are Ready.

Nodes with other names belong to the user: machines that were added by hand.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Iterable

from fairlead.api.core.node.kind import NODE, Node
from fairlead.base.instant import Instant, parse_time
from fairlead.base.log import Log
from fairlead.base.tasks import Nursery
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import Client
from fairlead.runtime.informer import InformerSet

_OURS = re.compile(r"node[1-9][0-9]*")


async def follow(
    client: Client, names: Collection[str], *, since: Instant, all_ready: Callable[[], None], log: Log
) -> None:
    """Deletes surplus Nodes of an earlier start, waits until all nodes are Ready, and calls `all_ready`."""
    informers = InformerSet(client, log=log)
    nodes = informers.of(NODE)
    ready = asyncio.Event()

    def changed(*_: object) -> None:
        if not not_ready(nodes.items.values(), names, since=since):
            ready.set()

    nodes.add_handler(changed)
    async with Nursery() as nursery:
        nursery.spawn(informers.run())
        await informers.wait_synced()
        for name in stale_nodes(nodes.items, names):
            await _delete(client, name, log)
        await ready.wait()
    all_ready()


def stale_nodes(there: Iterable[str], names: Collection[str]) -> list[str]:
    """Returns the names of Nodes that an earlier start made and that are not in `names`."""
    return sorted(name for name in set(there) - set(names) if _OURS.fullmatch(name))


def not_ready(nodes: Iterable[Node], names: Collection[str], *, since: Instant) -> set[str]:
    """Returns the nodes that are not Ready. Only heartbeats after `since` count, since the store has older ones."""
    return set(names) - {node.metadata.name for node in nodes if _is_ready(node, since)}


def _is_ready(node: Node, since: Instant) -> bool:
    return any(
        c.type == "Ready"
        and c.status == "True"
        and c.lastHeartbeatTime is not None
        and parse_time(c.lastHeartbeatTime) >= int(since)
        for c in node.status.conditions
    )


async def _delete(client: Client, name: str, log: Log) -> None:
    try:
        await client.delete(NODE, name)
    except StatusError as e:
        if e.code != 404:
            log.warn("cannot delete", node=name, error=e)
