"""Lists the backends, by the names of upstream's `mode`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from fairlead.net import linux
from fairlead.net.errors import KernelError
from fairlead.net.iptables.run import IptablesKernel, TransactionCount
from fairlead.net.model import ClusterNetwork
from fairlead.net.nft.model import Nft
from fairlead.proxy.iptables.backend import IptablesBackend
from fairlead.proxy.nftables.backend import NftablesBackend
from fairlead.proxy.planning.backend import Backend
from fairlead.proxy.planning.proxierconfig import ProxierConfig, of_family
from fairlead.proxy.sync.activebackend import Makers


def nftables_only(nft: Nft) -> dict[str, Callable[[ProxierConfig], Backend]]:
    return {"nftables": lambda proxier: NftablesBackend(nft, proxier)}


def kernel_modes(nft: Nft, *, pods: Iterable[str] = ()) -> Makers:
    """Returns the available modes in the network namespace of `nft`, which must be that of the calling thread too.

    `pods`: the ranges of all Pods, if Pod addresses stay unchanged between nodes."""
    ranges = tuple(pods)
    transactions = TransactionCount()
    programs = cache(lambda family: IptablesKernel(family, transactions=transactions))

    def iptables(proxier: ProxierConfig) -> Backend:
        tables = programs(proxier.family.table)
        return IptablesBackend(tables, proxier, pods=of_family(ranges, proxier.family))

    return {**nftables_only(nft), "iptables": iptables}


def cluster_pods(network: ClusterNetwork) -> tuple[str, ...]:
    """Returns the ranges of the Pods of a cluster made by Fairlead, of all families."""
    return tuple(map(str, network.pod_cidrs))


def route_localnet(on: bool) -> None:
    """Sets `route_localnet` in the network namespace of the calling thread. Raises KernelError."""
    try:
        linux.put("/proc/sys/net/ipv4/conf/all/route_localnet", "1" if on else "0")
    except OSError as e:
        raise KernelError(f"cannot set net.ipv4.conf.all.route_localnet: {e.strerror}") from e


class Localnet:
    """Sets `route_localnet` in a foreign namespace: turned off only if this process turned it on."""

    def __init__(self) -> None:
        self._given = False

    def route(self, on: bool) -> None:
        if on or self._given:
            route_localnet(on)
        self._given = on
