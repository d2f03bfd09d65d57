"""A node's agent: the kubelet part and the proxy part on one event loop, in the node's network namespace."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from fairlead.base.clock import RealClock
from fairlead.base.ids import RandomIds
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.paths import (
    Paths,
    image_store,
    images_file,
    make_private,
    registries_file,
    seccomp_folder,
    state_home,
)
from fairlead.cmd.errors import CommandError
from fairlead.cmd.wiring import tls
from fairlead.cmd.wiring.homes import home_folders
from fairlead.cmd.wiring.settled import trim_when_settled
from fairlead.net.model import API_PORT_INSIDE

if TYPE_CHECKING:
    from fairlead.base.log import Log
    from fairlead.node.settings import NodeSettings
    from fairlead.node.streaming.kubeletapi import Part
    from fairlead.proxy.server.serving import ProxyServer
    from fairlead.runtime.client import Client
    from fairlead.runtime.informer import InformerSet


WARM = (
    "encodings.ascii",
    "encodings.idna",
    "uvloop",
    "fairlead.dns.program.resolvconf",
    "fairlead.loadbalancer.announcer.loop",
    "fairlead.loadbalancer.announcer.run",
    "fairlead.net.netlink.run",
    "fairlead.net.nft.run",
    "fairlead.net.topology.run",
    "fairlead.node.agent",
    "fairlead.node.draining.loop",
    "fairlead.proxy.sync.modes",
    "fairlead.proxy.server.serving",
    "fairlead.runtime.http",
    "fairlead.runtime.typed",
)
"""Modules that the template imports before it forks this process. Python would import the first two at first use."""


def main(config: ClusterConfig, paths: Paths, *, index: int, zygote: socket.socket) -> None:
    import uvloop

    from fairlead.node.runtime.agent.zygoteclient import ZygoteVersionError

    refused = ""  # an exception raised in an `except*` block would leave it inside a group
    try:
        uvloop.run(_run(config, paths, index, zygote))
    except* ZygoteVersionError as group:
        refused = str(group.exceptions[0])
    if refused:
        raise CommandError(refused)


def _settings(config: ClusterConfig, paths: Paths, index: int) -> NodeSettings:
    from fairlead.node.settings import NodeSettings

    network = config.network()
    name = config.node_names[index - 1]
    make_private(paths.node(name))
    return NodeSettings(
        name=name,
        ips=tuple(map(str, network.node_ips(index))),
        pod_cidrs=tuple(map(str, network.pod_cidrs_of(index))),
        state_dir=str(paths.node(name)),
        volumes_dir=str(paths.volumes),
        zone=config.zone_of(index),
        own_log=str(paths.log(f"agent-{name}")),
        hide=(str(state_home()),),
        homes=home_folders(os.environ, passwd="/etc/passwd"),
        catalogues=(config.images, str(images_file())),
        image_store=str(image_store()),
        image_service=str(paths.image_socket),
        registries_file=str(registries_file()),
        seccomp_folder=str(seccomp_folder()),
        registries=config.registries,
        single_id=_mapping().ids == 1,
        host_namespaces=_mapping().outside == 0,
        kubelet_tls=tls.server(paths.pki, f"node-{name}", require_client=True),
        kubernetes_host=str(network.kubernetes_ip),
        cluster_dns=config.dns_ip,
        domain_file=str(paths.domain),
        outside_dns=str(network.control_ip),
        host_searches=_host_searches(config),
    )


def _host_searches(config: ClusterConfig) -> tuple[str, ...]:
    """Returns the host's search domains if the upstreams include the host's resolvers."""
    from fairlead.dns.program.resolvconf import RESOLV_CONF, read_searches

    return tuple(read_searches(RESOLV_CONF)) if "host" in config.upstream.split() else ()


class _Mapping(NamedTuple):
    """The first range of user ids that a user namespace maps."""

    inside: int
    outside: int
    ids: int


def _mapping() -> _Mapping:
    with open("/proc/self/uid_map", encoding="ascii") as f:
        return _Mapping(*map(int, f.readline().split()))


async def _run(config: ClusterConfig, paths: Paths, index: int, zygote: socket.socket) -> None:
    import fairlead.loadbalancer.announcer.loop
    import fairlead.node.agent
    import fairlead.proxy.server.serving
    from fairlead.base.log import stderr_log
    from fairlead.loadbalancer.announcer.run import Leg
    from fairlead.net.netlink.run import Netlink
    from fairlead.net.topology.plan import NODE_LINK
    from fairlead.net.topology.run import PodAttacher
    from fairlead.node.draining.loop import Draining
    from fairlead.node.draining.run import PeerClient
    from fairlead.runtime.http import HttpTransport
    from fairlead.runtime.informer import InformerSet
    from fairlead.runtime.typed import ApiClient
    from fairlead.runtime.writers import ignore_lost_connections

    ignore_lost_connections()
    trim_when_settled()
    clock, rng = RealClock(), random.Random()
    settings, network = _settings(config, paths, index), config.network()
    log = stderr_log(settings.name, clock=clock)
    api = f"https://{network.gateway}:{API_PORT_INSIDE}"
    client = ApiClient(HttpTransport(api, ssl_context=tls.client(paths.pki, f"node-{settings.name}")))
    # A node may not read other nodes or endpoints: the proxy and what shares its informers have their own identity.
    proxy_client = ApiClient(HttpTransport(api, ssl_context=tls.client(paths.pki, "kube-proxy")))
    informers = InformerSet(proxy_client, log=log)
    server = _proxies(config, settings, informers, proxy_client, log.named("proxy"))
    ask = PeerClient(tls.client(paths.pki, f"node-{settings.name}"))
    traffic = Draining(settings.name, applied=server.applied, ask=ask)
    traffic.follow(informers)
    announcer = fairlead.loadbalancer.announcer.loop.run(
        informers, node_name=settings.name, segment=Leg(NODE_LINK), log=log.named("announcer")
    )
    agent = fairlead.node.agent.run(
        settings,
        client,
        zygote=zygote,
        attacher=PodAttacher(Netlink()),
        traffic=traffic,
        parts=_parts(config, server),
        clock=clock,
        rng=rng,
        ids=RandomIds(rng),
        log=log,
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(announcer)
        group.create_task(fairlead.proxy.server.serving.serve(informers, server))
        group.create_task(agent)


def _parts(config: ClusterConfig, server: ProxyServer) -> Mapping[str, Part]:
    """Returns what the node's API serves about the proxies: their metrics, and the rules in the kernel."""

    async def metrics() -> str:
        return server.metrics()

    async def rules() -> str:
        from fairlead.cmd.wiring.noderules import read_node_rules

        return await asyncio.to_thread(read_node_rules, config.ip_family)

    return {"/metrics/proxy": metrics, "/rules": rules}


