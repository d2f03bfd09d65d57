"""The standalone proxy, for a node of any cluster: runs in the process of `fairlead proxy`."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import TYPE_CHECKING

from fairlead import __version__
from fairlead.base.clock import Clock
from fairlead.base.output import guard_output
from fairlead.cmd.errors import CommandError
from fairlead.cmd.wiring.access import Access

if TYPE_CHECKING:
    from fairlead.proxy.settings.config import ProxyConfig
    from fairlead.proxy.sync.activebackend import Makers

_CAP_NET_ADMIN = 12
_RIGHTS = (
    "the kernel does not let this process change rules here: it needs CAP_NET_ADMIN in this network namespace "
    "(run it as root, or in a namespace of your own: unshare --user --map-root-user --net)"
)


def makers() -> Makers:
    """Returns the backends by mode. Raises CommandError if this process may not change rules."""
    from fairlead.net.errors import KernelError
    from fairlead.net.nft.run import NftKernel
    from fairlead.proxy.nftables.rules import TABLE
    from fairlead.proxy.sync.modes import kernel_modes

    if not _is_capable():
        raise CommandError(_RIGHTS)  # before libnftables prints another line
    try:
        kernel = NftKernel()
        kernel.read(TABLE)
    except KernelError as e:
        raise CommandError(_RIGHTS if "not permitted" in str(e) else str(e)) from e
    return kernel_modes(kernel)


def _is_capable() -> bool:
    """Returns True if this process has CAP_NET_ADMIN in its user namespace, which may not own the network namespace."""
    with open("/proc/self/status", encoding="ascii") as f:
        effective = next(line for line in f if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) & 1 << _CAP_NET_ADMIN)


async def cleanup(makers: Makers) -> None:
    from fairlead.net.errors import KernelError
    from fairlead.net.family import IPV4, IPV6
    from fairlead.proxy.planning.proxierconfig import ProxierConfig

    for mode, make in makers.items():
        for family in (IPV4, IPV6):
            try:
                backend = make(ProxierConfig(family))
            except KernelError:
                continue  # a backend that is not available here has left no rules
            try:
                await backend.cleanup()
            except KernelError as e:
                raise CommandError(f"rules of mode {mode} ({family.name}) may be left: {e}") from e


async def serve(access: Access, config: ProxyConfig, makers: Makers, clock: Clock) -> None:
    """Runs until SIGTERM or SIGINT."""
    running = asyncio.current_task()
    assert running is not None
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    def end() -> None:
        asked.set()
        running.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    try:
        await _run(access, config, makers, clock)
    except asyncio.CancelledError:
        if not asked.is_set():
            raise


async def _run(access: Access, config: ProxyConfig, makers: Makers, clock: Clock) -> None:
    from fairlead.base.log import stderr_log
    from fairlead.machinery.values.status import StatusError
    from fairlead.net.conntrack.run import Conntrack
    from fairlead.proxy.server.standalone import Kernel, run
    from fairlead.proxy.sync.modes import Localnet
    from fairlead.runtime.typed import ApiClient

    guard_output()
    name = config.node_name or socket.gethostname().lower()
    transport = access.transport(agent=f"fairlead-proxy/{__version__}")
    kernel = Kernel(makers, Conntrack(), Localnet().route)
    try:
        await run(ApiClient(transport), name, config, kernel=kernel, clock=clock, log=stderr_log("proxy", clock=clock))
    except StatusError as e:
        raise CommandError(f"{access.server} refuses: {e}") from e
    finally:
        await transport.close()
