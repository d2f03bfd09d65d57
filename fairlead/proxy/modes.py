"""Which backends there are, by the names of upstream's `mode`."""

from __future__ import annotations

from fairlead.base.clock import Clock
from fairlead.base.log import Log
from fairlead.net.model import ClusterNetwork
from fairlead.net.nft.model import Nft
from fairlead.proxy.endpoints import NodeView
from fairlead.proxy.loop import Proxy
from fairlead.proxy.nftables.backend import NftablesBackend
from fairlead.proxy.site import Site, cluster_site


def nftables_proxy(
    node: NodeView, *, network: ClusterNetwork, nft: Nft, clock: Clock, log: Log, site: Site | None = None
) -> Proxy:
    """The proxy of a node of a cluster of this program's own, in the family of `node`."""
    site = site or cluster_site(network, node.family)
    return Proxy(NftablesBackend(nft, site), site=site, node=node, flows=nft, clock=clock, log=log)
