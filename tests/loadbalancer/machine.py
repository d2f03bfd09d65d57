"""The proxy of a real machine, for tests: `python -m tests.loadbalancer.machine KUBECONFIG NODE ADDRESS`."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

from fairlead.base.clock import RealClock
from fairlead.base.log import stderr_log
from fairlead.cmd.access import read_kubeconfig
from fairlead.net.nft.run import NftKernel
from fairlead.proxy.config import ProxyConfig
from fairlead.proxy.endpoints import NodeView
from fairlead.proxy.loop import Around, Proxy
from fairlead.proxy.modes import kernel_modes, route_localnet
from fairlead.proxy.serving import Bindings, Station, follow_zone, serve
from fairlead.proxy.site import Site
from fairlead.runtime.informer import InformerSet
from fairlead.runtime.typed import ApiClient


async def main(kubeconfig: str, node: str, address: str) -> None:
    clock, log, kernel = RealClock(), stderr_log("proxy", clock=RealClock()), NftKernel()
    client = ApiClient(read_kubeconfig(Path(kubeconfig)).transport(agent="proxy"))
    around = Around(Site(services=("10.96.0.0/12",)), kernel_modes(kernel), kernel, route_localnet)
    view = NodeView(node, IPv4Address(address), addresses=(address,))
    proxy = Proxy(around, ProxyConfig(), node=view, clock=clock, log=log)
    station = Station(
        [proxy], client=client, clock=clock, log=log, bindings=Bindings(), moved=partial(follow_zone, [proxy])
    )
    informers = InformerSet(client, log=log)
    station.follow(informers)
    await serve(informers, station)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
