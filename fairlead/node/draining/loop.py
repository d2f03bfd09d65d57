"""Waits until a Pod that ends is out of every node's rules.

What must stay true: a node whose agent does not answer delays one Pod by the whole limit and the next ones by little;
several Pods that end at once cost one question a node, not one each.
"""

from __future__ import annotations

import asyncio
import contextlib

from fairlead.api.core.node.kind import NODE, Node
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, EndpointSlice
from fairlead.node.draining.model import Applied, Ask
from fairlead.node.draining.plan import agent_address, routed
from fairlead.runtime.informer import Informer, InformerSet
from fairlead.runtime.revisions import revision_of

_AGAIN_S = 0.1
_LOOK_S = 1.0
"""Seconds to wait for this node's proxies before they are asked again: a bookmark triggers no notification."""
SILENT_S = 0.25
"""Seconds to wait for a node that did not answer the last time."""


class Peer:
    """The agent of another node."""

    def __init__(self, address: str, ask: Ask) -> None:
        self.address = address
        self._ask = ask
        self._known = 0
        """The last revision reported by this node's proxies."""
        self._silent = False
        self._turn = asyncio.Lock()

    async def reach(self, revision: int) -> None:
        """Waits until the node follows the revision."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SILENT_S if self._silent else None), self._turn:
                await self._reach(revision)

    async def _reach(self, revision: int) -> None:
        heard = self._known >= revision
        try:
            while self._known < revision:
                try:
                    self._known = max(self._known, await self._ask(self.address, revision))
                    heard = True
                except ConnectionError:
                    await asyncio.sleep(_AGAIN_S)
        finally:
            self._silent = not heard


class Draining:
    """One node's. Implements `Traffic`."""

    def __init__(self, node_name: str, *, applied: Applied, ask: Ask) -> None:
        self._applied = applied
        self._name = node_name
        self._ask = ask
        self._slices: Informer[EndpointSlice] | None = None
        self._routed: dict[str, frozenset[str]] = {}
        """The node's Pods that get new connections, by slice."""
        self._revision = 0
        """The revision of the latest change of a slice."""
        self._changed = asyncio.Event()
        self._peers: dict[str, Peer] = {}

    def follow(self, informers: InformerSet) -> None:
        """Subscribes to the informers; call this before they run."""
        self._slices = informers.of(ENDPOINT_SLICE)
        self._slices.add_handler(self._slice_changed)
        informers.of(NODE).add_handler(self._node_changed)

    async def applied(self, revision: int, within_s: float) -> int:
        return await self._applied(revision, within_s)

    async def drained(self, uid: str, within_s: float) -> bool:
        """Waits until the Pod is out of the slices, and until all proxies follow."""
        try:
            async with asyncio.timeout(within_s):
                while any(uid in uids for uids in self._routed.values()):
                    self._changed.clear()
                    await self._changed.wait()
                await self._everywhere(self._revision)
        except TimeoutError:
            return False
        return True

    async def _everywhere(self, revision: int) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._here(revision))
            for peer in self._peers.values():
                group.create_task(peer.reach(revision))

    async def _here(self, revision: int) -> None:
        while await self._applied(revision, _LOOK_S) < revision:
            pass

    def _slice_changed(self, key: str, _: EndpointSlice | None, new: EndpointSlice | None) -> None:
        here = routed(new, self._name) if new is not None else frozenset()
        if here:
            self._routed[key] = here
        else:
            self._routed.pop(key, None)
        # A bookmark calls no handler, and is not sent to all watchers alike: its revision is not one to wait for.
        known = self._slices.revision if self._slices is not None else 0
        self._revision = max(self._revision, known, revision_of(new.metadata) if new is not None else 0)
        self._changed.set()

    def _node_changed(self, key: str, _: Node | None, new: Node | None) -> None:
        address = agent_address(new) if new is not None and key != self._name else ""
        if not address:
            self._peers.pop(key, None)
        elif key not in self._peers or self._peers[key].address != address:
            self._peers[key] = Peer(address, self._ask)
