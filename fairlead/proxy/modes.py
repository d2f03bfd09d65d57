"""Which backends there are, by the names of upstream's `mode`."""

from __future__ import annotations

from fairlead.base.clock import Clock
from fairlead.base.log import Log
from fairlead.net import linux
from fairlead.net.errors import KernelRefused
from fairlead.net.model import ClusterNetwork
from fairlead.net.nft.model import Nft
from fairlead.proxy.config import ProxyConfig
from fairlead.proxy.endpoints import NodeView
from fairlead.proxy.loop import Around, Makers, Proxy
from fairlead.proxy.nftables.backend import NftablesBackend
from fairlead.proxy.site import cluster_site


def kernel_modes(nft: Nft) -> Makers:
    """Those that can be had in the network namespace of `nft`."""
    return {"nftables": lambda site: NftablesBackend(nft, site)}


def route_localnet(on: bool) -> None:
    """In the network namespace of the calling thread. Raises KernelRefused."""
    try:
        linux.put("/proc/sys/net/ipv4/conf/all/route_localnet", "1" if on else "0")
    except OSError as e:
        raise KernelRefused(f"cannot set net.ipv4.conf.all.route_localnet: {e.strerror}") from e


def nftables_proxy(
    node: NodeView, *, network: ClusterNetwork, nft: Nft, clock: Clock, log: Log, config: ProxyConfig | None = None
) -> Proxy:
    """The proxy of a node of a cluster of this program's own, in the family of `node`, with one mode to choose from."""
    around = Around(cluster_site(network, node.family), kernel_modes(nft), nft, lambda _: None)
    return Proxy(around, config or ProxyConfig(), node=node, clock=clock, log=log)