def _proxies(
    config: ClusterConfig, settings: NodeSettings, informers: InformerSet, client: Client, log: Log
) -> ProxyServer:
    """Returns the server of the node's proxies, one for each family, subscribed to the API objects."""
    from fairlead.net.nft.run import NftKernel
    from fairlead.proxy.planning.nodes import node_views
    from fairlead.proxy.planning.proxierconfig import cluster_proxier, with_ranges
    from fairlead.proxy.server.serving import ProxyServer, bindings_of, follow_config, follow_zone
    from fairlead.proxy.settings.config import ProxyConfig
    from fairlead.proxy.settings.following import RangeFollower
    from fairlead.proxy.settings.modes import DEFAULT_MODE
    from fairlead.proxy.sync.activebackend import ProxyContext
    from fairlead.proxy.sync.loop import Proxy
    from fairlead.proxy.sync.modes import cluster_pods, kernel_modes, route_localnet

    clock, network, kernel = RealClock(), config.network(), NftKernel()
    default = ProxyConfig(mode=config.proxy_mode or DEFAULT_MODE)
    views = node_views(settings.name, network.node_ip(config.node_names.index(settings.name) + 1), network)
    makers = kernel_modes(kernel, pods=cluster_pods(network))
    proxiers = [cluster_proxier(network, view.family) for view in views]
    proxies = [
        Proxy(ProxyContext(proxier, makers, kernel, route_localnet), default, node=view, clock=clock, log=log)
        for proxier, view in zip(proxiers, views, strict=True)
    ]

    def ranges_changed(ranges: list[str]) -> None:
        for proxy, proxier in zip(proxies, proxiers, strict=True):
            proxy.move(proxy.node, with_ranges(proxier, ranges))

    server = ProxyServer(
        proxies,
        client=client,
        clock=clock,
        log=log,
        bindings=bindings_of(default),
        moved=partial(follow_zone, proxies),
    )
    server.follow(informers)
    follow_config(informers, server, default=default, log=log)
    RangeFollower(ranges_changed).follow(informers)
    return server
