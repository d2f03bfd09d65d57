"""The page of the control plane: imported at the first request of a browser, so that a cluster without one pays
nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from fairlead.apiserver.pages import KEY_HEADER, Backend, Pages
from fairlead.apiserver.serialization.subprotocols import HEADER, KEY_PROTOCOL
from fairlead.base.clock import Clock
from fairlead.cmd.cluster.config import ClusterConfig

if TYPE_CHECKING:
    from aiohttp import web

    from fairlead.apiserver.model import User
    from fairlead.proxy.inspection.live import Observed
    from fairlead.proxy.inspection.places import Objects
    from fairlead.proxy.inspection.walk import Sender
    from fairlead.proxy.inspection.world import World

_BYTES = 24
"""Length of a token, a cookie or a key: 192 bits."""
_ROOT = 1
"""The process of which all processes of the cluster descend, in its pid namespace."""


class LatePages:
    """Implements `Pages` by a site that is made when it is first needed."""

    def __init__(self, config: ClusterConfig, *, clock: Clock, domain: Callable[[], str]) -> None:
        """`domain` returns the cluster's DNS domain."""
        self._config = config
        self._domain = domain
        self._clock = clock
        self._site: Pages | None = None

    def user_of(self, headers: Mapping[str, str]) -> User | None:
        """Implements `Pages`. A request without a session's key makes no site."""
        has_key = KEY_HEADER in headers or KEY_PROTOCOL in headers.get(HEADER, "")
        return self._made().user_of(headers) if has_key else None

    async def answer(self, request: web.BaseRequest, user: User, backend: Backend) -> web.StreamResponse:
        """Implements `Pages`."""
        return await self._made().answer(request, user, backend)

    def _made(self) -> Pages:
        if self._site is None:
            self._site = _make_site(self._config, self._clock, self._domain)
        return self._site


def _make_site(config: ClusterConfig, clock: Clock, domain: Callable[[], str]) -> Pages:
    from secrets import token_urlsafe

    from fairlead.cmd.wiring.inspection import OBJECT_PATHS
    from fairlead.cmd.wiring.podsockets import listening_sockets
    from fairlead.webui.explaining import Explaining
    from fairlead.webui.packets import Packets
    from fairlead.webui.sessions import Sessions
    from fairlead.webui.site import Site

    sessions = Sessions(clock=clock, random=partial(token_urlsafe, _BYTES))
    packets = Packets(partial(inspect, config, domain), OBJECT_PATHS, send_packet)
    return Site(sessions, Explaining(partial(listening_sockets, _ROOT), domain), packets)


def inspect(
    config: ClusterConfig, domain: Callable[[], str], trees: Mapping[str, Any], rules: Mapping[str, bytes]
) -> tuple[World, Objects]:
    """Returns the world and the objects that `trace` works on. `trees`: the API's answers by path, None for 404;
    `rules`: the answers of nodes."""
    from fairlead.cmd.wiring.inspection import fetch_objects, make_world
    from fairlead.cmd.wiring.noderules import decode_node_rules

    objects = fetch_objects(_Fetched(trees), config)
    texts = {(node, text.family): text for node, answer in rules.items() for text in decode_node_rules(answer)}
    return make_world(config, objects, texts), objects.named(domain())


def send_packet(sender: Sender, address: str, port: int, protocol: str, world: World) -> Observed:
    """Sends a packet from a place of the cluster and returns what the nodes saw of it. Raises StatusError."""
    from contextlib import ExitStack

    from fairlead.cmd.wiring.podsockets import processes_at
    from fairlead.cmd.wiring.sending import observed, open_namespace, send
    from fairlead.machinery.values.status import bad_request, internal_error
    from fairlead.net import linux
    from fairlead.net.errors import KernelError

    addresses = {node.name: str(node.view.ip) for node in world.nodes}
    pids = processes_at(_ROOT, [sender.address, *addresses.values()])
    if sender.address not in pids:
        raise bad_request(f"no process of the cluster has the address {sender.address}: cannot send from there")
    try:
        with ExitStack() as opened:

            def namespace(of: str) -> int:
                fd = open_namespace(pids[of])
                opened.callback(os.close, fd)
                return fd

            origin = namespace(sender.address)
            nodes = {name: namespace(own) for name, own in addresses.items() if own in pids}
            work = partial(send, origin, nodes, source=sender.address, target=address, port=port, protocol=protocol)
            return observed(linux.in_thread(work))
    except (OSError, KernelError) as error:
        raise internal_error(f"cannot send a packet: {error}") from error


class _Fetched:
    """Answers that were fetched before. Implements `Reader`."""

    def __init__(self, trees: Mapping[str, Any]) -> None:
        self._trees = trees

    def get(self, path: str) -> Any:
        from fairlead.cli.api import ApiError

        if (tree := self._trees[path]) is None:
            raise ApiError(404, f"{path} is not found")
        return tree
