"""Builds the sandbox, in its pid 1, before pid 1 supervises components.

Pid 1 makes the descriptors of all networks and processes, and forks the template, which imports the modules of the
components. Meanwhile pid 1 builds the networks and starts one small zygote per node: containers are forked from small
processes. The template then forks the components.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant
from fairlead.base.limits import explain_limit
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.installation import Installation
from fairlead.cmd.cluster.paths import Paths
from fairlead.cmd.errors import CommandError
from fairlead.cmd.process import template
from fairlead.cmd.process.channel import Channel
from fairlead.cmd.process.components import Component
from fairlead.cmd.process.messages import BuildFailed, Go, Ready, StepDone, Warm
from fairlead.cmd.process.pid1 import Pid1
from fairlead.cmd.process.preflight import check_ipv6, check_nftables
from fairlead.cmd.process.template import Stage, Template
from fairlead.net import linux
from fairlead.net.model import API_PORT_INSIDE
from fairlead.relay.fdstore import FdStore

if TYPE_CHECKING:
    from fairlead.net.hostlink.plan import HostLink


@dataclass(frozen=True, slots=True)
class Inherited:
    """Settings and descriptors from the supervisor."""

    config: ClusterConfig
    paths: Paths
    api_fds: tuple[int, ...]
    """Listening sockets on the host's loopback, and at `--api-address` if it is set."""
    relay_fd: int
    """Socket for requests to the supervisor to open node ports on the host's loopback."""
    dns_fd: int
    """Socket for requests to the supervisor to open sockets to the upstreams of DNS."""
    link: HostLink | None
    """The link to the host's network, or None without `--host-routes`."""
    started: Instant
    installation: Installation


@dataclass(slots=True)
class NodeFds:
    name: str
    index: int
    netns: int
    zygote_end: int = -1
    agent_end: int = -1


def run(inherited: Inherited, channel: Channel, *, clock: Clock) -> NoReturn:
    """Builds the sandbox and runs pid 1. If the build fails, reports the error to the supervisor and exits."""
    try:
        pid1 = _build(inherited, channel, clock)
    except Exception as e:  # noqa: BLE001 - the top of a process: the supervisor turns it into a line for the user
        _fail(inherited, channel, e)
    pid1.run()


def _fail(inherited: Inherited, channel: Channel, error: Exception) -> NoReturn:
    import traceback

    traceback.print_exception(error)
    if isinstance(error, CommandError):
        text, evidence = str(error), error.evidence
    else:
        why = explain_limit(error) if isinstance(error, OSError) else error
        text, evidence = f"cannot build the sandbox: {why}; see {inherited.paths.log('sandbox')}", True
    channel.send(BuildFailed(text, evidence))
    os._exit(1)


def _build(inherited: Inherited, channel: Channel, clock: Clock) -> Pid1:
    gc.disable()
    linux.set_process_name("fairlead-init")
    # Not the user's umask: pods run as several users, who share volumes below the cluster's folder (mode 0700).
    os.umask(0o022)
    _own_mounts(inherited.config.name)
    _import_shared()
    nodes = _new_nodes(inherited.config)
    inside = _inside_socket(inherited.config)
    pid1 = Pid1(channel, inherited.paths, warm=template.warm, clock=clock, installation=inherited.installation)
    fd_store = FdStore()
    pid1.watch(fd_store.fileno(), fd_store.receive)
    # The relay imports least. Of the others the control plane is first, because they wait until it answers.
    stages = (
        Stage(partial(_until_certified, channel, inherited.paths.pki), (_relay(inherited, fd_store),)),
        Stage(template.warm_common, (_control_plane(inherited, inside.fileno(), channel.fileno()),)),
        Stage(partial(_warm_nodes, inherited), tuple(_agent(inherited, node) for node in nodes)),
    )
    forking = Template(stages, pid1, failed=partial(_fail, inherited, channel))
    _networks(inherited.config, inherited.link, nodes, inside)
    check_nftables()
    channel.send(StepDone(f"network of {len(nodes)} node{'s' if len(nodes) > 1 else ''}"))
    for node in nodes:
        pid1.start(_zygote(node))
    forking.finish()
    inside.detach()
    for node in nodes:
        pid1.renew(f"zygote-{node.name}", partial(_renewed, inherited, node))
    return pid1


def _import_shared() -> None:
    """Imports the modules of zygotes, agents and pid 1: 0.7 MB each, with the codec of the zygotes' messages."""
    from fairlead.node.runtime.protocol import wire

    import_module("fairlead.net.topology.run")
    import_module("fairlead.node.runtime.zygote.zygote")
    wire.prepare()
    gc.freeze()


def _until_certified(channel: Channel, pki: Path) -> None:
    """Imports modules while the supervisor's child makes the certificates, then waits for the certificates."""
    template.warm_relay()
    channel.send(Warm())
    received = channel.receive()
    if received is None or not isinstance(received[0], Go):
        os._exit(1)
    template.warm_tls(pki)


def _warm_nodes(inherited: Inherited) -> None:
    template.warm_nodes()
    if inherited.link is not None:
        _guard_host(inherited.link)


