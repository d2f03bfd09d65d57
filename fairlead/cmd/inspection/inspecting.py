"""Reads a running cluster for `rules`, `trace` and `watch`: the API's objects, and the rules in each node's kernel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from fairlead.base.codec import decode, encode
from fairlead.cli.api import Api
from fairlead.cmd.cluster import config as settings
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.lookup import lost_settings, running
from fairlead.cmd.cluster.paths import read_domain
from fairlead.cmd.cluster.state import Run
from fairlead.cmd.errors import CommandError, UsageError
from fairlead.cmd.nodes.innodes import Tree, in_namespaces, in_nodes
from fairlead.cmd.nodes.nodeentry import holder
from fairlead.cmd.wiring.clusterapi import ask, connect
from fairlead.proxy.settings.modes import facts_of

if TYPE_CHECKING:
    from fairlead.cmd.wiring.inspection import ClusterObjects, Texts
    from fairlead.proxy.inspection.live import Observed
    from fairlead.proxy.inspection.walk import Sender
    from fairlead.proxy.inspection.world import World


class Inspected(NamedTuple):
    """A cluster at one moment."""

    world: World
    objects: ClusterObjects
    texts: Texts
    config: ClusterConfig
    domain: str
    """The cluster's DNS domain."""


class Inspector:
    """Reads one cluster again and again. The constructor raises CommandError if the cluster does not run."""

    def __init__(self, name: str) -> None:
        self.paths, self.run = running(name)
        config = settings.load(self.paths)
        if config is None:
            raise lost_settings(name, self.paths)
        self.config: ClusterConfig = config
        self.api: Api = connect(name)[0]
        self._uncounted = False
        """The rules are of iptables, whose legacy variant the kernel does not count."""

    def nodes(self, chosen: str = "") -> list[str]:
        """Returns the nodes to read: one, or all. Raises UsageError."""
        names = [node.name for node in self.run.nodes]
        if chosen and chosen not in names:
            raise UsageError(f'there is no node "{chosen}": the cluster has {", ".join(names)}')
        return [chosen] if chosen else names

    def send(self, sender: Sender, pod: bool, address: str, port: int, protocol: str) -> Observed:
        """Sends one packet and returns what was seen of it. Raises CommandError."""
        from fairlead.cmd.wiring.podsockets import process_at
        from fairlead.cmd.wiring.sending import observed, open_namespace, send

        if pod:
            pid = process_at(self.run.pid, sender.address)
        elif sender.node:
            pid = holder(self.run, sender.node)
        else:
            pid = self._outside_pid(sender)
        if not pid:
            raise CommandError(f"no process of this machine has the address {sender.address}: cannot send from there")
        nodes = {name: open_namespace(holder(self.run, name)) for name in self.nodes()}
        origin = open_namespace(pid)

        def work(_: str) -> Tree:
            return send(origin, nodes, source=sender.address, target=address, port=port, protocol=protocol)

        return observed(in_namespaces({"": holder(self.run, None)}, work)[""])

    def _outside_pid(self, sender: Sender) -> int:
        """Returns a process on the fabric, outside of all nodes, if the sender is there."""
        network = self.config.network()
        gateways = {str(network.gateway), *([str(network.six.gateway)] if network.six else [])}
        component = next((one for one in self.run.components if not one.node and one.name == "control-plane"), None)
        return component.pid if component is not None and sender.address in gateways else 0

    def generations(self, node: str = "") -> dict[str, int] | None:
        """Returns a number for each node that changes with every change of its rules; None if the kernel lacks such a
        number for the mode."""
        from fairlead.net.nft.batch import NftSocket

        def read(_: str) -> int:
            sock = NftSocket()
            try:
                return sock.generation()
            finally:
                sock.close()

        if self._uncounted:
            return None
        return in_nodes(self.run, {name: name for name in self.nodes(node)}, read)

    def inspect(self, node: str = "", *, kernel: bool = True) -> Inspected:
        """Returns the cluster's state. Raises CommandError."""
        from fairlead.cmd.wiring.inspection import fetch_objects, make_world

        nodes = self.nodes(node)
        texts = read_texts(self.run, nodes, self.config) if kernel else {}
        self._uncounted = not all(facts_of(text.mode).counted for text in texts.values())
        objects = ask(lambda: fetch_objects(self.api, self.config))
        world = make_world(self.config, objects, texts, host=self.run.hostAddresses, nodes=nodes)
        return Inspected(world, objects, texts, self.config, read_domain(self.paths.domain))


def read_texts(run: Run, nodes: Iterable[str], config: ClusterConfig) -> Texts:
    """Returns the rules of the nodes' kernels. Raises CommandError."""
    from fairlead.cmd.wiring.inspection import families
    from fairlead.net.family import of_name
    from fairlead.proxy.inspection.reading import read_rules
    from fairlead.proxy.inspection.ruleset import NodeText

    wanted = [of_name("IPv6" if name == "IPv6" else "IPv4") for name in families(config)]
    trees = in_nodes(
        run, {node: node for node in nodes}, lambda _: [encode(NodeText, read_rules(family)) for family in wanted]
    )
    texts = [(node, decode(NodeText, tree)) for node, found in trees.items() for tree in found]
    return {(node, text.family): text for node, text in texts}
