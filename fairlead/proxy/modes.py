"""Which backends there are, by the names of upstream's `mode`."""

from __future__ import annotations

from fairlead.base.clock import Clock
from fairlead.base.log import Log
from fairlead.net.model import ClusterNetwork
from fairlead.net.nft.model import Nft
from fairlead.proxy.endpoints import NodeView
from fairlead.proxy.loop import Proxy
from fairlead.proxy.nftables.backend import NftablesBackend
from fairlead.proxy.nftables.rules import Options, fixed_table
from fairlead.proxy.nodes import service_range


def nftables_proxy(
    node: NodeView, *, network: ClusterNetwork, nft: Nft, clock: Clock, log: Log, options: Options | None = None
) -> Proxy:
    """The proxy of a node of a cluster of this program's own, in the family of `node`."""
    backend = NftablesBackend(nft, fixed_table(network, family=node.family, options=options))
    services = [service_range(network, node.family)]
    return Proxy(backend, node=node, services=services, flows=nft, clock=clock, log=log)
