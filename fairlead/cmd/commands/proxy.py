"""`fairlead proxy`: the proxy alone, for a node of any cluster, in the network namespace where it is started.

The flags are kube-proxy's, as far as there is something for them to say here; `--config FILE` takes its configuration
instead of them, as there. It ends by SIGTERM or SIGINT and leaves the rules, so that traffic goes on and the next one
takes them over; `--cleanup` removes them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead import __version__
from fairlead.base.clock import Clock
from fairlead.base.output import guard_output
from fairlead.cmd.commands.proxyflags import FLAGS
from fairlead.cmd.errors import CommandError, UsageError
from fairlead.cmd.wiring.access import Access, in_pod, read_kubeconfig

if TYPE_CHECKING:
    from fairlead.proxy.config import ProxyConfig
    from fairlead.proxy.inforce import Makers

_CAP_NET_ADMIN = 12
_RIGHTS = (
    "the kernel does not let this process change rules here: it needs CAP_NET_ADMIN in this network namespace "
    "(run it as root, or in a namespace of your own: unshare --user --map-root-user --net)"
)


def read_config(args: argparse.Namespace) -> ProxyConfig:
    """From the file, or else from the flags. Raises CommandError."""
    from fairlead.proxy.config import BadProxyConfig, parse_config

    if args.config:
        try:
            text = Path(args.config).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as e:
            raise CommandError(f"cannot read --config {args.config}: {getattr(e, 'strerror', e)}") from e
        try:
            return parse_config(text)
        except BadProxyConfig as e:
            raise UsageError(f"{args.config}: {e}") from e
    try:
        return parse_config(json.dumps(_document(args)))
    except BadProxyConfig as e:
        path, _, what = str(e).partition(": ")
        flags = {field: f"--{flag}" for flag, _, field, _ in FLAGS} | {"nodePortAddresses": "--nodeport-addresses"}
        raise UsageError(f"{flags.get(path.partition('[')[0], path)}: {what}") from e


def _document(args: argparse.Namespace) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for flag, _, field, _ in FLAGS:
        value = getattr(args, flag.replace("-", "_"))
        if value is not None:
            _put(tree, field, value)
    if args.nodeport_addresses:
        tree["nodePortAddresses"] = args.nodeport_addresses.split(",")
    if args.masquerade_all:
        for mode in ("nftables", "iptables"):
            _put(tree, f"{mode}.masqueradeAll", True)
    if args.iptables_localhost_nodeports is not None:
        _put(tree, "iptables.localhostNodePorts", args.iptables_localhost_nodeports)
    return tree


def _put(tree: dict[str, Any], field: str, value: object) -> None:
    head, dot, rest = field.partition(".")
    if dot:
        _put(tree.setdefault(head, {}), rest, value)
    else:
        tree[head] = value


def proxy(args: argparse.Namespace, *, clock: Clock) -> int:
    """Runs until it is told to end."""
    config = read_config(args)
    if args.cleanup:
        asyncio.run(_cleanup(_makers()))
        return 0
    access = _access(args, config)
    makers = _makers()
    with asyncio.Runner() as runner:
        runner.run(_until_asked(access, config, makers, clock))
    return 0


def _access(args: argparse.Namespace, config: ProxyConfig) -> Access:
    if named := args.kubeconfig or config.kubeconfig:
        return read_kubeconfig(Path(named))
    found = in_pod(os.environ)
    if found is None:
        raise UsageError("--kubeconfig FILE: how to reach the API server has to be said, as this is no Pod")
    return found


def _makers() -> Makers:
    """Raises CommandError where this process may not change rules."""
    from fairlead.net.errors import KernelRefused
    from fairlead.net.nft.run import NftKernel
    from fairlead.proxy.modes import kernel_modes
    from fairlead.proxy.nftables.rules import TABLE

    if not _is_capable():
        raise CommandError(_RIGHTS)  # before libnftables prints a line of its own
    try:
        kernel = NftKernel()
        kernel.read(TABLE)
    except KernelRefused as e:
        raise CommandError(_RIGHTS if "not permitted" in str(e) else str(e)) from e
    return kernel_modes(kernel)


def _is_capable() -> bool:
    """Of CAP_NET_ADMIN in this process's user namespace; the network namespace may still be another one's."""
    with open("/proc/self/status", encoding="ascii") as f:
        effective = next(line for line in f if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) & 1 << _CAP_NET_ADMIN)


async def _cleanup(makers: Makers) -> None:
    from fairlead.net.errors import KernelRefused
    from fairlead.net.family import IPV4, IPV6
    from fairlead.proxy.site import Site

    for mode, make in makers.items():
        for family in (IPV4, IPV6):
            try:
                backend = make(Site(family))
            except KernelRefused:
                continue  # What cannot be had here has left nothing either.
            try:
                await backend.cleanup()
            except KernelRefused as e:
                raise CommandError(f"rules of mode {mode} ({family.name}) may be left: {e}") from e


async def _until_asked(access: Access, config: ProxyConfig, makers: Makers, clock: Clock) -> None:
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
    from fairlead.machinery.status import StatusError
    from fairlead.net.conntrack.run import Conntrack
    from fairlead.proxy.modes import Localnet
    from fairlead.proxy.standalone import Kernel, run
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
