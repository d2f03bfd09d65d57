"""`fairlead proxy`: the proxy alone, for a node of any cluster, in the network namespace where it is started.

The flags are those of kube-proxy that have a meaning here. As there, `--config FILE` replaces the flags. SIGTERM or
SIGINT ends the proxy. The rules stay, so that traffic goes on and the next proxy takes the rules over; `--cleanup`
removes them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from fairlead.base.clock import RealClock
from fairlead.cmd.errors import CommandError, UsageError
from fairlead.cmd.wiring import proxyalone
from fairlead.cmd.wiring.access import Access, in_pod, read_kubeconfig
from fairlead.proxy.settings.config import BadProxyConfig, ProxyConfig, parse_config
from fairlead.proxy.settings.modes import MODES


class Flag(NamedTuple):
    name: str
    metavar: str
    field: str
    """The path in KubeProxyConfiguration."""
    help: str


FLAGS = (
    Flag("bind-address", "IP", "bindAddress", "IP address of the node (default: the first one of its Node object)"),
    Flag("hostname-override", "NAME", "hostnameOverride", "name of the node (default: hostname in lower case)"),
    Flag("proxy-mode", "MODE", "mode", "nftables or iptables (default: nftables)"),
    Flag(
        "cluster-cidr",
        "CIDR[,CIDR]",
        "clusterCIDR",
        "addresses of all Pods, one range of each family; connections from other addresses are masqueraded",
    ),
    Flag(
        "detect-local-mode",
        "MODE",
        "detectLocalMode",
        "how to recognise Pods of this node: ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix "
        "(default: ClusterCIDR if known, otherwise NodeCIDR)",
    ),
    Flag(
        "pod-bridge-interface",
        "LINK",
        "detectLocal.bridgeInterface",
        "bridge of this node's Pods, for --detect-local-mode BridgeInterface",
    ),
    Flag(
        "pod-interface-name-prefix",
        "PREFIX",
        "detectLocal.interfaceNamePrefix",
        "prefix of the names of Pods' links, for --detect-local-mode InterfaceNamePrefix",
    ),
    Flag(
        "healthz-bind-address",
        "IP:PORT",
        "healthzBindAddress",
        "address of /healthz and /livez (default: 0.0.0.0:10256)",
    ),
    Flag("metrics-bind-address", "IP:PORT", "metricsBindAddress", "address of /metrics (default: 127.0.0.1:10249)"),
    Flag(
        "nftables-min-sync-period",
        "DURATION",
        "nftables.minSyncPeriod",
        "minimum time between two changes of the rules in mode nftables, e.g. 100ms or 1s (default: 0s)",
    ),
    Flag(
        "nftables-sync-period",
        "DURATION",
        "nftables.syncPeriod",
        "time between two repairs of rules that other programs changed, in mode nftables (default: 30s)",
    ),
    Flag(
        "iptables-min-sync-period",
        "DURATION",
        "iptables.minSyncPeriod",
        "minimum time between two changes of the rules in mode iptables, e.g. 100ms or 1s (default: 0s)",
    ),
    Flag(
        "iptables-sync-period",
        "DURATION",
        "iptables.syncPeriod",
        "time between two repairs of rules that other programs changed, in mode iptables (default: 30s)",
    ),
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        help="kubeconfig of the cluster (default: in a Pod its service account, otherwise required)",
    )
    parser.add_argument(
        "--config", metavar="FILE", help="file with a KubeProxyConfiguration, used in place of the flags below"
    )
    parser.add_argument("--cleanup", action="store_true", help="remove the rules of all modes and exit")
    for flag in FLAGS:
        parser.add_argument(f"--{flag.name}", metavar=flag.metavar, help=flag.help)
    parser.add_argument(
        "--nodeport-addresses",
        metavar="CIDR,...",
        help="local addresses that accept node ports: ranges, primary, localhost or all (default: all but loopback)",
    )
    parser.add_argument(
        "--masquerade-all", action="store_true", help="masquerade all traffic to cluster IPs, not only external traffic"
    )
    parser.add_argument(
        "--iptables-localhost-nodeports",
        action=argparse.BooleanOptionalAction,
        help="accept node ports on 127.0.0.1 in mode iptables (default: as set by --nodeport-addresses)",
    )


def run(args: argparse.Namespace) -> int:
    config = read_config(args)
    if args.cleanup:
        asyncio.run(proxyalone.cleanup(proxyalone.makers()))
        return 0
    access = _access(args, config)
    makers = proxyalone.makers()
    with asyncio.Runner() as runner:
        runner.run(proxyalone.serve(access, config, makers, RealClock()))
    return 0


def read_config(args: argparse.Namespace) -> ProxyConfig:
    """Returns the settings of the file if `--config` is given, otherwise of the flags. Raises CommandError."""
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
        flags = {flag.field: f"--{flag.name}" for flag in FLAGS} | {"nodePortAddresses": "--nodeport-addresses"}
        faults = ((flags.get(f.path.partition("[")[0], f.path), f.problem) for f in e.faults)
        raise UsageError("; ".join(f"{flag}: {problem}" for flag, problem in faults)) from e


def _document(args: argparse.Namespace) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for flag in FLAGS:
        value = getattr(args, flag.name.replace("-", "_"))
        if value is not None:
            _put(tree, flag.field, value)
    if args.nodeport_addresses:
        tree["nodePortAddresses"] = args.nodeport_addresses.split(",")
    if args.masquerade_all:
        for mode in MODES:
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


def _access(args: argparse.Namespace, config: ProxyConfig) -> Access:
    if named := args.kubeconfig or config.kubeconfig:
        return read_kubeconfig(Path(named))
    access = in_pod(os.environ)
    if access is None:
        raise UsageError("--kubeconfig FILE is required outside of a Pod: it says how to reach the API server")
    return access