def _own_mounts(name: str) -> None:
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
    try:
        linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    except PermissionError:
        # If a container engine hides parts of /proc, the kernel refuses to mount a new one. The outer /proc serves as
        # well: it shows more processes, and /proc/self is still right.
        print("cannot mount /proc: keeping the outer one", file=sys.stderr)
    linux.sethostname(f"fairlead-{name}")


def _new_nodes(config: ClusterConfig) -> list[NodeFds]:
    """Makes a network namespace and the ends of a zygote's socket for each node."""
    from fairlead.net.topology.run import new_node

    six = config.network().six is not None
    if six:
        check_ipv6()
    nodes = [NodeFds(name, i, new_node(six=six)) for i, name in enumerate(config.node_names, 1)]
    for node in nodes:
        _new_zygote_line(node)
    return nodes


def _inside_socket(config: ClusterConfig) -> socket.socket:
    """Returns the socket of the API server on the fabric. It listens once the fabric is built."""
    return socket.socket(socket.AF_INET6 if config.network().only_six else socket.AF_INET)


def _networks(config: ClusterConfig, link: HostLink | None, nodes: Sequence[NodeFds], inside: socket.socket) -> None:
    """Builds the fabric, this end of the host link and the nodes' networks, and lets the API's socket listen."""
    from fairlead.net.topology.run import build_fabric, connect_node

    network = config.network()
    build_fabric(network)
    if link is not None:
        from fairlead.net.hostlink.run import attach_inside

        attach_inside(link)
    for node in nodes:
        connect_node(network, node.netns, node.index, config.nodes)
    inside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if network.only_six:
        # Pods connect by IPv6, the cluster's own components by IPv4. This namespace has no other processes.
        inside.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        inside.bind(("::", API_PORT_INSIDE))
    else:
        inside.bind((str(network.gateway), API_PORT_INSIDE))
    inside.listen(512)


def _guard_host(link: HostLink) -> None:
    """Installs the rules that protect the host. Must run before the first container starts."""
    from fairlead.net.hostlink.plan import guard
    from fairlead.net.nft.run import NftKernel

    NftKernel().run_text(guard(link))


def _new_zygote_line(node: NodeFds) -> None:
    for fd in (node.zygote_end, node.agent_end):
        if fd >= 0:
            os.close(fd)
    zygote, agent = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    node.zygote_end, node.agent_end = zygote.detach(), agent.detach()


def _renewed(inherited: Inherited, node: NodeFds) -> tuple[Component, Component]:
    """Returns a new zygote and a new agent after the zygote died, and the node's containers with it."""
    _new_zygote_line(node)
    return _zygote(node), _agent(inherited, node)


def _zygote(node: NodeFds) -> Component:
    return Component(
        name=f"zygote-{node.name}",
        main=partial(_zygote_main, node.zygote_end),
        node=node.name,
        netns=node.netns,
        keep=(node.zygote_end,),
        graceful=False,
        raises_limit=False,  # the zygote raises its limit itself, and restores the old one for containers
        shares=False,
    )


def _zygote_main(fd: int) -> None:
    from fairlead.node.runtime.zygote.zygote import main

    gc.enable()
    main(socket.socket(fileno=fd))


def _agent(inherited: Inherited, node: NodeFds) -> Component:
    return Component(
        name=f"agent-{node.name}",
        main=partial(_agent_main, inherited, node.index, node.agent_end),
        node=node.name,
        netns=node.netns,
        keep=(node.agent_end,),
    )


def _agent_main(inherited: Inherited, index: int, zygote_fd: int) -> None:
    from fairlead.cmd.wiring.agent import main

    gc.enable()
    main(inherited.config, inherited.paths, index=index, zygote=socket.socket(fileno=zygote_fd))


def _control_plane(inherited: Inherited, inside_fd: int, channel_fd: int) -> Component:
    return Component(
        name="control-plane",
        main=partial(_control_plane_main, inherited, inside_fd, channel_fd),
        keep=(*inherited.api_fds, inside_fd, channel_fd),
    )


def _control_plane_main(inherited: Inherited, inside_fd: int, channel_fd: int) -> None:
    from fairlead.cmd.wiring.controlplane import Wiring, main

    template.warm_control_plane()
    gc.enable()
    sockets = [socket.socket(fileno=fd) for fd in (*inherited.api_fds, inside_fd)]
    channel = Channel(socket.socket(fileno=channel_fd))

    def report_ready(what: Literal["api", "nodes"], text: str) -> None:
        channel.send(Ready(what, text))

    main(Wiring(inherited.config, inherited.paths, sockets, report_ready, inherited.started))


def _relay(inherited: Inherited, fd_store: FdStore) -> Component:
    """Returns the relay's component. The relay does not wait for pid 1's imports (0.3 s): it serves after 0.05 s."""
    return Component(
        name="relay",
        main=partial(_relay_main, inherited, fd_store),
        keep=(inherited.relay_fd, inherited.dns_fd, fd_store.relay_end),
        also_keep=fd_store.fds,
        shares=False,
    )


def _relay_main(inherited: Inherited, fd_store: FdStore) -> None:
    from fairlead.cmd.wiring.relay import RelaySockets, main

    gc.enable()
    host, outside, fd_store_end = (
        socket.socket(fileno=fd) for fd in (inherited.relay_fd, inherited.dns_fd, fd_store.relay_end)
    )
    main(inherited.config, inherited.paths, RelaySockets(host, outside, fd_store_end, fd_store.contents()))
